"""Training and dev pairs of translate-en-es-small, read from the unpacked test-data folder.

Every choice here is by a hash or a seeded generator, so two runs on the same file see the same examples in the same
order. Nothing is downloaded.
"""

import collections
import hashlib
import re
import unicodedata

DEV_STEP = 40       # one source sentence in forty is dev
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_OPENING = "¿¡"


def read_pairs(root):
    """(English, Spanish) pairs of Tatoeba in file order, without exact repeats."""
    path = root / "datasets/translation-tatoeba-es/spa-eng.train.tsv"
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    rows = (unicodedata.normalize("NFC", line).split("\t") for line in lines)
    return list(dict.fromkeys((" ".join(row[0].split()), " ".join(row[1].split())) for row in rows))


def key(text):
    """Lower case letters and digits only, one space between words: how overlap is judged."""
    return " ".join(re.findall(r"\w+", text.lower()))


def is_dev(source):
    return int.from_bytes(hashlib.sha256(key(source).encode()).digest()[:8], "big") % DEV_STEP == 0


def split(pairs):
    """(train, dev): no source sentence on both sides, and no dev translation among those trained on."""
    dev = [pair for pair in pairs if is_dev(pair[0])]
    answers = {key(target) for _, target in dev}
    train = [pair for pair in pairs if not is_dev(pair[0]) and key(pair[1]) not in answers]
    return train, dev


def words(text):
    return _WORD.findall(text)


# ---------------------------------------------------------------- as people type it

def usual_case(texts):
    """Lower-cased word -> the form it has inside a sentence most often ("tom" -> "Tom", "i" -> "I")."""
    forms = collections.defaultdict(collections.Counter)
    for text in texts:
        before = "."
        for word in words(text):
            if before not in ".?!:\"" and before not in _OPENING:
                forms[word.lower()][word] += 1
            before = word
    return {low: max(count, key=lambda form: (count[form], form)) for low, count in forms.items()}


def _lower_first(text, usual):
    match = re.match(r"\w+(?:['’]\w+)*", text)
    if not match:
        return text
    word = match.group()
    return usual.get(word.lower(), word.lower()) + text[match.end():]


def _bare(text):
    """The sentence without its last full stop, question or exclamation mark; None when it has others inside."""
    inner = text.strip(_OPENING + ".?!")
    return inner if inner and not re.search(r"[.?!¿¡:;\"]", inner) else None


class Typed:
    """Variants of a pair as people type it in a hurry: no final mark, no capital, or neither."""

    def __init__(self, pairs):
        self.usual_en, self.usual_es = usual_case(p[0] for p in pairs), usual_case(p[1] for p in pairs)

    def vary(self, pair, rng):
        source, target = pair
        if rng.random() < 0.75:
            source, target = _bare(source), _bare(target)
            if source is None or target is None:
                return None
        if rng.random() < 0.6 or source == pair[0]:
            source, target = _lower_first(source, self.usual_en), _lower_first(target, self.usual_es)
        return source, target
