#!/usr/bin/env python3
"""Writes goldens/NAME/tokenizer.json and goldens/NAME/cases.jsonl: tiny tokenizers, one for each component
or mixture of components, and what the `tokenizers` package makes of some texts with them.

Usage: make-goldens.py [FOLDER]      (needs: pip install tokenizers; FOLDER: default goldens/ beside this file)
       make-goldens.py --compare PROGRAM FOLDER [COUNT]
           writes tokenizers with larger vocabularies into FOLDER and compares encode_lines with the package
           on COUNT random texts each, instead of writing goldens
"""

import json
import struct
import sys
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models
from tokenizers import normalizers as n
from tokenizers import pre_tokenizers as p
from tokenizers import processors as post

sys.dont_write_bytecode = True
import wheel  # noqa: E402

PIECES = ["un", "##aff", "##able", "play", "##ing", "the", "##s", "em", "##bed", "##ding", "hello", "world", "don", "day",
          "##day", "quick", "brown", "fox", "jump", "over", "lazy", "dog", "the quick", "##ing", "##x##"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def vocabulary(texts, normalizer, prefix):
    """Special tokens, the pieces, and every character of the texts as first and as later part of a word."""
    chars = set()
    for text in texts:
        chars |= set(text)
        if normalizer is not None:
            chars |= set(normalizer.normalize_str(text))
    chars.discard("\u2603")
    chars = sorted(c for c in chars if not c.isspace()) + [" "]
    tokens = SPECIALS + chars + [prefix + c for c in chars] + PIECES
    return {t: i for i, t in enumerate(dict.fromkeys(tokens))}


def wordpiece(vocab, prefix="##", most=100):
    return models.WordPiece(vocab, unk_token="[UNK]", continuing_subword_prefix=prefix, max_input_chars_per_word=most)


def template(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1"):
    return post.TemplateProcessing(single=single, pair=pair, special_tokens=[("[CLS]", 2), ("[SEP]", 3)])


def specials():
    return [AddedToken(t, special=True, normalized=False) for t in SPECIALS]


ODD_TOKENS = [
    AddedToken("<l>", lstrip=True), AddedToken("<r>", rstrip=True, normalized=False),
    AddedToken("<b>", lstrip=True, rstrip=True, special=True), AddedToken("Name", single_word=True),
    AddedToken("Day", normalized=True), AddedToken("day", normalized=False), AddedToken("<tok>"), AddedToken("<tok>ing", normalized=False),
    AddedToken("mid", single_word=True, normalized=False, lstrip=True, rstrip=True), AddedToken("À", normalized=True),
    AddedToken("漢", normalized=False), AddedToken(" x", normalized=False), AddedToken("quick brown", normalized=True),
]

GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
LLAMA3 = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+"
          "|\\s+(?!\\S)|\\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
O200K = ("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")
CLIP = "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"
SCANNED = {"gpt2": (GPT2, False), "cl100k": (LLAMA3, False), "qwen2": (QWEN2, False), "o200k": (O200K, False), "clip": (CLIP, True)}


def charsmap():
    """A map that makes texts longer, shorter, and one character of several; a ligature, half-width kana, a mark."""
    pairs = {"ﬁ": "fi", "½": "1⁄2", "\u00a0": " ", "\u3000": " ", "\t": " ", "\n": " ", "\r": " ", "ｶ": "カ", "ｶﾞ": "ガ", "\u200b": "",
             "e\u0301": "é", "a": "a", "A\u0300": "À", "Å": "Å", "\u0344": "\u0308\u0301", "ﷺ": "صلى الله عليه وسلم", "\x07": ""}
    pool, at, tree = b"", {}, {}
    for key, to in pairs.items():
        at[key] = len(pool)
        pool += to.encode() + b"\0"
        node = tree
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[None] = at[key]
    units, free, queue = [0] * 512, 256, [(tree, 0)]
    while queue:  # each node's children in a block of their own
        node, pos = queue.pop()
        units += [0] * 256
        units[pos] |= (pos ^ free) << 10
        if None in node:
            units[pos] |= 0x100
            units[free] = 1 << 31 | node[None]
        for byte, child in node.items():
            if byte is not None:
                units[free ^ byte] = byte
                queue.append((child, free ^ byte))
        free += 256
    return struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + pool


def bpe(texts, **options):
    """Merges that these texts would be trained to, few of them; options of models.BPE."""
    bytes_only, unk = options.pop("bytes", False), options.get("unk_token")
    fallback = [f"<0x{b:02X}>" for b in range(256)] if options.get("byte_fallback") else []
    prefix, suffix = options.get("continuing_subword_prefix") or "", options.get("end_of_word_suffix") or ""
    words = "the ther here quick brown don day hello world un able play ing jump over lazy dog naïve при вет 你好 ▁the ▁quick ▁a ▁▁".split()
    if bytes_only:
        chars = sorted({c for c in p.ByteLevel.alphabet()})
        words = "Ġthe Ġquick hello Ġworld Ġa ing Ã© ĠÐ¿ ĠÐ¿ÑĢ ä½ł don 't 's 12 ĊĊ ĠĠ ĠĠĠ".split()
    else:
        chars = sorted(set("abcdefghijklmnopqrstuvwxyzABCDEFG0123 .,'!-▁éпривет你好" + "".join(words)))
    tokens, merges = list(dict.fromkeys(([unk] if unk else []) + fallback)), []

    def add(token):
        if token not in tokens:
            tokens.append(token)
        return token
    for c in chars:
        for form in {c, prefix + c, c + suffix, prefix + c + suffix}:
            add(form)
    for word in words:
        left = word[0]
        for i, c in enumerate(word[1:], 1):
            right = prefix + c + (suffix if i == len(word) - 1 else "")
            if (left, right) not in merges:
                merges.append((left, right))
            left = add(left + right[len(prefix):])
    return models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges, **options)


def unigram(unk_id=0, byte_fallback=False):
    pieces = ["<unk>", "<s>", "</s>", "▁", "▁the", "▁qu", "ick", "qu", "▁hello", "hello", "he", "llo", "▁world", "wor", "ld", "aa", "aaa", "▁a", "é", "naï", "ï",
              "▁при", "вет", "你", "你好", "、", "'", "t", "▁1", "00", "<mask>"]
    chars = sorted(set("abcdefghijklmnopqrstuvwxyzABCDE0123456789 .,'!-▁") - set(pieces))
    scores = [0.0, 0.0, 0.0] + [-1.0 - 0.37 * ((i * 7919) % 23) for i in range(len(pieces) - 3)] + [-9.25 - i / 7 for i in range(len(chars))]
    vocab = list(zip(pieces + chars, scores)) + [(f"<0x{b:02X}>", 0.0) for b in range(256) if byte_fallback]
    return models.Unigram(vocab, unk_id, byte_fallback)


def metaspace(scheme="always", split=True):
    return p.Metaspace(prepend_scheme=scheme, split=split)


LLAMA2 = n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")])
LLAMA2_DECODER = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
BYTES = {"bpe": {"bytes": True}}
PRE = {"bpe": {"unk_token": "<unk>"}}


def split_bytes(pattern, behavior="isolated", invert=False):
    return p.Sequence([p.Split(Regex(pattern), behavior, invert), p.ByteLevel(add_prefix_space=False, use_regex=False)])


# name: (normalizer, pre-tokenizer, post-processor, decoder, model options, added tokens)
CONFIGS = {
    "bert-uncased": (n.BertNormalizer(), p.BertPreTokenizer(), template(), decoders.WordPiece(), {}, specials()),
    "bert-cased": (n.BertNormalizer(lowercase=False), p.BertPreTokenizer(), post.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
                   decoders.WordPiece(cleanup=False), {}, specials()),
    "bert-accents": (n.BertNormalizer(strip_accents=False), p.BertPreTokenizer(), None, None, {}, []),
    "bert-strip": (n.BertNormalizer(strip_accents=True, lowercase=False), p.BertPreTokenizer(), None, None, {}, []),
    "bert-bare": (n.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False),
                  p.BertPreTokenizer(), None, None, {"most": 6}, []),
    "bert-unclean": (n.BertNormalizer(clean_text=False, handle_chinese_chars=True), p.BertPreTokenizer(), None, None, {}, []),
    "nfc": (n.NFC(), p.WhitespaceSplit(), None, None, {}, []),
    "nfd": (n.NFD(), p.WhitespaceSplit(), None, None, {}, []),
    "nfkc": (n.NFKC(), p.WhitespaceSplit(), None, None, {}, []),
    "nfkd": (n.NFKD(), p.WhitespaceSplit(), None, None, {}, []),
    "sequence": (n.Sequence([n.NFD(), n.StripAccents(), n.Lowercase(), n.NFC()]),
                 p.Sequence([p.WhitespaceSplit(), p.Punctuation("contiguous"), p.Digits(True)]), None, None, {}, []),
    "marks": (n.Sequence([n.StripAccents(), n.NFKD(), n.NFKC(), n.NFD(), n.NFC()]), p.Whitespace(), None, None, {}, []),
    "strip": (n.Strip(), None, None, None, {}, []),
    "strip-left": (n.Sequence([n.Strip(right=False), n.Lowercase()]), p.WhitespaceSplit(), None, None, {}, []),
    "strip-right": (n.Strip(left=False), p.Whitespace(), None, None, {}, []),
    "replace": (n.Sequence([n.Replace("ab", "xyz"), n.Replace(" ", "_"), n.Replace("the", ""), n.Replace("é", "e\u0301")]), None, None, None,
                {"prefix": ""}, []),
    "prepend": (n.Sequence([n.Lowercase(), n.Prepend("__"), n.Prepend("é")]), p.Punctuation(), None, None, {}, []),
    "punctuation-removed": (None, p.Punctuation("removed"), None, None, {}, []),
    "punctuation-previous": (None, p.Punctuation("merged_with_previous"), None, None, {}, []),
    "punctuation-next": (None, p.Punctuation("merged_with_next"), None, None, {}, []),
    "punctuation-contiguous": (n.NFC(), p.Punctuation("contiguous"), None, None, {}, []),
    "digits": (None, p.Digits(False), None, None, {}, []),
    "digits-individual": (None, p.Sequence([p.Whitespace(), p.Digits(True)]), None, None, {}, []),
    "delimiter": (n.Lowercase(), p.CharDelimiterSplit("-"), None, None, {}, []),
    "wordlevel": (n.Lowercase(), p.Sequence([p.WhitespaceSplit(), p.Punctuation()]), template("$A:3 [SEP]:2", "[SEP] $B:4 $A:5 [CLS]:7"), None,
                  {"wordlevel": True}, specials()),
    "whole": (None, None, None, None, {"wordlevel": True}, []),
    "added": (n.BertNormalizer(), p.BertPreTokenizer(), template(), decoders.WordPiece(), {}, specials() + ODD_TOKENS),
    "added-raw": (None, p.WhitespaceSplit(), None, decoders.WordPiece("##", False), {}, ODD_TOKENS),
    "roberta": (n.Lowercase(), p.WhitespaceSplit(), post.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2)), None, {}, specials() + ODD_TOKENS),
    "roberta-trim": (None, p.Punctuation("merged_with_previous"), post.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2), True, False), None, {},
                     ODD_TOKENS),
    "roberta-keep": (None, p.WhitespaceSplit(), post.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2), False, False), None, {}, ODD_TOKENS),
    "processor-sequence": (n.Lowercase(), p.Whitespace(), post.Sequence([template("[CLS]:1 $A:2", "$A $B")]), None, {}, specials()),
}

