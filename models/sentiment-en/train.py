"""Train the LoRA adapter of sentiment-en over all-MiniLM-L6-v2 and write it as a PEFT folder.

    python train.py --base DIR --data DIR --out DIR

Defaults are the committed recipe. Everything random is seeded; a different CPU or thread count still changes the
weights a little, because sums are taken in another order. The adapter as it stands is written at every measurement,
so a run that is stopped leaves something usable.
"""

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, TaskType
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoTokenizer

import data
from evaluate import measure
from network import LINEARS, Network

BASE_NAME = "all-MiniLM-L6-v2"
# Dev measurements printed on the way; none of them changes what is trained or written.
SHOWN = ("sst2_dev_accuracy", "posts_dev_macro_f1", "news_dev_not_neutral")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--data", type=Path, required=True, help="unpacked test-data folder")
    parser.add_argument("--out", type=Path, required=True, help="folder the adapter is written to")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-tokens", type=int, default=1536)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--pooler-lr", type=float, default=1e-4)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--alpha", type=int, default=64)
    parser.add_argument("--dropout", type=float, default=0.1, help="on hidden states")
    parser.add_argument("--smoothing", type=float, default=0.05)
    parser.add_argument("--warmup", type=float, default=0.06, help="share of the steps")
    parser.add_argument("--average", type=float, default=0.995, help="decay of the moving average that is written")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure", type=int, default=400, help="steps between measurements")
    parser.add_argument("--mix", choices=data.MIXES, default="plain", help="how often each source is seen")
    parser.add_argument("--init", type=Path, help="adapter to start from")
    return parser.parse_args()


# ---------------------------------------------------------------- batches

def batches_of(lengths, budget, rng):
    """Batches of similar length with at most `budget` tokens, in random order: little padding, nothing to learn."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    order.sort(key=lambda i: lengths[i])    # stable: among equal lengths the order stays random
    batches, batch = [], []
    for i in order:
        if batch and (len(batch) + 1) * lengths[i] > budget:
            batches.append(batch)
            batch = []
        batch.append(i)
    batches.append(batch)
    rng.shuffle(batches)
    return batches


def padded(rows, pad):
    width = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


def epoch_batches(sources, tokenizer, args, epoch):
    seed = args.seed * 1000 + epoch
    examples = data.train_set(sources, args.mix, seed)
    ids = tokenizer([text for text, _ in examples], truncation=True, max_length=args.max_tokens, padding=False)["input_ids"]
    batches = batches_of([len(row) for row in ids], args.batch_tokens, random.Random(seed))
    return [(*padded([ids[i] for i in batch], tokenizer.pad_token_id), torch.tensor([examples[i][1] for i in batch]))
            for batch in batches]


# ---------------------------------------------------------------- training

class Average:
    """Exponential moving average of the learned tensors: steadier than the last step's."""

    def __init__(self, network, decay):
        self.network, self.decay, self.count = network, decay, 0
        self.tensors = {name: tensor.clone() for name, tensor in network.tensors().items()}

    def update(self):
        self.count += 1
        weight = max(1 - self.decay, 1 / self.count)
        for name, tensor in self.network.tensors().items():
            self.tensors[name].lerp_(tensor, weight)

    def swap(self):
        """Exchange the average and what is being trained."""
        for name, tensor in self.network.tensors().items():
            kept = tensor.clone()
            tensor.copy_(self.tensors[name])
            self.tensors[name] = kept


@torch.inference_mode()
def logits_of(network, tokenizer, texts):
    ids = tokenizer(texts, truncation=True, max_length=128, padding=False)["input_ids"]
    logits = np.zeros((len(texts), len(data.LABELS)), dtype=np.float32)
    for batch in batches_of([len(row) for row in ids], 2048, random.Random(0)):
        logits[batch] = network(*padded([ids[i] for i in batch], tokenizer.pad_token_id)).float().numpy()
    return logits


