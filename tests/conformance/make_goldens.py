#!/usr/bin/env python3
"""Makes goldens/: tiny random models of every family with the answers of the reference.

The reference is PyTorch transformers, eager attention, float32, one thread; versions are pinned in
requirements.txt. No weights are downloaded. Every parameter is made random, biases and norms too,
so that leaving one out changes the answers; all are rounded to float16 before the reference runs,
so that half the bytes hold them exactly.

    pip install -r requirements.txt && ./make_goldens.py [--all-into DIR] [FOLDER...]

--all-into asks the generators everything (generators.py) and writes into another folder: too much to
be committed.
"""
import argparse
import functools
import json
import pathlib
import shutil
import sys

import generators
import layers
import torch
import transformers
from random_models import flat, randomise, write_config, write_model
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
GOLDENS = HERE / "goldens"
VOCAB = 311
MARGIN = 1e-2  # between the best label and the next, in every row that is compared


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all-into", type=pathlib.Path)
    parser.add_argument("folders", nargs="*")
    return parser.parse_args()


ARGS = arguments()
OUT = ARGS.all_into or GOLDENS


def named(make):
    """Makes a folder only when it is asked for, or when none is."""
    @functools.wraps(make)
    def when_wanted(name, *args, **keys):
        if not ARGS.folders or name in ARGS.folders:
            shutil.rmtree(OUT / name, ignore_errors=True)
            make(name, *args, **keys)
    return when_wanted


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


def sequences(lengths, generator, pads=None, pair=False, eos=None, vocab=VOCAB):
    out = []
    for n in lengths:
        ids = torch.randint(5, vocab, (n,), generator=generator)
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
    config = cls.config_class(**{"vocab_size": VOCAB, **keys})
    config._attn_implementation = "eager"
    config.architectures = [cls.__name__]
    model = cls(config).eval()
    randomise(model, torch.Generator().manual_seed(seed))
    return model


@named
def case(name, prefix, head, *, lengths=LENGTHS, pads=None, pair=False, eos=None, rename=lambda n: n,
         extra=None, shards=1, flat_row=False, gelu_edge=False, inside=False, **keys):
    """inside: every layer's output, too."""
    model = make_model(prefix, head, len(name) * 7919 + sum(name.encode()), **keys)
    types = prefix in TYPED and model.config.type_vocab_size > 1
    folder = OUT / name
    if flat_row:
        flatten(model.bert.embeddings)
    if gelu_edge:
        to_gelu_edge(model)

    def make(generator):
        seqs = sequences(lengths, generator, pads, pair, eos, model.config.vocab_size)
        if flat_row:
            for seq in seqs:
                seq["ids"][0] = FLAT_ID
        return seqs, [answer(head, forward(model, s, types)) for s in seqs]

    seqs, answers = until_clear(make)
    write_model(folder, model, rename, extra, shards)
    write_golden(folder, seqs, answers)
    every_row = head in ("token", "span", "embedding")  # others drop rows in the last layer
    if inside or (ARGS.all_into and every_row):
        layers.write(folder, model, (3, 20) if ARGS.all_into else (3,), model.config.vocab_size,
                     torch.Generator().manual_seed(3))


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
    folder = OUT / name
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
    seqs, answers = sequences(LENGTHS, generator, vocab=model.config.vocab_size), []
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
    folder = OUT / name

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


def legacy(name):
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias",
                                                                     "LayerNorm.beta")


def labels(n):
    return {"id2label": {i: f"L{i}" for i in range(n)}}


SMALL = dict(hidden_size=32, num_attention_heads=4, num_hidden_layers=2, intermediate_size=37,
             max_position_embeddings=64)
ODD = {**SMALL, "hidden_size": 36, "num_attention_heads": 3, "intermediate_size": 41}
# Where no test of another room counts on more ids: the files stay small.
TIGHT = dict(vocab_size=131)
TINY = {**SMALL, **TIGHT}
DISTIL = dict(dim=32, n_heads=4, n_layers=2, hidden_dim=37, max_position_embeddings=64)
# A window of 4 on either side, in sequences far longer; odd widths of everything else.
MODERN = dict(hidden_size=32, num_attention_heads=2, num_hidden_layers=4, intermediate_size=37,
              max_position_embeddings=64, local_attention=8, global_attn_every_n_layers=3,
              pad_token_id=0, reference_compile=False)


