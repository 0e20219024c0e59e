#!/usr/bin/env python3
"""make_decode_cases.py > decode_cases.h: what transformers 4.57 makes of random decoding rules.

Runs the library's own processors and `_beam_search` over a model whose logits are a hash of the last
two ids, the length and the candidate: test_decode.c computes the same ones. Needs torch and
transformers==4.57.*; seeds are fixed, so the output repeats itself."""
import random
import sys

import torch
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput
import transformers

assert transformers.__version__.startswith("4.57."), transformers.__version__


def logit(seed, ids, v):
    prev, last = (ids[-2] if len(ids) > 1 else 0), ids[-1]
    h = (seed * 1000003 + last * 8191 + prev * 131 + len(ids) * 17 + v * 7919) & 0xFFFFFFFF
    h ^= h >> 16
    h = h * 0x7FEB352D & 0xFFFFFFFF
    h ^= h >> 15
    h = h * 0x846CA68B & 0xFFFFFFFF
    h ^= h >> 16
    return (h >> 8) * 2.0**-21 - 4


class Config(PretrainedConfig):
    model_type = "hash"


class Model(PreTrainedModel, GenerationMixin):
    config_class = Config
    main_input_name = "input_ids"

    def __init__(self, seed, vocabulary):
        super().__init__(Config(vocab_size=vocabulary))
        self.seed, self.one = seed, torch.nn.Parameter(torch.ones(1))

    def prepare_inputs_for_generation(self, input_ids, **_):
        return {"input_ids": input_ids}

    def forward(self, input_ids, **_):
        rows = [[logit(self.seed, r, v) for v in range(self.config.vocab_size)]
                for r in input_ids.tolist()]
        return CausalLMOutput(logits=torch.tensor(rows).unsqueeze(1))


def rules(rng, v, beams, sample=False):
    """Random rules under Hugging Face's names."""
    some = lambda n: [rng.randrange(v) for _ in range(n)]
    on = lambda: rng.random() < 0.3
    r = {"num_beams": beams, "max_length": rng.randint(6, 14), "pad_token_id": 0,
         "eos_token_id": some(rng.randint(1, 2)), "do_sample": sample}
    if on():
        r["min_length"] = rng.randint(2, 8)
    if on():
        r["repetition_penalty"] = rng.choice([1.3, 0.8, 2.0])
    if on():
        r["encoder_repetition_penalty"] = rng.choice([1.2, 0.7])
    if on():
        r["no_repeat_ngram_size"] = rng.randint(1, 3)
    if rng.random() < 0.15:
        r["encoder_no_repeat_ngram_size"] = rng.randint(1, 3)
    if on():
        r["bad_words_ids"] = [some(1), some(2), some(3), [r["eos_token_id"][0]]]
    if on():
        r["suppress_tokens"] = sorted(set(some(2)))
    if on():
        r["begin_suppress_tokens"] = sorted(set(some(2)))
    if on():
        r["forced_bos_token_id"] = rng.randrange(v)
    if on():
        r["forced_eos_token_id"] = r["eos_token_id"][0]
    if on():
        r["renormalize_logits"] = True
    forced = {r.get("forced_bos_token_id"), r.get("forced_eos_token_id")}
    for name in ["suppress_tokens", "begin_suppress_tokens"]:
        r[name] = [x for x in r.get(name, []) if x not in forced]  # else nothing at all is allowed
        if not r[name]:
            del r[name]
    return r


def ints(values):
    return "(const int32_t[]){" + ", ".join(map(str, values)) + "}"


def number(x):
    return "-INFINITY" if x == -float("inf") else f"{x:.9g}F" if "." in f"{x:.9g}" or "e" in f"{x:.9g}" else f"{x:.9g}"


def decoding(r, prompt):
    """The same rules as a struct tm_decoding."""
    eos, bad = r["eos_token_id"], r.get("bad_words_ids", [])
    flat = [x for w in bad for x in [len(w), *w]]
    early = {False: "TM_EARLY_FALSE", True: "TM_EARLY_TRUE", "never": "TM_EARLY_NEVER"}
    f = {"beams": r["num_beams"], "prompt": len(prompt), "max_length": r["max_length"],
         "min_length": r.get("min_length", 0),
         "repetition_penalty": number(r.get("repetition_penalty", 1)),
         "encoder_repetition_penalty": number(r.get("encoder_repetition_penalty", 1)),
         "no_repeat_ngram_size": r.get("no_repeat_ngram_size", 0),
         "encoder_no_repeat_ngram_size": r.get("encoder_no_repeat_ngram_size", 0),
         "forced_bos_token_id": r.get("forced_bos_token_id", -1),
         "forced_eos_token_id": r.get("forced_eos_token_id", -1),
         "eos_token_ids": ints(eos), "n_eos": len(eos),
         "source": ints(prompt), "n_source": len(prompt),
         "renormalize_logits": str(r.get("renormalize_logits", False)).lower(),
         "length_penalty": number(r.get("length_penalty", 1)),
         "early_stopping": early[r.get("early_stopping", False)],
         "do_sample": str(r["do_sample"]).lower(), "temperature": number(r.get("temperature", 1)),
         "top_p": number(r.get("top_p", 1)), "min_p": number(r.get("min_p", 0)),
         "typical_p": number(r.get("typical_p", 1)), "top_k": r.get("top_k", 0)}
    for name, key in [("suppress_tokens", "n_suppress"), ("begin_suppress_tokens", "n_begin_suppress")]:
        if name in r:
            f |= {name: ints(r[name]), key: len(r[name])}
    if bad:
        f |= {"bad_words": ints(flat), "n_bad_words": len(flat)}
    off = {"0", "0.0", "false", "TM_EARLY_FALSE"}
    return "{" + ", ".join(f".{k} = {x}" for k, x in f.items() if str(x) not in off) + "}"


