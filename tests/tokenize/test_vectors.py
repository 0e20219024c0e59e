#!/usr/bin/env python3
"""Published encodings of published BERT vocabularies: ids and decoded text as other projects recorded them.

Usage: test_vectors.py ENCODE_LINES, with TEXTMILL_TESTDATA naming the unpacked test data; without it the test
is skipped. Needs nothing but Python itself.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import wheel  # noqa: E402

failures = 0


def cleaned(text):
    """What transformers did to decoded text after the tokenizer when these were recorded."""
    for a, b in ((" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
                 (" 's", "'s"), (" 've", "'ve"), (" 're", "'re")):
        text = text.replace(a, b)
    return text


def check(program, folder, name, items, wants, least):
    """Items to encode or decode, and the ids or the text that are wanted."""
    global failures
    if len(items) < least:
        print(f"{name}: only {len(items)} cases")
        failures += 1
    bad = 0
    for item, want, got in zip(items, wants, wheel.ours(program, folder, items)):
        if isinstance(got, dict):
            got = got.get("ids", got)
        else:
            got = cleaned(got)
        if got != want:
            bad += 1
            if bad <= 3:
                print(f"{name}: {item!r}\n  want {want}\n  got  {got}")
    print(f"{name}: {bad} of {len(items)} differ")
    failures += bad


def vocabulary_folder(root, name, vocab, **config):
    folder = root / name
    folder.mkdir()
    shutil.copy(vocab, folder / "vocab.txt")
    if config:
        folder.joinpath("tokenizer_config.json").write_text(json.dumps(config))
    return folder


def transformersjs(program, data, folders):
    """Checkpoints whose vocabulary is one of those we have."""
    same = {
        "uncased": ["Xenova/bert-base-uncased", "Xenova/distilbert-base-uncased-finetuned-sst-2-english"],
        "cased": ["Xenova/bert-base-cased", "google-bert/bert-base-cased", "Xenova/distilbert-base-cased-distilled-squad"],
        "chinese": ["Xenova/bge-base-zh-v1.5"],
    }
    cases = {}
    for family in ("bert", "distilbert"):
        cases.update(json.loads((data / f"transformersjs-vectors/{family}.json").read_text())["cases"])
    for kind, names in same.items():
        for name in names:
            items, wants, ids, texts = [], [], [], []
            for case in cases[name].values():
                pair = case.get("text_pair")
                items.append(case["text"] if pair is None else [case["text"], pair])
                wants.append(case["ids"])
                if "decoded" in case:
                    ids.append({"ids": case["ids"]})
                    texts.append(case["decoded"])
            check(program, folders[kind], name, items, wants, 1)
            check(program, folders[kind], name + " decoded", ids, texts, 0)


def swift_transformers(program, data, folders):
    here = data / "swift-transformers/TokenizersTests/Resources"
    questions = json.loads((here / "question_tokens.json").read_text())
    ids = json.loads((here / "tokenized_questions.json").read_text())
    items = [{"plain": q["original"]} for q in questions]
    check(program, folders["uncased"], "SQuAD questions", items, ids, 10000)
    one = json.loads((here / "bert_uncased_encoded.json").read_text())
    check(program, folders["uncased"], "bert_uncased_encoded", [one["text"]], [one["token_ids"]], 1)
    tests = json.loads((here / "tokenizer_tests.json").read_text())["bert-base-uncased"]
    check(program, folders["uncased"], "tokenizer_tests", [t["input"] for t in tests],
          [t["encoded"]["input_ids"] for t in tests], 10)
    check(program, folders["uncased"], "tokenizer_tests decoded",
          [{"ids": t["encoded"]["input_ids"], "skip": s} for t in tests for s in (False, True)],
          [t[k] for t in tests for k in ("decoded_with_special", "decoded_without_special")], 10)


def main():
    if not os.environ.get("TEXTMILL_TESTDATA"):
        print("SKIPPED: TEXTMILL_TESTDATA is not set")
        sys.exit(77)
    data = Path(os.environ["TEXTMILL_TESTDATA"]) / "tokenizers"
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as root:
        folders = {
            "uncased": data / "bert-uncased-hf",
            "chinese": vocabulary_folder(Path(root), "chinese", data / "bert-base-chinese/vocab.txt"),
            "cased": vocabulary_folder(Path(root), "cased", data / "torchtext/bert_base_cased_vocab.txt", do_lower_case=False),
        }
        transformersjs(program, data, folders)
        swift_transformers(program, data, folders)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
