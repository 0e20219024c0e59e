#!/usr/bin/env python3
"""Writes pipeline/tokenize/unicode_tables.c by asking the `tokenizers` package about every code point.

Usage: tools/make-unicode-tables.py [OUTPUT]      (needs: pip install tokenizers)

The package mixes several Unicode versions (one a crate), so that no single Unicode release gives
its answers; asking it does. Run again when the version of `tokenizers` that is the truth changes.
"""

import base64
import struct
import sys
from collections import Counter
from pathlib import Path

import tokenizers
from tokenizers import Regex
from tokenizers import normalizers as norm
from tokenizers import pre_tokenizers as pre

LAST = 0x10FFFF
HANGUL = range(0xAC00, 0xAC00 + 11172)  # decomposed by arithmetic
BLOCK = 128

FLAGS = ["SPACE", "REMOVED", "NONSPACING", "MARK", "PUNCT", "NUMERIC", "WORD", "CJK",
         "LOWER", "NFD", "NFKD", "LETTER", "UPPERCASE", "LOWERCASE", "COMBINING", "NUMBER",
         "EXTEND", "PREPEND", "CONTROL", "PICTO"]
# Flags that a regular expression of the package tells.
CLASSES = {"LETTER": r"\p{L}", "UPPERCASE": r"[\p{Lu}\p{Lt}]", "LOWERCASE": r"\p{Ll}", "COMBINING": r"\p{M}",
           "NUMBER": r"\p{N}"}
BIT = {name: 1 << i for i, name in enumerate(FLAGS)}


def code_points():
    for c in range(LAST + 1):
        if not 0xD800 <= c <= 0xDFFF:
            yield c


def bert(**on):
    args = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return norm.BertNormalizer(**{**args, **on}).normalize_str


def probe_flags():
    """Flags, lower-case and decomposition maps of every code point."""
    clean, cjk, accents = bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True)
    lower, nfd, nfkd = (n().normalize_str for n in (norm.Lowercase, norm.NFD, norm.NFKD))
    marks = norm.StripAccents().normalize_str
    space, punct, word = (p().pre_tokenize_str for p in (pre.WhitespaceSplit, pre.Punctuation, pre.Whitespace))
    digits = pre.Digits(individual_digits=True).pre_tokenize_str
    flags, lowers, nfds, nfkds = [0] * (LAST + 1), {}, {}, {}
    for c in code_points():
        s, between, f = chr(c), "a" + chr(c) + "a", 0
        f |= BIT["SPACE"] * (len(space(between)) == 2)
        f |= BIT["REMOVED"] * (clean(between) == "aa")
        f |= BIT["MARK"] * (marks(s) == "")
        f |= BIT["PUNCT"] * (len(punct(between)) == 3)
        f |= BIT["NUMERIC"] * (len(digits(between)) == 3)
        f |= BIT["WORD"] * (len(word(between)) == 1)
        f |= BIT["CJK"] * (cjk(s) != s)
        if lower(s) != s:
            f |= BIT["LOWER"]
            lowers[c] = [ord(x) for x in lower(s)]
        if nfd(s) != s:
            f |= BIT["NFD"]
            if c not in HANGUL:
                nfds[c] = [ord(x) for x in nfd(s)]
        else:
            f |= BIT["NONSPACING"] * (accents(s) == "")
        if nfkd(s) != s:
            f |= BIT["NFKD"]
            if c not in HANGUL:
                nfkds[c] = [ord(x) for x in nfkd(s)]
        flags[c] = f
    return flags, lowers, nfds, nfkds


def charsmap(cps):
    """A Precompiled normalizer whose map takes each of the code points to X."""
    tree, units = {}, [0] * 512
    for c in cps:
        node = tree
        for byte in chr(c).encode():
            node = node.setdefault(byte, {})
    at, queue = 256, [(tree, 0)]
    while queue:  # each node's children in a block of their own
        node, pos = queue.pop()
        units += [0] * 256
        units[pos] |= (pos ^ at) << 10
        if not node:
            units[pos] |= 0x100
            units[at] = 1 << 31  # the value: offset 0 of the pool
        for byte, child in node.items():
            units[at ^ byte] = byte
            queue.append((child, at ^ byte))
        at += 256
    data = struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + b"X\0"
    return norm.Precompiled(data).normalize_str