def config(r):
    return GenerationConfig(**{"use_cache": False, "top_k": 0, **r})


def processed(seed, v, r, prompt, ids):
    """Scores of one step after all processors, and warpers if the rules sample."""
    model, g = Model(seed, v), config(r)
    model._prepare_special_tokens(g, True)
    source = torch.tensor([prompt])
    processors = model._get_logits_processor(g, len(prompt), source, None, None, "cpu")
    row = torch.tensor([ids])
    scores = model(row).logits[:, -1, :]
    if r["num_beams"] > 1:
        scores = torch.log_softmax(scores, -1)
    return processors(row, scores)[0]


def score_cases(rng, count, sample):
    for _ in range(count):
        v, seed = rng.randint(9, 16), rng.randrange(1000)
        r = rules(rng, v, 1 if sample else rng.choice([1, 3]), sample)
        if sample:
            warpers = {"temperature": rng.choice([0.5, 1.7]), "top_k": rng.randint(2, 6),
                       "top_p": rng.choice([0.3, 0.8, 0.95]), "min_p": rng.choice([0.05, 0.4]),
                       "typical_p": rng.choice([0.2, 0.6, 0.9])}
            r |= {k: x for k, x in warpers.items() if rng.random() < 0.5}
        prompt = [rng.randrange(v) for _ in range(rng.randint(1, 3))]
        few = [rng.randrange(v) for _ in range(3)]
        ids = prompt + [rng.choice(few) for _ in range(rng.randrange(r["max_length"] - len(prompt)))]
        out = processed(seed, v, r, prompt, ids)
        if sample:
            if not torch.isfinite(out).any():
                continue
            out = torch.softmax(out, -1)
        values = ", ".join(number(x) for x in out.tolist())
        print(f"    {{{v}, {seed}, {decoding(r, prompt)}, {ints(ids)}, {len(ids)}, NULL, (const float[]){{{values}}}}},")


def beam_cases(rng, count):
    for i in range(count):
        v, seed, beams = rng.randint(13, 30), rng.randrange(1000), rng.randint(1, 4)
        r = rules(rng, v, beams)
        r |= {"length_penalty": rng.choice([1.0, 1.0, 2.0, 0.0, -0.7]),
              "early_stopping": rng.choice([False, True, "never"])}
        if beams > 1:  # 4.57 applies it to the first beam alone (the encoder's ids are not expanded)
            r.pop("encoder_repetition_penalty", None)
        if beams == 1:
            r.pop("early_stopping"), r.pop("length_penalty")
        prompt = [rng.randrange(v) for _ in range(rng.randint(1, 3))]
        with torch.no_grad():
            out = Model(seed, v).generate(torch.tensor([prompt]), generation_config=config(r),
                                          num_return_sequences=beams, output_scores=True,
                                          return_dict_in_generate=True)
        want, scores = [], []
        for b in range(beams):
            ids = out.sequences[b].tolist()
            if beams > 1:
                ids = ids[: len(prompt) + int((out.beam_indices[b] >= 0).sum())]
                scores.append(out.sequences_scores[b].item())
            want += [len(ids), *ids]
        if any(not s > -1e8 for s in scores):
            continue  # ties far below: torch.topk leaves their order open
        values = ", ".join(map(number, scores)) or "0"
        print(f"    {{{v}, {seed}, {decoding(r, prompt)}, {ints(prompt)}, {len(prompt)}, {ints(want)}, (const float[]){{{values}}}}},")


def table(name, cases, *args):
    print(f"static const struct decode_case {name}[] = {{")
    cases(*args)
    print("};")


print("/* Made by make_decode_cases.py with transformers " + transformers.__version__ + ". */")
print("/* clang-format off */")
table("score_cases", score_cases, random.Random(1), 60, False)
table("sample_cases", score_cases, random.Random(2), 14, True)
table("search_cases", beam_cases, random.Random(3), 150)
print("/* clang-format on */")
