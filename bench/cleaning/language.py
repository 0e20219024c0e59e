"""Language identification: the sentences, pairs and words of lingua's accuracy reports, and the scores.

A line is right when the language named for it is the one of its file; the score of a kind is the mean over the
languages. Lines belong to the test part when the SHA-256 of the line ends in an odd byte; nothing was tuned on
either part."""
import os
import subprocess

from extraction import part_of

KINDS = ("sentences", "word-pairs", "single-words")


def lines(data, kind):
    """[(language, line)] of all languages that the data have."""
    folder = os.path.join(data, "datasets", "langid-lingua")
    out = []
    for lang in sorted(os.listdir(folder)):
        path = os.path.join(folder, lang, "testdata", kind + ".txt")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                out += [(lang, line) for line in file.read().split("\n") if line.strip()]
    return out


def run_textmill(tool, texts):
    """Languages of the texts by the program bench_langid, and lines a second."""
    run = subprocess.run([tool], input="\n".join(texts) + "\n", capture_output=True, text=True, encoding="utf-8",
                         check=True)
    return [line.split("\t")[0] for line in run.stdout.splitlines()], float(run.stderr.split()[0])


def score(gold, got):
    """Mean over languages of the share of right lines; for all lines and for each part."""
    counts = {"all": {}, "dev": {}, "test": {}}
    for (lang, line), answer in zip(gold, got, strict=True):
        for part in ("all", part_of(line)):
            count = counts[part].setdefault(lang, [0, 0])
            count[0] += answer == lang
            count[1] += 1
    return {part: sum(a / b for a, b in by.values()) / max(1, len(by)) for part, by in counts.items()}
