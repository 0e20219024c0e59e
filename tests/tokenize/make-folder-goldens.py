#!/usr/bin/env python3
"""Writes folder-goldens.json: what transformers' classes make of folders that have no tokenizer.json.

Usage: make-folder-goldens.py TESTDATA      (needs: transformers 4.57, sentencepiece, tokenizers)

The folders are made of files of the test data, as test_folders.py makes them again: CASES.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.dont_write_bytecode = True
import test_folders  # noqa: E402
import wheel  # noqa: E402


def main():
    import transformers
    data = Path(sys.argv[1]) / "tokenizers"
    texts = wheel.SAMPLES + wheel.random_texts(40, 5)
    texts += [t + " </s> x<mask> y" for t in texts[5:9]] + [">>fra<< Hello, world!", "<extra_id_0> and <extra_id_99>"]
    golden = {"transformers": transformers.__version__, "texts": texts, "folders": {}}
    with tempfile.TemporaryDirectory() as root:
        for name in test_folders.CASES.keys() - test_folders.SAME.keys():
            folder = test_folders.make(Path(root), data, name)
            cls = getattr(transformers, test_folders.CASES[name][0] + ("Fast" if test_folders.CASES[name][1][0][1] == "vocab.json" else ""))
            tokenizer = cls.from_pretrained(str(folder))
            ids = [tokenizer(t)["input_ids"] for t in texts]
            golden["folders"][name] = {
                "ids": ids, "decoded": [tokenizer.decode(i) for i in ids],
                "plain": [tokenizer.decode(i, skip_special_tokens=True) for i in ids]}
    out = Path(__file__).resolve().parent / "folder-goldens.json"
    out.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
