#!/usr/bin/env python3
"""From files to results, whole programs side by side: `textmill once` and Python pipelines that do the same work.

    bench/whole.py --textmill PROGRAM --testdata FOLDER --models FOLDER:… [--pages N] [--sentences N] [--rounds N]

Pages: main text, sentiment of the text's windows, its title and each sentence, and a summary of two sentences by their
embeddings, over the files of extract-trafilatura, again and again until there are N; in Python trafilatura and
transformers (float32, a thread a core, batches of 32 sorted by length over 64 pages). Translation: N sentences of multi30k
from English into Spanish by translate-en-es-small; in Python CTranslate2 (int8, a worker a core). Every run is a process of
its own that opens its models, too. The sides take turns; the best of each counts. Prints a Markdown table. Needs
trafilatura, torch, transformers, peft, sentencepiece and ctranslate2."""
import argparse
import gzip
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
BATCH, PAGES = 32, 64
WINDOW, STRIDE = 254, 64


# ---- the same work in Python ----

def batches(tokenizer, model, texts, take):
    """take(model's output, mask) of every text, in the order of the texts."""
    import torch
    order, out = sorted(range(len(texts)), key=lambda i: len(texts[i])), [None] * len(texts)
    for at in range(0, len(order), BATCH):
        part = order[at:at + BATCH]
        inputs = tokenizer([texts[i] for i in part], padding=True, truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            rows = take(model(**inputs), inputs["attention_mask"])
        for i, row in zip(part, rows):
            out[i] = row
    return out


def mean(output, mask):
    import torch
    weights = mask.unsqueeze(-1).float()
    return torch.nn.functional.normalize((output.last_hidden_state * weights).sum(1) / weights.sum(1))


def windows(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return [tokenizer.decode(ids[i:i + WINDOW]) for i in range(0, max(1, len(ids) - STRIDE), WINDOW - STRIDE)]


def python_pages(models, folder):
    import torch
    import trafilatura
    import transformers
    from peft import PeftModel
    torch.set_num_threads(os.cpu_count())
    base = next(p / "all-MiniLM-L6-v2" for p in map(pathlib.Path, models.split(":")) if (p / "all-MiniLM-L6-v2").exists())
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    tokenizer.model_max_length = 1 << 30  # windows are cut here
    embedder = transformers.AutoModel.from_pretrained(base).eval()
    classifier = transformers.AutoModelForSequenceClassification.from_pretrained(base, num_labels=3)
    classifier = PeftModel.from_pretrained(classifier, ROOT / "models/sentiment-en").merge_and_unload().eval()
    files, done = sorted(pathlib.Path(folder).iterdir()), 0
    for at in range(0, len(files), PAGES):
        texts, pages, found = [], [], []
        for file in files[at:at + PAGES]:
            page = trafilatura.bare_extraction(file.read_bytes(), with_metadata=True)
            text = page.text if page is not None else ""
            sentences = [s for s in re.split(r"(?<=[.!?])\s+|\n+", text) if s.strip()]
            pages.append((len(found), len(sentences)))
            found += sentences
            texts += windows(tokenizer, text) + ([page.title] if page is not None and page.title else [])
        scores = batches(tokenizer, classifier, texts + found, lambda out, _: out.logits.softmax(-1))
        vectors = batches(tokenizer, embedder, found, mean)
        for first, n in pages:
            if n > 0:
                own = torch.stack(vectors[first:first + n])
                best = sorted((own @ own.mean(0)).topk(min(2, n)).indices.tolist())
                json.dumps({"summary": [found[first + i] for i in best], "sentiment": [s.tolist() for s in scores[first:first + n]]})
            done += 1
    return done


def python_translation(cache, file):
    import ctranslate2
    import sentencepiece
    folder = ROOT / "models/translate-en-es-small"
    source, target = (sentencepiece.SentencePieceProcessor(str(folder / f"{side}.spm")) for side in ("source", "target"))
    lines = [json.loads(line)["text"] for line in pathlib.Path(file).read_text().splitlines()]
    translator = ctranslate2.Translator(cache, device="cpu", compute_type="int8", inter_threads=os.cpu_count(), intra_threads=1)
    beams = json.loads((folder / "generation_config.json").read_text()).get("num_beams", 1)
    tokens = [source.encode(line, out_type=str) + ["</s>"] for line in lines]
    results = translator.translate_batch(tokens, beam_size=beams, max_batch_size=2048, batch_type="tokens")
    return sum(bool(target.decode(r.hypotheses[0])) for r in results)


def python_convert(cache):
    """Once, before anything is timed."""
    from ctranslate2.converters import TransformersConverter
    TransformersConverter(str(ROOT / "models/translate-en-es-small")).convert(cache, quantization="int8", force=True)
    return 1


MODES = {"pages": python_pages, "translation": python_translation, "convert": python_convert}


# ---- runs ----

def measured(command, **more):
    """(what it printed, seconds, processor seconds, megabytes of its largest process). What a process has at most counts
    from before its exec: this one stays small, and what needs large libraries runs as a child, too."""
    before, since = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more)
    printed = process.stdout.read()
    _, status, own = os.wait4(process.pid, 0)
    seconds, after = time.perf_counter() - since, resource.getrusage(resource.RUSAGE_CHILDREN)
    if status != 0:
        raise SystemExit(f"{command[0]} failed")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return printed, seconds, spent, own.ru_maxrss / 1024


def once(args, work, folder, tasks, precision):
    """Results are counted: every document must have one."""
    spool, out = work / "in", work / "out"
    for old in (spool, out, work / "dead", work / "state"):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(folder, spool)
    config = work / "whole.yaml"
    config.write_text(f"""source: {{ spool: {{ path: {spool}, settle_ms: 0 }} }}
tasks: [ {tasks} ]
engine: {{ precision: {precision} }}
sink: {{ files: {{ path: {out} }}, dead_letters: {{ path: {work}/dead }} }}
""")
    _, seconds, spent, memory = measured([args.textmill, "once", "-c", str(config)],
                                         env={**os.environ, "TEXTMILL_MODELS": args.models}, stderr=subprocess.DEVNULL)
    done = sum(len(f.read_text().splitlines()) for f in out.rglob("*.json*"))
    return done, seconds, spent, memory


def python(mode, *more):
    passive = {**os.environ, "OMP_WAIT_POLICY": "passive"}  # threads that wait take no processor time, nor from others
    printed, *rest = measured([sys.executable, __file__, mode, *map(str, more)], env=passive)
    return (int(printed.splitlines()[-1]), *rest)


def make_pages(args, folder):
    files = sorted(p for p in pathlib.Path(args.testdata, "datasets/extract-trafilatura/cache").rglob("*.html"))
    folder.mkdir()
    for i in range(args.pages):
        shutil.copy(files[i % len(files)], folder / f"{i:05}.html")
    return len(files)


def make_sentences(args, folder):
    folder.mkdir()
    with gzip.open(pathlib.Path(args.testdata, "datasets/translation-multi30k/train.en.gz"), "rt") as lines:
        text = [json.dumps({"id": str(i), "text": line.strip()}) for i, line in zip(range(args.sentences), lines)]
    (folder / "sentences.jsonl").write_text("\n".join(text) + "\n")


def compare(args, name, sides):
    best = {}
    for _ in range(args.rounds):
        for side, run in sides.items():
            got = run()
            print(name, side, got, file=sys.stderr)
            best[side] = min(best.get(side, got), got, key=lambda r: r[2] / max(r[0], 1))
    for side, (n, seconds, spent, memory) in best.items():
        print(f"| {name} | {side} | {n} | {n / seconds:.1f} | {n / spent * os.cpu_count():.1f} | {memory:.0f} |", flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--textmill", required=True)
    p.add_argument("--testdata", required=True)
    p.add_argument("--models", default=os.environ.get("TEXTMILL_MODELS", ""))
    p.add_argument("--pages", type=int, default=2000)
    p.add_argument("--sentences", type=int, default=5000)
    p.add_argument("--rounds", type=int, default=2)
    if len(sys.argv) > 1 and sys.argv[1] in MODES:
        print(MODES[sys.argv[1]](*sys.argv[2:]))
        return
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        pages, lines, cache = work / "pages", work / "lines", str(work / "ct2")
        different = make_pages(args, pages)
        make_sentences(args, lines)
        python("convert", cache)
        print("| work | program | documents | a second | a second of processor time, times the cores | MB |")
        print("|---|---|---|---|---|---|")
        compare(args, f"{args.pages} pages ({different} different)", {
            "textmill, auto": lambda: once(args, work, pages, "{ task: sentiment }, { task: summary, sentences: 2 }", "auto"),
            "trafilatura, transformers": lambda: python("pages", args.models, pages)})
        compare(args, f"{args.sentences} sentences", {
            "textmill, int8": lambda: once(args, work, lines, "{ task: translation, to: es }", "int8"),
            "CTranslate2, int8": lambda: python("translation", cache, lines / "sentences.jsonl")})


if __name__ == "__main__":
    main()
