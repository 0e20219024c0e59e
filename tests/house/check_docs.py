#!/usr/bin/env python3
"""check_docs.py ROOT TEXTMILL: docs/configuration.md is what the table of keys makes, and the files
that documents show pass `textmill check`."""
import pathlib
import subprocess
import sys
import tempfile

root, textmill = pathlib.Path(sys.argv[1]), sys.argv[2]
failed = 0


def run(*args):
    return subprocess.run([textmill, *map(str, args)], capture_output=True, text=True)


page = run("config", "reference").stdout
if page != (root / "docs/configuration.md").read_text():
    failed += 1
    print("docs/configuration.md is not up to date: textmill config reference > docs/configuration.md")
with tempfile.TemporaryDirectory() as folder:
    example = pathlib.Path(folder) / "example.yaml"
    example.write_text(run("config", "example").stdout)
    for path in [example, root / "docs/quickstart.yaml"]:
        done = run("check", "-c", path)
        # The example leaves paths open on purpose: its findings are about those alone.
        lines = [l for l in done.stderr.splitlines() if "unknown" in l or "expected" in l]
        if (path != example and done.returncode != 0) or lines:
            failed += 1
            print(f"{path.name}: {done.stderr}")
sys.exit(failed != 0)
