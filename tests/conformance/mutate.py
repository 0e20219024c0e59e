#!/usr/bin/env python3
"""Shows that the goldens can fail: breaks copies of the models one thing at a time and requires the
comparison to fail by more than ten times the tolerance.

    mutate.py CONFORMANCE BROKEN GOLDENS [FOLDER...]

Every tensor is put to zero (norm weights to one), norms are swapped, tables of positions are moved by
one row, and every key of the configuration that changes the arithmetic is changed. What a folder does
not say, such as where norms stand, the program BROKEN puts wrong (broken.c). Where ids are compared,
another id is a failure whatever the scores. Standard library only.
"""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

AT_LEAST = 10.0  # times the tolerance

# Configuration changes: pattern of the folder's name, key, other value.
CONFIG = [
    (r"bert", "hidden_act", "gelu_new"),
    (r"bert|bert-span|mpnet-.*|roberta-.*|camembert.*|xlm.*", "hidden_act", "relu"),
    (r"bert-token", "hidden_act", "gelu"),
    (r"bert-one-logit", "hidden_act", "gelu"),
    (r"distilbert-sequence", "activation", "relu"),
    (r"modernbert-token", "hidden_activation", "gelu"),
    (r"modernbert-sequence-mean", "classifier_activation", "gelu"),
    (r"modernbert-sequence-mean", "classifier_pooling", "cls"),
    (r"bert-sequence", "layer_norm_eps", 1e-5),
    (r"roberta-sequence", "layer_norm_eps", 1e-2),
    (r"roberta-sequence|xlm.*|camembert.*", "pad_token_id", 0),
    (r"roberta-token", "pad_token_id", 1),
    (r"bert|bert-sequence|roberta-span", "num_attention_heads", 2),
    (r"modernbert.*", "local_attention", 10),
    (r"modernbert.*", "global_attn_every_n_layers", 2),
    (r"modernbert-token", "global_rope_theta", 900.0),
    (r"modernbert-token", "local_rope_theta", 60.0),
    (r"electra-sequence|electra-token|albert-.*|deberta-.*", "hidden_act", "relu"),
    (r"electra-span", "position_embedding_type", "relative_key_query"),
    (r"electra-[st]e?o.*|albert.*|deberta.*", "num_attention_heads", 2),
    (r"deberta-v2-(sequence|plain)", "pooler_hidden_act", "relu"),
    (r"deberta-v2-(sequence|span|plain)", "conv_act", "relu"),
    (r"deberta-v2-sequence", "max_relative_positions", 60),
    (r"deberta-v2(-sequence)?", "pos_att_type", "c2p"),
    (r"deberta-v2(-sequence)?", "pos_att_type", "p2c"),
    (r"bart|marian-split", "scale_embedding", True),
    (r"bart-cnn|mbart|pegasus|marian|m2m_100", "scale_embedding", False),
    (r"bart|mbart|led|gpt2-.*", "activation_function", "relu"),
    (r"bart-sequence|m2m_100|marian", "activation_function", "gelu_new"),
    (r"bart-cnn|pegasus|marian-split", "activation_function", "gelu"),
    (r"bart.*|mbart|pegasus|marian.*|m2m_100|led", "encoder_attention_heads", 2),
    (r"bart.*|mbart|pegasus|marian.*|m2m_100|led", "decoder_attention_heads", 4),
    (r"bart|led", "decoder_start_token_id", 0),
    (r"bart|led", "eos_token_id", 40),
    (r"led", "attention_window", [8, 8]),
    (r"led", "attention_window", [4, 4]),
    (r".*t5.*", "relative_attention_max_distance", 40),
    (r"t5(-generate|-token)?", "feed_forward_proj", "silu"),
    (r"t5-v1.1-generate|u?mt5.*", "feed_forward_proj", "gated-silu"),
    (r"(llama|mistral|qwen|gemma).*", "rope_theta", 700.0),
    (r"(llama|mistral|qwen|gemma).*-generate", "rms_norm_eps", 0.1),
    (r"llama.*|mistral.*|qwen.*", "hidden_act", "gelu"),
    (r"gpt2", "activation_function", "gelu"),
    (r"gpt2.*", "scale_attn_weights", False),
    (r"gpt2-.*", "scale_attn_by_inverse_layer_idx", True),
    (r"mistral.*", "sliding_window", 9),
    (r"gemma[23].*", "sliding_window", 5),
    (r"gemma[23].*", "query_pre_attn_scalar", 12),
    (r"gemma2.*", "attn_logit_softcapping", None),
    (r"gemma2.*|qwen2", "layer_types", 2 * ["full_attention"]),
    (r"gemma2-generate", "final_logit_softcapping", None),
    (r"gemma3-generate", "rope_local_base_freq", 900.0),
    (r"gemma3-generate", "layer_types", 3 * ["sliding_attention"]),
]
# What broken.c turns: pattern of the folder's name, what, and keys that go with it.
LONGER = {"max_position_embeddings": 65}  # a row of the table for the last id, too
BREAKS = [
    (r"bart.*|mbart|pegasus|marian.*|m2m_100|led|.*t5.*", "norm_place", {}),
    (r"(gpt2|llama|mistral|qwen|gemma).*", "norm_place", {}),
    (r"bart.*|mbart|pegasus|marian.*|m2m_100|led|.*t5.*", "norm_kind", {}),
    (r"(gpt2|llama|mistral|qwen|gemma).*", "norm_kind", {}),
    (r"(llama|mistral|qwen|gemma).*", "norm_plus_one", {}),
    (r"bart.*|mbart|pegasus|marian.*|m2m_100|led|.*t5.*", "attention_scale", {}),
    (r"(llama|mistral|qwen|gemma$|gemma-).*", "attention_scale", {}),
    (r"t5-generate|umt5-generate", "output_scale", {}),
    (r"gemma.*", "embedding_scale", {}),
    (r"(llama|mistral|qwen|gemma).*", "rotary", {}),
    (r"pegasus|marian.*", "position", LONGER),
    (r"m2m_100", "position", {}),
    (r"mistral.*|led", "window", {}),
]
FILES = [  # other files: folder, file, regular expression, replacement
    ("bert-relative-key", "config.json", r'"relative_key"', '"relative_key_query"'),
    ("bert-relative-key-query", "config.json", r'"relative_key_query"', '"relative_key"'),
    ("sentence-mean", "1_Pooling/config.json", r'mean_tokens": true, (.*)max_tokens": false',
     r'mean_tokens": false, \1max_tokens": true'),
    ("sentence-sqrt", "modules.json", r', {[^{]*Normalize"}', ""),
    ("sentence-dense", "2_Dense/config.json", r"activation\.Tanh", "linear.Identity"),
    ("sentence-mean", "golden.jsonl", r'"skip":\[1,1,1,', '"skip":[1,1,0,'),
    ("bert-sequence", "golden.jsonl", r'"n_first":\d+', '"n_first":0'),
    ("adapter", "adapter_config.json", r'"lora_alpha": 12', '"lora_alpha": 11'),
    ("adapter-bare", "adapter_config.json", r'"use_rslora": true', '"use_rslora": false'),
    ("adapter-bare", "adapter_config.json", r'"layer.0.output.dense": 9',
     '"layer.0.output.dense": 8'),
    *(("bart-cnn", "generation_config.json", f'"{key}": {a}', f'"{key}": {b}') for key, a, b in (
        ("decoder_start_token_id", 2, 0), ("forced_bos_token_id", 0, 5),
        ("no_repeat_ngram_size", 3, 0), ("num_beams", 4, 3), ("length_penalty", "2.0", 0.1),
        ("max_length", 28, 27))),
    ("bart-cnn", "generation_config.json", r'"forced_eos_token_id": 2', '"forced_eos_token_id": 9'),
    *((name, "generation_config.json", r'"decoder_start_token_id": \d+',
       '"decoder_start_token_id": 5') for name in (
        "mbart", "pegasus", "marian", "marian-split", "m2m_100", "t5-generate", "t5-v1.1-generate",
        "mt5-generate", "umt5-generate")),
    ("marian", "generation_config.json", '"renormalize_logits": true', '"renormalize_logits": false'),
    ("m2m_100", "generation_config.json", '"num_beams": 5', '"num_beams": 4'),
    ("pegasus", "generation_config.json", '"length_penalty": 0.6', '"length_penalty": 1.6'),
    *((name, "generation_config.json", r'"eos_token_id": \[[^]]*\]', '"eos_token_id": 3')
      for name in ("mbart", "t5-generate", "t5-v1.1-generate", "mt5-generate", "umt5-generate",
                   "gpt2-generate", "llama-generate", "mistral-generate", "qwen2-generate",
                   "qwen3-generate", "gemma-generate", "gemma2-generate", "gemma3-generate")),
]


