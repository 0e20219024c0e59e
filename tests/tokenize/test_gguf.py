#!/usr/bin/env python3
"""Tokenizers inside GGUF files: what a pre-tokenizer's name stands for, against the same vocabulary under the
pre-tokenizer of the published tokenizer.json; what is refused; damaged files.

Usage: test_gguf.py ENCODE_LINES. Needs nothing but Python itself.
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import gguf  # noqa: E402
import wheel  # noqa: E402

WORD, REST = r"[^\r\n\p{L}\p{N}]?\p{L}+", r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}


def split(numbers):
    pattern = f"(?i:'s|'t|'re|'ve|'m|'ll|'d)|{WORD}|{numbers}|{REST}"
    return [{"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
            {**BYTES, "use_regex": False}]


# name: (pre-tokenizers, NFC, whole words first, begins with bos), as the models' own files have them
PRES = {"gpt-2": ([{**BYTES, "use_regex": True}], False, False, False),
        "smollm": ([{"type": "Digits", "individual_digits": True}, {**BYTES, "use_regex": True}], False, False, False),
        "llama-bpe": (split(r"\p{N}{1,3}"), False, True, True),
        "qwen2": (split(r"\p{N}"), True, False, False)}


def vocabulary(folder):
    """Every byte, and merges that show where a text was cut: letters, digits, both with what stands before them."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = [chr(b) for b in kept] + [chr(0x100 + i) for i in range(256 - len(kept))]
    merges, tokens = [], letters + ["<|endoftext|>", "<|im_start|>"]
    for left in "Ġ'.Ċ0123456789aehlnorst":
        for right in "Ċ0123456789aehlnorst":
            merges.append(f"{left} {right}")
            tokens.append(left + right)
    tokens.append("hello")  # no merge makes it
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (folder / "merges.txt").write_text("\n".join(merges))
    return tokens, merges


def tokenizer_json(tokens, merges, name):
    steps, nfc, whole, bos = PRES[name]
    ids = {t: i for i, t in enumerate(tokens)}
    added = [{"id": ids[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for t in ("<|endoftext|>", "<|im_start|>")]
    frame = [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}] * bos + [{"Sequence": {"id": "A", "type_id": 0}}]
    return {"added_tokens": added, "normalizer": {"type": "NFC"} if nfc else None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}, "decoder": {**BYTES, "use_regex": True},
            "post_processor": {"type": "TemplateProcessing", "single": frame, "pair": [
                {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [ids["<|endoftext|>"]],
                                                     "tokens": ["<|endoftext|>"]}}},
            "model": {"type": "BPE", "vocab": ids, "merges": merges, "ignore_merges": whole}}


def said(program, folder):
    run = subprocess.run([program, folder], input=b"", capture_output=True, check=False)
    return f"died: {run.returncode}" if run.returncode < 0 else run.stderr.decode(errors="replace")


def main():
    program, failures, compared = sys.argv[1], [], 0
    with tempfile.TemporaryDirectory() as tmp:
        source, ours, theirs = (Path(tmp) / n for n in ("source", "gguf", "json"))
        for folder in (source, ours, theirs):
            folder.mkdir()
        tokens, merges = vocabulary(source)
        texts = wheel.SAMPLES + wheel.random_texts(30, 9) + ["hello hello<|im_start|>hello's 12345 e\u0301\r\n\n  it's"]
        for name in PRES:
            (ours / "m.gguf").write_bytes(gguf.of_merges(source, name, {"<|endoftext|>", "<|im_start|>"}))
            (theirs / "tokenizer.json").write_text(json.dumps(tokenizer_json(tokens, merges, name)))
            got, want = ([x["ids"] for x in wheel.ours(program, f, texts)] for f in (ours, theirs))
            compared += len(texts)
            failures += [f"{name}: {t!r}: {g} is not {w}" for t, g, w in zip(texts, got, want) if g != w]
        whole = gguf.of_merges(source, "qwen2", set())
        pieces = gguf.of_pieces([(b"<unk>", 0.0, 2), (b"<s>", 0.0, 3), (b"</s>", 0.0, 3), ("\u2581a".encode(), -1.0, 1)])
        for data, words in ((gguf.of_merges(source, "viking", set()), 'pre-tokenizer "viking" is not known'),
                            (gguf.file("llama", [("tokenizer.ggml.model", gguf.STRING, "bert"), ("tokenizer.ggml.tokens", gguf.STRING, ["a"])]),
                             '"bert" is not supported'),
                            (gguf.file("llama", []), "has no tokenizer"),
                            (gguf.file("llama", [("tokenizer.ggml.tokens", gguf.I32, [1])]), "is no text"),
                            (gguf.file("llama", [("tokenizer.ggml.model", gguf.STRING, "llama"), ("tokenizer.ggml.tokens", gguf.STRING, ["a"])]),
                             "0 scores of 1 tokens"),
                            (gguf.of_pieces([(b"<s>", 0.0, 3)]), "0 unknown pieces"),
                            (gguf.of_pieces([(b"<unk>", 0.0, 2), (b"\xff", 0.0, 1)]), "token 1 is no piece"),
                            (gguf.of_merges(source, "gpt-2", set()).replace(b"a e", b"a  ", 1), "merge"),
                            (whole[:5000], "m.gguf")):
            (ours / "m.gguf").write_bytes(data)
            if words not in (text := said(program, ours)):
                failures.append(f"{words!r} is not in {text!r}")
        rng = random.Random(7)
        for data in [whole] * 60 + [pieces] * 120:  # changed anywhere it is read or refused
            at = rng.randrange(min(len(data), 9000))
            (ours / "m.gguf").write_bytes(data[:at] + bytes([rng.choice((0, 255, data[at] ^ 1 << rng.randrange(8)))]) + data[at + 1:])
            if (text := said(program, ours)).startswith("died"):
                failures.append(f"byte {at}: {text}")
    print("\n".join(failures[:10]))
    print(f"{compared} texts compared, {len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
