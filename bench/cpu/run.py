#!/usr/bin/env python3
"""textmill beside what people run on CPUs today: one table, one command.

    bench/cpu/run.py --textmill BUILD/daemon/textmill --bench-gemm BUILD/bench/bench_gemm [--rows ROW,…] [--rounds N]
                     [--work FOLDER] [--out TABLE.md]

Needs torch, transformers 4.57, ctranslate2, onnx and onnxruntime; what is missing is left out and said so. Models are
made with random weights (shapes.py) and, for the peers, converted once into the work folder.

Every peer is swept over its workers, threads and batch with a short run each; its best setting then runs in turn with
textmill, ROUNDS times, and the median of the ratios pair by pair counts. Rates are per second of processor time of all
threads, times the cores: on a machine that does other work too that is what the clock would say if it did not. The
clock's own ratio is beside it. Every run checks that each sequence got as many tokens as it should."""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

import limits
import shapes

HERE = pathlib.Path(__file__).parent
CT2 = [{"workers": w, "threads": t, "batch": b} for w, t in ((2, 1), (1, 2)) for b in (512, 1024, 2048)]
CT2_LONG = [{"workers": w, "threads": t, "batch": b} for w, t in ((2, 1), (1, 2)) for b in (1024, 4096)]
ORT = [{"threads": t, "batch": b, "sorted": False} for t in (1, 2) for b in (1, 8, 16)]
ORT_SORTED = [{"threads": t, "batch": b, "sorted": True} for t in (1, 2) for b in (4, 16)]
HF = [{"threads": 2, "batch": 16}]

# row: (shape, work, the peer's precision, (peer, settings, what to reach, sequences of a sweep's run), …)
OPUS = {"source": [15, 35], "new": 26}
ROWS = {
    "opus-mt beam 4 int8": ("opus-mt", {**OPUS, "beams": 4, "precision": "int8", "sequences": 96},
                            ("ctranslate2", CT2, 3, 32), ("transformers", HF, None, 16)),
    "opus-mt greedy int8": ("opus-mt", {**OPUS, "beams": 1, "precision": "int8", "sequences": 256},
                            ("ctranslate2", CT2, 3, 64)),
    "opus-mt beam 4 float32": ("opus-mt", {**OPUS, "beams": 4, "precision": "float32", "sequences": 64},
                               ("ctranslate2", CT2, 2, 16)),
    "opus-mt beam 4 bf16": ("opus-mt", {**OPUS, "beams": 4, "precision": "bf16", "sequences": 64},
                            ("ctranslate2", CT2[1:2], 2, 16)),
    "bart-large-cnn beam 4 int8": ("bart-large-cnn", {"source": [700, 900], "new": 80, "beams": 4, "precision": "int8",
                                                      "sequences": 8}, ("ctranslate2", CT2_LONG, 4, 2)),
    "t5-base greedy int8": ("t5-base", {"source": [512, 512], "new": 64, "beams": 1, "precision": "int8",
                                        "sequences": 16}, ("ctranslate2", CT2_LONG, 2, 8)),
    "bert-base 64 int8": ("bert-base", {"source": [64, 64], "precision": "int8", "sequences": 128},
                          ("onnxruntime", ORT, 1.5, 32)),
    "bert-base 8-512 int8": ("bert-base", {"source": [8, 512], "precision": "int8", "sequences": 64},
                             ("onnxruntime", ORT, 2.5, 24), ("onnxruntime", ORT_SORTED, 1.4, 24)),
    "llama-0.5b int8": ("llama-0.5b", {"source": [800, 800], "new": 80, "beams": 1, "precision": "int8",
                                       "sequences": 8, "causal": True}, ("ctranslate2", CT2_LONG, 1.5, 4)),
}
# CTranslate2 has no bfloat16 where oneDNN has none for the processor: its float32 stands beside ours.
PEER_PRECISION = {"bf16": "float32"}


def textmill(binary, folder, work):
    command = [binary, "models", "bench", "-m", str(folder), "--json", "--precision", work["precision"], "--source-tokens",
               "-".join(map(str, work["source"])), "--sequences", str(work["sequences"])]
    if "new" in work:
        command += ["--new-tokens", str(work["new"]), "--num-beams", str(work["beams"])]
    got = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {"sequences": work["sequences"], "seconds": work["sequences"] / got["sequences_per_s"], "cpu_s": got["cpu_s"],
            "peak_rss_bytes": got["peak_rss_bytes"], "complete": True, "load_s": got["load_s"],
            "planned_bytes": got["weight_bytes"] + got["pool_bytes"]}


