"""What the drivers of tests/daemon share: the binary, a scratch pipeline, models, a test runner.

TEXTMILL is the binary, TEXTMILL_SOURCE the checkout. Stdlib only; the daemon is always a process of
its own, as its users have it."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TEXTMILL = os.path.abspath(os.environ["TEXTMILL"])
SOURCE = pathlib.Path(os.environ["TEXTMILL_SOURCE"])
SANITIZED = os.environ.get("TEXTMILL_SANITIZED", "none") != "none"
GOLDENS = SOURCE / "tests/conformance/goldens"

# Exit codes, as docs/operations.md has them.
OK, DEAD, USAGE, DATA, NOINPUT, INTERNAL, IO, AGAIN, PERMISSION, CONFIG = 0, 1, 64, 65, 66, 70, 74, 75, 77, 78


class Done:
    """A finished process: exit code, standard output and error as text."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


def run(*args, stdin=b"", timeout=120, env=None, **popen):
    done = subprocess.run([TEXTMILL, *map(str, args)], input=stdin, capture_output=True, timeout=timeout,
                          env={**os.environ, **(env or {})}, **popen)
    return Done(done.returncode, done.stdout, done.stderr)


class Box:
    """A folder with a spool `in`, outputs `out` and `dead`, and pipeline.yaml over them."""

    def __init__(self, **config):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="textmill-daemon-"))
        self.spool, self.out, self.dead = (self.folder / name for name in ("in", "out", "dead"))
        self.spool.mkdir()
        self.write(**config)

    def write(self, tasks="[]", more="", clean="{}", out="out"):
        self.config = self.folder / "pipeline.yaml"
        self.config.write_text(f"source:\n  spool: {{ path: in, settle_ms: 0 }}\nclean: {clean}\n"
                               f"tasks: {tasks}\nsink:\n  files: {{ path: {out} }}\n"
                               f"  dead_letters: {{ path: dead }}\n{more}")

    def put(self, name, data):
        path = self.spool / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name[:200]}.part")  # renamed when whole: settle_ms is 0
        part.write_bytes(data if isinstance(data, bytes) else data.encode())
        part.rename(path)
        return path

    def once(self, **how):
        return run("once", "-c", self.config, **how)

    def results(self):
        """Every result by its input: path, or path:line of a many-document file."""
        return self._documents(self.out, ".json", ".jsonl")

    def dead_letters(self):
        """Every dead letter by its input."""
        return self._documents(self.dead, ".json", ".jsonl")

    def reasons(self):
        """What lies beside failed files, by the file's path; the file itself must be there."""
        failed, end = self.spool / "failed", ".reason.json"
        found = {}
        for path in sorted(failed.rglob("*" + end)):
            name = str(path.relative_to(failed))[:-len(end)]
            assert os.path.lexists(failed / name), name
            found[name] = json.loads(path.read_text())
        return found

    def waiting(self):
        """What is still to be done: in the spool or claimed."""
        skipped = ("done", "failed")
        return sorted(str(p.relative_to(self.spool)) for p in self.spool.rglob("*")
                      if not p.is_dir() and p.relative_to(self.spool).parts[0] not in skipped
                      and not p.name.startswith("."))

    def _documents(self, folder, *ends):
        found = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name.endswith(ends) and not path.name.startswith("."):
                for line in path.read_text().splitlines():
                    d = json.loads(line)
                    line_number = d["input"].get("line")
                    found[d["input"]["file"] + (f":{line_number}" if line_number else "")] = d
        return found

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Case(unittest.TestCase):
    """A test with boxes that go away, and messages that show what the process said."""

    maxDiff = 2000

    def box(self, **config):
        box = Box(**config)
        self.addCleanup(box.remove)
        return box

    def expect(self, done, code):
        self.assertEqual(done.code, code, f"stdout: {done.out[-2000:]}\nstderr: {done.err[-3000:]}")
        for word in ("AddressSanitizer", "LeakSanitizer", "runtime error:", "assertion"):
            self.assertNotIn(word, done.err)
        return done

    def check_log(self, text):
        """Every line of a warning or an error says what to do about it."""
        for line in text.splitlines():
            if "level=error" in line or "level=warning" in line:
                self.assertIn(" next=", line)


# ---- tiny models ----

WORDS = [f"w{i}" for i in range(300)]  # vocabularies of the goldens have 311 ids


def write_tokenizer(folder):
    """One id a word, [CLS] and [SEP] around, everything unknown is [UNK]."""
    vocab = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    special = [{"id": vocab[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True} for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")]
    frame = {"type": "BertProcessing", "sep": ["[SEP]", vocab["[SEP]"]], "cls": ["[CLS]", vocab["[CLS]"]]}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": frame, "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}}))


def tiny_model(folder, golden, labels=None):
    """A copy of one of the conformance models with a tokenizer: weights are random, which is all that
    tests of determinism and of errors need."""
    shutil.copytree(GOLDENS / golden, folder)
    write_tokenizer(folder)
    config = json.loads((folder / "config.json").read_text())
    if labels:
        config["id2label"] = {str(i): label for i, label in enumerate(labels)}
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def classifier(folder):
    return tiny_model(folder, "bert-sequence", ["negative", "neutral", "positive"])


def embedder(folder):
    return tiny_model(folder, "sentence-mean")


def find_model(name):
    """The folder of a real model in TEXTMILL_MODELS, or None."""
    for folder in os.environ.get("TEXTMILL_MODELS", "").split(":"):
        if folder and (pathlib.Path(folder) / name).is_dir():
            return pathlib.Path(folder) / name
    return None


def main():
    """Runs the tests of the calling module. Exit 77 when every one of them was skipped."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    for test, why in program.result.skipped:
        print(f"SKIPPED {test}: {why}", file=sys.stderr)
    if not program.result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if len(program.result.skipped) == program.result.testsRun else 0)
