"""Train the LoRA adapter of sentiment-en over all-MiniLM-L6-v2 and write it as a PEFT folder.

    python train.py --base DIR --data DIR --out DIR

Defaults are the committed recipe. Everything random is seeded; a different CPU or thread count still changes the
weights a little, because sums are taken in another order.
"""

import argparse
import json
import math
import random
import shutil
import time
from pathlib import Path

import torch
from peft import LoraConfig, TaskType, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import data

BASE_NAME = "all-MiniLM-L6-v2"
# Every linear of a layer, and the pooler: MiniLM was tuned for mean pooling, so its pooler needs to learn the most.
TARGETS = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense", "pooler.dense"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--data", type=Path, required=True, help="unpacked test-data folder")
    parser.add_argument("--out", type=Path, required=True, help="folder the adapter is written to")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--alpha", type=int, default=32)
    parser.add_argument("--dropout", type=float, default=0.1, help="on hidden states")
    parser.add_argument("--smoothing", type=float, default=0.05)
    parser.add_argument("--warmup", type=float, default=0.06, help="share of the steps")
    parser.add_argument("--shrink", type=float, default=0.9, help="factor on what LoRA learned, after training")
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=0, help="stop after this many steps (for trying things out)")
    return parser.parse_args()


def build_model(args):
    labels = dict(enumerate(data.LABELS))
    base = AutoModelForSequenceClassification.from_pretrained(
        args.base, num_labels=len(labels), id2label=labels, label2id={name: i for i, name in labels.items()},
        problem_type="single_label_classification",
        # Drawing dropout masks takes a third of a step on a CPU; hidden states alone are enough at this size.
        hidden_dropout_prob=args.dropout, attention_probs_dropout_prob=0.0)
    config = LoraConfig(task_type=TaskType.SEQ_CLS, r=args.rank, lora_alpha=args.alpha, lora_dropout=0.0,
                        target_modules=TARGETS, modules_to_save=["classifier"])
    return get_peft_model(base, config)


def batches_of(encoded, size, rng):
    """Batches of similar length in random order: little padding, and no order a model could learn."""
    order = list(range(len(encoded)))
    rng.shuffle(order)
    batches = []
    for start in range(0, len(order), size * 64):
        pool = sorted(order[start:start + size * 64], key=lambda i: len(encoded[i][0]))
        batches += [pool[i:i + size] for i in range(0, len(pool), size)]
    rng.shuffle(batches)
    return batches


def tensors_of(encoded, batch, pad):
    width = max(len(encoded[i][0]) for i in batch)
    ids = torch.full((len(batch), width), pad)
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    for row, i in enumerate(batch):
        length = len(encoded[i][0])
        ids[row, :length] = torch.tensor(encoded[i][0])
        mask[row, :length] = 1
    return ids, mask, torch.tensor([encoded[i][1] for i in batch])


def epoch_batches(sources, tokenizer, args, epoch):
    seed = args.seed * 1000 + epoch
    examples = data.train_set(sources, seed)
    ids = tokenizer([text for text, _ in examples], truncation=True, max_length=args.max_tokens)["input_ids"]
    encoded = [(row, label) for row, (_, label) in zip(ids, examples)]
    for batch in batches_of(encoded, args.batch, random.Random(seed)):
        yield tensors_of(encoded, batch, tokenizer.pad_token_id)


def schedule(total, warmup):
    """Linear warm-up, then linear decay to zero."""
    ramp = max(1, round(total * warmup))
    return lambda step: min((step + 1) / ramp, max(0.0, (total - step) / max(1, total - ramp)))


def train(model, tokenizer, sources, args):
    per_epoch = math.ceil(len(data.train_set(sources, 0)) / args.batch)
    total = args.steps or per_epoch * args.epochs
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=args.lr, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule(total, args.warmup))
    lossfn = torch.nn.CrossEntropyLoss(label_smoothing=args.smoothing)
    model.train()
    step, shown, begin = 0, 0.0, time.monotonic()
    for epoch in range(args.epochs):
        for ids, mask, labels in epoch_batches(sources, tokenizer, args, epoch):
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(input_ids=ids, attention_mask=mask).logits
            loss = lossfn(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            step, shown = step + 1, shown + loss.item()
            if step % 50 == 0:
                print(f"step {step}/{total} loss {shown / 50:.4f} {time.monotonic() - begin:.0f} s", flush=True)
                shown = 0.0
            if step == total:
                return


def write_adapter(model, args):
    """A PEFT folder with F16 weights, plus a config.json so that labels and graph are known without PEFT."""
    temporary = args.out.with_name(args.out.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = BASE_NAME
    model.peft_config["default"].inference_mode = True
    model.save_pretrained(temporary, save_embedding_layers=False)
    weights = load_file(temporary / "adapter_model.safetensors")
    half = {name: tensor.to(torch.float16).contiguous() for name, tensor in weights.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(half, args.out / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = json.loads((temporary / "adapter_config.json").read_text())
    # PEFT keeps these as sets: without sorting the file would differ from run to run.
    for key in ("target_modules", "modules_to_save"):
        settings[key] = sorted(set(settings[key]))
    (args.out / "adapter_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    config = model.get_base_model().config.to_dict()
    config.update(architectures=["BertForSequenceClassification"], _name_or_path=BASE_NAME)
    (args.out / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    shutil.rmtree(temporary)


def shrink_adapter(folder, factor):
    """Pull the model a little back towards its base, which makes it less sure of itself and better on posts.

    B alone is scaled: the change of a weight is (alpha / r) * B @ A. The head is left as it is.
    """
    path = folder / "adapter_model.safetensors"
    weights = load_file(path)
    for name, tensor in weights.items():
        if name.endswith(".lora_B.weight"):
            weights[name] = (tensor.float() * factor).to(torch.float16)
    save_file(weights, path, metadata={"format": "pt"})
    path.chmod(0o644)


def main():
    args = arguments()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    sources = data.train_sources(args.data)
    for name, pairs in sources.items():
        print(f"{name}: {len(pairs)}")
    model = build_model(args)
    model.print_trainable_parameters()
    train(model, tokenizer, sources, args)
    write_adapter(model, args)
    shrink_adapter(args.out, args.shrink)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
