#!/usr/bin/env python3
"""Writes seeds/fuzz_safetensors/bert.safetensors, the smallest model that fits fuzz_safetensors.c's config.json, tiny
sentencepiece models for fuzz_spm, tokenizers for fuzz_gguf, and seeds/fuzz_weights: small files of tests/engine/weights behind the byte that
fuzz_weights.c takes for their format.
The other seeds are copies of files below tests/conformance/goldens and tests/tokenize/goldens, or written by hand."""
import importlib
import json
import math
import pathlib
import struct
import sys
import tempfile

H = 4
LAYER = "encoder.layer.0."
shapes = {"embeddings.word_embeddings.weight": [8, H], "embeddings.position_embeddings.weight": [8, H],
          "embeddings.token_type_embeddings.weight": [2, H]}
for linear in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
               "intermediate.dense", "output.dense"]:
    shapes |= {f"{LAYER}{linear}.weight": [H, H], f"{LAYER}{linear}.bias": [H]}
for norm in ["embeddings.LayerNorm", f"{LAYER}attention.output.LayerNorm", f"{LAYER}output.LayerNorm"]:
    shapes |= {f"{norm}.weight": [H], f"{norm}.bias": [H]}
shapes |= {"pooler.dense.weight": [H, H], "pooler.dense.bias": [H]}

header, end = {}, 0
for name, shape in shapes.items():
    begin, end = end, end + 2 * math.prod(shape)
    header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
text = json.dumps(header, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
out = pathlib.Path(__file__).parent / "seeds/fuzz_safetensors/bert.safetensors"
out.write_bytes(struct.pack("<Q", len(text)) + text + b"\0\x3c" * (end // 2))


def field(number, value):
    """A field of a protobuf message: an int as varint, a float as fixed, bytes and text with their length."""
    if isinstance(value, float):
        return bytes([number << 3 | 5]) + struct.pack("<f", value)
    key = number << 3 | (0 if isinstance(value, int) else 2)
    head = bytes([key & 0x7F | 0x80, key >> 7]) if key > 0x7F else bytes([key])
    if isinstance(value, int):
        return head + bytes([value])
    value = value.encode() if isinstance(value, str) else value
    n = len(value)
    return head + (bytes([n & 0x7F | 0x80, n >> 7]) if n > 0x7F else bytes([n])) + value


def piece(text, score, kind):
    return field(1, field(1, text) + field(2, score) + field(3, kind))


charsmap = struct.pack("<I", 16) + struct.pack("<4I", 1 << 10, 0x61, 0, 0) + b"b\0"
for name, kind in (("unigram", 1), ("bpe", 2), ("word", 3), ("char", 4)):
    pieces = piece("<unk>", 0.0, 2) + piece("<s>", 0.0, 3) + piece("\u2581", -3.0, 1) + piece("l", -4.0, 1) + piece("lo", -2.0, 1)
    pieces += piece("\u2581l", -2.5, 1) + piece("don", -1.0, 4) + b"".join(piece(f"<0x{b:02X}>", 0.0, 6) for b in range(8))
    model = pieces + field(2, field(3, kind) + field(24, 0) + field(35, 1)) + field(3, field(2, charsmap) + field(3, 1))
    out = pathlib.Path(__file__).parent / f"seeds/fuzz_spm/{name}.model"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(model)

gguf_seeds = pathlib.Path(__file__).parent / "seeds/fuzz_gguf"
gguf_seeds.mkdir(exist_ok=True)
sys.path.append(str(pathlib.Path(__file__).parent.parent / "tokenize"))
gguf = importlib.import_module("gguf")
(gguf_seeds / "pieces.gguf").write_bytes(gguf.of_pieces(
    [(b"<unk>", 0.0, 2), (b"<s>", 0.0, 3), (b"</s>", 0.0, 3), ("\u2581".encode(), -1.0, 1), (b"l", -2.0, 1),
     (b"lo", -1.5, 1), (b"o", -3.0, 1), (b"<0x41>", 0.0, 6), (b"don", 0.0, 4)]))
with tempfile.TemporaryDirectory() as tmp:
    tokens = ["<|endoftext|>", "l", "o", "lo", "\u0120", "d", "4", "2"]
    (pathlib.Path(tmp) / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (pathlib.Path(tmp) / "merges.txt").write_text("l o\n")
    (gguf_seeds / "merges.gguf").write_bytes(gguf.of_merges(pathlib.Path(tmp), "qwen2", {"<|endoftext|>"}))

weights = pathlib.Path(__file__).parent.parent / "engine/weights"
seeds = pathlib.Path(__file__).parent / "seeds/fuzz_weights"
seeds.mkdir(exist_ok=True)
for kind, name in enumerate(["pytorch-parameters/pytorch_model.bin", "gguf-blocks/model.gguf", "marian/model.npz"]):
    (seeds / name.split("/")[0]).write_bytes(bytes([kind]) + (weights / name).read_bytes())
(seeds / "pytorch-legacy").write_bytes(b"\0" + (weights / "pytorch-legacy/pytorch_model.bin").read_bytes())
