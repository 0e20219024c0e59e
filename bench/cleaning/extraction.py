"""Article extraction: the pages, what is expected of each, and the scores.

Two sets: Trafilatura's evaluation pages, with segments that must and must not be in the text and with
metadata, and Readability's test pages, with the expected article. A page belongs to the development
part when the last byte of the SHA-256 of its name is even, else to the test part: rules were worked out on
development pages only, and both parts are reported.

Segments: one counts as found when its form with white space collapsed is a substring of the output's;
precision, recall and F1 are over all segments of all pages, as in Trafilatura's own evaluation.

Shingles: tokens are runs of word characters, case kept; the multisets of 4-token shingles of output and
expected text are compared; precision and recall of a page are averaged over pages and F1 is the harmonic
mean of the averages, as in the article extraction benchmark of Scrapinghub.
"""
import collections
import hashlib
import html.parser
import json
import os
import re
import subprocess
import time

SHINGLE = 4


def squash(text):
    return " ".join(text.split())


def part_of(name):
    return "dev" if hashlib.sha256(name.encode()).digest()[-1] % 2 == 0 else "test"


class Page:
    """One page of a set: name, path, and what is expected (None where the set does not say)."""

    def __init__(self, name, path, must=(), must_not=(), text=None, meta=None):
        self.name, self.path, self.must, self.must_not = name, path, list(must), list(must_not)
        self.text, self.meta, self.part = text, meta or {}, part_of(name)


BLOCKS = set("""address article aside blockquote body br caption dd details div dl dt figcaption figure footer form
h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section summary table tbody td tfoot th thead title tr ul""".split())


class Text(html.parser.HTMLParser):
    """The text of markup; a block's edge parts words, an inline element's does not."""

    def __init__(self):
        super().__init__()
        self.out, self.skip = [], 0

    def handle_starttag(self, tag, attrs):
        self.out.append(" " if tag in BLOCKS else "")
        self.skip += tag in ("script", "style")

    def handle_endtag(self, tag):
        self.out.append(" " if tag in BLOCKS else "")
        self.skip -= tag in ("script", "style")

    def handle_data(self, data):
        if not self.skip:
            self.out.append(data)


def text_of(markup):
    parser = Text()
    parser.feed(markup)
    parser.close()
    return squash("".join(parser.out))


def trafilatura_pages(data):
    folder = os.path.join(data, "datasets", "extract-trafilatura")
    with open(os.path.join(folder, "evaldata.json"), encoding="utf-8") as file:
        entries = list(json.load(file).values())
    for entry in sorted(entries, key=lambda e: e["file"]):
        path = os.path.join(folder, "cache", entry["file"])
        if os.path.exists(path):
            yield Page(entry["file"], path, entry.get("with", []), entry.get("without", []),
                       meta={key: entry.get(key) for key in ("title", "author", "date", "sitename")})


def readability_pages(data):
    folder = os.path.join(data, "datasets", "extract-readability", "test-pages")
    for name in sorted(os.listdir(folder)):
        page = os.path.join(folder, name)
        with open(os.path.join(page, "expected.html"), encoding="utf-8") as file:
            text = text_of(file.read())
        with open(os.path.join(page, "expected-metadata.json"), encoding="utf-8") as file:
            told = json.load(file)
        meta = {"title": told.get("title"), "author": told.get("byline"), "date": told.get("publishedTime"),
                "sitename": told.get("siteName"), "lang": told.get("lang")}
        yield Page(name, os.path.join(page, "source.html"), text=text, meta=meta)


def shingles(text):
    tokens = re.findall(r"\w+", text, re.UNICODE)
    if not tokens:
        return collections.Counter()
    return collections.Counter(tuple(tokens[i:i + SHINGLE]) for i in range(max(1, len(tokens) - SHINGLE + 1)))


def shingle_scores(expected, text):
    """Precision and recall of one page; an output without text has precision 1, as the benchmark has it."""
    a, b = shingles(expected), shingles(text)
    hit = sum((a & b).values())
    return hit / sum(b.values()) if b else 1.0, hit / sum(a.values()) if a else 1.0


def f1(precision, recall):
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def same_name(told, expected):
    """Names of people: equal once case, "by", "and" and separators are put aside."""
    def plain(s):
        return [w for w in re.findall(r"\w+", s.lower()) if w not in ("by", "von", "par", "and", "und", "et")]
    return plain(told) == plain(expected)


META = {
    "title": lambda told, expected: squash(told) == squash(expected),
    "author": same_name,
    "date": lambda told, expected: told[:10] == expected[:10],
    "sitename": lambda told, expected: squash(told).lower() == squash(expected).lower(),
    "lang": lambda told, expected: told[:2].lower() == expected[:2].lower(),
}


class Score:
    def __init__(self):
        self.found = self.missed = self.leaked = 0
        self.precision, self.recall = [], []
        self.meta = {key: [0, 0] for key in META}

    def add(self, page, text, meta):
        plain = squash(text)
        for segment in page.must:
            hit = squash(segment) in plain
            self.found += hit
            self.missed += not hit
        for segment in page.must_not:
            self.leaked += squash(segment) in plain
        if page.text is not None:
            precision, recall = shingle_scores(page.text, text)
            self.precision.append(precision)
            self.recall.append(recall)
        for key, same in META.items():
            expected = page.meta.get(key)
            if expected:
                self.meta[key][1] += 1
                self.meta[key][0] += same(meta.get(key) or "", expected)

    def row(self):
        if self.precision:
            precision = sum(self.precision) / len(self.precision)
            recall = sum(self.recall) / len(self.recall)
        else:
            precision = self.found / max(1, self.found + self.leaked)
            recall = self.found / max(1, self.found + self.missed)
        row = {"precision": precision, "recall": recall, "f1": f1(precision, recall)}
        row.update({key: right / n for key, (right, n) in self.meta.items() if n})
        return row


def score(pages, results):
    """Rows for all pages and for each part. results: {path: {"text", "title", "author", …}}."""
    scores = {"all": Score(), "dev": Score(), "test": Score()}
    for page in pages:
        result = results.get(page.path) or {}
        for part in ("all", page.part):
            scores[part].add(page, result.get("text") or "", result)
    return {part: s.row() for part, s in scores.items()}


def run_textmill(tool, pages, options=()):
    """{path: result} of `textmill extract`, in the keys that Score knows, and the seconds it took."""
    start = time.perf_counter()
    run = subprocess.run([tool, "extract", *options, *[page.path for page in pages]], stdout=subprocess.PIPE,
                         check=False)
    seconds = time.perf_counter() - start
    if run.returncode not in (0, 1):
        raise SystemExit(f"{tool} ended with {run.returncode}")
    results = {}
    for line in run.stdout.decode("utf-8").splitlines():
        result = json.loads(line)
        lang = result.get("lang")
        result["author"] = "; ".join(result.get("authors") or [])
        result["date"] = result.get("published_at")
        result["lang"] = lang.get("code") if isinstance(lang, dict) else lang
        result["sitename"] = result.get("site")
        results[result["source"]] = result
    return results, seconds
