#!/usr/bin/env python3
"""Reads goldens with the transformers that is installed and compares what it answers.

    cross_check.py GOLDENS [FOLDER...]

The goldens are what the pinned release said (requirements.txt); another one, as
requirements-5.txt names, shows where the two part: every such folder is named in PARTS with the
reason, and any other is a failure. Adapters and sentence-transformers are other packages' business.
"""
import json
import pathlib
import sys

import torch
import transformers

TOLERANCE = 1e-4
RELATIVE = "5.x has absolute positions alone"
PARTS = {  # folder: why the releases differ
    "bert-relative-key": RELATIVE,
    "bert-relative-key-query": RELATIVE,
    "electra-span": RELATIVE,
}
TYPED = ("bert", "electra", "albert", "deberta", "deberta-v2")
ROWS = {"ForSequenceClassification": lambda out: out.logits[0],
        "ForTokenClassification": lambda out: out.logits[0],
        "ForQuestionAnswering": lambda out: torch.stack([out.start_logits[0], out.end_logits[0]]),
        "Model": lambda out: out.last_hidden_state[0].mean(dim=0)}


def far(got, want):
    got, want = torch.tensor(got, dtype=torch.float64), torch.tensor(want, dtype=torch.float64)
    return bool(((got - want).abs() > TOLERANCE + TOLERANCE * want.abs()).any())


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def heads(model, file, architecture):
    rows = next(f for end, f in ROWS.items() if architecture.endswith(end))
    types = model.config.model_type in TYPED and model.config.type_vocab_size > 1
    for i, line in enumerate(lines(file)):
        ids, first = torch.tensor([line["ids"]]), line.get("n_first", 0)
        extra = {}
        if types and first:
            extra["token_type_ids"] = (torch.arange(ids.shape[1]) >= first).long()[None]
        with torch.no_grad():
            out = rows(model(input_ids=ids, attention_mask=torch.ones_like(ids), **extra))
        if far(out.flatten().tolist(), line["out"]):
            yield f"line {i + 1}: other numbers"


def generated(model, file):
    eos = model.generation_config.eos_token_id
    eos = eos if isinstance(eos, list) else [eos]
    for i, line in enumerate(lines(file)):
        ids, extra = torch.tensor([line["ids"]]), {}
        if "decoder_ids" in line:
            extra["decoder_input_ids"] = torch.tensor([line["decoder_ids"]])
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), output_scores=True,
                             return_dict_in_generate=True, **extra, **line["options"])
        got = out.sequences.tolist()
        for want, row in zip(line["sequences"], got):
            if row[:len(want)] != want or len(row) > len(want) and want[-1] not in eos:
                yield f"line {i + 1}: {line['options']}: {row} for {want}"
        if "sequences_scores" in line and far(out.sequences_scores.tolist(),
                                              line["sequences_scores"]):
            yield f"line {i + 1}: {line['options']}: other scores"


def differences(folder):
    architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
    model = getattr(transformers, architecture).from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32).eval()
    if (folder / "generate.jsonl").exists():
        yield from generated(model, folder / "generate.jsonl")
    else:
        yield from heads(model, folder / "golden.jsonl", architecture)


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    goldens, failed, n = pathlib.Path(sys.argv[1]), 0, 0
    for name in sorted(sys.argv[2:] or (p.name for p in goldens.iterdir())):
        folder = goldens / name
        if (folder / "modules.json").exists() or (folder / "adapter_config.json").exists():
            continue
        try:
            found = list(differences(folder))
        except Exception as e:  # a folder that the other release does not open is a finding
            found = [f"{type(e).__name__}: {str(e)[:200]}"]
        n += 1
        for what in found:
            print(f"{folder.name}: {what}")
        if bool(found) != (folder.name in PARTS):
            failed += 1
            print(f"{folder.name}: " + (f"does not differ: {PARTS[folder.name]}" if not found
                                        else "differs, and nothing here says why"))
    print(f"transformers {transformers.__version__}: {n} models, {len(PARTS)} known to differ, "
          f"{failed} unexpected")
    return 1 if failed or n == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
