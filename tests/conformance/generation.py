"""Goldens of models that generate: what generate() of the reference returns, token for token.

A case is a model's folder with generate.jsonl, one sequence a line:
    {"ids": source or prompt, "decoder_ids": if given, "options": {as generate() names them},
     "sequences": [[…]], "sequences_scores": […]}
Sources are drawn until every choice of the search is clear by MARGIN, so that rounding cannot
turn one.
"""
import json

import torch
from transformers import GenerationConfig

MARGIN = 1e-3
TRIES = 400


class Narrow(Exception):
    """Two candidates were too close."""


def check_gaps(scores, first, last):
    """Those of rank first to last and the next one must be apart; what is ruled out does not count."""
    best = scores.flatten().topk(min(last + 2, scores.numel())).values[first:]
    best = best[best > -1e8]
    if best.numel() > 1 and float((best[:-1] - best[1:]).min()) < MARGIN:
        raise Narrow


def watched(model, eos):
    """Raises Narrow when a choice is close: on every step's candidates, before they are chosen."""
    candidates = type(model)._get_top_k_continuations

    def checked(accumulated_log_probs, **rest):
        # Which beams go on and which ends count is decided between the last beam's rank and that of
        # the last that goes on, which as many do as there are beams.
        beams, vocab = rest["num_beams"], rest["vocab_size"]
        ranks = accumulated_log_probs.flatten().topk(rest["beams_to_keep"]).indices % vocab
        going = [i for i, token in enumerate(ranks.tolist()) if token not in eos][:beams]
        check_gaps(accumulated_log_probs, beams - 1, max(beams - 1, going[-1]))
        return candidates(model, accumulated_log_probs=accumulated_log_probs, **rest)
    model._get_top_k_continuations = checked


def one(model, ids, decoder_ids, options):
    extra = {} if decoder_ids is None else {"decoder_input_ids": torch.tensor([decoder_ids])}
    ids = torch.tensor([ids])
    out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), output_scores=True,
                         return_dict_in_generate=True, **extra, **options)
    config = model.generation_config
    if options.get("num_beams", config.num_beams) == 1:
        for scores in out.scores:
            check_gaps(scores[0], 0, 0)
    elif len(out.sequences) > 1:
        check_gaps(out.sequences_scores, 0, len(out.sequences) - 1)
    return out


def strip(sequence, prompt, eos):
    """Without the padding behind the first eos that was generated."""
    for i in range(prompt, len(sequence)):
        if sequence[i] in eos:
            return sequence[:i + 1]
    return sequence


def answers(model, cases, vocab, generator):
    config, lines = model.generation_config, []
    eos = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    watched(model, eos)
    for length, decoder_ids, options in cases:
        for _ in range(TRIES):
            ids = torch.randint(5, vocab, (length,), generator=generator).tolist()
            try:
                out = one(model, ids, decoder_ids, options)
                break
            except Narrow:
                continue
        else:
            raise ArithmeticError(f"no clear answer with {options}")
        prompt = (len(ids) if not model.config.is_encoder_decoder else
                  len(decoder_ids) if decoder_ids else 1)
        line = {"ids": ids, "options": options, "sequences": [
            strip(s, prompt, eos) for s in out.sequences.tolist()]}
        if decoder_ids is not None:
            line["decoder_ids"] = decoder_ids
        if out.get("sequences_scores") is not None:
            line["sequences_scores"] = [float(f"{x:.8g}") for x in out.sequences_scores.tolist()]
        lines.append(line)
    return lines


def write(folder, lines):
    (folder / "generate.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


# What every family is asked, each option turned once; and what is asked of all in the committed
# goldens.
BEAMS = {"num_beams": 4, "max_length": 18}
OPTIONS = (
    {"max_length": 24},
    {"num_beams": 4},  # nothing set: 20 new ones
    BEAMS,
    {**BEAMS, "length_penalty": 2.0, "early_stopping": True},
    {**BEAMS, "length_penalty": 0.3, "early_stopping": "never"},
    {**BEAMS, "length_penalty": -1.0, "early_stopping": "never"},
    {**BEAMS, "no_repeat_ngram_size": 2},
    {"max_length": 30, "no_repeat_ngram_size": 1},
    {**BEAMS, "encoder_no_repeat_ngram_size": 1},
    {**BEAMS, "repetition_penalty": 1.4},
    {"max_length": 24, "repetition_penalty": 1.4},
    # The reference penalises the first beam alone: its list of sources is not as long as its beams.
    {"max_length": 24, "encoder_repetition_penalty": 1.5, "num_beams": 1},
    {**BEAMS, "min_length": 18},
    {**BEAMS, "min_new_tokens": 9, "max_new_tokens": 14},
    {"max_new_tokens": 1},
    {"num_beams": 3, "max_new_tokens": 1},
    {**BEAMS, "num_return_sequences": 3},
    {**BEAMS, "num_return_sequences": 4, "early_stopping": True, "renormalize_logits": True,
     "no_repeat_ngram_size": 3},
    {**BEAMS, "suppress_tokens": list(range(5, 40)), "begin_suppress_tokens": [40, 41, 2]},
    {"max_length": 24, "bad_words_ids": [[7], [8, 9], [50], [51], [52], [53, 54, 55]]},
    {**BEAMS, "bad_words_ids": [[n] for n in range(60, 120)]},
    {"num_beams": 7, "max_length": 12, "length_penalty": 1.2},
)
CORE = (
    {"max_length": 24},
    BEAMS,
    {**BEAMS, "length_penalty": 0.3, "early_stopping": "never", "num_return_sequences": 3},
    {"max_length": 24, "repetition_penalty": 1.4, "no_repeat_ngram_size": 2},
    {**BEAMS, "min_new_tokens": 9, "max_new_tokens": 14, "early_stopping": True},
)