CONFIGS.update({
    "gpt2": (None, p.ByteLevel(add_prefix_space=False), post.ByteLevel(trim_offsets=False), decoders.ByteLevel(), BYTES, ODD_TOKENS),
    "byte-level-prefix": (None, p.ByteLevel(add_prefix_space=True), post.ByteLevel(add_prefix_space=True, trim_offsets=True), decoders.ByteLevel(), BYTES, ODD_TOKENS),
    "byte-level-plain": (None, p.ByteLevel(add_prefix_space=True, use_regex=False), post.ByteLevel(add_prefix_space=False, trim_offsets=True), decoders.ByteLevel(), BYTES, []),
    "byte-level-normalizer": (n.Sequence([n.NFC(), n.ByteLevel()]), None, None, decoders.ByteLevel(), BYTES, ODD_TOKENS),
    "falcon": (None, p.Sequence([p.Punctuation("contiguous"), p.ByteLevel(add_prefix_space=False), p.Digits(False), p.Split(Regex("[0-9][0-9][0-9]"), "isolated")]),
               None, decoders.ByteLevel(), BYTES, []),
    "llama3": (None, split_bytes(LLAMA3), post.Sequence([post.ByteLevel(trim_offsets=True), template("[CLS] $A", "[CLS] $A [CLS]:1 $B:1")]), decoders.ByteLevel(),
               {"bpe": {"bytes": True, "ignore_merges": True}}, specials()),
    "qwen2": (n.NFC(), split_bytes(QWEN2), None, decoders.ByteLevel(), BYTES, []),
    "o200k": (None, split_bytes(O200K), None, decoders.ByteLevel(), BYTES, []),
    "clip": (n.Sequence([n.NFC(), n.Replace(Regex("\\s+"), " "), n.Lowercase()]), p.Sequence([p.Split(Regex(CLIP), "removed", True), p.ByteLevel(add_prefix_space=False)]),
             post.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2), False, False), decoders.BPEDecoder("</w>"), {"bpe": {"bytes": True, "unk_token": "a</w>", "end_of_word_suffix": "</w>"}}, []),
    "bloom": (None, split_bytes(" ?[^(\\s|[.,!?…。，、।۔،])]+"), None, decoders.ByteLevel(), BYTES, []),
    "llama2": (LLAMA2, None, template("[CLS] $A", "[CLS] $A [CLS]:1 $B:1"), LLAMA2_DECODER, {"bpe": {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True}}, ODD_TOKENS),
    "gemma": (n.Replace(" ", "▁"), p.Split(" ", "merged_with_previous"), template("[CLS] $A", "[CLS] $A [CLS] $B"),
              decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]), {"bpe": {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True}}, []),
    "bpe-fuse": (None, p.WhitespaceSplit(), None, None, {"bpe": {"unk_token": "<unk>", "fuse_unk": True}}, []),
    "bpe-unk": (None, p.WhitespaceSplit(), None, decoders.BPEDecoder(), PRE, []),
    "bpe-drop": (None, p.WhitespaceSplit(), None, None, {"bpe": {}}, []),
    "bpe-affixes": (None, p.WhitespaceSplit(), None, decoders.BPEDecoder("</w>"),
                    {"bpe": {"unk_token": "<unk>", "continuing_subword_prefix": "##", "end_of_word_suffix": "</w>"}}, []),
    "bpe-fallback-only": (None, metaspace(), None, decoders.ByteFallback(), {"bpe": {"byte_fallback": True}}, []),
    "t5": (n.Precompiled(charsmap()), p.Sequence([p.WhitespaceSplit(), metaspace()]), template("$A [SEP]", "$A [SEP] $B [SEP]"), decoders.Metaspace(), {"unigram": {}}, ODD_TOKENS),
    "xlm-roberta": (n.Sequence([n.Precompiled(charsmap()), n.Strip(left=False), n.Replace(Regex(" {2,}"), "▁")]), metaspace(), template(), decoders.Metaspace(), {"unigram": {}}, specials()),
    "unigram-fallback": (n.Nmt(), metaspace("first", False), None, decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never"), decoders.Fuse()]),
                         {"unigram": {"byte_fallback": True}}, ODD_TOKENS),
    "metaspace-first": (None, metaspace("first"), None, decoders.Metaspace(prepend_scheme="first"), {"unigram": {}}, ODD_TOKENS),
    "metaspace-never": (None, metaspace("never"), None, decoders.Metaspace(prepend_scheme="never"), {"unigram": {}}, ODD_TOKENS),
    "metaspace-after": (n.Strip(), p.Sequence([p.Punctuation(), metaspace("first")]), None, decoders.Metaspace(), {"unigram": {}}, []),
    "precompiled": (n.Precompiled(charsmap()), None, None, None, {"unigram": {"byte_fallback": True}}, []),
    "scripts": (n.Lowercase(), p.UnicodeScripts(), None, decoders.CTC("<unk>", "▁"), PRE, []),
    "fixed-length": (None, p.FixedLength(3), None, decoders.CTC("a", "b", False), PRE, []),
    "split-removed": (n.Replace(Regex("(a|b)+c?"), "<>"), p.Split(Regex("\\d{2}|\\w+@|\\bthe\\b"), "removed"), None, decoders.Strip("e", 1, 0), PRE, []),
    "split-inverted": (n.Replace(Regex("^."), "X"), p.Split(Regex("[^\\W\\d_]+"), "removed", True), None, decoders.Replace(Regex("[aeiou]+"), "*"), PRE, []),
    "split-previous": (None, p.Split(Regex("[,.!?-]"), "merged_with_previous"), None, decoders.Replace("h", ""), PRE, []),
    "split-next": (None, p.Split(Regex("\\s{1,2}+"), "merged_with_next"), None, decoders.Fuse(), PRE, []),
    "split-contiguous": (None, p.Split(Regex("\\h|[\\p{^Latin}&&[^ ]]"), "contiguous"), None, None, PRE, []),
    "split-empty": (None, p.Split(Regex("(?=[A-Z])|x*"), "isolated"), None, None, PRE, []),
    "split-string": (None, p.Split("o", "isolated"), None, None, PRE, []),
})