def encoders():

    case("bert", "Bert", "embedding", gelu_edge=True, inside=True, **SMALL)
    case("bert-sequence", "Bert", "sequence", pair=True, flat_row=True, **ODD, **labels(3))
    case("bert-multi-label", "Bert", "sequence", hidden_act="relu", type_vocab_size=3,
         problem_type="multi_label_classification", **TIGHT, **SMALL, **labels(5))
    case("bert-one-logit", "Bert", "sequence", pair=True, hidden_act="gelu_new", gelu_edge=True,
         problem_type="regression", **SMALL, num_labels=1)
    case("bert-token", "Bert", "token", hidden_act="silu", **SMALL, **labels(5))
    case("bert-span", "Bert", "span", pair=True, **SMALL)
    case("bert-legacy-names", "Bert", "token", rename=legacy, **SMALL, **labels(3), extra={
        "bert.embeddings.position_ids": torch.arange(64)[None],
        "bert.pooler.dense.weight": torch.zeros(32, 32).half(),
        "cls.predictions.bias": torch.zeros(VOCAB).half()})
    case("bert-relative-key", "Bert", "sequence", position_embedding_type="relative_key", **TIGHT, **ODD,
         **labels(3))
    case("bert-relative-key-query", "Bert", "sequence", **SMALL, **labels(3),
         position_embedding_type="relative_key_query")
    case("bert-shards", "Bert", "sequence", shards=3, **TIGHT, **SMALL, **labels(3))

    case("distilbert-sequence", "DistilBert", "sequence", **TIGHT, **DISTIL, **labels(3))
    case("distilbert-span", "DistilBert", "span", **{**TIGHT, **DISTIL, "activation": "relu"},
         sinusoidal_pos_embds=True)

    case("roberta-sequence", "Roberta", "sequence", pads=1, type_vocab_size=1, pad_token_id=1,
         layer_norm_eps=1e-5, **ODD, **labels(3))
    case("roberta-token", "Roberta", "token", pads=2, pad_token_id=2, bos_token_id=0,
         type_vocab_size=1, **{**SMALL, "max_position_embeddings": 70}, **labels(4))
    case("roberta-span", "Roberta", "span", pads=1, type_vocab_size=2, pair=True, **TIGHT, **SMALL)
    case("xlm-roberta-sequence", "XLMRoberta", "sequence", pads=1, type_vocab_size=1, **TIGHT, **SMALL,
         **labels(3))
    case("camembert-token", "Camembert", "token", pads=1, type_vocab_size=1, **TIGHT, **SMALL, **labels(3))

    biases = dict(attention_bias=True, mlp_bias=True, norm_bias=True, classifier_bias=True)
    case("modernbert", "ModernBert", "embedding", inside=True, **TIGHT, **MODERN)
    case("modernbert-sequence", "ModernBert", "sequence", **TIGHT, **MODERN, **labels(3))
    case("modernbert-sequence-mean", "ModernBert", "sequence", classifier_pooling="mean",
         classifier_activation="silu", **MODERN, **biases, **labels(3))
    case("modernbert-token", "ModernBert", "token", global_rope_theta=1000.0, local_rope_theta=50.0,
         hidden_activation="gelu_pytorch_tanh", **MODERN, **labels(3))
    case("modernbert-span", "ModernBert", "span", **TIGHT, **MODERN, **biases)

    # Distances past 128, where the buckets end.
    mpnet = {**SMALL, "max_position_embeddings": 200}
    case("mpnet-sequence", "MPNet", "sequence", lengths=(1, 2, 33, 150), pads=1, **mpnet,
         **labels(3))
    case("mpnet-token", "MPNet", "token", lengths=(7, 40), pads=1, **TIGHT, **mpnet, **labels(3))


