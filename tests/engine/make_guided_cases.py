#!/usr/bin/env python3
"""make_guided_cases.py GOLDENS > guided_cases.h: what transformers 4.57 generates under a guide.

The model is GOLDENS/bart-cnn. The guide: which ids may come depends on the one before, and some ids end
the sequence (prefix_allowed_tokens_fn and a stopping criterion there). test_guided.c has the same
rules. Needs torch and transformers==4.57.*."""
import random
import sys

import torch
import transformers
from transformers import BartForConditionalGeneration, StoppingCriteria, StoppingCriteriaList

assert transformers.__version__.startswith("4.57."), transformers.__version__


def allowed(rule, last, v):
    if v == 2:
        return rule["eos"]
    return ((last + 2) * 7919 + v * 104729) % 1000 < rule["share"]


class Stop(StoppingCriteria):
    def __init__(self, rule, begin):
        self.rule, self.begin = rule, begin

    def __call__(self, ids, scores, **kwargs):
        return torch.tensor([len(row) > self.begin and int(row[-1]) % self.rule["stop"] == 5 for row in ids])


RULES = [
    {"share": 1000, "stop": 7, "eos": True},  # stops alone
    {"share": 500, "stop": 400, "eos": True},  # a mask alone
    {"share": 300, "stop": 19, "eos": True},
    {"share": 40, "stop": 60, "eos": True},  # about five ids may come
    {"share": 40, "stop": 60, "eos": False},
    {"share": 200, "stop": 11, "eos": False},
]
OPTIONS = [
    {"num_beams": 1},
    {"num_beams": 4},
    {"num_beams": 4, "num_return_sequences": 3, "early_stopping": False},
    {"num_beams": 3, "length_penalty": -1.0, "early_stopping": "never", "no_repeat_ngram_size": 0},
    {"num_beams": 2, "renormalize_logits": True, "min_length": 0},
    {"num_beams": 5, "repetition_penalty": 1.4, "max_length": 12},
]
EARLY = {False: "TM_STOP_BEST", True: "TM_STOP_FIRST", "never": "TM_STOP_NEVER"}


def c_list(xs):
    return "{" + ", ".join(str(x) for x in xs) + "}"


def main(goldens):
    model = BartForConditionalGeneration.from_pretrained(goldens + "/bart-cnn", attn_implementation="eager").eval()
    n_ids = model.config.vocab_size
    rng = random.Random(7)
    print("/* What transformers 4.57 generates under a guide: made by make_guided_cases.py. */")
    print("/* clang-format off */")
    print(f"enum {{ GUIDED_VOCABULARY = {n_ids} }};")
    print("static const struct guided_case cases[] = {")
    for r, rule in enumerate(RULES):
        for o, option in enumerate(OPTIONS):
            source = [rng.randrange(3, n_ids) for _ in range(rng.randrange(2, 30))] + [2]
            prefix = [2, 0, rng.randrange(3, n_ids)] if (r + o) % 3 == 2 else None
            begin = len(prefix) if prefix else 2  # the start and the forced id
            all_options = {"early_stopping": True, "length_penalty": 2.0, "min_length": 9, "max_length": 28,
                           "no_repeat_ngram_size": 3, "num_return_sequences": 1, "repetition_penalty": 1.0,
                           "renormalize_logits": False, **option}

            def may(_, ids):
                row = ids.tolist()
                last = row[-1] if len(row) > begin else -1
                return [v for v in range(n_ids) if allowed(rule, last, v)]

            got = model.generate(
                torch.tensor([source]), decoder_input_ids=torch.tensor([prefix]) if prefix else None,
                prefix_allowed_tokens_fn=may, stopping_criteria=StoppingCriteriaList([Stop(rule, begin)]),
                output_scores=True, return_dict_in_generate=True, do_sample=False, **all_options)
            rows = []
            for row in got.sequences.tolist():
                while row and row[-1] == 1:
                    row.pop()
                rows.append(row)
            scores = got.sequences_scores.tolist() if all_options["num_beams"] > 1 else [0.0] * len(rows)
            a = all_options
            print(f"    {{.share = {rule['share']}, .stop = {rule['stop']}, .eos = {int(rule['eos'])},")
            print(f"     .beams = {a['num_beams']}, .n_want = {a['num_return_sequences']}, "
                  f".early = {EARLY[a['early_stopping']]}, .length_penalty = {a['length_penalty']}F,")
            print(f"     .repetition_penalty = {a['repetition_penalty']}F, .ngram = {a['no_repeat_ngram_size']}, "
                  f".min_length = {a['min_length']}, .max_length = {a['max_length']}, "
                  f".renormalize = {int(a['renormalize_logits'])},")
            print(f"     .n_source = {len(source)}, .source = {c_list(source)},")
            if prefix:
                print(f"     .n_prefix = {len(prefix)}, .prefix = {c_list(prefix)},")
            print("     .n = " + c_list(len(x) for x in rows) + ", .scores = " +
                  c_list(f"{s:.7g}F" if "e" in f"{s:.7g}" or "." in f"{s:.7g}" else f"{s:.1f}F" for s in scores) + ",")
            print("     .want = {" + ",\n              ".join(c_list(x) for x in rows) + "}},")
    print("};")


main(sys.argv[1])