def probe_clusters(flags):
    """What grapheme clusters are made of: Precompiled takes a short one for one character."""
    after_a, sign = charsmap([0x61]), charsmap([0xA9])
    for first in range(0, LAST + 1, 4096):
        cps = [c for c in range(first, first + 4096) if c and not 0xD800 <= c <= 0xDFFF]
        map_all = charsmap(cps) if cps else None
        for c in cps:
            s = chr(c)
            flags[c] |= BIT["EXTEND"] * (after_a("a" + s) == "X")
            flags[c] |= BIT["PREPEND"] * (map_all(s + "\u2581") == "X" if c < 0x800 else map_all(s + "a") == "X")
            flags[c] |= BIT["CONTROL"] * (c < 0x10000 and map_all(s + "\u0301") != "X")
            flags[c] |= BIT["PICTO"] * (sign("\u00a9\u200d" + s) == "X\u200d" + (s if c != 0xA9 else "X"))


def probe_regex(flags):
    text = "".join(map(chr, code_points()))
    for name, pattern in CLASSES.items():
        for piece, _ in pre.Split(Regex(pattern + "+"), "removed", invert=True).pre_tokenize_str(text):
            for s in piece:
                flags[ord(s)] |= BIT[name]


def probe_scripts():
    """Rows (first, last, script): code points that UnicodeScripts keeps together have the same number, 0 is any."""
    split = pre.UnicodeScripts().pre_tokenize_str
    known, rows, last = [], [], 0
    for c in code_points():
        s, script = chr(c), 0
        if split(s):
            tries = [last] * (last > 0) + [k + 1 for k in range(len(known)) if k + 1 != last]
            script = next((k for k in tries if len(split(known[k - 1] + s)) == 1), 0)
            if not script:
                known.append(s)
                script = len(known)
            last = script
        if script and rows and rows[-1][2] == script and rows[-1][1] == c - 1:
            rows[-1] = (rows[-1][0], c, script)
        elif script:
            rows.append((c, c, script))
    return rows


def probe_classes():
    """Canonical combining classes, by where NFD puts a mark among marks of known class."""
    import unicodedata
    nfd = norm.NFD().normalize_str
    lowest, highest = "\u0334", "\u0345"  # classes 1 and 240 in every version
    known = {}
    for c in code_points():
        s, k = chr(c), unicodedata.combining(chr(c))
        moves = nfd(highest + s)[0] == s or nfd(s + lowest)[0] == lowest  # class 0 never does
        if k and k not in known and nfd(s) == s and (moves or s == lowest):
            known[k] = s
    classes = {}
    for c in code_points():
        s = chr(c)
        if nfd(s) != s or (nfd(highest + s)[0] != s[0] and nfd(s + lowest)[0] == s[0]
                           and s not in (lowest, highest)):
            continue
        below = [k for k in known if nfd(known[k] + s) == known[k] + s]  # class <= that of s
        above = [k for k in known if nfd(s + known[k]) == s + known[k]]  # class >= that of s
        same = set(below) & set(above)
        if len(same) == 1:
            classes[c] = same.pop()
        elif not (len(below) == len(known) and len(above) == len(known)):
            sys.exit(f"U+{c:04X}: its combining class is not among those known")
    return classes


def probe_compositions(nfds):
    """(first, second) -> composed, for every pair that NFC joins, Hangul left out."""
    nfc = norm.NFC().normalize_str
    pairs = {}
    for c, parts in nfds.items():
        if len(parts) < 2 or nfc(chr(c)) != chr(c):
            continue
        first = nfc("".join(map(chr, parts[:-1])))
        if len(first) != 1 or nfc(first + chr(parts[-1])) != chr(c):
            sys.exit(f"U+{c:04X}: not the join of two code points")
        pairs[(ord(first), parts[-1])] = c
    return pairs


def lower_ranges(lowers):
    """Rows (first, last, step, difference) for the maps to one code point."""
    rows = []
    for c, to in sorted(lowers.items()):
        if len(to) != 1:
            continue
        diff = to[0] - c
        if rows:
            first, last, step, d = rows[-1]
            if d == diff and (c - last == step or (first == last and c - last <= 2)):
                rows[-1] = (first, c, c - last, d)
                continue
        rows.append((c, c, 1, diff))
    return rows


