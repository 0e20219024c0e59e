"""The forward pass of sentiment-en in plain numpy: what any engine that runs it has to compute.

It reads the base folder and the adapter folder as files and uses no model code, so that it can disagree with PEFT.
"""

import json
from math import erf

import numpy as np
from safetensors.numpy import load_file

PREFIX = "base_model.model."


def merged_weights(base, adapter):
    """Base tensors in float32 by name, with every LoRA product added: W + (alpha / r) * B @ A."""
    settings = json.loads((adapter / "adapter_config.json").read_text())
    scale = np.float32(settings["lora_alpha"] / settings["r"])
    weights = {f"bert.{name}": tensor for name, tensor in load_file(base / "model.safetensors").items()}
    changes = load_file(adapter / "adapter_model.safetensors")
    for name, tensor in changes.items():
        target = name.removeprefix(PREFIX)
        if target.endswith(".lora_B.weight"):
            target = target.replace(".lora_B.weight", ".weight")
            down = changes[name.replace(".lora_B.", ".lora_A.")].astype(np.float32)
            weights[target] = weights[target] + scale * (tensor.astype(np.float32) @ down)
        elif not target.endswith(".lora_A.weight"):
            weights[target] = tensor.astype(np.float32)
    return weights


class Reference:
    """One sequence at a time, so there is no padding and no mask."""

    def __init__(self, base, adapter):
        self.weights = merged_weights(base, adapter)
        self.config = json.loads((adapter / "config.json").read_text())
        self.gelu = np.vectorize(lambda x: 0.5 * x * (1.0 + erf(x / 2.0 ** 0.5)), otypes=[np.float32])

    def linear(self, x, name):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centred ** 2).mean(-1, keepdims=True) + self.config["layer_norm_eps"])
        return centred / deviation * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def attention(self, x, name):
        heads = self.config["num_attention_heads"]
        query, key, value = (self.linear(x, f"{name}.self.{part}").reshape(len(x), heads, -1).swapaxes(0, 1)
                             for part in ("query", "key", "value"))
        scores = query @ key.swapaxes(1, 2) / np.float32(query.shape[-1] ** 0.5)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ value
        return self.linear(mixed.swapaxes(0, 1).reshape(len(x), -1), f"{name}.output.dense")

    def layer(self, x, name):
        x = self.norm(x + self.attention(x, f"{name}.attention"), f"{name}.attention.output.LayerNorm")
        inner = self.gelu(self.linear(x, f"{name}.intermediate.dense"))
        return self.norm(x + self.linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def logits(self, ids):
        embeddings = "bert.embeddings."
        x = (self.weights[f"{embeddings}word_embeddings.weight"][ids]
             + self.weights[f"{embeddings}position_embeddings.weight"][:len(ids)]
             + self.weights[f"{embeddings}token_type_embeddings.weight"][0])
        x = self.norm(x, f"{embeddings}LayerNorm")
        for i in range(self.config["num_hidden_layers"]):
            x = self.layer(x, f"bert.encoder.layer.{i}")
        pooled = np.tanh(self.linear(x[0], "bert.pooler.dense"))
        return self.linear(pooled, "classifier")
