#!/usr/bin/env python3
"""Trained models of TEXTMILL_TESTDATA against what independent programs made of them.

    real_weights.py CONFORMANCE TEXTMILL

Each is put into a folder as Hugging Face has it and asked by the conformance program; stories260K
writes its text through `textmill infer`, too. Standard library only.
"""
import array
import base64
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).parent.parent / "tokenize"))
import gguf  # noqa: E402

CONFORMANCE, TEXTMILL = sys.argv[1:]


def write_tensors(folder, tensors):
    """tensors: name to shape and an array of floats."""
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(values)]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_lines(file, lines):
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def transposed(shape, values):
    rows, cols = shape
    return [cols, rows], array.array("f", (values[r * cols + c] for c in range(cols) for r in range(rows)))


# ---- BART: spellings to phonemes ----

def g2p(folder, source):
    """Words of ten go in as ids with the logit of their first step; 500 more by their letters."""
    shutil.copy(source / "us_bart.safetensors", folder / "model.safetensors")
    shutil.copy(source / "us_bart_config.json", folder / "config.json")
    config = json.loads((folder / "config.json").read_text())
    golden = json.loads((source / "golden_us.json").read_text())
    letters, sounds = config["grapheme_chars"], config["phoneme_chars"]
    options = {"max_length": config["max_position_embeddings"]}
    lines = [{"ids": case["input_ids"], "options": options, "sequences": [case["output_ids"]]}
             for case in golden["detailed"]]
    write_lines(folder / "layers.jsonl", ({"ids": case["input_ids"], "new": 1, "top": [max(case["first_step_logits"])]}
                                          for case in golden["detailed"]))
    for word, spoken, _ in golden["sample_word_pred_gold"]:
        if all(c in letters for c in word):
            lines.append({"ids": [1, *map(letters.index, word), 2], "options": options,
                          "sequences": [[1, 1, *map(sounds.index, spoken), 2]]})
    write_lines(folder / "generate.jsonl", lines)
    return len(lines)


# ---- Llama: stories260K of llama2.c ----

def halves(shape, values, heads):
    """Rotary pairs stand side by side in llama2.c; Hugging Face has them half a head apart."""
    rows, cols = shape
    width = rows // heads
    out = array.array("f")
    for h in range(heads):
        for r in (*range(0, width, 2), *range(1, width, 2)):
            at = (h * width + r) * cols
            out += values[at:at + cols]
    return [rows, cols], out


def read_checkpoint(file):
    data = file.read_bytes()
    dim, hidden, layers, heads, kv_heads, vocab, positions = struct.unpack("<7i", data[:28])
    values, at = array.array("f", data[28:]), 0

    def take(*shape):
        nonlocal at
        n = 1
        for s in shape:
            n *= s
        at += n
        return list(shape), values[at - n:at]

    def each(name, *shape):
        return {f"model.layers.{i}.{name}.weight": take(*shape) for i in range(layers)}

    kv = dim // heads * kv_heads
    tensors = {"model.embed_tokens.weight": take(vocab, dim)}
    for name, shape in (("input_layernorm", (dim,)), ("self_attn.q_proj", (dim, dim)),
                        ("self_attn.k_proj", (kv, dim)), ("self_attn.v_proj", (kv, dim)),
                        ("self_attn.o_proj", (dim, dim)), ("post_attention_layernorm", (dim,)),
                        ("mlp.gate_proj", (hidden, dim)), ("mlp.down_proj", (dim, hidden)),
                        ("mlp.up_proj", (hidden, dim))):
        tensors.update(each(name, *shape))
    tensors["model.norm.weight"] = take(dim)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": dim,
              "intermediate_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
              "num_key_value_heads": kv_heads, "vocab_size": vocab, "max_position_embeddings": positions,
              "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2}
    return config, tensors


def sentencepiece(file):
    """llama2.c's vocabulary as a sentencepiece model: BPE whose bytes stand behind the three controls."""
    data, at, pieces = file.read_bytes(), 4, b""
    kinds = {0: 2, 1: 3, 2: 3}  # unknown, controls

    def field(number, wire, body):
        head = bytes([number << 3 | wire])
        return head + (bytes([len(body)]) + body if wire == 2 else body)

    i = 0
    while at < len(data):
        score, n = struct.unpack("<fi", data[at:at + 8])
        text, at = data[at + 8:at + 8 + n], at + 8 + n
        if 3 <= i < 259:
            text = f"<0x{i - 3:02X}>".encode()
        elif i < 3:
            text = [b"<unk>", b"<s>", b"</s>"][i]
        text = text.replace(b" ", "\u2581".encode())
        kind = 6 if 3 <= i < 259 else kinds.get(i, 1)
        pieces += field(1, 2, field(1, 2, text) + field(2, 5, struct.pack("<f", score)) + field(3, 0, bytes([kind])))
        i += 1
    trainer = field(3, 0, b"\x02") + bytes([35 << 3 & 0x7F | 0x80, 35 << 3 >> 7, 1])  # BPE, byte_fallback
    return pieces + field(2, 2, trainer)


def stories(folder, source):
    config, tensors = read_checkpoint(source / "stories260K.bin")
    for name in tensors:
        if "q_proj" in name or "k_proj" in name:
            tensors[name] = halves(*tensors[name], config["num_attention_heads" if "q_proj" in name else "num_key_value_heads"])
    write_tensors(folder, tensors)
    (folder / "config.json").write_text(json.dumps(config))
    golden = json.loads((source / "golden.json").read_text())
    ids, logits = golden["greedy_ids"], golden["logits"]
    write_lines(folder / "generate.jsonl", [
        {"ids": ids[:n], "options": {"max_length": len(ids)}, "sequences": [ids]} for n in (1, 2, 40, 199)])
    write_lines(folder / "layers.jsonl", ({"ids": ids[:at["position"] + 1], "new": 1, "top": [max(at["logits"])]}
                                          for at in logits))
    (folder / "tokenizer.model").write_bytes(sentencepiece(source / "tok512.bin"))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>",
         "eos_token": "</s>", "unk_token": "<unk>"}))
    return 4