def wrapped(items, width=100):
    lines, line = [], ""
    for item in items:
        if len(line) + len(item) + 1 > width:
            lines.append(line)
            line = ""
        line += item + ","
    return "\n".join(lines + [line])


def two_stage(values):
    blocks, index = {}, []
    for at in range(0, LAST + 1, BLOCK):
        block = tuple(values[at:at + BLOCK])
        index.append(blocks.setdefault(block, len(blocks)))
    return index, list(blocks)


def emit(out, declaration, items):
    out.append(f"{declaration} = {{\n{wrapped(items)}\n}};\n")


def pool_of(*mappings):
    """One string that holds every target of the mappings."""
    pool = ""
    for to in sorted({"".join(map(chr, to)) for m in mappings for to in m.values()}, key=lambda t: (-len(t), t)):
        if to not in pool:
            pool += to
    return pool


def emit_mapping(out, name, mapping, pool):
    rows = [f"{{{c},{pool.index(''.join(map(chr, to)))},{len(to)}}}" for c, to in sorted(mapping.items())]
    emit(out, f"const struct uni_map uni_{name}[]", rows)
    out.append(f"const unsigned uni_{name}_n = {len(rows)};\n")


def main():
    here = Path(__file__).resolve().parent.parent
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "pipeline/tokenize/unicode_tables.c"
    flags, lowers, nfds, nfkds = probe_flags()
    probe_regex(flags)
    probe_clusters(flags)
    classes = probe_classes()
    scripts = probe_scripts()
    pairs = probe_compositions(nfds)
    kinds = Counter((flags[c], classes.get(c, 0)) for c in range(LAST + 1))
    kinds = {kind: i for i, (kind, _) in enumerate(kinds.most_common())}  # small numbers are short
    index, blocks = two_stage([kinds[(flags[c], classes.get(c, 0))] for c in range(LAST + 1)])
    if len(kinds) > 256 or len(blocks) > 65536:
        sys.exit(f"{len(kinds)} kinds in {len(blocks)} blocks do not fit")
    out = [f"/* Generated by tools/make-unicode-tables.py from tokenizers {tokenizers.__version__}; "
           "do not edit.\n *\n * What that package takes each code point for; the shapes are in "
           "unicode.h. */\n/* clang-format off */\n#include \"unicode.h\"\n"]
    emit(out, "const struct uni_kind uni_kinds[]", [f"{{{f},{k}}}" for f, k in kinds])
    emit(out, f"const uint16_t uni_index[{len(index)}]", map(str, index))
    emit(out, f"const uint8_t uni_blocks[{len(blocks)}][{BLOCK}]",
         ["{" + ",".join(map(str, b)) + "}" for b in blocks])
    rows = lower_ranges(lowers)
    emit(out, "const struct uni_range uni_lower[]", [f"{{{a},{b},{s},{d}}}" for a, b, s, d in rows])
    out.append(f"const unsigned uni_lower_n = {len(rows)};\n")
    longer = {c: to for c, to in lowers.items() if len(to) > 1}
    nfkds = {c: to for c, to in nfkds.items() if nfds.get(c) != to}
    pool = pool_of(longer, nfds, nfkds)
    emit_mapping(out, "lower_long", longer, pool)
    emit_mapping(out, "nfd", nfds, pool)
    emit_mapping(out, "nfkd", nfkds, pool)
    emit(out, "const uint32_t uni_pool[]", [str(ord(c)) for c in pool])
    emit(out, "const uint32_t uni_pairs[][3]", [f"{{{a},{b},{c}}}" for (a, b), c in sorted(pairs.items())])
    out.append(f"const unsigned uni_pairs_n = {len(pairs)};\n")
    emit(out, "const uint32_t uni_scripts[][3]", [f"{{{a},{b},{k}}}" for a, b, k in scripts])
    out.append(f"const unsigned uni_scripts_n = {len(scripts)};\n")
    target.write_text("\n".join(out))
    print(f"{target.name}: {target.stat().st_size} bytes, {len(kinds)} kinds, {len(blocks)} blocks, "
          f"{len(nfds)} + {len(nfkds)} decompositions, {len(pairs)} compositions, {len(classes)} marks")


if __name__ == "__main__":
    main()
