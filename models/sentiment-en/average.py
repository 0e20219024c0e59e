"""Average several adapters into one of the same rank: average.py OUT ADAPTER...

Runs from one base that end in different places average to something better than each (Wortsman et al. 2022, "Model
soups"). The mean of the products B @ A has a higher rank than one of them; its best approximation of the first
adapter's rank is the truncated singular value decomposition. Whole tensors are averaged as they are.
"""

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def average_product(adapters, name_a, name_b):
    """(A, B) of the first adapter's rank whose product is nearest to the mean of the products."""
    rank = adapters[0][name_a].shape[0]
    mean = sum(a[name_b].float() @ a[name_a].float() for a in adapters) / len(adapters)
    left, values, right = torch.linalg.svd(mean, full_matrices=False)
    root = values[:rank].sqrt()
    return (root[:, None] * right[:rank]).half().contiguous(), (left[:, :rank] * root).half().contiguous()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("adapters", type=Path, nargs="+")
    args = parser.parse_args()
    adapters = [load_file(folder / "adapter_model.safetensors") for folder in args.adapters]
    result = {}
    for name in adapters[0]:
        if "lora_A" in name:
            name_b = name.replace("lora_A", "lora_B")
            result[name], result[name_b] = average_product(adapters, name, name_b)
        elif "lora_B" not in name:
            result[name] = (sum(a[name].float() for a in adapters) / len(adapters)).half()
    args.out.mkdir(parents=True, exist_ok=True)
    for file in ("adapter_config.json", "config.json"):
        shutil.copy(args.adapters[0] / file, args.out / file)
    save_file({name: result[name] for name in adapters[0]}, args.out / "adapter_model.safetensors")


main()
