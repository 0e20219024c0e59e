"""Models of random numbers, and their files. See make_goldens.py."""
import json
import re

import torch
import transformers
from safetensors.torch import save_file

# Projections of embeddings, which are linear layers.
LINEAR_EMBEDDING = re.compile(r"embeddings_project|embedding_hidden_mapping_in|embed_proj")
NORM = re.compile(r"norm|\bln_", re.I)

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()


def randomise(model, generator):
    """Standard deviations that make logits of a few units, and nothing zero or one."""
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        fan_in = p.numel() / p.shape[0]
        if p.dim() == 1 and NORM.search(name) and name.endswith("weight"):
            value = 1 + 0.3 * noise
        elif p.dim() == 1:
            value = 0.3 * noise
        elif "relative_attention_bias" in name:
            value = noise
        elif "distance_embedding" in name:
            value = 0.7 * noise
        elif "embedding" in name and not LINEAR_EMBEDDING.search(name):
            value = 0.7 * noise
        elif name.startswith(("classifier", "qa_outputs")) and p.shape[0] <= 8:
            value = 3 / fan_in ** 0.5 * noise
        else:
            value = 1.3 / fan_in ** 0.5 * noise
        p.data = value.half().float()


def liven(model):
    """Sharp attention and strong branches, so that what is generated depends on all that came before
    and does not repeat itself."""
    for name, p in model.named_parameters():
        if p.dim() == 2 and re.search(r"(q|k)_proj|\.(q|k)\.|query|key", name):
            p.data = (2 * p.data).half().float()
        elif p.dim() == 2 and re.search(r"fc\d|Dense|mlp", name):
            p.data = (2 * p.data).half().float()
        elif re.search(r"embed_positions|wpe", name):
            p.data = (4 * p.data).half().float()
        elif re.search(r"shared|embed_tokens|lm_head|wte", name):
            p.data = (3 * p.data).half().float()


def write_model(folder, model, rename=lambda n: n, extra=None, shards=1, leave_out=()):
    folder.mkdir(parents=True)
    tensors = {rename(n): p.detach().half().contiguous() for n, p in model.named_parameters()
               if n not in leave_out}
    tensors.update(extra or {})
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        names, weight_map = sorted(tensors), {}
        for i in range(shards):
            part = names[i::shards]
            file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
            save_file({n: tensors[n] for n in part}, folder / file, metadata={"format": "pt"})
            weight_map.update({n: file for n in part})
        index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    write_config(folder, model.config)


def write_config(folder, config):
    text = json.loads(config.to_json_string(use_diff=True))
    text.setdefault("model_type", config.model_type)
    text.pop("transformers_version", None)
    text.pop("dtype", None)
    (folder / "config.json").write_text(json.dumps(text, indent=1, sort_keys=True) + "\n")


def flat(t, digits=8):
    return [float(f"{x:.{digits}g}") for x in t.flatten().tolist()]
