#!/usr/bin/env python3
"""Writes configs-5.json: config.json of goldens as the next release of transformers saves it.

Needs the packages of requirements-5.txt over those of requirements.txt (run-all makes both)."""
import json
import pathlib
import tempfile

import transformers

HERE = pathlib.Path(__file__).parent
FOLDERS = """albert-sequence bart-cnn bert-sequence camembert-token deberta-v2-sequence distilbert-sequence electra-sequence
gemma-generate gemma2-generate gemma3-generate gpt2-generate led llama-generate llama-llama3 llama-yarn m2m_100 marian mbart
mistral-generate modernbert-sequence mpnet-sequence mt5-generate pegasus qwen2-generate qwen3-generate roberta-sequence
t5-generate t5-v1.1-generate umt5-generate xlm-roberta-sequence""".split()


def saved(name):
    with tempfile.TemporaryDirectory() as tmp:
        transformers.AutoConfig.from_pretrained(HERE / "goldens" / name).save_pretrained(tmp)
        return json.loads(pathlib.Path(tmp, "config.json").read_text())


(HERE / "configs-5.json").write_text(
    "{\n" + ",\n".join(f'"{name}":{json.dumps(saved(name), separators=(",", ":"))}' for name in FOLDERS) + "\n}\n")
