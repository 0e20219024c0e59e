"""Measure the committed adapter on the dev sets and check its forward pass; prints JSON.

    python evaluate.py --base DIR --data DIR [--adapter DIR]

Exit status 1 when a target is missed or a forward pass disagrees.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import data
from reference import Reference

MAX_TOKENS = 128
CHECKED = 64        # texts whose logits are compared between the three forward passes
TOLERANCE = 1e-3    # on logits; float32 sums in another order stay far below


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--data", type=Path, required=True, help="unpacked test-data folder")
    parser.add_argument("--adapter", type=Path, default=Path(__file__).parent)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def load_model(args):
    """The plain way a PEFT user loads it."""
    base = AutoModelForSequenceClassification.from_pretrained(args.base, num_labels=len(data.LABELS))
    return PeftModel.from_pretrained(base, args.adapter).eval()


@torch.inference_mode()
def logits_of(model, tokenizer, texts):
    out = np.zeros((len(texts), len(data.LABELS)), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), 64):
        rows = order[start:start + 64]
        batch = tokenizer([texts[i] for i in rows], truncation=True, max_length=MAX_TOKENS, padding=True,
                          return_tensors="pt")
        out[rows] = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.numpy()
    return out


def f1_scores(predicted, truth):
    scores = []
    for label in range(len(data.LABELS)):
        hits = int(((predicted == label) & (truth == label)).sum())
        named = int((predicted == label).sum()) + int((truth == label).sum())
        scores.append(2 * hits / named if named else 0.0)
    return scores


def calibration_error(logits, truth, bins=10):
    """Expected calibration error: how far the score of the winner is from how often it is right."""
    weights = np.exp(logits - logits.max(1, keepdims=True))
    scores = (weights / weights.sum(1, keepdims=True)).max(1)
    right = logits.argmax(1) == truth
    slots = np.minimum((scores * bins).astype(int), bins - 1)
    return sum(abs(scores[slots == b].mean() - right[slots == b].mean()) * (slots == b).mean()
               for b in range(bins) if (slots == b).any())


def measure(logits, examples):
    """Metrics by set name; logits and examples are dictionaries with the same keys."""
    truth = {name: np.array([label for _, label in pairs]) for name, pairs in examples.items()}
    binary = np.where(logits["sst2"][:, data.POSITIVE] > logits["sst2"][:, data.NEGATIVE], data.POSITIVE, data.NEGATIVE)
    predicted = {name: values.argmax(1) for name, values in logits.items()}
    scores = f1_scores(predicted["posts"], truth["posts"])
    return {
        "sst2_dev_accuracy": float((binary == truth["sst2"]).mean()),
        "sst2_dev_called_neutral": float((predicted["sst2"] == data.NEUTRAL).mean()),
        "posts_dev_macro_f1": float(np.mean(scores)),
        "posts_dev_f1": dict(zip(data.LABELS, scores)),
        "posts_dev_accuracy": float((predicted["posts"] == truth["posts"]).mean()),
        "posts_dev_calibration_error": float(calibration_error(logits["posts"], truth["posts"])),
        "news_dev_not_neutral": float((predicted["news"] != data.NEUTRAL).mean()),
        "other_news_not_neutral": float((predicted["other_news"] != data.NEUTRAL).mean()),
        "counts": {name: len(pairs) for name, pairs in examples.items()},
    }


def forward_difference(model, tokenizer, args, texts):
    """Largest difference of logits: adapter beside the base, against numpy with merged weights, one text at a time."""
    reference = Reference(args.base, args.adapter)
    beside = logits_of(model, tokenizer, texts)
    plain = [reference.logits(tokenizer(text, truncation=True, max_length=MAX_TOKENS)["input_ids"]) for text in texts]
    merged = logits_of(model.merge_and_unload(), tokenizer, texts)
    return {"numpy": float(np.abs(beside - plain).max()), "merged": float(np.abs(beside - merged).max())}


def missed_targets(report):
    targets = [
        ("sst2_dev_accuracy >= 0.90", report["sst2_dev_accuracy"] >= 0.90),
        ("posts_dev_macro_f1 >= 0.60", report["posts_dev_macro_f1"] >= 0.60),
        ("news_dev_not_neutral <= 0.15", report["news_dev_not_neutral"] <= 0.15),
        (f"forward passes within {TOLERANCE}", max(report["forward_difference"].values()) <= TOLERANCE),
    ]
    return [name for name, met in targets if not met]


def main():
    args = arguments()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    model = load_model(args)
    examples = data.dev_sets(args.data)
    logits = {name: logits_of(model, tokenizer, [text for text, _ in pairs]) for name, pairs in examples.items()}
    report = measure(logits, examples)
    checked = [text for pairs in examples.values() for text, _ in pairs][::len(examples["posts"]) // 26][:CHECKED]
    report["forward_difference"] = forward_difference(model, tokenizer, args, checked)
    report["missed"] = missed_targets(report)
    print(json.dumps(report, indent=2))
    return 1 if report["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
