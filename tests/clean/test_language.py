#!/usr/bin/env python3
"""Language identification must not fall below its figures.

    test_language.py BENCH_LANGID

Skipped without $TEXTMILL_TESTDATA."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "cleaning"))
import language

FLOORS = {"sentences": 0.975, "word-pairs": 0.81, "single-words": 0.59}


def main():
    data = os.environ.get("TEXTMILL_TESTDATA")
    if not data:
        print("skipped: TEXTMILL_TESTDATA is not set")
        return 77
    bad = 0
    for kind, floor in FLOORS.items():
        gold = language.lines(data, kind)
        value = language.score(gold, language.run_textmill(sys.argv[1], [line for _, line in gold])[0])["test"]
        print(f"{kind}: {value:.4f} (at least {floor})")
        bad += value < floor
    return bad > 0


sys.exit(main())
