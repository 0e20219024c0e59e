#!/usr/bin/env python3
"""Model folders that must be refused, each with a message that names the place.

    refusals.py OPEN_MODEL GOLDENS

Copies of the tiny models are spoiled one thing at a time: safetensors headers byte by byte,
configurations, tensors, modules, adapters. Standard library only.
"""
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

PROGRAM, GOLDENS = sys.argv[1], pathlib.Path(sys.argv[2])


def run(folder):
    base = folder / "base"
    args = [PROGRAM, str(folder)] + ([str(base)] if base.exists() else [])
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        return f"died with {done.returncode}: {done.stderr.strip()[-300:]}"
    return done.stdout.strip()


def weights(header, data=b"", size=None):
    """A safetensors file; header: bytes or something for json."""
    if not isinstance(header, bytes):
        header = json.dumps(header).encode()
    return struct.pack("<Q", len(header) if size is None else size) + header + data


def entry(dtype="F32", shape=(2, 2), offsets=(0, 16), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


T = b"\0" * 16
DEEP = b'{"a":' + b"[" * 400 + b"]" * 400 + b"}"
# what the file holds, what the message must say
HEADERS = [
    (b"", "too short for a header"),
    (b"\1\0\0", "too short for a header"),
    (struct.pack("<Q", 0), "header of 0 bytes"),
    (weights(b"{}", size=100000001), "more than 100000000"),
    (weights(b"{}", size=2**63), "more than 100000000"),
    (weights(b"{}", size=3), "truncated?"),
    (weights(b" {}"), "does not begin with {"),
    (weights(b"[]"), "does not begin with {"),
    (weights(b'{"a"}'), "model.safetensors:1:"),
    (weights(b'{} x'), "model.safetensors:1:"),
    (weights(b'{"\xff":1}'), "model.safetensors:1:"),
    (weights(DEEP), "tensor a is not an object"),
    (weights(b'{"__metadata__":{"a":' + b"[" * 400 + b"}"), "model.safetensors:1:"),
    (weights({"__metadata__": []}), "__metadata__ is not an object"),
    (weights({"__metadata__": {"a": 1}}), "a string"),
    (weights({"a\0b": entry()}, T), "U+0000"),
    (weights({"a": 1}), "tensor a is not an object"),
    (weights({"a": {"dtype": "F32", "shape": [4]}}), "tensor a: data_offsets is missing"),
    (weights({"a": {"dtype": "F32", "data_offsets": [0, 0]}}), "tensor a: shape is missing"),
    (weights({"a": {"shape": [4], "data_offsets": [0, 0]}}), "tensor a: dtype is missing"),
    (weights({"a": entry("F33")}, T), "tensor a: unknown dtype F33"),
    (weights({"a": entry(extra=1)}, T), "tensor a: key extra"),
    (weights(b'{"a":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}}', T),
     "tensor a: key dtype is unknown or there twice"),
    (weights({"a": entry(shape=(-2, -2))}, T), "no size"),
    (weights({"a": entry(shape=(2.5, 2))}, T), "no size"),
    (weights({"a": entry(shape=(2**70,))}, T), "no size"),
    (weights({"a": entry(shape=(1,) * 9)}, T), "more than 8 numbers"),
    (weights({"a": entry(shape=(2**62, 4, 4))}, T), "tensor a: shape overflows"),
    (weights({"a": entry(shape=(2**60, 16))}, T), "tensor a: shape overflows"),
    (weights({"a": entry(offsets=(16, 0))}, T), "not a range"),
    (weights({"a": entry(offsets=(0, 8, 16))}, T), "more than 2 numbers"),
    (weights({"a": entry(offsets=(0,))}, T), "not a range"),
    (weights({"a": entry(offsets=(0, 20))}, T), "tensor a: shape and dtype make 128 bits"),
    (weights({"a": entry("F4", (3,), (0, 1))}, b"\0"), "tensor a: shape and dtype make 12 bits"),
    (weights({"a": entry(offsets=(8, 24))}, T + T[:8]), "tensor a leaves a hole at byte 0"),
    (weights({"a": entry(), "b": entry(offsets=(24, 40))}, T * 3), "tensor b leaves a hole"),
    (weights({"a": entry(), "b": entry(offsets=(8, 24))}, T + T), "tensor b overlaps"),
    (weights({"a": entry()}, T + b"\0"), "holds 17 bytes of data, its header says 16"),
    (weights({"a": entry()}, T[1:]), "truncated?"),
    (weights(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
             b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), "tensor a twice"),
    (weights({"a": entry(), "e": entry("I64", (0, 5), (16, 16)), "s": entry("F64", (), (16, 24)),
              "f": entry("F4", (16,), (24, 32))}, T * 2), "tensor embeddings.word"),  # legal
]

# key, value, what the message must say; value None in a tuple: the key is removed
REMOVED = object()
CONFIGS = [
    ("model_type", REMOVED, "no model_type"),
    ("model_type", "t6", 'model_type "t6" is not among bert'),
    ("model_type", 5, "a string"),
    ("architectures", ["BertForChess"], "architecture BertForChess of model_type bert"),
    ("architectures", ["RobertaModel"], "architecture RobertaModel of model_type bert"),
    ("architectures", "BertModel", "architectures is not a list"),
    ("hidden_act", "gelu_10", 'hidden_act "gelu_10" is not supported'),
    ("position_embedding_type", "alibi", 'position_embedding_type "alibi"'),
    ("hidden_size", 35, "hidden_size 35 is no multiple of 3 heads"),
    ("hidden_size", 0, "hidden_size is 0"),
    ("hidden_size", -36, "hidden_size is -36"),
    ("hidden_size", 36.5, "config.json:"),
    ("hidden_size", 10**31, "config.json:"),
    ("num_hidden_layers", 100000, "num_hidden_layers is 100000"),
    ("layer_norm_eps", 0, "layer_norm_eps is not positive"),
    ("layer_norm_eps", "1e-5", "config.json:"),
    ("pad_token_id", "0", "not a token id"),
    ("auto_map", {"AutoModel": "x.Y"}, "models with auto_map"),
    ("quantization_config", {"bits": 4}, "models with quantization_config"),
    ("rope_scaling", {"type": "linear"}, "models with rope_scaling"),
    ("is_decoder", True, "models with is_decoder"),
    ("pruned_heads", {"0": [1]}, "models with pruned_heads"),
    ("id2label", {"0": "a", "2": "b"}, "id2label leaves out 1"),
    ("id2label", {"0": "a", "x": "b"}, 'id2label: "x" is not a label'),
    ("id2label", {"0": "a", "00": "b"}, "id2label"),
    ("id2label", {"0": ["a"]}, "label 0 is not a string"),
    ("id2label", ["a"], "id2label is not an object"),
    ("num_labels", 0, "num_labels is out of range"),
    ("problem_type", "guessing", "unknown problem_type"),
    # Shapes follow from the configuration: the first tensor that differs is named.
    ("vocab_size", 310, "tensor embeddings.word_embeddings.weight is (311, 36) where (310, 36)"),
    ("type_vocab_size", 3, "tensor embeddings.token_type_embeddings.weight is (2, 36)"),
    ("num_hidden_layers", 3, "tensor encoder.layer.2.attention.self.query.weight is missing"),
    ("num_hidden_layers", 1, "tensor bert.encoder.layer.1."),
    ("intermediate_size", 40, "tensor encoder.layer.0.intermediate.dense.weight is (41, 36)"),
    ("id2label", {"0": "a", "1": "b"}, "tensor classifier.weight is (3, 36) where (2, 36)"),
    # What writers leave for "not used" passes.
    ("auto_map", None, "OK"),
    ("quantization_config", {}, "OK"),
    ("is_decoder", False, "OK"),
    ("pruned_heads", {}, "OK"),
    ("transformers_version", "4.57.6", "OK"),
    ("pad_token_id", None, "OK"),
    ("problem_type", None, "OK"),
]

# file, regular text in it, its replacement, message
TEXTS = [
    ("bert-sequence", "config.json", "{", "[", "config.json:1:1: not an object"),
    ("bert-sequence", "config.json", "}\n", "", "config.json:"),
    ("bert-sequence", "config.json", "}\n", "} 1", "config.json:"),
    ("modernbert", "config.json", '"num_attention_heads": 2', '"num_attention_heads": 32',
     "rotary positions need an even width"),
    ("modernbert", "config.json", "{", '{"rope_parameters": {"rope_type": "linear", "factor": 2},',
     "models with rope_scaling"),
    ("llama", "config.json", '"architectures"',
     '"rope_scaling": {"rope_type": "longrope"}, "architectures"',
     "rope_type longrope is not supported"),
    ("llama", "config.json", '"architectures"',
     '"rope_scaling": {"rope_type": "linear"}, "architectures"',
     "without a factor"),
    ("llama", "config.json", '"architectures"',
     '"rope_scaling": {"spread": 1}, "architectures"', "with spread"),
    ("llama", "config.json", '"architectures"',
     '"partial_rotary_factor": 0.5, "architectures"', "partial_rotary_factor"),
    ("t5", "config.json", '"architectures"',
     '"feed_forward_proj": "gated-swoosh", "architectures"', "gated-swoosh"),
    ("roberta-token", "config.json", '"pad_token_id": 2', '"pad_token_id": null',
     "pad_token_id is missing"),
    ("roberta-token", "config.json", '"max_position_embeddings": 70',
     '"max_position_embeddings": 3', "max_position_embeddings leaves no position"),
    ("sentence-dense", "modules.json", "models.Pooling", "models.WordWeights",
     "module sentence_transformers.models.WordWeights is not supported"),
    ("sentence-dense", "modules.json", "models.Pooling", "models.Normalize", "out of order"),
    ("sentence-dense", "modules.json", '"path": "2_Dense"', '"path": "../2_Dense"',
     "path ../2_Dense is not a plain name"),
    ("sentence-dense", "modules.json", '"path": ""', '"path": "0_Transformer"', "0_Transformer"),
    ("sentence-dense", "modules.json", '"path": ""', '"path": "../x"', "path ../x is not a plain name"),
    ("sentence-dense", "2_Dense/config.json", "Tanh", "Softsign", "Softsign is not supported"),
    ("sentence-dense", "2_Dense/config.json", '"out_features": 48', '"out_features": 47',
     "tensor linear.weight is (48, 32) where (47, 32)"),
    ("sentence-dense", "2_Dense/config.json", '"bias": true', '"bias": false',
     "tensor linear.bias is not one"),
    ("sentence-mean", "1_Pooling/config.json", '"pooling_mode_max_tokens": false',
     '"pooling_mode_max_tokens": true', "2 ways of pooling"),
    ("sentence-mean", "1_Pooling/config.json", '"pooling_mode_max_tokens": false',
     '"pooling_mode_weightedmean_tokens": true', "pooling_mode_weightedmean_tokens"),
    ("sentence-mean", "sentence_bert_config.json", "61", "0", "max_seq_length is not a length"),
    ("adapter", "adapter_config.json", '"LORA"', '"IA3"', "peft_type IA3"),
    ("adapter", "adapter_config.json", '"use_dora": false', '"use_dora": true', "use_dora"),
    ("adapter", "adapter_config.json", '"init_lora_weights": true',
     '"init_lora_weights": "pissa"', "init_lora_weights pissa"),
    ("adapter", "adapter_config.json", '"r": 4', '"r": 5',
     "adapter of bert.encoder.layer.0.attention.self.query"),
    ("adapter", "adapter_config.json", '"pooler"', '"gate"', "no tensor of gate"),
    ("adapter-bare", "adapter_config.json", '"intermediate.dense"', '"inter.*dense"', "pattern"),
    ("adapter-bare", "adapter_config.json", '"SEQ_CLS"', '"CAUSAL_LM"', "task_type CAUSAL_LM"),
    ("bert-shards", "model.safetensors.index.json", "model-00002", "../model-00002",
     "not a plain file name"),
    ("bert-shards", "model.safetensors.index.json", "model-00002", "/model-00002",
     "not a plain file name"),
    ("bert-shards", "model.safetensors.index.json", "model-00002", "model-00009",
     "model-00009-of-00003.safetensors"),
    ("bert-shards", "model.safetensors.index.json", "weight_map", "wait_map", "no weight_map"),
]

failures, tried = [], 0


def expect(what, folder, message):
    global tried
    tried += 1
    said = run(folder)
    if message not in said or (message != "OK" and said.startswith("OK")) or "died" in said:
        failures.append(f"{what}: \"{message}\" expected, said: {said}")


def copy_of(name, tmp):
    folder = pathlib.Path(tmp) / "model"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(GOLDENS / name, folder)
    return folder


def read_weights(file):
    data = file.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + size]), data[8 + size:]


