#!/usr/bin/env python3
"""Goldens under the config.json that the next release of transformers writes for them (configs-5.json): other
spellings, the same answers.

    configs_5.py CONFORMANCE GOLDENS

Standard library only."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

program, goldens = sys.argv[1], pathlib.Path(sys.argv[2])
configs = json.loads((pathlib.Path(__file__).parent / "configs-5.json").read_text())
with tempfile.TemporaryDirectory() as tmp:
    folders = [pathlib.Path(tmp, name) for name in configs]
    for folder in folders:
        shutil.copytree(goldens / folder.name, folder)
        (folder / "config.json").write_text(json.dumps(configs[folder.name]))
    sys.exit(subprocess.run([program, "--device", "cpu", *folders], check=False).returncode)
