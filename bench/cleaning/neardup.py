"""Near-duplicates: news articles one a line and the pairs that are copies of each other, changed a little.

The set of 100 is what was looked at while building, the one of 1,000 is the test part. A pair is found when the later
of the two is marked as a duplicate of the earlier one."""
import json
import os
import pathlib
import subprocess
import tempfile

SETS = {"dev": "articles_100", "test": "articles_1000"}


def articles(data, part):
    """[(id, text)] in order, and the set of true pairs."""
    base = os.path.join(data, "datasets", "neardup-minhash", SETS[part])
    with open(base + ".train", encoding="utf-8") as file:
        docs = [tuple(line.rstrip("\n").split(" ", 1)) for line in file if " " in line]
    with open(base + ".truth", encoding="utf-8") as file:
        pairs = {frozenset(line.split()) for line in file if line.strip()}
    return docs, pairs


def run_textmill(tool, docs):
    """Pairs that a pipeline with dedup.policy keep finds."""
    with tempfile.TemporaryDirectory() as folder:
        box = pathlib.Path(folder)
        (box / "in").mkdir()
        (box / "in" / "articles.jsonl").write_text(
            "".join(json.dumps({"id": name, "text": text, "lang": "en"}) + "\n" for name, text in docs))
        (box / "pipeline.yaml").write_text(
            "source: { spool: { path: in, settle_ms: 0 } }\ndedup: { policy: keep }\nlog: { level: error }\n"
            "sink: { files: { path: out }, dead_letters: { path: dead } }\n")
        subprocess.run([tool, "once", "-c", box / "pipeline.yaml"], check=True, capture_output=True)
        results = [json.loads(line) for path in (box / "out").rglob("*.jsonl") for line in path.open()]
    assert len(results) == len(docs), (len(results), len(docs))
    return {frozenset((r["id"], r["duplicate"]["of"])) for r in results if "duplicate" in r}


def score(found, pairs):
    """Recall, precision."""
    right = len(found & pairs)
    return right / max(1, len(pairs)), right / max(1, len(found))
