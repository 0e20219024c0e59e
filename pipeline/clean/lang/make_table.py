#!/usr/bin/env python3
"""Makes table.bin, by which lang.c tells languages apart.

    make_table.py OUT        needs pip and 100 MB of room; standard library otherwise

The source are the n-gram frequencies of 75 languages in the PyPI package lingua-language-detector 1.0.1
(Apache-2.0), which its author counted in one million sentences a language of the Leipzig Corpora (CC-BY). They
are conditional (an n-gram given its first n-1 letters); their product along an n-gram is how frequent it is
among those of its length. Languages that are the only one of their script need no n-grams: lang.c knows them by
their letters. The others are in groups, one a script. For each group the n-grams of one to five letters that
tell most are kept; a row holds, for every language, how much less likely the n-gram is there than in the
language where it is likeliest: log ratio times SCALE, at most 127.

Layout, little endian: "TMLANG1\\0"; u32 number of groups; for each group: u32 script (index into lang.c's list),
u32 languages, u32 width of a row (a multiple of 16), u32 rows, u32 slots (a power of two); then for each group:
its languages' codes (8 bytes each), u32 fingerprints[slots], u16 row numbers[slots] (0xffff: free), u8
rows[rows][width]. Everything is aligned to 16 bytes.
"""
import io
import json
import math
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "lingua-language-detector==1.0.1"
ORDERS = ["unigrams", "bigrams", "trigrams", "quadrigrams", "fivegrams"]
# Below this an n-gram says nothing; and what an n-gram that a language lacks counts as.
LEAST = {1: 1e-6, 2: 3e-6, 3: 1e-5, 4: 2e-5, 5: 3e-5}
FLOOR = {1: 2e-6, 2: 3e-6, 3: 5e-6, 4: 1e-5, 5: 1.5e-5}
SCALE = 16
# script (as in lang.c's enum) -> rows, languages; nn is read as nb's sister "no" by callers, not here
GROUPS = [
    (0, 44000, "af az bs ca cs cy da de en eo es et eu fi fr ga hr hu id is it la lg lt lv mi ms nb nl nn pl pt ro sk "
               "sl sn so sq st sv sw tl tn tr ts vi xh yo zu"),
    (1, 9000, "be bg kk mk mn ru sr uk"),
    (2, 6000, "ar fa ur"),
    (3, 4000, "hi mr"),
]


def joint(archive, lang):
    """{n-gram: its share among the n-grams of its length}"""
    out, before = {}, {"": 1.0}
    for order in ORDERS:
        packed = zipfile.ZipFile(io.BytesIO(archive.read(f"lingua/language-models/{lang}/{order}.json.zip")))
        now = {}
        for fraction, ngrams in json.loads(packed.read(packed.namelist()[0]))["ngrams"].items():
            a, b = fraction.split("/")
            for ngram in ngrams.split(" "):
                if ngram[:-1] in before:
                    now[ngram] = before[ngram[:-1]] * int(a) / int(b)
        out.update(now)
        before = now
    return {ngram: p for ngram, p in out.items() if p >= LEAST[len(ngram)]}


def gain(ngram, shares, n):
    """How much the n-gram tells: by how far its shares are from their mean, where it is frequent."""
    floor = FLOOR[len(ngram)]
    middle = math.log(sum(shares.values()) / n + floor)
    return sum(p * abs(math.log(p + floor) - middle) for p in shares.values())


def mix(x):
    x = (x ^ (x >> 16)) * 0x7feb352d & 0xffffffff
    x = (x ^ (x >> 15)) * 0x846ca68b & 0xffffffff
    return x ^ (x >> 16)


def hash_of(ngram):
    """As lang.c computes it: a letter at a time."""
    h = 0
    for c in ngram:
        h = mix(h * 31 + ord(c) + 1 & 0xffffffff)
    return h


def pad(out):
    out.write(b"\0" * (-out.tell() % 16))


def group(archive, langs, count):
    shares = {}
    for index, lang in enumerate(langs):
        for ngram, p in joint(archive, lang).items():
            shares.setdefault(ngram, {})[index] = p
    best = sorted(shares, key=lambda g: (-gain(g, shares[g], len(langs)), g))[:count]
    width = -(-len(langs) // 16) * 16
    rows, slots = [], 1
    while slots < 2 * len(best):
        slots *= 2
    prints, numbers = [0] * slots, [0xffff] * slots
    for ngram in best:
        floor = FLOOR[len(ngram)]
        logs = [math.log(shares[ngram].get(i, 0) + floor) for i in range(len(langs))]
        row = [min(127, round((max(logs) - value) * SCALE)) for value in logs]
        h = hash_of(ngram)
        at = h & (slots - 1)
        while numbers[at] != 0xffff:
            if prints[at] == h:
                raise SystemExit(f"two n-grams share a fingerprint: {ngram}")
            at = (at + 1) & (slots - 1)
        prints[at], numbers[at] = h, len(rows)
        rows.append(bytes(row) + b"\x7f" * (width - len(langs)))
    return width, slots, prints, numbers, rows


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, PACKAGE], check=True)
        archive = zipfile.ZipFile(next(Path(folder).glob("*.whl")))
        groups = [(script, langs.split(), group(archive, langs.split(), count)) for script, count, langs in GROUPS]
    out = io.BytesIO()
    out.write(b"TMLANG1\0" + struct.pack("<I", len(groups)))
    for script, langs, (width, slots, _, _, rows) in groups:
        out.write(struct.pack("<5I", script, len(langs), width, len(rows), slots))
    for _, langs, (_, slots, prints, numbers, rows) in groups:
        pad(out)
        for lang in langs:
            out.write(lang.encode().ljust(8, b"\0"))
        pad(out)
        out.write(struct.pack(f"<{slots}I", *prints))
        out.write(struct.pack(f"<{slots}H", *numbers))
        pad(out)
        out.write(b"".join(rows))
    Path(sys.argv[1]).write_bytes(out.getvalue())


main()
