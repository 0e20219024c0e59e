#!/usr/bin/env python3
"""test_example.py TEXTMILL ROOT: the worked example of docs/cleaning.md is what the program prints."""
import json
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[2])
shown = json.loads(re.search(r"```json\n(.*?)\n```", (root / "docs/cleaning.md").read_text("utf-8"), re.DOTALL)[1])
run = subprocess.run([pathlib.Path(sys.argv[1]).resolve(), "extract", "docs/examples/harbour.html"], cwd=root,
                     capture_output=True, check=True)
printed = json.loads(run.stdout)
if shown != printed:
    print("docs/cleaning.md shows", json.dumps(shown, indent=1), "but this is printed:", json.dumps(printed, indent=1))
sys.exit(shown != printed)
