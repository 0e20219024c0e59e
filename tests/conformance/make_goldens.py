#!/usr/bin/env python3
"""Makes goldens/: tiny random models of every family with the answers of the reference.

The reference is PyTorch transformers, eager attention, float32, one thread; versions are pinned in
requirements.txt. No weights are downloaded. Every parameter is made random, biases and norms too,
so that leaving one out changes the answers; all are rounded to float16 before the reference runs,
so that half the bytes hold them exactly.

    pip install -r requirements.txt && ./make_goldens.py [FOLDER...]
"""
import functools
import json
import pathlib
import re
import shutil
import sys

import generation
import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
GOLDENS = HERE / "goldens"
VOCAB = 311
# Projections of embeddings, which are linear layers.
LINEAR_EMBEDDING = re.compile(r"embeddings_project|embedding_hidden_mapping_in|embed_proj")
MARGIN = 1e-2  # between the best label and the next, in every row that is compared

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()


def named(make):
    """Makes a folder only when it is asked for, or when none is."""
    @functools.wraps(make)
    def when_wanted(name, *args, **keys):
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            shutil.rmtree(GOLDENS / name, ignore_errors=True)
            make(name, *args, **keys)
    return when_wanted


def randomise(model, generator):
    """Standard deviations that make logits of a few units, and nothing zero or one."""
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        is_norm = "norm" in name.lower()
        fan_in = p.numel() / p.shape[0]
        if p.dim() == 1 and is_norm and name.endswith("weight"):
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


def write_model(folder, model, rename=lambda n: n, extra=None, shards=1):
    folder.mkdir(parents=True)
    tensors = {rename(n): p.detach().half().contiguous() for n, p in model.named_parameters()}
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


FLAT_ID = 5


def flatten(embeddings):
    """Makes FLAT_ID at position 0 a row of little variance, which shows the epsilon of its norm."""
    tables = embeddings.position_embeddings, embeddings.token_type_embeddings
    rest = sum(t.weight.data[0] for t in tables)
    noise = torch.randn(rest.shape, generator=torch.Generator().manual_seed(3))
    embeddings.word_embeddings.weight.data[FLAT_ID] = (0.01 * noise - rest).half().float()


def to_gelu_edge(model):
    """Puts the activation near -2.7, where GELU's two forms differ most (4.7e-4)."""
    for name, p in model.named_parameters():
        if "intermediate.dense.weight" in name:
            p.data = (0.2 * p.data).half().float()
        elif "intermediate.dense.bias" in name:
            p.data = (p.data - 2.7).half().float()
        elif "output.dense.weight" in name and "attention" not in name:
            p.data = (3 * p.data).half().float()


