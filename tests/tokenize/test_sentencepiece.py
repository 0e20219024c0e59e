#!/usr/bin/env python3
"""Ids, offsets and decoded text of real sentencepiece models against the `sentencepiece` package, text by text.

Usage: test_sentencepiece.py ENCODE_LINES, with TEXTMILL_TESTDATA naming the unpacked test data and TEXTMILL_PYTHON
a Python that has `sentencepiece`; without either the test is skipped.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import test_wheel  # noqa: E402
import wheel  # noqa: E402

MODELS = ["torchtext/t5_tokenizer_base.model", "torchtext/spm_example.model", "sentencepiece/python/test/test_model.model",
          "sentencepiece/python/test/test_ja_model.model", "llama2c-tokenizer/tokenizer.model", "opus-mt-a/source.spm",
          "opus-mt-b/source.spm", "opus-mt-b/target.spm", "ort-extensions/tokenizer/nmt/vocab.joint.spm",
          "ort-extensions/tokenizer/THUDM/chatglm-6b/ice_text.model", "ort-extensions/en.wiki.bpe.vs100000.model"]


def compare(program, folder, model, texts):
    bad = 0
    for text, got in zip(texts, wheel.ours(program, folder, [{"plain": t} for t in texts])):
        want = model.encode(text, return_type="offset_mapping")
        want = {"ids": want["ids"], "offsets": [list(o) for o in want["offsets"]]}
        if want != {k: got.get(k) for k in want}:
            bad += 1
            if bad <= 3:
                print(f"{text!r}\n  want {want}\n  got  {got}")
    lists = [model.encode(t) for t in texts[:1000]]
    for ids, got in zip(lists, wheel.ours(program, folder, [{"ids": i} for i in lists])):
        if model.decode(ids) != got:
            bad += 1
            if bad <= 3:
                print(f"{ids}\n  want {model.decode(ids)!r}\n  got  {got!r}")
    return bad


def main():
    python = os.environ.get("TEXTMILL_PYTHON")
    if not os.environ.get("TEXTMILL_TESTDATA") or not python:
        test_wheel.skip("TEXTMILL_TESTDATA or TEXTMILL_PYTHON is not set")
    if "TEXTMILL_REEXECUTED" not in os.environ:
        os.environ["TEXTMILL_REEXECUTED"] = "1"
        os.execv(python, [python] + sys.argv)
    try:
        import sentencepiece
    except ImportError:
        test_wheel.skip(f"{python} has no package `sentencepiece`")
    print(f"sentencepiece {sentencepiece.__version__}")
    data = Path(os.environ["TEXTMILL_TESTDATA"])
    texts = wheel.SAMPLES + wheel.marks() + wheel.random_texts(1000, 11) + test_wheel.corpus(data, 10)
    every = list(wheel.code_point_texts())
    bad = 0
    with tempfile.TemporaryDirectory() as root:
        for i, name in enumerate(MODELS):
            path = data / "tokenizers" / name
            folder = Path(root) / str(i)
            folder.mkdir()
            shutil.copy(path, folder / "tokenizer.model")
            model = sentencepiece.SentencePieceProcessor(model_file=str(path))
            given = texts + (every if i in (0, 4) else [])
            found = compare(sys.argv[1], folder, model, given)
            print(f"{name}: {found} of {len(given)} differ")
            bad += found
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