def headers(tmp):
    folder = copy_of("bert-sequence", tmp)
    for content, message in HEADERS:
        (folder / "model.safetensors").write_bytes(content)
        expect(f"header {content[8:68]!r}", folder, message)
    (folder / "model.safetensors").unlink()
    expect("no weights", folder, "looked for model.safetensors")
    expect("no folder", folder / "none", "E_NOT_FOUND")


def truncation(tmp):
    """No length but the right one is taken, and none kills the reader."""
    folder = copy_of("bert-sequence", tmp)
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    lengths = {*range(0, 64), *range(64, len(whole), 977), len(whole) - 1}
    for n in sorted(lengths):
        file.write_bytes(whole[:n])
        expect(f"cut to {n} bytes", folder, "model.safetensors: ")
    file.write_bytes(whole + b"\0")
    expect("one byte more", folder, "its header says")


def configs(tmp):
    for key, value, message in CONFIGS:
        folder = copy_of("bert-sequence", tmp)
        config = json.loads((folder / "config.json").read_text())
        if value is REMOVED:
            del config[key]
        else:
            config[key] = value
        (folder / "config.json").write_text(json.dumps(config))
        expect(f"config {key} = {value}", folder, message)


def texts(tmp):
    for name, file, old, new, message in TEXTS:
        folder = copy_of(name, tmp)
        text = (folder / file).read_text()
        if old not in text:
            failures.append(f"{name}/{file}: nothing to replace: {old}")
        (folder / file).write_text(text.replace(old, new))
        expect(f"{name}/{file}: {new}", folder, message)