def sequences(lengths, generator, pads=None, pair=False, eos=None):
    out = []
    for n in lengths:
        ids = torch.randint(5, VOCAB, (n,), generator=generator)
        if pads is not None and n > 4:
            ids[n // 2] = pads
            ids[n // 3] = pads
        if eos is not None:
            ids[-1] = eos
            if n > 9:
                ids[n // 2] = eos
        out.append({"ids": ids.tolist()})
        if pair and n > 3:
            out[-1]["n_first"] = n // 2
    return out


def forward(model, seq, types):
    ids = torch.tensor([seq["ids"]])
    extra = {}
    if types:
        n, first = len(seq["ids"]), seq.get("n_first", 0)
        extra["token_type_ids"] = torch.tensor([[int(first > 0 and i >= first) for i in range(n)]])
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), **extra)


def flat(t):
    return [float(f"{x:.8g}") for x in t.flatten().tolist()]


def check_margin(rows):
    if rows.shape[-1] > 1:
        best = rows.topk(2, dim=-1).values
        if float((best[..., 0] - best[..., 1]).min()) < MARGIN:
            raise ArithmeticError("two labels are too close")


def answer(head, out):
    if head == "span":
        rows = torch.stack([out.start_logits[0], out.end_logits[0]])
        check_margin(rows)
        return flat(rows)
    if head == "embedding":
        return flat(out.last_hidden_state[0].mean(dim=0))
    check_margin(out.logits[0])
    return flat(out.logits[0])


def write_golden(folder, seqs, answers):
    with open(folder / "golden.jsonl", "w") as f:
        for seq, out in zip(seqs, answers):
            f.write(json.dumps({**seq, "out": out}, separators=(",", ":")) + "\n")


def until_clear(make):
    """Other ids until no two labels are close."""
    for seed in range(200):
        try:
            return make(torch.Generator().manual_seed(1000 + seed))
        except ArithmeticError:
            continue
    sys.exit("no input keeps the labels apart")


HEADS = {
    "embedding": "Model",
    "sequence": "ForSequenceClassification",
    "token": "ForTokenClassification",
    "span": "ForQuestionAnswering",
}
LENGTHS = (1, 2, 7, 33, 61)
TYPED = ("Bert", "Electra", "Albert", "Deberta", "DebertaV2")


def make_model(prefix, head, seed, **keys):
    cls = getattr(transformers, prefix + HEADS[head])
    config = cls.config_class(vocab_size=VOCAB, **keys)
    config._attn_implementation = "eager"
    config.architectures = [cls.__name__]
    model = cls(config).eval()
    randomise(model, torch.Generator().manual_seed(seed))
    return model


@named
def case(name, prefix, head, *, lengths=LENGTHS, pads=None, pair=False, eos=None, rename=lambda n: n,
         extra=None, shards=1, flat_row=False, gelu_edge=False, **keys):
    model = make_model(prefix, head, len(name) * 7919 + sum(name.encode()), **keys)
    types = prefix in TYPED and model.config.type_vocab_size > 1
    folder = GOLDENS / name
    if flat_row:
        flatten(model.bert.embeddings)
    if gelu_edge:
        to_gelu_edge(model)

    def make(generator):
        seqs = sequences(lengths, generator, pads, pair, eos)
        if flat_row:
            for seq in seqs:
                seq["ids"][0] = FLAT_ID
        return seqs, [answer(head, forward(model, s, types)) for s in seqs]

    seqs, answers = until_clear(make)
    write_model(folder, model, rename, extra, shards)
    write_golden(folder, seqs, answers)


# ---- sentence-transformers: pooling, dense and normalise as its modules define them ----

POOLINGS = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken")


def pool(kind, h, keep):
    if kind == "cls_token":
        return h[0]
    if kind == "max_tokens":
        return h[keep].max(dim=0).values
    if kind == "lasttoken":
        return h[keep][-1]
    total = h[keep].sum(dim=0)
    return total / (keep.sum() if kind == "mean_tokens" else keep.sum().sqrt())


@named
def sentence_case(name, prefix, pooling, *, normalise, dense=(), skip=0, architecture=None,
                  rename=lambda n: n, **keys):
    model = make_model(prefix, "embedding", sum(name.encode()), **keys)
    if architecture:
        model.config.architectures = [architecture]
    folder = GOLDENS / name
    write_model(folder, model, rename)
    generator = torch.Generator().manual_seed(7)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(
        {"word_embedding_dimension": model.config.hidden_size, "include_prompt": True,
         **{f"pooling_mode_{p}": p == pooling for p in POOLINGS}}))
    width, layers = model.config.hidden_size, []
    for i, (out, act, bias) in enumerate(dense):
        layer = torch.nn.Linear(width, out, bias=bias)
        randomise(layer, generator)
        path = f"{i + 2}_Dense"
        (folder / path).mkdir()
        save_file({f"linear.{n}": p.detach().half() for n, p in layer.named_parameters()},
                  folder / path / "model.safetensors")
        kind = {"Tanh": "activation", "Identity": "linear"}[act]
        (folder / path / "config.json").write_text(json.dumps(
            {"in_features": width, "out_features": out, "bias": bias,
             "activation_function": f"torch.nn.modules.{kind}.{act}"}))
        modules.append((path, "Dense"))
        layers.append((layer, torch.tanh if act == "Tanh" else lambda x: x))
        width = out
    if normalise:
        modules.append((f"{len(modules)}_Normalize", "Normalize"))
    (folder / "modules.json").write_text(json.dumps(
        [{"idx": i, "name": str(i), "path": p, "type": f"sentence_transformers.models.{t}"}
         for i, (p, t) in enumerate(modules)]))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 61}')
    seqs, answers = sequences(LENGTHS, generator), []
    for seq in seqs:
        n = len(seq["ids"])
        keep = torch.ones(n, dtype=torch.bool)
        if skip and n > skip:
            keep[:skip] = False
            seq["skip"] = [int(not k) for k in keep]
        v = pool(pooling, forward(model, seq, False).last_hidden_state[0], keep)
        for layer, act in layers:
            v = act(layer(v))
        if normalise:
            v = torch.nn.functional.normalize(v, dim=0)
        answers.append(flat(v.detach()))
    write_golden(folder, seqs, answers)


