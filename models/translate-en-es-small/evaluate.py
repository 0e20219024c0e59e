"""Measure translate-en-es-small on its dev pairs; prints JSON.

    python evaluate.py --data DIR [--model DIR] [--textmill PROGRAM] [--limit N]

Without --textmill MarianMTModel translates, in float32. Exit status 1 when the target is missed (only on all pairs).
"""

import argparse
import collections
import json
import subprocess
import sys
from pathlib import Path

import sacrebleu
import torch
from transformers import MarianMTModel, MarianTokenizer

import data

TARGET = 48.0
SHORT = 3           # words of a source sentence that is scored apart


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="unpacked test-data folder")
    parser.add_argument("--model", type=Path, default=Path(__file__).parent)
    parser.add_argument("--textmill", type=Path, help="the program that translates instead of transformers")
    parser.add_argument("--limit", type=int, help="only so many of the dev pairs, evenly taken")
    parser.add_argument("--beams", type=int)
    parser.add_argument("--length-penalty", type=float)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--show", type=int, default=0, help="print so many of the translations")
    return parser.parse_args()


@torch.inference_mode()
def by_transformers(texts, args):
    tokenizer = MarianTokenizer.from_pretrained(args.model)
    model = MarianMTModel.from_pretrained(args.model, dtype=torch.float32).eval()
    changed = {"num_beams": args.beams, "length_penalty": args.length_penalty}
    changed = {name: value for name, value in changed.items() if value is not None}
    order, out = sorted(range(len(texts)), key=lambda i: len(texts[i])), [""] * len(texts)
    for start in range(0, len(order), args.batch):
        rows = order[start:start + args.batch]
        batch = tokenizer([texts[i] for i in rows], padding=True, return_tensors="pt")
        for i, ids in zip(rows, model.generate(**batch, **changed)):
            out[i] = tokenizer.decode(ids, skip_special_tokens=True)
    return out


def by_textmill(texts, args):
    command = [str(args.textmill), "infer", "-m", str(args.model.resolve()), "--task", "translation"]
    for name, value in (("--num-beams", args.beams), ("--length-penalty", args.length_penalty)):
        command += [name, str(value)] if value is not None else []
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    out = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [json.loads(line)["translation_text"] for line in out.splitlines()]


def bleu(hypotheses, references):
    return round(sacrebleu.corpus_bleu(hypotheses, references, tokenize="13a").score, 2)


def scores(pairs, translated, name):
    """Single reference: every pair of the file counts once, however many translations its sentence has."""
    hypotheses, references = [translated[s] for s, _ in pairs], [t for _, t in pairs]
    return {f"{name}_pairs": len(pairs), f"{name}_bleu": bleu(hypotheses, [references]),
            f"{name}_chrf": round(sacrebleu.corpus_chrf(hypotheses, [references]).score, 2),
            f"{name}_exact": round(sum(h == r for h, r in zip(hypotheses, references)) / len(pairs), 4)}


def any_reference(pairs, translated):
    """Each source sentence once, against all of its translations."""
    answers = collections.defaultdict(list)
    for source, target in pairs:
        answers[source].append(target)
    most = max(map(len, answers.values()))
    hypotheses = [translated[source] for source in answers]
    columns = [[refs[i] if i < len(refs) else None for refs in answers.values()] for i in range(most)]
    return {"sentences": len(answers), "all_references_bleu": bleu(hypotheses, columns),
            "all_references_exact": round(sum(h in r for h, r in zip(hypotheses, answers.values())) / len(answers), 4)}


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    _, pairs = data.split(data.read_pairs(args.data))
    if args.limit:
        pairs = pairs[::max(1, len(pairs) // args.limit)]
    texts = list(dict.fromkeys(source for source, _ in pairs))
    translated = dict(zip(texts, (by_textmill if args.textmill else by_transformers)(texts, args)))
    report = scores(pairs, translated, "dev")
    report |= scores([pair for pair in pairs if len(pair[0].split()) <= SHORT], translated, "short")
    report |= any_reference(pairs, translated)
    print(json.dumps(report, indent=2))
    for source, target in pairs[::max(1, len(pairs) // args.show)] if args.show else []:
        print(f"{source} | {translated[source]} | {target}")
    if not args.limit and report["dev_bleu"] < TARGET:
        sys.exit(f"evaluate: BLEU {report['dev_bleu']} is below {TARGET}")


if __name__ == "__main__":
    main()
