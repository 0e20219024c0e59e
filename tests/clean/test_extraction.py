#!/usr/bin/env python3
"""Article extraction must not fall below its figures on the test parts of the public sets.

    test_extraction.py TEXTMILL

Sets and scores: bench/cleaning/extraction.py. Skipped without $TEXTMILL_TESTDATA."""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "cleaning"))
import extraction

# (set, row of the score) -> least value on the pages of the test part
FLOORS = {
    ("trafilatura", "f1"): 0.935,
    ("trafilatura", "title"): 0.75,
    ("trafilatura", "author"): 0.75,
    ("trafilatura", "date"): 0.75,
    ("readability", "f1"): 0.975,
    ("readability", "title"): 0.87,
    ("readability", "author"): 0.70,
    ("readability", "date"): 0.97,
    ("readability", "sitename"): 0.97,
    ("readability", "lang"): 0.97,
}
SETS = {"trafilatura": extraction.trafilatura_pages, "readability": extraction.readability_pages}


def main():
    data = os.environ.get("TEXTMILL_TESTDATA")
    if not data:
        print("skipped: TEXTMILL_TESTDATA is not set")
        return 77
    bad = 0
    for name, pages_of in SETS.items():
        pages = [page for page in pages_of(data) if page.part == "test"]
        results = extraction.run_textmill(sys.argv[1], pages)[0]
        row = extraction.score(pages, results)["test"]
        print(name, len(pages), "pages", json.dumps({key: round(value, 4) for key, value in row.items()}))
        for (of, key), floor in FLOORS.items():
            if of == name and row[key] < floor:
                print(f"{name}: {key} is {row[key]:.4f}, below {floor}")
                bad += 1
    return bad > 0


sys.exit(main())
