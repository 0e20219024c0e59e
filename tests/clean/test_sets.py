#!/usr/bin/env python3
"""Feeds, news XML, ninjs and archives of other projects' test sets, many malformed on purpose: none of them ends the
program, each has its line, an error says where, and the share that gives text does not fall.

    test_sets.py TEXTMILL

Skipped without $TEXTMILL_TESTDATA."""
import json
import os
import pathlib
import subprocess
import sys

# Files of a set, and the least share of them that gives at least one text. Most of feedparser's test a member of a feed
# without entries.
SETS = {"feeds-feedparser": ("*.xml", 0.2), "news-ninjs": ("*.json", 0.83), "news-newsmlg2": ("*.xml", 0.7),
        "warc-warcio": ("*.warc*", 0.65)}


def main():
    data = os.environ.get("TEXTMILL_TESTDATA")
    if not data:
        print("skipped: TEXTMILL_TESTDATA is not set")
        return 77
    bad = False
    for name, (pattern, least) in SETS.items():
        paths = sorted(str(p) for p in pathlib.Path(data, "datasets", name).rglob(pattern) if p.is_file())
        run = subprocess.run([sys.argv[1], "extract", "-j", "2", *paths], stdout=subprocess.PIPE, timeout=120, check=False)
        with_text, seen = set(), set()
        for line in run.stdout.decode("utf-8").splitlines():
            one = json.loads(line)
            seen.add(one["source"])
            if one.get("text"):
                with_text.add(one["source"])
            elif not one["error"]["message"]:
                print(f"{name}: {one['source']}: an error without a word")
                bad = True
        share = len(with_text) / max(1, len(paths))
        print(f"{name}: {len(paths)} files, {share:.3f} with text, exit code {run.returncode}")
        bad |= run.returncode not in (0, 1) or seen != set(paths) or share < least
    return bad


sys.exit(main())
