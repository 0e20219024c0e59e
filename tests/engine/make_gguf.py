#!/usr/bin/env python3
"""Writes weights/gguf-*: tiny random models of every GGUF architecture, with what transformers reads from them.

Needs the packages of tests/conformance/requirements.txt. Each folder holds the file and expected.json: the keys
that its config.json must have, and name, shape and SHA-256 (float32, big-endian) of every tensor. The truth is
transformers' own reader of GGUF and the gguf package's dequantiser; Gemma's first version, which that reader does
not know, is undone here. gguf-blocks has every number format, with blocks of random bits."""
import hashlib
import json
import pathlib

import gguf
import numpy as np
import torch
import transformers
from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor, get_gguf_hf_weights_map, load_gguf_checkpoint

OUT = pathlib.Path(__file__).parent / "weights"
T = gguf.GGMLQuantizationType
SMALL = {"vocab_size": 40, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
         "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def interleave(w, heads):
    """Rows as llama.cpp's converter puts them."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def stored(arch, name, w, config):
    if arch == "llama" and ".attn_q." in name:
        return interleave(w, config.num_attention_heads)
    if arch == "llama" and ".attn_k." in name:
        return interleave(w, config.num_key_value_heads)
    if arch.startswith("gemma") and name.endswith("norm.weight"):
        return w + 1
    turned = ("attn_qkv.weight", "attn_output.weight", "ffn_up.weight", "ffn_down.weight")
    return np.ascontiguousarray(w.T) if arch == "gpt2" and name.endswith(turned) else w


def put_values(w, arch, config):
    if arch == "gpt2":
        w.add_context_length(config.n_positions)
        w.add_embedding_length(config.n_embd)
        w.add_block_count(config.n_layer)
        w.add_feed_forward_length(config.n_inner)
        w.add_head_count(config.n_head)
        w.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        w.add_context_length(config.max_position_embeddings)
        w.add_embedding_length(config.hidden_size)
        w.add_block_count(config.num_hidden_layers)
        w.add_feed_forward_length(config.intermediate_size)
        w.add_head_count(config.num_attention_heads)
        w.add_head_count_kv(config.num_key_value_heads)
        w.add_layer_norm_rms_eps(config.rms_norm_eps)
        w.add_rope_freq_base(config.rope_theta)
        if getattr(config, "head_dim", None):
            w.add_key_length(config.head_dim)
        w.add_vocab_size(config.vocab_size)
    if arch == "gemma2":
        w.add_attn_logit_softcapping(config.attn_logit_softcapping)
        w.add_final_logit_softcapping(config.final_logit_softcapping)
        w.add_sliding_window(config.sliding_window)
    w.add_tokenizer_model("llama")
    w.add_token_list([f"piece {i}".encode() for i in range(config.vocab_size)])
    w.add_token_scores([-float(i) for i in range(config.vocab_size)])
    w.add_bos_token_id(config.bos_token_id)
    w.add_eos_token_id(config.eos_token_id)
    if config.pad_token_id is not None:
        w.add_pad_token_id(config.pad_token_id)


def digest(values):
    values = np.asarray(values, dtype=np.float32)
    return [list(values.shape), hashlib.sha256(values.astype(">f4").tobytes()).hexdigest()]


def expected(folder, config, tensors):
    text = json.dumps({"config": config, "tensors": {k: digest(v) for k, v in sorted(tensors.items())}}, indent=1)
    (folder / "expected.json").write_text(text + "\n")


def llama3_factors(config):
    scaling = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")[0]
    plain = 1 / config.rope_theta ** (torch.arange(0, config.head_dim, 2).float() / config.head_dim)
    return (plain / scaling).numpy()


def write(name, arch, model, types, keys, bias=False):
    """types: a number format for each tensor of two dimensions, in turn."""
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    config, generator = model.config, torch.Generator().manual_seed(11)
    mapping = {hf: g for g, hf in get_gguf_hf_weights_map(model, model_type=arch).items()}
    w = gguf.GGUFWriter(folder / "model.gguf", arch)
    put_values(w, arch, config)
    values, turn = {}, 0
    tied = config.tie_word_embeddings
    for hf, p in model.state_dict().items():
        if hf not in mapping or (tied and hf == "lm_head.weight"):
            continue
        value = stored(arch, mapping[hf], torch.randn(p.shape, generator=generator).numpy(), config)
        kind = types[turn % len(types)] if value.ndim == 2 else T.F32
        turn += value.ndim == 2
        raw = gguf.quants.quantize(value, kind)
        values[hf] = value = gguf.quants.dequantize(raw, kind)
        w.add_tensor(mapping[hf], raw, raw_dtype=kind)
    if getattr(config, "rope_scaling", None):
        w.add_tensor("rope_freqs.weight", llama3_factors(config))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    if arch == "gemma":
        tensors = {k: v - np.float32(1) if k.endswith("norm.weight") else v for k, v in values.items()}
    else:
        tensors = load_gguf_checkpoint(folder / "model.gguf", return_tensors=True, model_to_load=model)["tensors"]
    assert set(tensors) == set(values), set(tensors) ^ set(values)
    settings = {k: getattr(config, k) for k in keys}
    expected(folder, {"architectures": [type(model).__name__], "model_type": config.model_type, **settings}, tensors)


LLAMA_KEYS = [*SMALL, "rope_theta", "head_dim", "tie_word_embeddings"]


def models():
    make = transformers
    config = make.LlamaConfig(**SMALL, attention_bias=True, mlp_bias=True, rope_theta=500000.0, rope_scaling={
        "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192})
    write("gguf-llama", "llama", make.LlamaForCausalLM(config), [T.F16, T.Q8_0, T.BF16],
          LLAMA_KEYS + ["attention_bias", "mlp_bias", "rope_scaling"])
    write("gguf-qwen2", "qwen2", make.Qwen2ForCausalLM(make.Qwen2Config(**SMALL, tie_word_embeddings=True)),
          [T.Q8_0], [k for k in LLAMA_KEYS if k != "head_dim"])
    write("gguf-qwen3", "qwen3", make.Qwen3ForCausalLM(make.Qwen3Config(**SMALL, head_dim=16)), [T.Q4_0], LLAMA_KEYS)
    write("gguf-gemma", "gemma", make.GemmaForCausalLM(make.GemmaConfig(**SMALL, head_dim=16)), [T.F16],
          LLAMA_KEYS + ["hidden_act"])
    write("gguf-gemma2", "gemma2", make.Gemma2ForCausalLM(make.Gemma2Config(
        **SMALL, head_dim=16, query_pre_attn_scalar=16, sliding_window=8)), [T.F16, T.F32],
          LLAMA_KEYS + ["hidden_activation", "attn_logit_softcapping", "final_logit_softcapping", "sliding_window",
                        "query_pre_attn_scalar"])
    write("gguf-gpt2", "gpt2", make.GPT2LMHeadModel(make.GPT2Config(
        vocab_size=40, n_embd=32, n_layer=2, n_head=4, n_positions=64, n_inner=96, bos_token_id=1, eos_token_id=2,
        layer_norm_epsilon=1e-4)), [T.Q8_0, T.F16],
          ["vocab_size", "n_embd", "n_layer", "n_head", "n_positions", "n_inner", "layer_norm_epsilon",
           "tie_word_embeddings", "bos_token_id", "eos_token_id"])


def blocks():
    """Random bits in every format; scales, which are halves, are kept in bounds."""
    scales = {T.Q8_0: [0], T.Q4_0: [0], T.Q4_K: [0, 2], T.Q6_K: [208]}
    rng = np.random.default_rng(5)
    folder = OUT / "gguf-blocks"
    folder.mkdir(parents=True, exist_ok=True)
    w = gguf.GGUFWriter(folder / "model.gguf", "llama")
    w.add_context_length(64)
    w.add_embedding_length(256)
    w.add_block_count(1)
    w.add_feed_forward_length(4)
    w.add_head_count(2)
    w.add_layer_norm_rms_eps(1e-6)
    undo = LlamaTensorProcessor({"num_attention_heads": 2, "num_key_value_heads": 2})
    tensors = {}
    for kind, name, hf in ((T.Q8_0, "token_embd", "model.embed_tokens"), (T.Q4_0, "output", "lm_head"),
                           (T.Q4_K, "blk.0.attn_q", "model.layers.0.self_attn.q_proj"),
                           (T.Q6_K, "blk.0.attn_k", "model.layers.0.self_attn.k_proj"),
                           (T.Q4_K, "blk.0.ffn_up", "model.layers.0.mlp.up_proj"),
                           (T.Q6_K, "blk.0.ffn_down", "model.layers.0.mlp.down_proj")):
        per, size = gguf.GGML_QUANT_SIZES[kind]
        raw = rng.integers(0, 256, (8, 512 // per, size), dtype=np.uint8)
        for at in scales[kind]:
            raw[..., at:at + 2] = rng.normal(0, 0.02, raw.shape[:2] + (1,)).astype("<f2").view(np.uint8)
        raw = raw.reshape(8, -1)
        w.add_tensor(name + ".weight", raw, raw_dtype=kind)
        value = gguf.quants.dequantize(raw, kind)
        tensors[hf + ".weight"] = undo.process(value, name + ".weight").weights
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    expected(folder, {"vocab_size": 8}, tensors)


if __name__ == "__main__":
    models()
    blocks()