def blind(folder, file, name):
    """Tensors that cannot matter: a bias of the keys moves all scores of a query alike; a pooler
    counts only under BERT's sequence head; LED's global attention is not there; what an adapter
    replaces."""
    config = folder / "config.json"
    if not config.exists():
        config = folder / "base" / "config.json"
    config = json.loads(config.read_text())
    architecture = config["architectures"][0]
    if re.search(r"(\.key|k_lin|attn\.k|pos_key_proj)\.bias$", name):
        return True
    if "encoder_layers" in config and name.endswith("k_proj.bias"):  # rotary keys are another matter
        return True
    terms = config.get("pos_att_type") or ""
    if "key_proj.bias" in name and "p2c" not in terms or "rel_embeddings" in name and not terms:
        return True
    if re.search(r"position_ids$|^cls\.|_global\.", name):
        return True
    adapted = folder.name.startswith("adapter")
    if "pooler" in name:
        if folder.name == "adapter":
            return file.parent.name == "base"
        return not adapted and architecture != "BertForSequenceClassification"
    # Absolute positions are not added where relative ones are.
    return "relative" in config.get("position_embedding_type", "") and "position_embeddings" in name


def read_header(file):
    data = file.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return bytearray(data), json.loads(data[8:8 + size]), 8 + size


