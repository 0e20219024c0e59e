#!/usr/bin/env python3
"""Goldens as other releases write them, with the same answers: under the config.json of the next release of
transformers (configs-5.json); as sentence-transformers laid its folders out before 2.0, the model in 0_Transformer.

    spellings.py CONFORMANCE GOLDENS

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
    old = pathlib.Path(tmp, "sentence-dense-old")
    shutil.copytree(goldens / "sentence-dense", old)
    (old / "0_Transformer").mkdir()
    for file in ("config.json", "model.safetensors", "sentence_bert_config.json"):
        if (old / file).exists():
            (old / file).rename(old / "0_Transformer" / file)
    listed = (old / "modules.json").read_text()
    (old / "modules.json").write_text(listed.replace('"path": ""', '"path": "0_Transformer"', 1))
    folders.append(old)
    sys.exit(subprocess.run([program, "--device", "cpu", *folders], check=False).returncode)
