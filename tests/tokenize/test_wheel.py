#!/usr/bin/env python3
"""Ids, offsets, words and types of real vocabularies against the `tokenizers` package, text by text.

Usage: test_wheel.py ENCODE_LINES, with TEXTMILL_TESTDATA naming the unpacked test data and TEXTMILL_PYTHON a
Python that has `tokenizers`; without either the test is skipped.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import wheel  # noqa: E402


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(77)


def corpus(data, most):
    """Lines of real text in many languages."""
    sets = data / "datasets"
    files = sorted(sets.glob("langid-lingua/*/testdata/sentences.txt")) + sorted(sets.glob("translation-ntrex/NTREX-128/*.txt"))
    files += sorted(sets.glob("sentiment-tweeteval/*/val_text.txt"))
    texts = []
    for file in files:
        texts += file.read_text(encoding="utf-8", errors="replace").split("\n")[:most]
    return texts


def from_vocab_txt(path, lower):
    """What transformers makes of a BERT folder that has vocab.txt only."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    vocab = models.WordPiece.read_file(str(path))
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    cls, sep = vocab["[CLS]"], vocab["[SEP]"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]")])
    return tokenizer


# Vocabularies of every model and of most components.
REAL = ["ort-extensions/tokenizer/t5-small/tokenizer.json", "swift-transformers/Vocabs/gpt2_tokenizer.json",
        "swift-transformers/Vocabs/llama_tokenizer.json", "ort-extensions/tokenizer/roberta-base/tokenizer.json",
        "ort-extensions/phi-2/tokenizer.json", "ort-extensions/phi-3/tokenizer.json", "ort-extensions/falcon-tokenizer/tokenizer.json",
        "ort-extensions/tokenizer/clip/tokenizer.json", "ort-extensions/tokenizer/whisper.tiny/tokenizer.json",
        "ort-extensions/tokenizer/nmt/tokenizer.json", "pegasus-tokenizer/tokenizer.json"]


def tokenizers_to_compare(data, root):
    """(folder, the same by the package)"""
    for name in ("bert-uncased-hf", "bert-base-chinese"):
        yield data / name, wheel.load(data / name / "tokenizer.json")
    for name in REAL:
        folder = root / name.replace("/", "-")
        folder.mkdir()
        folder.joinpath("tokenizer.json").write_bytes((data / name).read_bytes())
        yield folder, wheel.load(folder / "tokenizer.json")
    for name, vocab, lower in (("cased", data / "ort-extensions/bert_basic_cased_vocab.txt", False),
                               ("uncased", data / "bert-uncased-hf/vocab.txt", True)):
        folder = root / name
        folder.mkdir()
        folder.joinpath("vocab.txt").write_bytes(vocab.read_bytes())
        folder.joinpath("tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower}))
        yield folder, from_vocab_txt(vocab, lower)


def main():
    python = os.environ.get("TEXTMILL_PYTHON")
    if not os.environ.get("TEXTMILL_TESTDATA") or not python:
        skip("TEXTMILL_TESTDATA or TEXTMILL_PYTHON is not set")
    if "TEXTMILL_REEXECUTED" not in os.environ:
        os.environ["TEXTMILL_REEXECUTED"] = "1"
        os.execv(python, [python] + sys.argv)
    try:
        import tokenizers
    except ImportError:
        skip(f"{python} has no package `tokenizers`")
    print(f"tokenizers {tokenizers.__version__}")
    data = Path(os.environ["TEXTMILL_TESTDATA"])
    texts = wheel.SAMPLES + wheel.marks() + wheel.random_texts(1000, 11) + corpus(data, 20)
    every = list(wheel.code_point_texts())  # with the first vocabulary alone: the package is slow
    bad = 0
    with tempfile.TemporaryDirectory() as root:
        for folder, tokenizer in tokenizers_to_compare(data / "tokenizers", Path(root)):
            items = texts + every + [list(p) for p in zip(texts[:200], texts[100:300])] + [{"plain": t} for t in texts[:200]]
            items += [{"ids": tokenizer.encode(t).ids, "skip": len(t) % 2 == 0} for t in texts[:1000]]
            found = wheel.differences(sys.argv[1], folder, tokenizer, items)
            print(f"{folder.name}: {found} of {len(items)} differ")
            bad += found
            every = list(wheel.code_point_texts()) if "bert-base-chinese" in str(folder) or "t5-small" in str(folder) else []
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
