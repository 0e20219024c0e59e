"""Tiny generators of every family, and what each is asked.

A row is a folder: the class, its configuration, generation_config.json (own; None: config.json says
what there is to say) and lines of its own. What every family is asked stands below; generation.py
asks.
"""
import dataclasses
import itertools

import generation
import layers
import torch
import transformers
from random_models import liven, randomise, write_model

VOCAB = 131
POSITIONS = 64
# Without a bias of the output there is little chance that one id comes up: several end a sequence.
ENDS = [7, 19, 31, 43, 58, 77]

BART = dict(d_model=24, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
            decoder_attention_heads=2, encoder_ffn_dim=37, decoder_ffn_dim=44,
            max_position_embeddings=POSITIONS, bos_token_id=0, pad_token_id=1, eos_token_id=2,
            decoder_start_token_id=2)
T5 = dict(d_model=24, d_kv=10, d_ff=37, num_layers=2, num_decoder_layers=2, num_heads=3,
          relative_attention_num_buckets=8, relative_attention_max_distance=20,
          decoder_start_token_id=0)
LLAMA = dict(hidden_size=24, num_attention_heads=4, num_hidden_layers=2, intermediate_size=37,
             max_position_embeddings=POSITIONS, num_key_value_heads=2, pad_token_id=0,
             bos_token_id=1, eos_token_id=2)
GPT2 = dict(n_embd=24, n_layer=2, n_head=4, n_positions=POSITIONS, pad_token_id=0, bos_token_id=1,
            eos_token_id=2)
CNN = dict(bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2,
           forced_bos_token_id=0, forced_eos_token_id=2, num_beams=4, max_length=28,
           min_length=9, length_penalty=2.0, early_stopping=True, no_repeat_ngram_size=3)
PAD = VOCAB - 1  # Marian's, where its decoder starts
OPUS = dict(pad_token_id=PAD, eos_token_id=0, decoder_start_token_id=PAD, forced_eos_token_id=0,
            bad_words_ids=[[PAD]], num_beams=4, max_length=40, renormalize_logits=True)
T5_OWN = dict(decoder_start_token_id=0, pad_token_id=0, eos_token_id=[1, *ENDS])
DECODER_OWN = dict(pad_token_id=0, bos_token_id=1, eos_token_id=[2, *ENDS])


@dataclasses.dataclass
class Row:
    name: str
    family: str  # of the classes' names
    model: str = "ForConditionalGeneration"
    config: dict = dataclasses.field(default_factory=dict)
    own: dict | None = None
    lines: tuple = ()  # (length, decoder_ids, options) beyond what all are asked
    every_option: bool = False  # in what is committed, too
    layers: bool = False  # likewise every layer's output
    seed: int = 1
    eos_bias: float = 2.0
    gain: float = 1.0  # of the last norm: T5's tied output divides by sqrt(d_model)
    config_class: str = ""


LENGTHS = (1, 2, 7, 19, 33, POSITIONS)
ROWS = [
    Row("bart", "Bart", config=BART, every_option=True, layers=True),
    Row("bart-cnn", "Bart", config=dict(BART, scale_embedding=True, activation_function="relu"),
        own=CNN, seed=5, lines=(
        *((n, None, {}) for n in LENGTHS),
        (9, [2, 0, 17, 18], {}), (9, [2, 30], {"num_beams": 1, "max_new_tokens": 8}),
        (9, None, {"forced_bos_token_id": 33, "forced_eos_token_id": None}),
        (64, None, {"num_beams": 2, "max_length": 64, "min_length": 60}),
        (12, None, {"num_beams": 1, "min_length": 0, "no_repeat_ngram_size": 0}))),
    # mBART-25 starts with a language's code, mBART-50 forces it behind the start.
    Row("mbart", "MBart", config=dict(BART, scale_embedding=True),
        lines=((9, None, {"decoder_start_token_id": 125}),
               (9, None, {"decoder_start_token_id": 125, "num_beams": 4}),
               (9, None, {"forced_bos_token_id": 126, "num_beams": 5, "max_length": 30})), layers=True),
    Row("pegasus", "Pegasus", config=dict(
        BART, scale_embedding=True, activation_function="relu", pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0, bos_token_id=None),
        own=dict(pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, forced_eos_token_id=1,
                 num_beams=8, length_penalty=0.6, max_length=24), lines=((12, None, {}),)),
    Row("marian", "Marian", "MTModel", dict(
        BART, pad_token_id=PAD, eos_token_id=0, decoder_start_token_id=PAD, bos_token_id=None,
        scale_embedding=True, activation_function="swish"), OPUS, lines=((12, None, {}),), layers=True),
    Row("marian-split", "Marian", "MTModel", dict(
        BART, pad_token_id=PAD, eos_token_id=0, decoder_start_token_id=PAD, bos_token_id=None,
        decoder_vocab_size=VOCAB, share_encoder_decoder_embeddings=False,
        tie_word_embeddings=False, activation_function="relu"), OPUS),
    Row("m2m_100", "M2M100", config=dict(BART, scale_embedding=True), own=dict(
        bos_token_id=0, pad_token_id=1, eos_token_id=[2, *ENDS], decoder_start_token_id=2,
        num_beams=5, early_stopping=True, max_length=30),
        lines=((12, None, {"forced_bos_token_id": 120}), (12, [2, 120, 55], {}))),
    Row("led", "LED", config=dict(
        {k: v for k, v in BART.items() if k != "max_position_embeddings"},
        max_encoder_position_embeddings=POSITIONS, max_decoder_position_embeddings=40,
        attention_window=[4, 8])),
    Row("t5-generate", "T5", config=T5, own=T5_OWN, gain=4, layers=True),
    Row("t5-v1.1-generate", "T5", config=dict(T5, feed_forward_proj="gated-gelu",
                                              tie_word_embeddings=False), own=T5_OWN),
    Row("mt5-generate", "MT5", config=dict(T5, tie_word_embeddings=False), own=T5_OWN),
    Row("umt5-generate", "UMT5", config=T5, own=T5_OWN, gain=4),
    Row("gpt2-generate", "GPT2", "LMHeadModel", dict(GPT2, n_inner=37), DECODER_OWN, layers=True),
    Row("llama-generate", "Llama", "ForCausalLM", LLAMA, DECODER_OWN, layers=True),
    Row("mistral-generate", "Mistral", "ForCausalLM", dict(LLAMA, sliding_window=8), DECODER_OWN),
    Row("qwen2-generate", "Qwen2", "ForCausalLM", dict(LLAMA, tie_word_embeddings=True),
        DECODER_OWN),
    Row("qwen3-generate", "Qwen3", "ForCausalLM", dict(LLAMA, head_dim=12), DECODER_OWN),
    Row("gemma-generate", "Gemma", "ForCausalLM", dict(LLAMA, head_dim=12), DECODER_OWN),
    Row("gemma2-generate", "Gemma2", "ForCausalLM", dict(
        LLAMA, head_dim=12, query_pre_attn_scalar=20, sliding_window=4,
        attn_logit_softcapping=3.0, final_logit_softcapping=25.0), DECODER_OWN),
    Row("gemma3-generate", "Gemma3", "ForCausalLM", dict(
        LLAMA, head_dim=12, num_hidden_layers=3, sliding_window=4, query_pre_attn_scalar=20,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        rope_theta=5000.0, rope_local_base_freq=100.0), DECODER_OWN,
        config_class="Gemma3TextConfig", layers=True),
]


