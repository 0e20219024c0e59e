"""GGUF files, their tokenizers as llama.cpp's converter writes them. Standard library only."""

import json
import struct

U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
NORMAL, UNKNOWN, CONTROL = 1, 2, 3


def string(text):
    text = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(text)) + text


def value(key, kind, v):
    pack = {U32: lambda x: struct.pack("<I", x), F32: lambda x: struct.pack("<f", x), I32: lambda x: struct.pack("<i", x),
            BOOL: lambda x: bytes([x]), STRING: string}[kind]
    if isinstance(v, list):
        return string(key) + struct.pack("<IIQ", ARRAY, kind, len(v)) + b"".join(map(pack, v))
    return string(key) + struct.pack("<I", kind) + pack(v)


def file(architecture, values, tensors=()):
    """tensors: (name, shape, bytes of float32)."""
    values = [value("general.architecture", STRING, architecture)] + [value(k, t, v) for k, t, v in values]
    head, data = b"".join(values), b""
    for name, shape, numbers in tensors:
        head += string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], 0, len(data))
        data += numbers + bytes(-len(numbers) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)) + head
    return head + bytes(-len(head) % 32) + data


def fields(data):
    """(number, value) of a protobuf message; values of fixed width as bytes."""
    at = 0

    def varint():
        nonlocal at
        n = shift = 0
        while True:
            at += 1
            n |= (data[at - 1] & 0x7F) << shift
            shift += 7
            if data[at - 1] < 0x80:
                return n
    while at < len(data):
        key = varint()
        size = {0: 0, 1: 8, 2: None, 5: 4}[key & 7]
        if size == 0:
            yield key >> 3, varint()
            continue
        size = varint() if size is None else size
        at += size
        yield key >> 3, data[at - size:at]


def pieces(model):
    """(text, score, type) of a sentencepiece model."""
    for number, piece in fields(model):
        if number == 1:
            piece = dict(fields(piece))
            yield piece[1], struct.unpack("<f", piece.get(2, bytes(4)))[0], piece.get(3, NORMAL)


def said(values):
    return [("tokenizer.ggml." + k, t, v) for k, t, v in values]


def of_pieces(listed, values=(), tensors=()):
    texts, scores, types = map(list, zip(*listed))
    return file("llama", [*said([
        ("model", STRING, "llama"), ("tokens", STRING, texts), ("scores", F32, scores), ("token_type", I32, types),
        ("bos_token_id", U32, 1), ("eos_token_id", U32, 2), ("unknown_token_id", U32, 0), ("add_bos_token", BOOL, True)]),
        *values], tensors)


def of_merges(folder, pre, control):
    vocab = json.loads((folder / "vocab.json").read_text())
    merges = [m for m in (folder / "merges.txt").read_text().split("\n") if m and not m.startswith("#version")]
    tokens = sorted(vocab, key=vocab.get)
    return file("gpt2", said([
        ("model", STRING, "gpt2"), ("pre", STRING, pre), ("tokens", STRING, tokens),
        ("token_type", I32, [CONTROL if t in control else NORMAL for t in tokens]), ("merges", STRING, merges),
        ("bos_token_id", U32, vocab["<|endoftext|>"]), ("eos_token_id", U32, vocab["<|endoftext|>"])]))
