#!/usr/bin/env python3
"""What bf16 and int8 cost in quality: each against float32 of the same program, as a Markdown table.

    bench/cpu/quality.py --textmill PROGRAM --testdata FOLDER [--models FOLDER:…]

Sentiment (sentiment-en over SST-2 dev): accuracy, labels that agree with float32's, mean difference of the label's
score. Translation (translate-en-es-small over its own dev pairs): BLEU and chrF of sacreBLEU. Spelling to sounds
(bart-g2p, every eighth word of its gold dictionary, greedy): ids that agree place by place. Needs sacrebleu.
Exit status 1 when int8 loses more than 0.3 BLEU or 0.3 points of accuracy."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import sacrebleu

ROOT = pathlib.Path(__file__).parents[2]
PRECISIONS = ("float32", "bf16", "int8")
MOST_LOST = 0.3  # of BLEU, and of a hundred labels


def infer(args, model, precision, lines, *options):
    """Ids have a JSON array a line, texts a JSON string."""
    environment = {**os.environ, "TEXTMILL_MODELS": args.models}
    text = "".join(json.dumps(line) + "\n" for line in lines)
    out = subprocess.run([args.textmill, "infer", "-m", str(model), "--precision", precision, *options], input=text,
                         stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
    return [json.loads(line) for line in out.splitlines()]


def sentiment(args):
    rows = [line.rsplit("\t", 1) for line in
            (args.testdata / "datasets/sentiment-sst2/dev.tsv").read_text().splitlines()]
    truth = ["positive" if label == "1" else "negative" for _, label in rows]
    exact, out = None, {}
    for precision in PRECISIONS:
        got = infer(args, ROOT / "models/sentiment-en", precision, [text for text, _ in rows])
        exact = exact or got
        agree = sum(a["label"] == b["label"] for a, b in zip(got, exact))
        error = sum(abs(a["score"] - b["score"]) for a, b in zip(got, exact) if a["label"] == b["label"]) / max(agree, 1)
        right = sum(a["label"] == t for a, t in zip(got, truth))
        out[precision] = {"SST-2 accuracy": 100 * right / len(rows), "labels as float32": 100 * agree / len(rows),
                          "score error": error}
    return out


def translation(args):
    folder = ROOT / "models/translate-en-es-small"
    sys.path.insert(0, str(folder))
    import data
    pairs = data.split(data.read_pairs(args.testdata))[1]
    references, out = [target for _, target in pairs], {}
    for precision in PRECISIONS:
        got = [a["translation_text"] for a in
               infer(args, folder, precision, [source for source, _ in pairs], "--task", "translation")]
        out[precision] = {"en-es BLEU": sacrebleu.corpus_bleu(got, [references], tokenize="13a").score,
                          "chrF": sacrebleu.corpus_chrf(got, [references]).score}
    return out


def spelling(args):
    source = args.testdata / "weights/bart-g2p"
    config = json.loads((source / "us_bart_config.json").read_text())
    letters = {c: i for i, c in enumerate(config["grapheme_chars"]) if i > 3}
    words = [w for w in json.loads((source / "us_gold.json").read_text()) if 1 < len(w) < 60][::8]
    ids = [[1, *(letters.get(c, 3) for c in word), 2] for word in words]
    exact, out = None, {}
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "config.json").write_text(json.dumps(config))
        pathlib.Path(folder, "model.safetensors").symlink_to(source / "us_bart.safetensors")
        for precision in PRECISIONS:
            got = [a["sequences"][0] for a in infer(args, folder, precision, ids, "--ids", "--max-length", "64",
                                                    "--num-beams", "1")]
            exact = exact or got
            same = sum(a == b for x, y in zip(got, exact) for a, b in zip(x, y))
            out[precision] = {"g2p ids as float32": 100 * same / sum(max(len(x), len(y)) for x, y in zip(got, exact)),
                              "words as float32": 100 * sum(x == y for x, y in zip(got, exact)) / len(words)}
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--textmill", required=True)
    p.add_argument("--testdata", type=pathlib.Path, required=True)
    p.add_argument("--models", default=os.environ.get("TEXTMILL_MODELS", ""))
    args = p.parse_args()
    results = {precision: {} for precision in PRECISIONS}
    for part in (sentiment, translation, spelling):
        for precision, figures in part(args).items():
            results[precision].update(figures)
    names = list(results["float32"])
    print("| precision |", " | ".join(names), "|\n|" + "---|" * (len(names) + 1))
    for precision, figures in results.items():
        print(f"| {precision} |", " | ".join(f"{figures[n]:.4f}" if n == "score error" else f"{figures[n]:.2f}"
                                             for n in names), "|")
    lost = [n for n in ("SST-2 accuracy", "en-es BLEU") if results["float32"][n] - results["int8"][n] > MOST_LOST]
    if lost:
        sys.exit(f"int8 loses more than {MOST_LOST}: {', '.join(lost)}")


if __name__ == "__main__":
    main()