def from_prompt(options, length):
    """A decoder's lengths count its prompt, as an encoder-decoder's count the one id it starts with."""
    return {k: v + length - 1 if k in ("max_length", "min_length") else v
            for k, v in options.items()}


def questions(row, config, everything):
    """(length, decoder_ids, options): sources of one id, of as many as there is room for, and between."""
    alone = not config.is_encoder_decoder
    lengths = (1, 2, 7, 19, 33) if alone else LENGTHS
    asked = generation.OPTIONS if everything or row.every_option else generation.CORE
    rounds = 2 if everything else 1
    for k, options in itertools.product(range(rounds), asked):
        n = lengths[(asked.index(options) + 3 * k) % len(lengths)]
        yield n, None, from_prompt(options, n) if alone else options
    if alone:  # one id is left
        yield POSITIONS - 1, None, {"max_new_tokens": 1}
        yield POSITIONS - 1, None, {"max_new_tokens": 1, "num_beams": 4}
    else:
        start = config.decoder_start_token_id
        yield POSITIONS, None, {"num_beams": 4, "max_length": 12}
        yield 9, [start, 30, 41], {"num_beams": 4, "max_length": 14}
    yield from row.lines


def fixed(model):
    """Tables of sines, which are computed and not in the file."""
    return {n: p.data.clone() for n, p in model.named_parameters()
            if "embed_positions" in n and not p.requires_grad}


def make(row, generator):
    """The model and what else its file holds."""
    model_class = getattr(transformers, row.family + row.model)
    config_class = getattr(transformers, row.config_class or row.family + "Config")
    config = config_class(vocab_size=VOCAB, architectures=[model_class.__name__],
                          attn_implementation="eager", **row.config)
    model = model_class(config).eval()
    sines, extra = fixed(model), {}
    randomise(model, generator)
    liven(model)
    for name, p in model.named_parameters():
        if name == "decoder.final_layer_norm.weight":
            p.data = (row.gain * p.data).half().float()
        p.data = sines.get(name, p.data)
    if hasattr(model, "final_logits_bias"):
        bias = (0.5 * torch.randn(model.final_logits_bias.shape, generator=generator)).half()
        bias[0, config.eos_token_id] = row.eos_bias
        model.final_logits_bias = bias.float()
        extra["final_logits_bias"] = bias
    return model, extra, sines


def write(folder, row, everything):
    generator = torch.Generator().manual_seed(row.seed)
    model, extra, sines = make(row, generator)
    write_model(folder, model, extra=extra, leave_out=sines)
    if row.own is not None:
        model.generation_config = transformers.GenerationConfig(**row.own)
        model.generation_config.save_pretrained(folder)
    else:
        model = type(model).from_pretrained(folder, attn_implementation="eager").float().eval()
    asked = questions(row, model.config, everything)
    generation.write(folder, generation.answers(model, asked, VOCAB, generator))
    if everything or row.layers:
        layers.write(folder, model, (1, 3, 20) if everything else (3,), VOCAB, generator)
