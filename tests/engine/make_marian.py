#!/usr/bin/env python3
"""Writes weights/marian*: a tiny random MarianMTModel in the layout of Marian's own .npz, with decoder.yml.

Needs the packages of tests/conformance/requirements.txt. expected.json holds the keys of config.json and the digest
of every tensor of the Hugging Face model, as make_gguf.py's does."""
import numpy as np
import torch
import transformers

from make_gguf import OUT, expected

NAMES = {  # Marian's name of a layer's tensor: Hugging Face's
    **{f"{theirs}_{kind}{p}": f"{ours}.{module}.{part}"
       for theirs, ours in (("self", "self_attn"), ("context", "encoder_attn"))
       for p, module in (("q", "q_proj"), ("k", "k_proj"), ("v", "v_proj"), ("o", "out_proj"))
       for kind, part in (("W", "weight"), ("b", "bias"))},
    **{f"{theirs}_Wo_ln_{a}": f"{ours}_layer_norm.{b}"
       for theirs, ours in (("self", "self_attn"), ("context", "encoder_attn"))
       for a, b in (("scale", "weight"), ("bias", "bias"))},
    "ffn_W1": "fc1.weight", "ffn_b1": "fc1.bias", "ffn_W2": "fc2.weight", "ffn_b2": "fc2.bias",
    "ffn_ffn_ln_scale": "final_layer_norm.weight", "ffn_ffn_ln_bias": "final_layer_norm.bias",
}
OPTIONS = """\
bert-train-type-embeddings: true
dec-cell: gru
dec-depth: 1
dim-emb: 16
dim-vocabs:
  - 40
  - 40
enc-depth: 2
layer-normalization: false
lemma-dim-emb: 0
right-left: false
tied-embeddings: false
tied-embeddings-all: %s
tied-embeddings-src: false
transformer-decoder-autoreg: self-attention
transformer-dim-ffn: 24
transformer-ffn-activation: swish
transformer-ffn-depth: 2
transformer-heads: 2
transformer-no-projection: false
transformer-postprocess: dan
transformer-postprocess-emb: d
transformer-preprocess: ""
transformer-tied-layers:
  []
transformer-train-position-embeddings: false
type: transformer
version: v1.7.6
"""
DECODER = "models:\n  - model.npz\nvocabs:\n  - vocab.yml\n  - vocab.yml\nbeam-size: 6\nnormalize: 0.6\nword-penalty: 0\n"
VOCAB, PAD = 40, 40


def write(name, shared):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    config = transformers.MarianConfig(
        vocab_size=VOCAB + 1, decoder_vocab_size=VOCAB + 1, share_encoder_decoder_embeddings=shared, d_model=16,
        encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=24,
        decoder_ffn_dim=24, activation_function="swish", pad_token_id=PAD, eos_token_id=0, forced_eos_token_id=0,
        bos_token_id=0, max_position_embeddings=16, scale_embedding=True, decoder_start_token_id=PAD, num_beams=6,
        length_penalty=0.6, bad_words_ids=[[PAD]], max_length=512, static_position_embeddings=True,
        normalize_embedding=False)
    model = transformers.MarianMTModel(config)
    generator = torch.Generator().manual_seed(13)
    arrays, tensors = {"special:model.yml": np.frombuffer((OPTIONS % str(shared).lower()).encode() + b"\0", np.int8)}, {}
    for hf, p in model.named_parameters():
        if "embed_positions" in hf:
            continue
        value = torch.randn(p.shape, generator=generator).numpy()
        if "layers." in hf:
            _, side, _, i, rest = hf.split(".", 4)
            theirs = next(k for k, v in NAMES.items() if v == rest)
            array = np.ascontiguousarray(value.T) if value.ndim == 2 else value[None]
            arrays[f"{side}_l{int(i) + 1}_{theirs}"] = array
        else:
            value[PAD] = 0
            theirs = {"model.shared.weight": "Wemb", "model.encoder.embed_tokens.weight": "encoder_Wemb",
                      "model.decoder.embed_tokens.weight": "decoder_Wemb"}[hf]
            arrays[theirs] = value[:PAD]
        tensors[hf] = value
    bias = torch.randn(1, VOCAB, generator=generator).numpy()
    arrays["decoder_ff_logit_out_b"] = bias
    tensors["final_logits_bias"] = np.concatenate([bias, np.zeros((1, 1), np.float32)], 1)
    np.savez(folder / "model.npz", **arrays)
    (folder / "decoder.yml").write_text(DECODER)
    keys = ["vocab_size", "decoder_vocab_size", "share_encoder_decoder_embeddings", "d_model", "encoder_layers",
            "decoder_layers", "encoder_attention_heads", "decoder_attention_heads", "encoder_ffn_dim",
            "decoder_ffn_dim", "activation_function", "pad_token_id", "eos_token_id", "bos_token_id",
            "forced_eos_token_id", "decoder_start_token_id", "max_position_embeddings", "scale_embedding",
            "num_beams", "length_penalty", "bad_words_ids", "max_length", "static_position_embeddings",
            "normalize_embedding", "tie_word_embeddings", "model_type"]
    config.max_length = config.max_position_embeddings  # what the converter says, 512, is more than the model can do
    expected(folder, {"architectures": ["MarianMTModel"], **{k: getattr(config, k) for k in keys}}, tensors)


write("marian", True)
write("marian-two-vocabularies", False)
