#!/usr/bin/env python3
"""Scores article extraction on the pages of Trafilatura's evaluation set.

    bench/extract.py TEXTMILL [DATA]        e.g.  bench/extract.py build/daemon/textmill

TEXTMILL is the binary, called as `textmill extract FILE...`; DATA is the folder with evaldata.json
and cache/ (default: $TEXTMILL_TESTDATA/datasets/extract-trafilatura).

For each page the set names segments that must be in the output and segments that must not. A segment
counts when its form with white space collapsed is a substring of the output with white space
collapsed; precision, recall and F1 are over all segments, as in Trafilatura's own evaluation. The
split is by page: those whose file name has an even SHA-256 are for development, the odd ones are
only for reporting.
"""
import argparse
import hashlib
import json
import os
import subprocess
import sys
import time


def squash(text):
    return " ".join(text.split())


def split_of(name):
    return "dev" if hashlib.sha256(name.encode()).digest()[-1] % 2 == 0 else "test"


def extract(tool, files):
    start = time.perf_counter()
    run = subprocess.run([tool, "extract", *files], stdout=subprocess.PIPE, check=False)
    seconds = time.perf_counter() - start
    results = {}
    for line in run.stdout.decode("utf-8").splitlines():
        result = json.loads(line)
        results[os.path.basename(result["source"])] = result
    if run.returncode not in (0, 1):
        sys.exit(f"{tool} ended with {run.returncode}")
    return results, seconds


class Score:
    def __init__(self):
        self.found = self.missed = self.leaked = self.kept_out = 0
        self.pages = self.with_text = 0
        self.title = self.title_right = self.date = self.date_right = 0
        self.author = self.author_right = 0

    def add(self, gold, result):
        text = squash(result.get("text") or "")
        self.pages += 1
        self.with_text += bool(text)
        for segment in gold.get("with", []):
            hit = squash(segment) in text
            self.found += hit
            self.missed += not hit
        for segment in gold.get("without", []):
            hit = squash(segment) in text
            self.leaked += hit
            self.kept_out += not hit
        if gold.get("title"):
            self.title += 1
            self.title_right += squash(gold["title"]) == squash(result.get("title") or "")
        if gold.get("date"):
            self.date += 1
            self.date_right += gold["date"][:10] == (result.get("published_at") or "")[:10]
        if gold.get("author"):
            self.author += 1
            told = result.get("authors") or []
            self.author_right += squash(gold["author"]) == squash("; ".join(told))

    def row(self, name):
        precision = self.found / max(1, self.found + self.leaked)
        recall = self.found / max(1, self.found + self.missed)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        return {"split": name, "pages": self.pages, "precision": round(precision, 3),
                "recall": round(recall, 3), "f1": round(f1, 3),
                "with_text": round(self.with_text / max(1, self.pages), 3),
                "title": round(self.title_right / max(1, self.title), 3),
                "date": round(self.date_right / max(1, self.date), 3),
                "author": round(self.author_right / max(1, self.author), 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool", metavar="textmill")
    parser.add_argument("data", nargs="?", help="folder with evaldata.json and cache/")
    parser.add_argument("--errors", choices=["dev"], help="list what went wrong on this split")
    parser.add_argument("--floor", type=float, help="fail when F1 over all pages is below this")
    args = parser.parse_args()
    data = args.data
    if data is None:
        if "TEXTMILL_TESTDATA" not in os.environ:
            print("skipped: set TEXTMILL_TESTDATA to the folder of test data", file=sys.stderr)
            return 77
        data = os.path.join(os.environ["TEXTMILL_TESTDATA"], "datasets", "extract-trafilatura")
    with open(os.path.join(data, "evaldata.json"), encoding="utf-8") as file:
        gold = {page["file"]: page for page in json.load(file).values()}
    names = sorted(name for name in gold if os.path.exists(os.path.join(data, "cache", name)))
    paths = [os.path.join(data, "cache", name) for name in names]
    results, seconds = extract(args.tool, paths)
    scores = {"all": Score(), "dev": Score(), "test": Score()}
    for name in names:
        result = results.get(name, {})
        for split in ("all", split_of(name)):
            scores[split].add(gold[name], result)
        if args.errors == split_of(name):
            text = squash(result.get("text") or "")
            for segment in gold[name].get("with", []):
                if squash(segment) not in text:
                    print(f"{name}: missing: {segment!r}")
            for segment in gold[name].get("without", []):
                if squash(segment) in text:
                    print(f"{name}: leaked: {segment!r}")
    for split, score in scores.items():
        print(json.dumps(score.row(split)))
    size = sum(os.path.getsize(path) for path in paths)
    print(json.dumps({"pages_per_s": round(len(paths) / seconds, 1),
                      "megabytes_per_s": round(size / 1e6 / seconds, 1)}))
    if args.floor is not None and scores["all"].row("all")["f1"] < args.floor:
        print(f"F1 is below {args.floor}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
