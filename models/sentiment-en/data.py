"""Training and dev sets of sentiment-en, read from the unpacked test-data folder.

Every choice here is by position or by a seeded generator, so two runs on the same files see the same examples in the
same order. Nothing is downloaded.
"""

import csv
import gzip
import html
import random
import re
from pathlib import Path

NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2
LABELS = ["negative", "neutral", "positive"]

# One caption in ten: enough plain description without drowning the two other classes.
CAPTION_STEP = 10
# One news document in four is kept for dev; the split is by document, never by line.
NEWS_DEV_STEP, NEWS_DEV_REMAINDER = 4, 3

_QUOTES = {"``": '"', "''": '"', "`": "'", "-lrb-": "(", "-rrb-": ")"}
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


# ---------------------------------------------------------------- reading

def _sentiment_of(sst_label):
    return POSITIVE if sst_label == "1" else NEGATIVE


def read_sst(path, header):
    """(text, label) pairs of an SST-2 file; the files with phrases have a header line."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(row[0].strip(), _sentiment_of(row[1].strip())) for row in rows[1 if header else 0:] if len(row) == 2]


def decode_post(text):
    """A post as its author wrote it: TweetEval keeps \\uXXXX escapes and HTML entities as plain characters."""
    text = _ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), text)
    return " ".join(html.unescape(text).split())


def read_posts(root, task, part):
    """(text, label index) pairs of one TweetEval task."""
    folder = root / "datasets/sentiment-tweeteval" / task
    texts = (folder / f"{part}_text.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    labels = (folder / f"{part}_labels.txt").read_text().split()
    if len(texts) != len(labels):
        raise ValueError(f"{folder}: {len(texts)} texts and {len(labels)} labels")
    return [(decode_post(text), int(label)) for text, label in zip(texts, labels)]


def read_captions(root):
    with gzip.open(root / "datasets/translation-multi30k/train.en.gz", "rt", encoding="utf-8") as file:
        return [line.strip() for line in file][::CAPTION_STEP]


def read_news(root):
    """(train lines, dev lines) of NTREX English news, split by document."""
    folder = root / "datasets/translation-ntrex"
    lines = (folder / "NTREX-128/newstest2019-src.eng.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    documents = (folder / "DOCUMENT_IDS.tsv").read_text(encoding="utf-8").split()
    if len(lines) != len(documents):
        raise ValueError(f"{folder}: {len(lines)} lines and {len(documents)} document ids")
    ordinal = {document: i for i, document in enumerate(dict.fromkeys(documents))}
    train, dev = [], []
    for line, document in zip(lines, documents):
        held = ordinal[document] % NEWS_DEV_STEP == NEWS_DEV_REMAINDER
        (dev if held else train).append(line.strip())
    return train, dev


def read_wikipedia(root):
    """Sentences of Wikigold (CoNLL: one token a line, an empty line between sentences)."""
    path = root / "datasets/ner-open/wikigold/CONLL-format/data/wikigold.conll.txt"
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    sentences = [[line.split(" ")[0] for line in block.split("\n") if line] for block in blocks]
    return [join_words(" ".join(words)) for words in sentences if len(words) >= 4]


def read_other_news(root):
    """Leads of agency news (neardup-minhash), a source that training never sees: one lead an article."""
    path = root / "datasets/neardup-minhash/articles_100.train"
    articles = (line.split(" ", 1)[1] for line in path.read_text(encoding="utf-8").split("\n") if " " in line)
    leads = (re.split(r"(?<=[a-z0-9][.?!]) (?=[A-Z])", article.strip())[0] for article in articles)
    return list(dict.fromkeys(leads))


# ---------------------------------------------------------------- overlap

def normalise(text):
    """Lower case letters and digits only, one space between words: how overlap is judged."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def without_overlap(examples, dev):
    """The examples that are not inside a dev sentence and have no dev sentence inside them."""
    dev_texts = [normalise(text) for text, _ in dev]
    haystack = "\n".join(dev_texts)
    # A word of a dev sentence must be somewhere in a text that contains it; the longest one is the rarest.
    by_word = {}
    for text in dev_texts:
        by_word.setdefault(max(text.split(), key=len), []).append(text)

    def overlaps(text):
        plain = normalise(text)
        return plain in haystack or any(d in plain for word in plain.split() for d in by_word.get(word, ()))

    return [(text, label) for text, label in examples if not overlaps(text)]


