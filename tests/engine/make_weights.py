#!/usr/bin/env python3
"""Writes weights/: the same few tensors in each format of files, beside a safetensors twin.

Needs the packages of tests/conformance/requirements.txt. weights.py compares what the engine reads from the
file with what it reads from the twin, bit for bit."""
import json
import pathlib

import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent / "weights"


def tensors():
    """Every layout and number format that a dictionary of weights may hold."""
    g = torch.Generator().manual_seed(7)
    base = torch.randn(6, 10, generator=g)
    special = torch.tensor([0.0, -0.0, float("inf"), float("-inf"), 1e-40, -1e-45, 65504.0, 6e-8, 3.4e38])
    return {
        "rows": base,
        "half": base.half(),
        "brain": base.bfloat16(),
        "special": special,
        "special.half": special.half(),
        "special.brain": special.bfloat16(),
        "turned": base.t(),
        "turned.half": base.half().t(),
        "part": base[2:5, 3:9],
        "every.other": base[::2, ::3],
        "cube": torch.randn(3, 4, 5, generator=g).permute(2, 0, 1),
        "cube.last": torch.randn(3, 4, 5, generator=g).permute(1, 0, 2),
        "tied": base,
        "row": base[3],
        "column": base[:, 4],
        "one": torch.tensor(2.5),
        "none": torch.empty(0, 4),
        "position_ids": torch.arange(9).expand(1, -1),
        "long.ids": torch.arange(300, 310, dtype=torch.int32),
        "mask": torch.tensor([True, False]),
        "wide": torch.randn(3, 1100, generator=g).half().t(),
    }


def twin(folder, values):
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.clone().contiguous() for k, v in values.items()}, folder / "model.safetensors")


def main():
    values = tensors()
    twin(OUT / "twin", values)
    for name in ("pytorch", "pytorch-legacy", "pytorch-parameters", "pytorch-shards"):
        (OUT / name).mkdir(exist_ok=True)
    torch.save(values, OUT / "pytorch/pytorch_model.bin")
    torch.save(values, OUT / "pytorch-legacy/pytorch_model.bin", _use_new_zipfile_serialization=False)
    # A module's state: an OrderedDict with _metadata, parameters among it.
    module = torch.nn.Linear(3, 2)
    with torch.no_grad():
        module.weight.copy_(torch.arange(6.0).reshape(2, 3) / 7)
        module.bias.copy_(torch.tensor([0.25, -3.0]))
    state = module.state_dict(keep_vars=True)
    torch.save(state, OUT / "pytorch-parameters/pytorch_model.bin")
    twin(OUT / "twin-parameters", {k: v.detach() for k, v in state.items()})
    names = sorted(values)
    index = {}
    for i, part in enumerate((names[::2], names[1::2]), 1):
        file = f"pytorch_model-{i:05d}-of-00002.bin"
        torch.save({k: values[k] for k in part}, OUT / "pytorch-shards" / file)
        index |= dict.fromkeys(part, file)
    (OUT / "pytorch-shards/pytorch_model.bin.index.json").write_text(
        json.dumps({"metadata": {"total_size": 1}, "weight_map": index}, indent=1))


main()
