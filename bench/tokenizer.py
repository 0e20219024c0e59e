#!/usr/bin/env python3
"""How fast tokenizers encode, side by side in one run: bench/tokenizer.c and the `tokenizers` package.

    bench/tokenizer.py BENCH_TOKENIZER FOLDER FILE...     e.g.  bench/tokenizer.py build/bench/bench_tokenizer MODEL TEXT

Each line of a file is one text, special tokens are added, nothing is truncated; one thread each. The package is
asked in its fastest way on one thread (one call for all lines, TOKENIZERS_PARALLELISM=false), once with offsets and
once without (encode_batch_fast); textmill always gives offsets. Fails if the ids are not as many.
"""
import json
import os
import platform
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
SECONDS = 3.0


def rate(encode, lines, size):
    """MB/s and M tokens/s of a function over all lines."""
    tokens = sum(len(e.ids) for e in encode(lines))
    rounds, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < SECONDS:
        encode(lines)
        rounds += 1
    took = time.perf_counter() - begin
    return size * rounds / took / 1e6, tokens * rounds / took / 1e6, tokens


def main():
    import tokenizers
    program, folder, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    other = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
    other.no_truncation()
    other.no_padding()
    print(f"{platform.processor() or platform.machine()}, tokenizers {tokenizers.__version__}, {time.strftime('%Y-%m-%d')}, "
          f"{SECONDS:g} s each, one thread, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'file':32} {'MB':>6} {'textmill':>22} {'tokenizers':>22} {'without offsets':>22} {'ratio':>6}")
    for file in files:
        with open(file, "rb") as f:
            text = f.read()
        lines = text.decode().removesuffix("\n").split("\n")
        done = subprocess.run([program, folder, file, str(SECONDS)], stdout=subprocess.PIPE, check=True)
        ours = json.loads(done.stdout)
        mb, mt, tokens = rate(other.encode_batch, lines, len(text))
        fast_mb, fast_mt, _ = rate(other.encode_batch_fast, lines, len(text))
        if tokens != ours["tokens"]:
            sys.exit(f"{file}: {ours['tokens']} tokens, {tokens} by the package")
        print(f"{os.path.basename(file)[:32]:32} {len(text) / 1e6:6.2f} {ours['mb_per_s']:7.1f} MB/s {ours['mtokens_per_s']:5.2f} Mt/s "
              f"{mb:8.1f} MB/s {mt:5.2f} Mt/s {fast_mb:8.1f} MB/s {fast_mt:5.2f} Mt/s {ours['mb_per_s'] / max(mb, fast_mb):6.1f}")


if __name__ == "__main__":
    main()