def narrow_and_relative():
    """ELECTRA with embeddings of another width and of the same, ALBERT's shared layers, DeBERTa."""
    case("electra-sequence", "Electra", "sequence", pair=True, embedding_size=20, **ODD, **TIGHT, **labels(3))
    case("electra-token", "Electra", "token", embedding_size=32, **TINY, **labels(3))
    case("electra-span", "Electra", "span", pair=True, embedding_size=12, hidden_act="relu",
         position_embedding_type="relative_key", **TINY)
    shared = {**TINY, "embedding_size": 20, "num_hidden_layers": 4, "num_hidden_groups": 2}
    case("albert", "Albert", "embedding", **shared)
    case("albert-sequence", "Albert", "sequence", pair=True, inner_group_num=2, **shared,
         **labels(3))
    case("albert-token", "Albert", "token", hidden_act="gelu", **{**shared, "embedding_size": 32},
         **labels(3))
    case("albert-span", "Albert", "span", lengths=(1, 2, 7, 19), **{**shared, "num_hidden_groups": 1})

    # Sequences longer than the relative positions reach, and than the buckets count one by one.
    deberta = dict(relative_attention=True, pad_token_id=0, **TINY)
    case("deberta-sequence", "Deberta", "sequence", pair=True, pos_att_type=["c2p", "p2c"],
         max_relative_positions=40, type_vocab_size=2, position_biased_input=False, **deberta,
         **labels(3))
    case("deberta-token", "Deberta", "token", pos_att_type="c2p", pooler_hidden_act="gelu",
         embedding_size=20, **deberta, **labels(3))
    case("deberta-span", "Deberta", "span", relative_attention=False, pos_att_type=None, **TINY)
    v2 = dict(position_buckets=16, norm_rel_ebd="layer_norm", position_biased_input=False,
              share_att_key=True, pos_att_type=["p2c", "c2p"], **deberta)
    case("deberta-v2", "DebertaV2", "embedding", inside=True, **v2)
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


def decoders():
    """Decoders, and both sides of encoder-decoders, under heads that give numbers."""
    short = (1, 2, 7, 33)
    gq = {**TINY, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1,
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
    gpt2 = dict(TIGHT, n_embd=32, n_layer=2, n_head=4, n_positions=64, pad_token_id=0, bos_token_id=1,
                eos_token_id=2)
    case("gpt2", "GPT2", "sequence", pads=0, n_inner=37, scale_attn_by_inverse_layer_idx=True,
         **gpt2, **labels(3))
    case("gpt2-token", "GPT2", "token", lengths=short, **gpt2, **labels(3))
    t5 = dict(TIGHT, d_model=32, d_kv=12, d_ff=37, num_layers=2, num_heads=3,
              relative_attention_num_buckets=8, relative_attention_max_distance=20,
              decoder_start_token_id=0)
    case("bart-sequence", "Bart", "sequence", eos=2, **TIGHT, **generators.BART, **labels(4))
    case("t5", "T5", "sequence", eos=1, num_decoder_layers=3, **t5, **labels(3))
    case("t5-token", "T5", "token", lengths=short, **t5, **labels(3))
    case("mt5", "MT5", "sequence", eos=1, **t5, **labels(3))
    case("umt5", "UMT5", "sequence", eos=1, **t5, **labels(3))


def sentence_transformers():
    sentence_case("sentence-mean", "Bert", "mean_tokens", normalise=True, skip=3, **SMALL)
    sentence_case("sentence-cls", "Bert", "cls_token", normalise=False, **TIGHT, **ODD)
    sentence_case("sentence-max", "Roberta", "max_tokens", normalise=True, type_vocab_size=1,
                  **TIGHT, **SMALL)
    sentence_case("sentence-dense", "DistilBert", "mean_tokens", normalise=True,
                  dense=((48, "Tanh", True), (20, "Identity", False)), **DISTIL)
    sentence_case("sentence-sqrt", "MPNet", "mean_sqrt_len_tokens", normalise=True,
                  architecture="MPNetForMaskedLM", **TIGHT, **SMALL)
    sentence_case("sentence-last", "ModernBert", "lasttoken", normalise=False, skip=0, **MODERN)


def adapters():
    adapter_case("adapter", own_config=True, labels=3, r=4, lora_alpha=12,
                 target_modules=["query", "value"], modules_to_save=["classifier", "pooler"])
    adapter_case("adapter-bare", own_config=False, labels=4, r=4, lora_alpha=6, use_rslora=True,
                 target_modules=["query", "key", "value", "dense"],
                 modules_to_save=["classifier"], exclude_modules=["pooler.dense"],
                 rank_pattern={"layer.1.attention.self.query": 2, "intermediate.dense": 3},
                 alpha_pattern={"layer.0.output.dense": 9, "value": 2})

@named
def generator_case(name, row):
    generators.write(OUT / name, row, ARGS.all_into is not None)


def main():
    if not ARGS.folders:
        shutil.rmtree(OUT, ignore_errors=True)
    encoders()
    narrow_and_relative()
    decoders()
    sentence_transformers()
    adapters()
    for row in generators.ROWS:
        generator_case(row.name, row)
    for path in OUT.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    size = sum(p.stat().st_size for p in OUT.rglob("*") if p.is_file())
    print(f"{sum(1 for _ in OUT.iterdir())} models, {size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
