#!/usr/bin/env python3
"""Charset decisions on chardet's files must not fall below their figure: on the test part of them, and on all.

    test_encodings.py TEXTMILL

Skipped without $TEXTMILL_TESTDATA."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "cleaning"))
import charset
import extraction

FLOORS = {"all": 0.98, "test": 0.97}


def main():
    data = os.environ.get("TEXTMILL_TESTDATA")
    if not data:
        print("skipped: TEXTMILL_TESTDATA is not set")
        return 77
    files = charset.files(data)
    named = charset.run_textmill(sys.argv[1], [path for _, path in files])
    right = {"all": [], "test": []}
    for folder, path in files:
        with open(path, "rb") as file:
            good = charset.is_right(folder, file.read(), named.get(path, ""))
        if not good:
            print(f"{folder}/{os.path.basename(path)}: taken for {named.get(path)}")
        for part in {"all", extraction.part_of(os.path.basename(path))} & set(right):
            right[part].append(good)
    shares = {part: sum(list_) / len(list_) for part, list_ in right.items()}
    print(shares)
    return any(shares[part] < floor for part, floor in FLOORS.items())


sys.exit(main())