def dev_scores(network, tokenizer, dev):
    network.eval()
    report = measure({name: logits_of(network, tokenizer, [text for text, _ in pairs]) for name, pairs in dev.items()}, dev)
    network.train()
    return report


def schedule(total, warmup):
    """Linear warm-up, then linear decay to zero."""
    ramp = max(1, round(total * warmup))
    return lambda step: min((step + 1) / ramp, max(0.0, (total - step) / max(1, total - ramp)))


def optimizer_of(network, args):
    pooler = [p for name, p in network.learned.items() if name.startswith("pooler")]
    others = [p for name, p in network.learned.items() if not name.startswith("pooler")]
    groups = [{"params": others, "lr": args.lr}, {"params": pooler, "lr": args.pooler_lr}]
    return torch.optim.AdamW(groups, weight_decay=0.01, fused=True)


def train(network, tokenizer, sources, dev, args):
    batches = [batch for epoch in range(args.epochs) for batch in epoch_batches(sources, tokenizer, args, epoch)]
    total = len(batches)
    optimizer = optimizer_of(network, args)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule(total, args.warmup))
    lossfn = torch.nn.CrossEntropyLoss(label_smoothing=args.smoothing)
    average = Average(network, args.average)
    network.train()
    shown, begin = 0.0, time.monotonic()
    for step, (ids, mask, labels) in enumerate(batches, 1):
        loss = lossfn(network(ids, mask), labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        average.update()
        shown += loss.item()
        if step % 100 == 0:
            print(f"step {step}/{total} loss {shown / 100:.4f} {time.monotonic() - begin:.0f} s", flush=True)
            shown = 0.0
        if step % args.measure == 0 or step == total:
            average.swap()
            write_adapter(network, args)
            report = dev_scores(network, tokenizer, dev)
            average.swap()
            print(f"step {step}/{total}", *(f"{name} {report[name]:.4f}" for name in SHOWN), flush=True)


# ---------------------------------------------------------------- writing

def adapter_name(name):
    """The name PEFT gives a tensor of the adapter."""
    return f"base_model.model.{name}" if name.startswith("classifier") else f"base_model.model.bert.{name}"


def read_adapter(network, folder):
    stored = load_file(folder / "adapter_model.safetensors")
    for name, tensor in network.tensors().items():
        tensor.copy_(stored[adapter_name(name)])


def write_adapter(network, args):
    """A PEFT folder with F16 weights, plus a config.json so that labels and graph are known without PEFT."""
    args.out.mkdir(parents=True, exist_ok=True)
    half = {adapter_name(name): tensor.to(torch.float16) for name, tensor in network.tensors().items()}
    path = args.out / "adapter_model.safetensors"
    save_file(half, path, metadata={"format": "pt"})
    path.chmod(0o644)
    settings = LoraConfig(task_type=TaskType.SEQ_CLS, r=args.rank, lora_alpha=args.alpha, inference_mode=True,
                          base_model_name_or_path=BASE_NAME).to_dict()
    settings.update(target_modules=sorted(LINEARS), modules_to_save=["classifier", "pooler"])
    (args.out / "adapter_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True, default=str) + "\n")
    config = network.config.to_dict()
    labels = {str(i): name for i, name in enumerate(data.LABELS)}
    config.update(architectures=["BertForSequenceClassification"], _name_or_path=BASE_NAME, id2label=labels,
                  label2id={name: int(i) for i, name in labels.items()}, problem_type="single_label_classification",
                  dtype="float32")
    (args.out / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    sources = data.train_sources(args.data)
    for name, pairs in sources.items():
        print(f"{name}: {len(pairs)}")
    network = Network(args.base, AutoConfig.from_pretrained(args.base), args.rank, args.alpha, args.dropout,
                      len(data.LABELS))
    if args.init:
        read_adapter(network, args.init)
    print(f"learned weights: {sum(p.numel() for p in network.parameters())}")
    train(network, tokenizer, sources, data.dev_sets(args.data), args)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
