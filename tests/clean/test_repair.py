#!/usr/bin/env python3
"""Repair of misread text on ftfy's cases, and none where there is nothing to repair.

    test_repair.py TEXTMILL

Skipped without $TEXTMILL_TESTDATA."""
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "cleaning"))
import language
import repair

FLOOR = 1.0
ORDINARY = ("de", "fr", "es", "pt", "it", "pl", "ru", "uk", "tr")
ORDINARY_MOST = 0.005  # these lines were gathered from the web: a few have been misread indeed


def main():
    data = os.environ.get("TEXTMILL_TESTDATA")
    if not data:
        print("skipped: TEXTMILL_TESTDATA is not set")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        scratch = os.path.join(folder, "cases.jsonl")
        cases = repair.cases(data)
        got = repair.run_textmill(sys.argv[1], [original for original, _ in cases], scratch)
        right = 0
        for (original, expected), text in zip(cases, got, strict=True):
            good = repair.plain(text) == repair.plain(expected)
            right += good
            if not good:
                print(f"{original!r}\n  gave   {text!r}\n  wanted {expected!r}")
        lines = [line for lang, line in language.lines(data, "sentences") if lang in ORDINARY
                 and not any("\x80" <= c < "\xa0" for c in line)]
        texts = repair.run_textmill(sys.argv[1], lines, scratch)
        changed = sum(repair.plain(a) != repair.plain(b) for a, b in zip(lines, texts, strict=True))
    print(f"{right} of {len(cases)} right; {changed} of {len(lines)} ordinary lines changed")
    return right < FLOOR * len(cases) or changed > ORDINARY_MOST * len(lines)


sys.exit(main())