# ---- PEFT ----

@named
def adapter_case(name, *, own_config, labels, base_head="embedding", **lora):
    import peft
    keys = dict(hidden_size=32, num_attention_heads=4, num_hidden_layers=2, intermediate_size=37,
                max_position_embeddings=64)
    base = make_model("Bert", base_head, 77, **keys)
    cls = transformers.BertForSequenceClassification
    config = transformers.BertConfig(
        vocab_size=VOCAB, architectures=[cls.__name__], **keys,
        id2label={i: f"class {i}" for i in range(labels)}, label2id={})
    config._attn_implementation = "eager"
    model = cls(config).eval()
    model.bert.load_state_dict(base.state_dict())
    model = peft.get_peft_model(model, peft.LoraConfig(task_type="SEQ_CLS", **lora)).eval()
    generator = torch.Generator().manual_seed(78)
    for n, p in model.named_parameters():
        if "lora_" in n or "modules_to_save" in n:
            p.data = (torch.randn(p.shape, generator=generator) * 0.4).half().float()
    folder = GOLDENS / name

    def make(gen):
        seqs = sequences(LENGTHS, gen, pair=True)
        return seqs, [answer("sequence", forward(model, s, True)) for s in seqs]

    seqs, answers = until_clear(make)
    write_model(folder / "base", base)
    state = {n: p.half().contiguous() for n, p in peft.get_peft_model_state_dict(model).items()}
    save_file(state, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    adapter = model.peft_config["default"].to_dict()
    adapter.update(base_model_name_or_path="tiny-bert", inference_mode=True)
    adapter = {k: sorted(v) if isinstance(v, set) else v for k, v in adapter.items()}
    (folder / "adapter_config.json").write_text(
        json.dumps(adapter, indent=1, sort_keys=True, default=str) + "\n")
    if own_config:
        write_config(folder, config)
    write_golden(folder, seqs, answers)


def liven(model):
    """Sharp attention and strong branches, so that what is generated depends on all that came before
    and does not repeat itself."""
    for name, p in model.named_parameters():
        if p.dim() == 2 and re.search(r"(q|k)_proj|\.(q|k)\.", name):
            p.data = (2 * p.data).half().float()
        elif p.dim() == 2 and re.search(r"fc\d|Dense|mlp", name):
            p.data = (2 * p.data).half().float()
        elif re.search(r"embed_positions|wpe", name):
            p.data = (4 * p.data).half().float()
        elif re.search(r"shared|embed_tokens|lm_head|wte", name):
            p.data = (3 * p.data).half().float()


@named
def generation_case(name, config_class, model_class, cases, eos_bias=2.0, own=None, seed=1,
                    extra_tensors=None, **config):
    """own: keys of generation_config.json; None: config.json says what there is to say."""
    generator = torch.Generator().manual_seed(seed)
    config = config_class(vocab_size=VOCAB, architectures=[model_class.__name__],
                          attn_implementation="eager", **config)
    model = model_class(config).eval()
    randomise(model, generator)
    liven(model)
    extra = dict(extra_tensors or {})
    if hasattr(model, "final_logits_bias"):
        bias = (0.5 * torch.randn(1, VOCAB, generator=generator)).half()
        bias[0, config.eos_token_id] = eos_bias
        model.final_logits_bias = bias.float()
        extra["final_logits_bias"] = bias
    folder = GOLDENS / name
    write_model(folder, model, extra=extra)
    if own is not None:
        model.generation_config = transformers.GenerationConfig(**own)
        model.generation_config.save_pretrained(folder)
    else:
        model = model_class.from_pretrained(folder, attn_implementation="eager").float().eval()
    generation.write(folder, generation.answers(model, cases, VOCAB, generator))


def legacy(name):
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias",
                                                                     "LayerNorm.beta")


def labels(n):
    return {"id2label": {i: f"L{i}" for i in range(n)}}


