#!/usr/bin/env python3
"""check_readme.py ROOT TEXTMILL: every command in README.md does what it says.

Each indented or fenced `sh` block is run line by line with bash in one scratch copy of the checkout,
with `textmill` on the PATH. git clone, ./quickstart and ./runtests are the subject of CI itself and
are only checked to exist. Skips (77) without the default model."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

root, textmill = (pathlib.Path(arg).resolve() for arg in sys.argv[1:3])
if not any((pathlib.Path(p) / "all-MiniLM-L6-v2").is_dir()
           for p in os.environ.get("TEXTMILL_MODELS", "").split(":") if p):
    print("the default model is not in TEXTMILL_MODELS; ./runtests fetches it", file=sys.stderr)
    sys.exit(77)
text = (root / "README.md").read_text()
blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["cp", "-r", str(root / "docs"), str(root / "tools"), folder], check=True)
    lines = ["set -eu", f"cd {folder}"]
    for line in "".join(blocks).splitlines():
        if re.match(r"(git clone|cd |\./quickstart|\./runtests)", line):
            script = re.match(r"\./(\w+)", line)
            assert not script or os.access(root / script.group(1), os.X_OK), line
            continue
        lines.append(line)
    env = dict(os.environ, PATH=f"{textmill.parent}:{os.environ['PATH']}")
    done = subprocess.run(["bash", "-x", "-c", "\n".join(lines)], env=env, capture_output=True,
                          text=True)
print(done.stdout[-3000:], done.stderr[-3000:], f"{len(blocks)} blocks")
sys.exit(done.returncode or not blocks)