def tensors(tmp):
    """Each tensor of a model under another name: missing and unknown, both by name."""
    for name, file in (("bert-sequence", "model.safetensors"),
                       ("modernbert-token", "model.safetensors"),
                       ("sentence-dense", "2_Dense/model.safetensors"),
                       ("adapter", "adapter_model.safetensors")):
        header, data = read_weights(GOLDENS / name / file)
        for tensor in header:
            if tensor == "__metadata__":
                continue
            folder = copy_of(name, tmp)
            plain = tensor.removeprefix("bert.").removeprefix("model.")
            renamed = {(k if k != tensor else k + "x"): v for k, v in header.items()}
            (folder / file).write_bytes(weights(renamed, data))
            # The base's tensor stands in for a missing one of the adapter; the new name is unknown.
            lora = next((p for p in ("lora_A", "lora_B") if p in tensor), None)
            message = f"{lora} is missing" if lora else \
                tensor + "x is not one" if "pooler" in tensor and name == "adapter" else \
                f"tensor {plain.removeprefix('base_model.model.')} is missing"
            expect(f"{name}: {tensor} renamed", folder, message)
            folder = copy_of(name, tmp)
            entry_of = dict(header[tensor])
            entry_of["shape"] = [1] + entry_of["shape"]
            (folder / file).write_bytes(weights({**header, tensor: entry_of}, data))
            expect(f"{name}: {tensor} with another rank", folder, plain.split(".lora_")[0]
                   .removeprefix("base_model.model.bert.").removeprefix("base_model.model."))
            if "lora" in tensor:
                continue
            folder = copy_of(name, tmp)
            entry_of = {**header[tensor], "dtype": "I16"}
            (folder / file).write_bytes(weights({**header, tensor: entry_of}, data))
            expect(f"{name}: {tensor} of integers", folder, "is I16, which cannot be read")
    folder = copy_of("bert-sequence", tmp)
    header, data = read_weights(folder / "model.safetensors")
    header["bert.extra"] = entry("U8", (3,), (len(data), len(data) + 3))
    (folder / "model.safetensors").write_bytes(weights(header, data + b"abc"))
    expect("an unknown tensor", folder, "tensor bert.extra is not one that "
           "BertForSequenceClassification knows")
    folder = copy_of("adapter", tmp)
    shutil.rmtree(folder / "base")
    expect("adapter without base", folder, "is an adapter: its base model is needed")


def main():
    with tempfile.TemporaryDirectory() as tmp:
        for part in (headers, truncation, configs, texts, tensors):
            part(tmp)
    for line in failures:
        print(line)
    print(f"{tried} folders, {len(failures)} not as expected")
    return 1 if failures else 0


sys.exit(main())