def main():
    if len(sys.argv) == 1:
        shutil.rmtree(GOLDENS, ignore_errors=True)
    small = dict(hidden_size=32, num_attention_heads=4, num_hidden_layers=2, intermediate_size=37,
                 max_position_embeddings=64)
    odd = {**small, "hidden_size": 36, "num_attention_heads": 3, "intermediate_size": 41}

    case("bert", "Bert", "embedding", gelu_edge=True, **small)
    case("bert-sequence", "Bert", "sequence", pair=True, flat_row=True, **odd, **labels(3))
    case("bert-multi-label", "Bert", "sequence", hidden_act="relu", type_vocab_size=3,
         problem_type="multi_label_classification", **small, **labels(5))
    case("bert-one-logit", "Bert", "sequence", pair=True, hidden_act="gelu_new", gelu_edge=True,
         problem_type="regression", **small, num_labels=1)
    case("bert-token", "Bert", "token", hidden_act="silu", **small, **labels(5))
    case("bert-span", "Bert", "span", pair=True, **small)
    case("bert-legacy-names", "Bert", "token", rename=legacy, **small, **labels(3), extra={
        "bert.embeddings.position_ids": torch.arange(64)[None],
        "bert.pooler.dense.weight": torch.zeros(32, 32).half(),
        "cls.predictions.bias": torch.zeros(VOCAB).half()})
    case("bert-relative-key", "Bert", "sequence", position_embedding_type="relative_key", **odd,
         **labels(3))
    case("bert-relative-key-query", "Bert", "sequence", **small, **labels(3),
         position_embedding_type="relative_key_query")
    case("bert-shards", "Bert", "sequence", shards=3, **small, **labels(3))

    distil = dict(dim=32, n_heads=4, n_layers=2, hidden_dim=37, max_position_embeddings=64)
    case("distilbert-sequence", "DistilBert", "sequence", **distil, **labels(3))
    case("distilbert-span", "DistilBert", "span", **{**distil, "activation": "relu"},
         sinusoidal_pos_embds=True)

    case("roberta-sequence", "Roberta", "sequence", pads=1, type_vocab_size=1, pad_token_id=1,
         layer_norm_eps=1e-5, **odd, **labels(3))
    case("roberta-token", "Roberta", "token", pads=2, pad_token_id=2, bos_token_id=0,
         type_vocab_size=1, **{**small, "max_position_embeddings": 70}, **labels(4))
    case("roberta-span", "Roberta", "span", pads=1, type_vocab_size=2, pair=True, **small)
    case("xlm-roberta-sequence", "XLMRoberta", "sequence", pads=1, type_vocab_size=1, **small,
         **labels(3))
    case("camembert-token", "Camembert", "token", pads=1, type_vocab_size=1, **small, **labels(3))

    # A window of 4 on either side, in sequences far longer; odd widths of everything else.
    modern = dict(hidden_size=32, num_attention_heads=2, num_hidden_layers=4, intermediate_size=37,
                  max_position_embeddings=64, local_attention=8, global_attn_every_n_layers=3,
                  pad_token_id=0, reference_compile=False)
    biases = dict(attention_bias=True, mlp_bias=True, norm_bias=True, classifier_bias=True)
    case("modernbert", "ModernBert", "embedding", **modern)
    case("modernbert-sequence", "ModernBert", "sequence", **modern, **labels(3))
    case("modernbert-sequence-mean", "ModernBert", "sequence", classifier_pooling="mean",
         classifier_activation="silu", **modern, **biases, **labels(3))
    case("modernbert-token", "ModernBert", "token", global_rope_theta=1000.0, local_rope_theta=50.0,
         hidden_activation="gelu_pytorch_tanh", **modern, **labels(3))
    case("modernbert-span", "ModernBert", "span", **modern, **biases)

    # Distances past 128, where the buckets end.
    mpnet = {**small, "max_position_embeddings": 200}
    case("mpnet-sequence", "MPNet", "sequence", lengths=(1, 2, 33, 150), pads=1, **mpnet,
         **labels(3))
    case("mpnet-token", "MPNet", "token", lengths=(7, 40), pads=1, **mpnet, **labels(3))

    # ELECTRA with embeddings of another width, of the same, and ALBERT's shared layers.
    case("electra-sequence", "Electra", "sequence", pair=True, embedding_size=20, **odd, **labels(3))
    case("electra-token", "Electra", "token", embedding_size=32, **small, **labels(3))
    case("electra-span", "Electra", "span", pair=True, embedding_size=12, hidden_act="relu",
         position_embedding_type="relative_key", **small)
    shared = {**small, "embedding_size": 20, "num_hidden_layers": 4, "num_hidden_groups": 2}
    case("albert", "Albert", "embedding", **shared)
    case("albert-sequence", "Albert", "sequence", pair=True, inner_group_num=2, **shared,
         **labels(3))
    case("albert-token", "Albert", "token", hidden_act="gelu", **{**shared, "embedding_size": 32},
         **labels(3))
    case("albert-span", "Albert", "span", lengths=(1, 2, 7, 19), **{**shared, "num_hidden_groups": 1})

    # Sequences longer than the relative positions reach, and than the buckets count one by one.
    deberta = dict(relative_attention=True, pad_token_id=0, **small)
    case("deberta-sequence", "Deberta", "sequence", pair=True, pos_att_type=["c2p", "p2c"],
         max_relative_positions=40, type_vocab_size=2, position_biased_input=False, **deberta,
         **labels(3))
    case("deberta-token", "Deberta", "token", pos_att_type="c2p", pooler_hidden_act="gelu",
         embedding_size=20, **deberta, **labels(3))
    case("deberta-span", "Deberta", "span", relative_attention=False, pos_att_type=None, **small)
    v2 = dict(position_buckets=16, norm_rel_ebd="layer_norm", position_biased_input=False,
              share_att_key=True, pos_att_type=["p2c", "c2p"], **deberta)
    case("deberta-v2", "DebertaV2", "embedding", **v2)
    case("deberta-v2-sequence", "DebertaV2", "sequence", pair=True, conv_kernel_size=3,
         conv_act="gelu", pooler_hidden_act="gelu", type_vocab_size=3,
         **{**v2, "max_relative_positions": 50}, **labels(3))
    case("deberta-v2-token", "DebertaV2", "token", pos_att_type="c2p", share_att_key=False,
         position_buckets=-1, max_relative_positions=20, norm_rel_ebd="none", embedding_size=20,
         **deberta, **labels(3))
    case("deberta-v2-span", "DebertaV2", "span", pos_att_type="p2c", share_att_key=False,
         position_buckets=8, position_biased_input=True, conv_kernel_size=5, conv_groups=4,
         norm_rel_ebd="layer_norm", **deberta)
    case("deberta-v2-plain", "DebertaV2", "sequence", pos_att_type=[], pooler_hidden_act="tanh",
         num_hidden_layers=1, conv_kernel_size=3, **{k: v for k, v in deberta.items()
                                                     if k != "num_hidden_layers"}, **labels(3))

    # Decoders, and both sides of encoder-decoders, under heads that give numbers.
    short = (1, 2, 7, 33)
    gq = {**small, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1,
          "eos_token_id": 2}
    case("llama", "Llama", "sequence", pads=0, **gq, **labels(3))
    case("llama-bias", "Llama", "sequence", attention_bias=True, mlp_bias=True, head_dim=12,
         **{**gq, "num_key_value_heads": 1}, **labels(3))
    for kind, extra in (
            ("linear", {"factor": 3.0}), ("dynamic", {"factor": 3.0}),
            ("yarn", {"factor": 4.0, "original_max_position_embeddings": 16}),
            ("llama3", {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                        "original_max_position_embeddings": 32})):
        case(f"llama-{kind}", "Llama", "sequence", rope_scaling={"rope_type": kind, **extra}, **gq,
             **labels(3))
    case("mistral", "Mistral", "sequence", sliding_window=8, **gq, **labels(3))
    case("qwen2", "Qwen2", "token", lengths=short, use_sliding_window=True, sliding_window=8,
         max_window_layers=1, **gq, **labels(3))
    case("qwen3", "Qwen3", "sequence", head_dim=12, **gq, **labels(3))
    case("gemma", "Gemma", "sequence", head_dim=12, **gq, **labels(3))
    case("gemma2", "Gemma2", "sequence", head_dim=12, query_pre_attn_scalar=20, sliding_window=4,
         attn_logit_softcapping=3.0, **gq, **labels(3))
    gpt2 = dict(n_embd=32, n_layer=2, n_head=4, n_positions=64, pad_token_id=0, bos_token_id=1,
                eos_token_id=2)
    case("gpt2", "GPT2", "sequence", pads=0, n_inner=37, scale_attn_by_inverse_layer_idx=True,
         **gpt2, **labels(3))
    case("gpt2-token", "GPT2", "token", lengths=short, **gpt2, **labels(3))
    t5 = dict(d_model=32, d_kv=12, d_ff=37, num_layers=2, num_decoder_layers=3, num_heads=4,
              relative_attention_num_buckets=8, relative_attention_max_distance=20,
              decoder_start_token_id=0)
    case("t5", "T5", "sequence", eos=1, **t5, **labels(3))
    case("t5-gated", "T5", "sequence", eos=1, feed_forward_proj="gated-gelu", **t5, **labels(3))
    case("t5-token", "T5", "token", lengths=short, **t5, **labels(3))
    case("mt5", "MT5", "sequence", eos=1, **t5, **labels(3))
    case("umt5", "UMT5", "sequence", eos=1, **t5, **labels(3))

    sentence_case("sentence-mean", "Bert", "mean_tokens", normalise=True, skip=3, **small)
    sentence_case("sentence-cls", "Bert", "cls_token", normalise=False, **odd)
    sentence_case("sentence-max", "Roberta", "max_tokens", normalise=True, type_vocab_size=1,
                  **small)
    sentence_case("sentence-dense", "DistilBert", "mean_tokens", normalise=True,
                  dense=((48, "Tanh", True), (20, "Identity", False)), **distil)
    sentence_case("sentence-sqrt", "MPNet", "mean_sqrt_len_tokens", normalise=True,
                  architecture="MPNetForMaskedLM", **small)
    sentence_case("sentence-last", "ModernBert", "lasttoken", normalise=False, skip=0, **modern)

    adapter_case("adapter", own_config=True, labels=3, r=4, lora_alpha=12,
                 target_modules=["query", "value"], modules_to_save=["classifier", "pooler"])
    adapter_case("adapter-bare", own_config=False, labels=4, r=4, lora_alpha=6, use_rslora=True,
                 target_modules=["query", "key", "value", "dense"],
                 modules_to_save=["classifier"], exclude_modules=["pooler.dense"],
                 rank_pattern={"layer.1.attention.self.query": 2, "intermediate.dense": 3},
                 alpha_pattern={"layer.0.output.dense": 9, "value": 2})
    bart = dict(d_model=32, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4,
                decoder_attention_heads=2, encoder_ffn_dim=37, decoder_ffn_dim=44,
                max_position_embeddings=64, bos_token_id=0, pad_token_id=1, eos_token_id=2,
                decoder_start_token_id=2)
    cnn = dict(bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2,
               forced_bos_token_id=0, forced_eos_token_id=2, num_beams=4, max_length=28,
               min_length=9, length_penalty=2.0, early_stopping=True, no_repeat_ngram_size=3)
    bart_class = transformers.BartConfig, transformers.BartForConditionalGeneration
    lengths = (1, 2, 7, 19, 33, 64)
    options = generation.OPTIONS
    generation_case("bart", *bart_class, [(lengths[i % len(lengths)], None, o)
                                          for i, o in enumerate(options)], **bart)
    generation_case("bart-cnn", *bart_class, own=cnn, seed=5, scale_embedding=True,
                    activation_function="relu", cases=[
        *((n, None, {}) for n in lengths),
        (9, [2, 0, 17, 18], {}), (9, [2, 30], {"num_beams": 1, "max_new_tokens": 8}),
        (9, None, {"forced_bos_token_id": 33, "forced_eos_token_id": None}),
        (64, None, {"num_beams": 2, "max_length": 64, "min_length": 60}),
        (12, None, {"num_beams": 1, "min_length": 0, "no_repeat_ngram_size": 0}),
    ], **bart)
    case("bart-sequence", "Bart", "sequence", eos=2, **bart, **labels(4))
    for path in GOLDENS.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    size = sum(p.stat().st_size for p in GOLDENS.rglob("*") if p.is_file())
    print(f"{sum(1 for _ in GOLDENS.iterdir())} models, {size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