# Those that every code point is given to.
CODE_POINTS = ["gpt2", "llama3", "o200k", "clip", "llama2", "t5", "precompiled", "scripts", "metaspace-first", "unigram-fallback", "bert-uncased", "bert-cased", "bert-accents", "sequence", "nfkc", "digits", "roberta", "added"]

TEXTS = [
    "abc thex quick-brown the quick, unaffable PLAYING embeddings", "Name name rename Name. <tok>ing <tok> <l>  <r>  <b>  <l>x", "day Day DAY midday mid  mid. ÀA À",
    "a  <l>  b  <r>  c  <b>  d x<r> x<b> xx", "漢漢字 漢", "Quick BROWN quick  brown", "-a--b- a-b-", "\u2603 snow\u2603man \u2603",
]


def build(name, texts):
    normalizer, pre, processor, decoder, options, added = CONFIGS[name]
    prefix = options.get("prefix", "##")
    vocab = vocabulary(texts, normalizer, prefix)
    if "bpe" in options:
        model = bpe(texts, **options["bpe"])
    elif "unigram" in options:
        model = unigram(**options["unigram"])
    else:
        model = models.WordLevel(vocab, "[UNK]") if options.get("wordlevel") else wordpiece(vocab, prefix, options.get("most", 100))
    tokenizer = Tokenizer(model)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre is not None:
        tokenizer.pre_tokenizer = pre
    if processor is not None:
        tokenizer.post_processor = processor
    if decoder is not None:
        tokenizer.decoder = decoder
    tokenizer.add_tokens(added)
    return tokenizer