# ---------------------------------------------------------------- making training text look like real text

def join_words(text):
    """Undo the spacing of treebank text: "they did n't ( really ) ." becomes "they didn't (really)."."""
    text = " ".join(_QUOTES.get(word, word) for word in text.split())
    text = re.sub(r" (n't|'(?:s|re|ve|ll|d|m)\b)", r"\1", text)
    text = re.sub(r" ([,.;:?!)%])", r"\1", text)
    return re.sub(r"([(]) ", r"\1", text)


def vary_opinion(text, rng):
    """Half of the film text keeps the treebank spacing (as dev has it), half is written as people write it.

    A full stop is put after half of the latter: otherwise a final full stop, which captions and news have and SST-2
    lacks, would by itself say "neutral".
    """
    if rng.random() < 0.5:
        return text
    text = join_words(text)
    return text.rstrip(".") + "." if text[-1:].isalnum() and rng.random() < 0.5 else text


def vary_plain(text, rng):
    """Half of the plain lines lose their final full stop, for the same reason."""
    return text.rstrip(" .") if rng.random() < 0.5 else text


def vary_post(text, rng):
    """Each word of a post is left out one time in ten: posts are few and seen often."""
    return " ".join(word for word in text.split() if rng.random() >= 0.1) or text


# ---------------------------------------------------------------- sets

def dev_sets(root):
    """Name -> [(text, label)]; nothing here is trained on."""
    root = Path(root)
    _, news = read_news(root)
    return {
        "sst2": read_sst(root / "datasets/sentiment-sst2/dev.tsv", header=False),
        "posts": read_posts(root, "sentiment", "val")[1::2],
        "news": [(line, NEUTRAL) for line in news],
        "other_news": [(line, NEUTRAL) for line in read_other_news(root)],
    }


def train_sources(root):
    """Name -> [(text, label)] before repeats and variation."""
    root = Path(root)
    dev = dev_sets(root)
    sst = root / "datasets"
    sentences = read_sst(sst / "sentiment-sst2/train.tsv", header=False)
    phrases = [pair for part in ("train", "dev")
               for pair in read_sst(sst / f"sentiment-sst2-phrases/SST-2/{part}.tsv", header=True)]
    news, _ = read_news(root)
    posts = read_posts(root, "sentiment", "val")[0::2]
    emotion = [NEGATIVE, POSITIVE, POSITIVE, NEGATIVE]  # anger, joy, optimism, sadness
    feelings = [(text, emotion[label]) for text, label in read_posts(root, "emotion", "train")]
    return {
        "sst2 sentences": without_overlap(sentences, dev["sst2"]),
        "sst2 phrases": without_overlap(phrases, dev["sst2"]),
        "posts": without_overlap(posts, dev["posts"]),
        "posts with a feeling": without_overlap(feelings, dev["posts"]),
        "captions": [(line, NEUTRAL) for line in read_captions(root)],
        "news": [(line, NEUTRAL) for line in news],
        "wikipedia": [(line, NEUTRAL) for line in read_wikipedia(root)],
    }


# How often a source is seen in one epoch, by mix. "plain" sees everything once but posts and news, which are few and
# closest to what users feed; "sentences" goes on from it with whole sentences only; "feelings" adds emotion posts.
MIXES = {
    "plain": {"sst2 sentences": 1, "sst2 phrases": 1, "posts": 4, "captions": 1, "news": 2, "wikipedia": 1},
    "sentences": {"sst2 sentences": 3, "posts": 4, "captions": 1, "news": 2, "wikipedia": 1},
    "feelings": {"sst2 sentences": 3, "sst2 phrases": 1, "posts": 5, "posts with a feeling": 1, "captions": 1, "news": 2,
                 "wikipedia": 1},
}


def train_set(sources, mix, seed):
    """One epoch of (text, label), varied and shuffled; another seed gives other variations and another order."""
    rng = random.Random(seed)
    examples = []
    for name, times in MIXES[mix].items():
        for text, label in sources[name] * times:
            if name.startswith("sst2"):
                text = vary_opinion(text, rng)
            elif name.startswith("posts"):
                text = vary_post(text, rng)
            else:
                text = vary_plain(text, rng)
            examples.append((text, label))
    rng.shuffle(examples)
    return examples
