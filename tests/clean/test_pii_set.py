#!/usr/bin/env python3
"""Personal data found in presidio's sentences: the types that patterns can find.

    test_pii_set.py BENCH_PII

Skipped without $TEXTMILL_TESTDATA."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "cleaning"))
import pii

FLOOR = 0.95  # F2, on the test part


def main():
    data = os.environ.get("TEXTMILL_TESTDATA")
    if not data:
        print("skipped: TEXTMILL_TESTDATA is not set")
        return 77
    cases = pii.sentences(data)
    scores, wrong = pii.score(cases, pii.run_textmill(sys.argv[1], [text for text, _ in cases]))
    for kind, name, value, text in wrong:
        print(f"{kind} {name} {value!r} in {text!r}")
    for part, (f2, recall, precision) in scores.items():
        print(f"{part}: F2 {f2:.3f}, recall {recall:.3f}, precision {precision:.3f}")
    return scores["test"][0] < FLOOR


sys.exit(main())
