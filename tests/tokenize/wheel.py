"""What the drivers of this folder share: the `tokenizers` package as the truth, the program
encode_lines as what is tested, and texts to give to both."""

import json
import random
import subprocess
import unicodedata

SAMPLES = [
    "", " ", "   \t\n ", "a", ".", "Hello, world!", "The quick brown fox jumps over the lazy dog.",
    "unaffable UNAFFABLE Un-affable", "don't won't it's we've they're I'm do not", "3.14 1,000,000 1/2 ½ ²",
    "naïve café Ångström İstanbul ǅ ǆ ß ﬁ ﬂ", "e\u0301 o\u0308\u0323 \u0323\u0308 a\u0301\u0302\u0303\u0330\u0331",
    "\u0301\u0302", " \u0301 \u0300x", "x\u0344y\u0345z", "你好，世界！ 漢字かな交じり文 한국어 텍스트", "\u1100\u1161\u11a8 각 가\u11a8",
    "Привет, мир! Ёлка Й й и\u0306", "مرحبا بالعالم שָׁלוֹם नमस्ते दुनिया สวัสดี", "😀 👩‍👩‍👧‍👦 🇫🇷 ✨ \U0001faf0 \U0001f6dd",
    "\u00a0\u2003\u3000\u200b\u200d\ufeff\u00ad\u2028\u2029\x85\x0b\x0c\x1c\x1f", "a\x00b\ufffdc\x07d\x7fe\u0080f",
    "http://example.com/a?b=c&d=e#f user@example.org #tag @name $5 €10 £3 a_b", "[CLS] [SEP] [MASK] [PAD] [UNK] [mask] x[MASK]y",
    "  [MASK]  ", "[MASK][MASK]", "##ing ##", "ΑΣ ΣΑΣ ς Σ", "\u212b \u2126 ﷺ ㌀ ㍿ ½ ⅷ ①", "日\u3099本\u309a か\u3099", "x" * 99 + " " + "x" * 100 + " " + "x" * 101,
    "\ud7ff \ue000 \uf8ff \U000e0001 \U000f0000 \U0010ffff", "\u0f73\u0f71\u0f72 \u0cc6\u0cc2\u0cd5", "~`!@#$%^&*()-_=+[]{}\\|;:'\",.<>/?",
    "\t tab\tseparated\tvalues\r\nline\rline\n", "word\u0300\u0301\u0302\u0303word", "a\u0310\u0301 o\u030d\u0308\u0323 \u0310\u0301 e\u0334\u0301", "ſtraße Ǆ ŉ ΐ ﬃ", "1\u0661\u06f1\u0967\u00b2\u2167\u3007十",
]

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz    ABCDEFXYZ.,'-!?0123456789", "aeiouæøßéèçñüÅİıſ \u0300\u0301\u0308\u0323\u0327\u0345",
    "你好世界漢字かなカナ가각한글각 。、！", "абвгдежзийЁЙ \u0306\u0308 ", " \t\n\r\u00a0\u2003\u3000\x0b\x0c\x85\u200b\ufeff\u00ad\x00\ufffd",
    "[]CLSEPMASKUN# _<>$^`~|+=@&*", "नमस्तेคำไทยשלוםمرحبا \u0651\u064e\u05bc\u05c1",
]
WORDS = ["[MASK]", "[CLS]", "[SEP]", "[UNK]", "[PAD]", "the", "Playing", "unaffable", "embeddings", " ", "  ", "\n", ".", "don't",
         "<tok>", "Name", "NAME", "day", "Day", "mid", "à", "a\u0300", "\u0323", "漢", "😀"]


def random_texts(count, seed):
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        kind = rng.randrange(4)
        if kind == 0:
            alphabet = rng.choice(ALPHABETS)
            text = "".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 60)))
        elif kind == 1:
            text = "".join(rng.choice(rng.choice(ALPHABETS)) for _ in range(rng.randrange(1, 60)))
        elif kind == 2:
            text = "".join(rng.choice(WORDS) + rng.choice(["", " "]) for _ in range(rng.randrange(1, 12)))
        else:
            text = "".join(chr(c) for c in (rng.randrange(0x110000) if rng.random() < 0.2 else rng.randrange(0x3000)
                                            for _ in range(rng.randrange(1, 30))) if not 0xD800 <= c <= 0xDFFF)
        texts.append(text)
    return texts


def marks():
    """Every non-starter of Python's Unicode, in long runs."""
    found = [chr(c) for c in range(0x110000) if unicodedata.combining(chr(c))]
    return ["a" + "".join(found[i:i + 40]) + "b" for i in range(0, len(found), 40)]


def expected(tokenizer, item):
    if isinstance(item, dict) and "ids" in item:
        return tokenizer.decode(item["ids"], skip_special_tokens=item.get("skip", False))
    if isinstance(item, dict):
        e = tokenizer.encode(item["plain"], add_special_tokens=False)
    elif isinstance(item, list):
        e = tokenizer.encode(item[0], item[1])
    else:
        e = tokenizer.encode(item)
    return {"ids": e.ids, "offsets": [list(o) for o in e.offsets], "words": [-1 if w is None else w for w in e.word_ids],
            "types": e.type_ids, "special": e.special_tokens_mask}


def load(path):
    """The tokenizer as this project uses it: without truncation and padding."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def ours(program, folder, items):
    text = "".join(json.dumps(item) + "\n" for item in items)
    done = subprocess.run([program, str(folder)], input=text.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def differences(program, folder, tokenizer, items, most=5):
    """Prints the first differences; returns how many there are."""
    count = 0
    answers = ours(program, folder, items)
    if len(answers) != len(items):
        print(f"{folder}: {len(items)} lines in, {len(answers)} out")
        return 1
    for item, got in zip(items, answers):
        want = expected(tokenizer, item)
        if got != want:
            count += 1
            if count <= most:
                print(f"{folder}: {item!r}\n  want {want}\n  got  {got}")
    return count


def code_point_texts():
    """Every code point, alone and between letters, 64 a text."""
    for first in range(0, 0x110000, 64):
        chars = [chr(c) for c in range(first, first + 64) if not 0xD800 <= c <= 0xDFFF]
        if chars:
            yield "".join(f"{c} x{c}y " for c in chars)


def fingerprint(encodings):
    """FNV-1a, 64 bits, over ids and offsets a number at a time."""
    h = 0xCBF29CE484222325
    for e in encodings:
        for i, (begin, end) in zip(e.ids, e.offsets):
            for number in (i, begin, end):
                h = ((h ^ number) * 0x100000001B3) % 2 ** 64
    return h