def items_of(tokenizer, texts):
    items = list(texts) + [[a, b] for a, b in zip(texts[:6], texts[3:])] + [{"plain": t} for t in texts[6:12]]
    for i, text in enumerate(texts[6:40]):
        items.append({"ids": tokenizer.encode(text).ids + [10 ** 6], "skip": i % 2 == 0})
    return items


def write_goldens(folder):
    for name in CONFIGS:
        texts = TEXTS + wheel.SAMPLES
        tokenizer = build(name, texts)
        where = folder / name
        where.mkdir(parents=True, exist_ok=True)
        where.joinpath("tokenizer.json").write_text(tokenizer.to_str() + "\n")
        lines = []
        for item in items_of(tokenizer, texts):
            out = wheel.expected(tokenizer, item)
            if isinstance(out, dict):  # what is all 0 is left out
                out = {k: v for k, v in out.items() if k not in ("types", "special") or any(v)}
                out["offsets"] = [x for pair in out["offsets"] for x in pair]
            case = {"in": item, "out": out}
            lines.append(json.dumps(case, ensure_ascii=False, separators=(",", ":")))
        where.joinpath("cases.jsonl").write_text("\n".join(lines) + "\n")
        if name in CODE_POINTS:
            h = wheel.fingerprint(tokenizer.encode(t) for t in wheel.code_point_texts())
            where.joinpath("codepoints.txt").write_text(f"{h:016x}\n")


def compare(program, folder, count):
    texts = TEXTS + wheel.SAMPLES + wheel.marks() + wheel.random_texts(count, 7)
    everything = ["".join(chr(c) for c in range(0x30000) if not 0xD800 <= c <= 0xDFFF and (c * 7919) % 97 != 0)]
    bad = 0
    for name in CONFIGS:
        tokenizer = build(name, everything + texts)
        where = folder / name
        where.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(where / "tokenizer.json"), pretty=False)
        tokenizer = Tokenizer.from_file(str(where / "tokenizer.json"))
        found = wheel.differences(program, where, tokenizer, items_of(tokenizer, texts))
        print(f"{name}: {found} of {len(texts)} differ")
        bad += found
    return bad


def main():
    if sys.argv[1:2] == ["--compare"]:
        count = int(sys.argv[4]) if len(sys.argv) > 4 else 2000
        sys.exit(1 if compare(sys.argv[2], Path(sys.argv[3]), count) else 0)
    write_goldens(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "goldens")


if __name__ == "__main__":
    main()
