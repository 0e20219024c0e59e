"""What every layer of the reference puts out: layers.jsonl beside the other answers of a folder.

One sequence a line: {"ids", "new": ids that are generated, "encoder": all layers' states one behind
the other, "decoder": the same, "top": the best logit of each step}. Without "new" the model does not generate.
States are the reference's hidden_states without the embeddings; where a norm ends a stack, the last is
taken behind it. A prompt but for its last id does not go through the last layer, which nothing would
read.
"""
import json

import torch
from random_models import flat

NEW = 4
DIGITS = 7  # of each number: the tolerance is 1e-4


def compact(tensors):
    return [x for t in tensors for x in flat(t, DIGITS)]


def of_encoder(model, ids):
    with torch.no_grad():
        out = model.base_model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    states = *out.hidden_states[1:-1], out.last_hidden_state
    return {"ids": ids, "encoder": compact(h[0] for h in states)}


def of_generator(model, ids):
    given = torch.tensor([ids])
    with torch.no_grad():
        out = model.generate(given, attention_mask=torch.ones_like(given), num_beams=1,
                             num_return_sequences=1, max_new_tokens=NEW, min_new_tokens=NEW,
                             output_logits=True, output_scores=True, return_dict_in_generate=True)
        line = {"ids": ids, "new": NEW, "top": [float(s.max()) for s in out.scores]}
        run = out.sequences[:, :-1]
        if model.config.is_encoder_decoder:
            states = model(input_ids=given, decoder_input_ids=run, output_hidden_states=True)
            line["encoder"] = compact(h[0] for h in states.encoder_hidden_states[1:])
            line["decoder"] = compact(h[0] for h in states.decoder_hidden_states[1:])
        else:
            states = model(input_ids=run, output_hidden_states=True)
            *states, last = states.hidden_states[1:]
            line["decoder"] = compact([*(h[0] for h in states), last[0, len(ids) - 1:]])
    return line


def write(folder, model, lengths, vocab, generator):
    ask = of_generator if model.can_generate() else of_encoder
    with open(folder / "layers.jsonl", "w") as f:
        for n in lengths:
            ids = torch.randint(5, vocab, (n,), generator=generator).tolist()
            f.write(json.dumps(ask(model, ids), separators=(",", ":")) + "\n")
