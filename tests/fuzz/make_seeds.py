#!/usr/bin/env python3
"""Writes seeds/fuzz_safetensors/bert.safetensors: the smallest model that fits fuzz_safetensors.c's config.json.
The other seeds are copies of files below tests/conformance/goldens and tests/tokenize/goldens, or written by hand."""
import json
import math
import pathlib
import struct

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