GGUF_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "model.layers.": "blk.",
              "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.": "attn_",
              "attn_o_proj": "attn_output", "mlp.": "ffn_", "_proj": ""}


def alone(folder, source):
    """The same in one GGUF file: rotary pairs side by side again, the tokenizer inside."""
    config, tensors = read_checkpoint(source / "stories260K.bin")
    listed = []
    for name, (shape, values) in tensors.items():
        for ours, theirs in GGUF_NAMES.items():
            name = name.replace(ours, theirs)
        listed.append((name, shape, values.tobytes()))
    numbers = {"context_length": "max_position_embeddings", "embedding_length": "hidden_size",
               "block_count": "num_hidden_layers", "feed_forward_length": "intermediate_size",
               "attention.head_count": "num_attention_heads", "attention.head_count_kv": "num_key_value_heads"}
    values = [("llama." + theirs, gguf.U32, config[ours]) for theirs, ours in numbers.items()]
    values.append(("llama.attention.layer_norm_rms_epsilon", gguf.F32, config["rms_norm_eps"]))
    (folder / "stories260K.gguf").write_bytes(
        gguf.of_pieces(gguf.pieces(sentencepiece(source / "tok512.bin")), values, listed))


def tells_all(folder, source):
    lone = folder / "lone"
    lone.mkdir()
    alone(lone, source)
    return tells(folder, source) and tells(lone, source)


def tells(folder, source):
    """What `textmill infer` writes behind the beginning of the story."""
    golden = json.loads((source / "golden.json").read_text())
    start = "Once upon a time"
    done = subprocess.run([TEXTMILL, "infer", "-m", folder, "--precision", "float32", "--max-length",
                           str(len(golden["greedy_ids"]))], input=start.encode(), capture_output=True, check=False)
    text = json.loads(done.stdout)["generated_text"] if done.returncode == 0 else done.stderr.decode()
    if start + text.removeprefix(start) == golden["text"]:
        return True
    print(f"stories260K in {folder.name} wrote {text!r}\ninstead of {golden['text']!r}")
    return False


# ---- GPT-2: gpt-nano-sort, with everything that went through it ----

def decode(entry):
    return entry["shape"], array.array("f", base64.b64decode(entry["data"]))


def nano_sort(folder, source):
    model = json.loads((source / "gpt-nano-sort-model.json").read_text())
    c = model.pop("config")
    tensors = {name: decode(entry) for name, entry in model.items() if not name.endswith(".attn.bias")}
    for name, (shape, values) in tensors.items():  # GPT-2's files have these the other way round
        if len(shape) == 2 and ".h." in name:
            tensors[name] = transposed(shape, values)
    write_tensors(folder, tensors)
    (folder / "config.json").write_text(json.dumps({
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": c["n_embd"], "n_layer": c["n_layer"],
        "n_head": c["n_head"], "n_positions": c["block_size"], "vocab_size": c["vocab_size"],
        "tie_word_embeddings": False, "eos_token_id": None, "bos_token_id": None}))
    seen = json.loads((source / "gpt-nano-sort-t0-partials.json").read_text())
    width, n, last = c["n_embd"], c["block_size"], c["block_size"] - 2
    ids, final, logits = (decode(seen[k])[1] for k in ("idx", "ln_f", "lm_head"))
    blocks = [decode(seen[f"block{i}"]["mlpResid"] if "mlpResid" in seen[f"block{i}"] else seen[f"block{i}"])[1]
              for i in range(c["n_layer"] - 1)]
    lines, answers = [], []
    for b in range(seen["config"]["B"]):
        row, at = [int(i) for i in ids[b * n:(b + 1) * n]], b * n * width
        states = [x for block in blocks for x in block[at:at + (last + 1) * width]]
        states += final[at + last * width:at + (last + 1) * width]
        best = logits[(b * n + last) * c["vocab_size"]:][:c["vocab_size"]].tolist()
        lines.append({"ids": row[:last + 1], "new": 1, "decoder": states, "top": [max(best)]})
        answers.append({"ids": row[:last + 1], "options": {"max_new_tokens": 1},
                        "sequences": [[*row[:last + 1], best.index(max(best))]]})
    write_lines(folder / "layers.jsonl", lines)
    write_lines(folder / "generate.jsonl", answers)
    return len(lines)


MODELS = {"bart-g2p": (g2p, None), "llama2c-stories260K": (stories, tells_all), "gpt-nano-sort": (nano_sort, None)}


def main():
    data = pathlib.Path(os.environ.get("TEXTMILL_TESTDATA", ""), "weights")
    failed, ran = 0, 0
    for name, (make, more) in MODELS.items():
        if not os.environ.get("TEXTMILL_TESTDATA") or not (data / name).is_dir():
            print(f"SKIPPED {name}: TEXTMILL_TESTDATA has no weights/{name}")
            continue
        with tempfile.TemporaryDirectory() as tmp:
            folder = pathlib.Path(tmp, name)
            folder.mkdir()
            print(f"{name}: {make(folder, data / name)} sequences", flush=True)
            failed += subprocess.run([CONFORMANCE, "--device", "cpu", folder], check=False).returncode != 0
            failed += more is not None and not more(folder, data / name)
        ran += 1
    return 1 if failed else 0 if ran == len(MODELS) else 77


if __name__ == "__main__":
    sys.exit(main())
