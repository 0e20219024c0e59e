#!/usr/bin/env python3
"""Encoder throughput side by side in one run: `textmill models bench` and transformers (PyTorch, float32).

    bench/encoder.py TEXTMILL MODEL [SEQUENCES]

Random ids, the same lengths for both. PyTorch gets its best of several batch sizes with all cores, sequences sorted by
length so that it pads little; textmill takes them as they come. Rounds alternate; the best of each side counts. Needs
torch and transformers; prints one JSON line per workload."""
import json
import random
import subprocess
import sys
import time

import torch
from transformers import AutoModel

ROUNDS = 3


def textmill(binary, model, lengths, n):
    out = subprocess.run([binary, "models", "bench", "-m", model, "--json", "--precision", "float32",
                          "--source-tokens", lengths, "--sequences", str(n)], capture_output=True, text=True, check=True).stdout
    return json.loads(out)


def peer(model, lengths, n, batch):
    lo, hi = (int(x) for x in (lengths + "-" + lengths).split("-")[:2])
    rng = random.Random(1)
    seqs = sorted((torch.randint(1000, 30000, (rng.randint(lo, hi),)) for _ in range(n)), key=len)
    start = time.perf_counter()
    with torch.inference_mode():
        for i in range(0, n, batch):
            part = seqs[i:i + batch]
            ids = torch.nn.utils.rnn.pad_sequence(part, batch_first=True)
            mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(s), dtype=torch.long) for s in part],
                                                   batch_first=True)
            model(input_ids=ids, attention_mask=mask)
    return n / (time.perf_counter() - start)


def main():
    binary, folder = sys.argv[1:3]
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 400
    model = AutoModel.from_pretrained(folder).eval()
    for lengths in ["64", "15-35", "8-256"]:
        ours = [textmill(binary, folder, lengths, n) for _ in range(ROUNDS)]
        best = max(ours, key=lambda r: r["sequences_per_s"])
        peers = {b: max(peer(model, lengths, n, b) for _ in range(ROUNDS)) for b in (8, 32, 128)}
        batch = max(peers, key=peers.get)
        print(json.dumps({"source_tokens": lengths, "textmill": best["sequences_per_s"],
                          "textmill_peak_rss_mb": best["peak_rss_bytes"] // 1000000, "threads": best["threads"],
                          "torch": round(peers[batch], 1), "torch_batch": batch, "torch_threads": torch.get_num_threads(),
                          "ratio": round(best["sequences_per_s"] / peers[batch], 2)}))


main()
