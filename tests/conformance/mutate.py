#!/usr/bin/env python3
"""Shows that the goldens can fail: breaks copies of the models one thing at a time and requires the
comparison to fail by more than ten times the tolerance.

    mutate.py CONFORMANCE GOLDENS [FOLDER...]

Every tensor is put to zero (norm weights to one), norms are swapped, and every key of the
configuration that changes the arithmetic is changed. Standard library only.
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


def ratios(program, folders):
    """Error of each folder in tolerances; a folder that is refused or has labels that differ counts
    by its error alone."""
    run = subprocess.run([program, "--device", "cpu", *map(str, folders)], capture_output=True,
                         text=True, check=False)
    found = {}
    for line in run.stdout.splitlines():
        match = re.match(r"(\S+) +cpu .* ([0-9.e+-]+|inf|nan) of the tolerance", line)
        if match:
            found[match[1]] = float(match[2])
        elif line.startswith("/"):
            print(line)
    return found


def main():
    program, goldens, only = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    tried, blunt, labels = 0, [], {}
    with tempfile.TemporaryDirectory() as tmp:
        for folder in sorted(goldens / n for n in only or os.listdir(goldens)):
            for i, (what, breaks) in enumerate(mutations(folder)):
                copy = pathlib.Path(tmp) / f"{folder.name}.{i}"
                shutil.copytree(folder, copy)
                breaks(copy)
                labels[str(copy)] = f"{folder.name}: {what}"
            found = ratios(program, list(labels))
            for copy, label in labels.items():
                tried += 1
                if not found.get(copy, 0) > AT_LEAST:
                    blunt.append(f"{label}: {found.get(copy, 'did not run')} of the tolerance")
                shutil.rmtree(copy)
            labels.clear()
    print(f"{tried} changes, {tried - len(blunt)} found by more than {AT_LEAST:g} tolerances")
    for line in blunt:
        print(f"not found: {line}")
    return 1 if blunt or tried == 0 else 0


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    sys.exit(main())
