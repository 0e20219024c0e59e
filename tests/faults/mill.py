"""A textmill under attack: its folders, documents whose result is known, and the check at the end.

Used by faults.py. Standard library only."""

import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PR_SET_CHILD_SUBREAPER = 36
LINES = 20  # of each many-document file
MODEL = os.environ.get("TEXTMILL_FAULTS_MODEL")  # a sentiment model's folder: with tasks, and shorter

CONFIG = """\
source:
  spool: {{ path: in, settle_ms: 0 }}
clean: {{ kind: text }}
{tasks}sink:
  files: {{ path: out }}
  dead_letters: {{ path: dead }}
state: {{ path: state }}
limits: {{ documents: {window}, stage_seconds: {stage_seconds}, process_memory: {process_memory} }}
log: {{ level: error }}
"""


def fail(text):
    sys.exit("FAILED: " + text)


def be_subreaper():
    """Orphaned children come to this process, so that their end can be waited for."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        fail("prctl")


class Mill:
    def __init__(self, textmill, seed=1, window=256, stage_seconds=60, process_memory=0):
        self.textmill = os.path.abspath(textmill)
        self.dir = tempfile.mkdtemp(prefix="faults-", dir=".")
        self.random = random.Random(seed)
        self.expected = {}  # (file, line) -> text
        for name in ("in", "incoming"):
            os.mkdir(self.path(name))
        tasks = "tasks:\n  - { task: sentiment, model: %s }\n" % os.path.abspath(MODEL) if MODEL else ""
        with open(self.path("config.yaml"), "w") as f:
            f.write(CONFIG.format(tasks=tasks, window=window, stage_seconds=stage_seconds,
                                  process_memory=process_memory))

    def path(self, *names):
        return os.path.join(self.dir, *names)

    # ---- documents

    def text(self, number):
        words = " ".join("word%d" % self.random.randrange(1000) for _ in range(self.random.randrange(5, 40 if MODEL else 400)))
        return "Document %d begins here. %s. It ends as document %d." % (number, words, number)

    def add(self, name, data):
        """By renaming, as a careful writer does."""
        aside = self.path("incoming", name.replace("/", "-"))
        with open(aside, "w") as f:
            f.write(data)
        os.makedirs(os.path.dirname(self.path("in", name)), exist_ok=True)
        os.rename(aside, self.path("in", name))

    def add_documents(self, n):
        """n documents, about one in three of them as a line of a many-document file."""
        while n > 0:
            number = len(self.expected)
            if n >= LINES and self.random.random() < 0.025:
                name = "posts/many-%05d.jsonl" % number
                texts = [self.text(number + i) for i in range(LINES)]
                for i, text in enumerate(texts):
                    self.expected[name, i + 1] = text
                self.add(name, "".join(json.dumps({"text": t}) + "\n" for t in texts))
                n -= LINES
            else:
                name = "texts/%d/doc-%05d.txt" % (number % 7, number)
                self.expected[name, 0] = self.text(number)
                self.add(name, self.expected[name, 0])
                n -= 1

    # ---- processes

    def start(self, verb="once", **env):
        return subprocess.Popen([self.textmill, verb, "-c", self.path("config.yaml"), "--no-progress"],
                                env=dict(os.environ, **env), stdout=subprocess.DEVNULL,
                                stderr=open(self.path("stderr"), "ab"))

    def finish(self, expected_code=0, **env):
        code = self.start(**env).wait()
        if code != expected_code:
            fail("exit code %s instead of %s; stderr:\n%s" % (code, expected_code, self.stderr()))

    def stderr(self):
        with open(self.path("stderr"), errors="replace") as f:
            return f.read()[-4000:]

    # ---- the check

    def read_output(self, folder):
        """Every JSON object below the folder by (file, line); any other file is a fault."""
        found = {}
        for at, dirs, files in os.walk(self.path(folder)):
            if ".textmill" in dirs:
                dirs.remove(".textmill")
            for name in files:
                path = os.path.join(at, name)
                if not name.endswith((".json", ".jsonl")) or name.startswith("."):
                    fail("left behind: " + path)
                with open(path) as f:
                    data = f.read()
                if data and not data.endswith("\n"):
                    fail("torn: " + path)
                for line in data.splitlines():
                    try:
                        result = json.loads(line)
                    except ValueError as e:
                        fail("torn: %s: %s" % (path, e))
                    key = result["input"]["file"], result["input"].get("line", 0)
                    if key in found:
                        fail("twice: %s line %d" % key)
                    found[key] = result
        return found

    def files_below(self, folder):
        return [os.path.join(at, f) for at, _, files in os.walk(self.path(folder)) for f in files
                if not f.startswith(".")]

    def check(self, guilty=None):
        """Inputs = results, but for the guilty {(file, line): (code, attempts)} who are dead letters."""
        guilty = guilty or {}
        results, dead = self.read_output("out"), self.read_output("dead")
        if set(dead) != set(guilty):
            fail("dead letters are %s instead of %s" % (sorted(dead.items())[:3], sorted(guilty)))
        for key, (code, attempts) in guilty.items():
            letter = dead[key]
            if letter["code"] != code or letter["attempts"] != attempts or not letter["stage"] or not letter["message"]:
                fail("the reason is not told: %s" % letter)
        missing = set(self.expected) - set(results) - set(dead)
        extra = (set(results) | set(dead)) - set(self.expected)
        both = set(results) & set(dead)
        if missing or extra or both:
            fail("%d missing %s, %d extra %s, %d both" % (len(missing), sorted(missing)[:3], len(extra),
                                                          sorted(extra)[:3], len(both)))
        for key, result in results.items():
            if result["text"] != self.expected[key]:
                fail("wrong text: %s line %d" % key)
        self.check_spool(len({f for f, _ in self.expected}), {f for f, line in guilty if line == 0})

    def check_spool(self, files, failed):
        kept = self.files_below("in/done")
        gone = [f for f in self.files_below("in/failed") if not f.endswith(".reason.json")]
        rest = len(self.files_below("in")) - len(kept) - len(self.files_below("in/failed"))
        if rest != 0 or len(gone) != len(failed) or len(kept) != files - len(failed):
            fail("spool: %d in done, %d in failed, %d elsewhere, of %d" % (len(kept), len(gone), rest, files))

    def remove(self):
        shutil.rmtree(self.dir)


# ---- killing

def child_of(pid):
    """The supervisor's child, None when there is none just now."""
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            children = f.read().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def reap(pid):
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass


def kill_both(p, supervisor_first):
    """True when it was still running."""
    child = child_of(p.pid)
    running = p.poll() is None
    for pid in ([p.pid, child] if supervisor_first else [child, p.pid]):
        if pid is not None:
            kill(pid)
    p.wait()
    if child is not None:
        reap(child)
    return running and p.returncode == -signal.SIGKILL


def sleep_until(p, seconds):
    """The random moment; sooner when the process ends by itself."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and p.poll() is None:
        time.sleep(0.001)
