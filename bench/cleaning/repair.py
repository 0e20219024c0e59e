"""Repair of misread text: ftfy's cases, and lines of ordinary text in 20 languages that must stay as they are.

A case is right when the output is the expected repair of the encoding alone; white space and controls are put aside,
as cleaning settles those by rules of its own."""
import json
import os
import subprocess
import unicodedata

FILES = ("in-the-wild", "language-names", "synthetic", "negative")


def plain(text):
    kept = "".join(" " if c in "\n\t\u00a0" else c for c in text if unicodedata.category(c)[0] != "C" or c in "\n\t")
    return unicodedata.normalize("NFC", " ".join(kept.split()))


def cases(data):
    """[(original, expected)]"""
    folder = os.path.join(data, "datasets", "mojibake-ftfy", "test-cases")
    out = []
    for name in FILES:
        path = os.path.join(folder, name + ".json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                out += [(c["original"], c.get("fixed-encoding", c["fixed"])) for c in json.load(file)]
    return out


def run_textmill(tool, texts, scratch):
    """The cleaned texts. scratch: a path for the documents, ending in .jsonl."""
    with open(scratch, "w", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps({"text": text, "kind": "social"}) + "\n")
    run = subprocess.run([tool, "extract", scratch], stdout=subprocess.PIPE, check=False)
    return [json.loads(line).get("text", "") for line in run.stdout.decode("utf-8").splitlines()]
