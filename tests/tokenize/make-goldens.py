#!/usr/bin/env python3
"""Writes goldens/NAME/tokenizer.json and goldens/NAME/cases.jsonl: tiny tokenizers, one for each component
or mixture of components, and what the `tokenizers` package makes of some texts with them.

Usage: make-goldens.py [FOLDER]      (needs: pip install tokenizers; FOLDER: default goldens/ beside this file)
       make-goldens.py --compare PROGRAM FOLDER [COUNT]
           writes tokenizers with larger vocabularies into FOLDER and compares encode_lines with the package
           on COUNT random texts each, instead of writing goldens
"""

import json
import sys
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models
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

# Those that every code point is given to.
CODE_POINTS = ["bert-uncased", "bert-cased", "bert-accents", "sequence", "nfkc", "digits", "roberta", "added"]

TEXTS = [
    "abc thex quick-brown the quick, unaffable PLAYING embeddings", "Name name rename Name. <tok>ing <tok> <l>  <r>  <b>  <l>x", "day Day DAY midday mid  mid. ÀA À",
    "a  <l>  b  <r>  c  <b>  d x<r> x<b> xx", "漢漢字 漢", "Quick BROWN quick  brown", "-a--b- a-b-", "\u2603 snow\u2603man \u2603",
]


def build(name, texts):
    normalizer, pre, processor, decoder, options, added = CONFIGS[name]
    prefix = options.get("prefix", "##")
    vocab = vocabulary(texts, normalizer, prefix)
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
