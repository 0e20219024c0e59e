#!/usr/bin/env python3
"""Near-duplicates found by a pipeline, on articles with known copies.

    test_neardup.py TEXTMILL

Skipped without $TEXTMILL_TESTDATA."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "cleaning"))
import neardup

FLOOR = 0.95


def main():
    data = os.environ.get("TEXTMILL_TESTDATA")
    if not data:
        print("skipped: TEXTMILL_TESTDATA is not set")
        return 77
    bad = False
    for part in neardup.SETS:
        docs, pairs = neardup.articles(data, part)
        recall, precision = neardup.score(neardup.run_textmill(sys.argv[1], docs), pairs)
        print(f"{part}: {len(docs)} articles, {len(pairs)} pairs: recall {recall:.3f}, precision {precision:.3f}")
        bad |= recall < FLOOR or precision < FLOOR
    return bad


sys.exit(main())