def peer(name, folder, cache, work, setting):
    work = {**work, "precision": PEER_PRECISION.get(work["precision"], work["precision"])}
    done = subprocess.run([sys.executable, str(HERE / "peers.py"), name, str(folder), str(cache), json.dumps(work),
                           json.dumps(setting)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    got = json.loads(done.stdout.splitlines()[-1])
    if not got["complete"]:
        raise RuntimeError(f"{name} {setting}: a sequence did not get its tokens")
    return got


def rate(run):
    return run["sequences"] / run["cpu_s"] * os.cpu_count()


def best_setting(name, folder, cache, work, settings):
    if len(settings) == 1:
        return settings[0]
    return max(settings, key=lambda s: rate(peer(name, folder, cache, work, s)))


def one_peer(args, name, row, at_least, sweep, settings):
    shape, work = ROWS[row][:2]
    folder = shapes.make(shape, args.work)
    cache = pathlib.Path(args.work)
    setting = best_setting(name, folder, cache, {**work, "sequences": sweep}, settings)
    ours, theirs = [], []
    for _ in range(args.rounds):
        theirs.append(peer(name, folder, cache, work, setting))
        ours.append(textmill(args.textmill, folder, work))
    cpu = statistics.median(rate(a) / rate(b) for a, b in zip(ours, theirs))
    wall = statistics.median(b["seconds"] / a["seconds"] for a, b in zip(ours, theirs))
    best, other = max(ours, key=rate), max(theirs, key=rate)
    operations, attention = limits.operations(folder, work)
    limit = limits.seconds(operations, attention, work["precision"], args.peaks)
    share = rate(best) / os.cpu_count() * limit
    label = f"{name} ({', '.join(f'{k} {v}' for k, v in setting.items())})"
    return {"row": row, "peer": label, "textmill": round(rate(best), 2), "their": round(rate(other), 2),
            "ratio": round(cpu, 2), "by_the_clock": round(wall, 2), "at_least": at_least, "limit_share": round(share, 2),
            "memory_mb": best["peak_rss_bytes"] >> 20, "planned_mb": best["planned_bytes"] >> 20,
            "their_memory_mb": other["peak_rss_bytes"] >> 20, "load_s": round(best["load_s"], 2)}


def measure_peaks(bench_gemm):
    """10^9 operations a second of one core on registers, the best of what each precision has."""
    text = subprocess.run([bench_gemm, "--rounds", "3", "64", "768", "768"], capture_output=True, text=True,
                          check=True).stdout
    peaks, precision = {}, None
    for line in text.splitlines():
        if line.endswith(" weights"):
            precision = {"float32": "float32", "bfloat16": "bf16", "int8": "int8"}[line.split()[0]]
        for found in re.finditer(r" of +(\d+)", line) if precision else ():
            peaks[precision] = max(peaks.get(precision, 0), float(found[1]))
    return peaks


def versions():
    found = {}
    for name in ("torch", "transformers", "ctranslate2", "onnxruntime"):
        try:
            found[name] = __import__(name).__version__
        except ImportError:
            found[name] = None
    return found


def table(results, args):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    lines = [f"{datetime.date.today()}, {os.cpu_count()} cores of {cpu[1] if cpu else platform.machine()}, "
             f"Python {platform.python_version()}, " + ", ".join(f"{k} {v}" for k, v in versions().items() if v) +
             "; one core on registers, 10^9 operations/s: " + ", ".join(f"{k} {v:.0f}" for k, v in args.peaks.items()),
             "", "| work | peer, its best setting | textmill | peer | ratio | by the clock | to reach | of the limit | "
             "memory, planned, peer's (MB) | open |", "|---|---|---|---|---|---|---|---|---|---|"]
    for r in results:
        if "error" in r:
            lines.append(f"| {r['row']} | {r['peer']}: {r['error']} | | | | | | | | |")
            continue
        lines.append(f"| {r['row']} | {r['peer']} | {r['textmill']} | {r['their']} | {r['ratio']} | {r['by_the_clock']} | "
                     f"{r['at_least'] or ''} | {100 * r['limit_share']:.0f} % | {r['memory_mb']}, {r['planned_mb']}, "
                     f"{r['their_memory_mb']} | {r['load_s']} s |")
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--textmill", required=True)
    p.add_argument("--bench-gemm", required=True)
    p.add_argument("--rows", default=",".join(ROWS))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--work", default="bench-work")
    p.add_argument("--out")
    args = p.parse_args()
    pathlib.Path(args.work).mkdir(parents=True, exist_ok=True)
    args.peaks = measure_peaks(args.bench_gemm)
    results = []
    for row in args.rows.split(","):
        for name, settings, at_least, sweep in ROWS[row][2:]:
            try:
                results.append(one_peer(args, name, row, at_least, sweep, settings))
            except (RuntimeError, subprocess.CalledProcessError) as e:
                results.append({"row": row, "peer": name, "error": str(e)})
            print(json.dumps(results[-1]), flush=True)
    text = table(results, args)
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text + "\n")


if __name__ == "__main__":
    main()