def fill(file, names, value):
    data, header, start = read_header(file)
    for name in names:
        a, b = header[name]["data_offsets"]
        data[start + a:start + b] = value * ((b - a) // len(value))
    file.write_bytes(data)


def swap(file, one, two):
    data, header, start = read_header(file)
    (a, b), (c, d) = header[one]["data_offsets"], header[two]["data_offsets"]
    data[start + a:start + b], data[start + c:start + d] = \
        data[start + c:start + d], data[start + a:start + b]
    file.write_bytes(data)


def roll(file, name):
    """Every row where the one before it was."""
    data, header, start = read_header(file)
    a, b = header[name]["data_offsets"]
    row = (b - a) // header[name]["shape"][0]
    table = data[start + a:start + b]
    data[start + a:start + b] = table[row:] + table[:row]
    file.write_bytes(data)


def tensors(folder):
    for file in sorted(folder.rglob("*.safetensors")):
        _, header, _ = read_header(file)
        for name in sorted(header):
            if name != "__metadata__" and not blind(folder, file, name):
                yield file.relative_to(folder), name, header[name]


def mutations(folder):
    """Pairs of a description and a function that breaks a copy."""
    norms = []
    for file, name, entry in tensors(folder):
        is_norm = len(entry["shape"]) == 1 and re.search(r"norm\w*\.(weight|gamma)$", name, re.I)
        value = b"\x00\x3c" if is_norm else b"\x00\x00"  # 1.0 and 0.0 as F16
        yield f"{name} filled", lambda c, f=file, n=name, v=value: fill(c / f, [n], v)
        if re.search(r"embed_positions|wpe|position_embeddings|relative_attention_bias", name):
            yield f"{name} moved by a row", lambda c, f=file, n=name: roll(c / f, n)
        if is_norm and re.search(r"[.]1[.]", name):
            norms.append((file, name))
    for (file, one), (other, two) in zip(norms, norms[1:]):
        if file == other:
            yield f"{one} and {two} swapped", lambda c, f=file, a=one, b=two: swap(c / f, a, b)

    def set_key(copy, key, value):
        config = json.loads((copy / "config.json").read_text())
        config[key] = value
        (copy / "config.json").write_text(json.dumps(config))

    def edit(copy, file, pattern, by):
        text = (copy / file).read_text()
        changed = re.sub(pattern, by, text)
        assert changed != text, f"{folder.name}/{file}: nothing to change"
        (copy / file).write_text(changed)

    for pattern, key, value in CONFIG:
        if re.fullmatch(pattern, folder.name):
            yield f"{key} = {value}", lambda c, k=key, v=value: set_key(c, k, v)
    for name, file, pattern, by in FILES:
        if name == folder.name:
            yield f"{file}: {by or 'removed'}", lambda c, f=file, p=pattern, b=by: edit(c, f, p, b)


def breaks(folder):
    """Pairs of what BROKEN shall turn, and keys."""
    for pattern, what, keys in BREAKS:
        if re.fullmatch(pattern, folder.name):
            yield what, keys


def ratios(program, folders, what=None):
    """Error of each folder in tolerances; a folder that is refused or has labels that differ counts
    by its error alone, one with ids that differ counts as far off."""
    env = dict(os.environ, CONFORMANCE_BREAK=what) if what else None
    run = subprocess.run([program, "--device", "cpu", *map(str, folders)], capture_output=True,
                         text=True, check=False, env=env)
    found = {}
    for line in run.stdout.splitlines():
        match = re.match(r"(\S+) +cpu +(.*) ([0-9.e+-]+|inf|nan) of the tolerance", line)
        if match and re.search(r" [1-9]\d* differ", match[2]):
            found[match[1]] = float("inf")
        elif match:
            found[match[1]] = float(match[3])
        elif line.startswith("/"):
            print(line)
    return found


def broken(folder, tmp):
    """Copies of a folder with what is put wrong about them."""
    labels = {}
    for i, (what, change) in enumerate(mutations(folder)):
        copy = tmp / f"{folder.name}.{i}"
        shutil.copytree(folder, copy)
        change(copy)
        labels[str(copy)] = what
    return labels


def main():
    program, other, goldens = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    tried, blunt = 0, []

    def judge(folder, what, ratio):
        nonlocal tried
        tried += 1
        if not (ratio or 0) > AT_LEAST:
            blunt.append(f"{folder.name}: {what}: "
                         f"{'did not run' if ratio is None else ratio} of the tolerance")

    for folder in sorted(goldens / n for n in sys.argv[4:] or os.listdir(goldens)):
        with tempfile.TemporaryDirectory() as tmp:
            labels = broken(folder, pathlib.Path(tmp))
            found = ratios(program, list(labels))
            for copy, what in labels.items():
                judge(folder, what, found.get(copy))
            for what, keys in breaks(folder):
                copy = pathlib.Path(tmp) / what
                shutil.copytree(folder, copy)
                config = json.loads((copy / "config.json").read_text())
                (copy / "config.json").write_text(json.dumps(config | keys))
                judge(folder, f"{what} turned", ratios(other, [copy], what).get(str(copy)))
    print(f"{tried} changes, {tried - len(blunt)} found by more than {AT_LEAST:g} tolerances")
    for line in blunt:
        print(f"not found: {line}")
    return 1 if blunt or tried == 0 else 0


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    sys.exit(main())
