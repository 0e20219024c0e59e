"""A daemon's life in short: documents without pause while the configuration is reloaded (good ones and
bad ones), the log rotated, the disk filled and freed, and the clock set forwards and back. At the end
each document has ended once, memory has stayed flat, and the metrics say what the oracle counted.

TEXTMILL_SOAK_SECONDS makes it longer; TEXTMILL_SOAK_LOG names a file for a line now and then."""
import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

from harness import OK, SANITIZED, TEXTMILL, Box, Case, classifier, main
from test_http import UnixConnection, parse_metrics

SECONDS = float(os.environ.get("TEXTMILL_SOAK_SECONDS", "40"))
PATIENCE = 120  # seconds for the last documents, and for one thing to happen
WAITING_MOST = 300  # files that the driver lets gather
MEMORY_MORE = 1.25  # of what it was when it was warm


class Mill:
    """The daemon with its driver: what was put, what has come out."""

    def __init__(self, box, env):
        self.box, self.random = box, random.Random(7)
        self.log = box.folder / "log"
        self.kept_log = ""
        with open(self.log, "ab") as log:  # as the shell's >>: rotation by copying and truncating
            self.process = subprocess.Popen([TEXTMILL, "run", "-c", box.config], stderr=log, env=env)
        self.put_good = self.put_dead = self.files = 0
        self.expected = {}  # name or name:line -> is a result
        self.seen = collections.Counter()
        self.wrong = []

    def put_some(self):
        for _ in range(20):
            name, kind = f"{self.files:07}", self.random.randrange(10)
            self.files += 1
            if kind == 0:
                self.box.put(name + ".txt", "")
                self.expected[name + ".txt"] = False
            elif kind == 1:
                lines = [("no json", False) if self.random.random() < 0.2 else (json.dumps({"text": self.words()}), True)
                         for _ in range(8)]
                self.box.put(name + ".jsonl", "\n".join(line for line, _ in lines) + "\n")
                self.expected.update({f"{name}.jsonl:{i + 1}": good for i, (_, good) in enumerate(lines)})
            else:
                self.box.put(name + ".txt", self.words())
                self.expected[name + ".txt"] = True

    def words(self):
        return " ".join(f"w{self.random.randrange(300)}" for _ in range(self.random.randrange(5, 60))) + "."

    def waiting(self):
        """In the spool, not yet claimed or claimed."""
        return sum(len(files) for folder, folders, files in os.walk(self.box.spool)
                   if not self.skip(folder, folders))

    def skip(self, folder, folders):
        folders[:] = [f for f in folders if f not in ("done", "failed")]
        return False

    def collect(self):
        """Counts what is in place and takes it away, as whoever reads results does. A many-document
        file is whole when its input has been moved to done."""
        done = self.box.spool / "done"
        for source in list(done.rglob("*")):
            if not source.is_file():
                continue
            name = str(source.relative_to(done))
            for folder, good in ((self.box.out, True), (self.box.dead, False)):
                for path in folder.glob(name + "-*"):
                    self.count(path, good)
            source.unlink()
        failed = self.box.spool / "failed"
        for reason in list(failed.rglob("*.reason.json")):
            name = str(reason.relative_to(failed))[:-len(".reason.json")]
            if not (failed / name).exists():  # the reason is there first
                continue
            for path in self.box.dead.glob(name + "-*"):
                self.count(path, False)
            (failed / name).unlink()
            reason.unlink()

    def count(self, path, good):
        for line in path.read_text().splitlines():
            entry = json.loads(line)["input"]
            name = entry["file"] + (f":{entry['line']}" if entry.get("line") else "")
            self.seen[name] += 1
            if self.expected.get(name) is not good:
                self.wrong.append((name, good))
        path.unlink()

    def rotate_log(self):
        self.kept_log += self.log.read_text(errors="replace")
        os.truncate(self.log, 0)

    def has_logged(self, word):
        return word in self.kept_log + self.log.read_text(errors="replace")

    def get(self, path):
        c = UnixConnection(str(self.box.folder / "http"))
        try:
            c.request("GET", path)
            return c.getresponse().read().decode()
        finally:
            c.close()

    def status(self):
        """None while nobody answers: one working process is taking over from another."""
        try:
            return json.loads(self.get("/status"))
        except (OSError, ValueError):
            return None


class Soak(Case):
    def setUp(self):
        parse_metrics("")  # skips before the work, not after it
        self.box = Box(tasks="[{ task: sentiment, model: ./classifier }]")
        self.addCleanup(self.box.remove)
        classifier(self.box.folder / "classifier")
        self.disk = self.small_disk()
        self.good = [self.config(documents) for documents in (512, 128)]
        self.box.config.write_text(self.good[0])

    def config(self, documents):
        return (self.box.config.read_text() + f"http: {{ listen: 'unix:{self.box.folder}/http' }}\n"
                f"limits: {{ documents: {documents} }}\nlog: {{ level: info }}\n")

    def small_disk(self):
        """out/ on a file system of its own that can be filled; False where none can be mounted."""
        self.box.out.mkdir(exist_ok=True)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", self.box.out], capture_output=True)
        if mount.returncode == 0:
            self.addCleanup(subprocess.run, ["umount", "-l", self.box.out], check=True)
        else:
            print("no full disk in this run: a small tmpfs cannot be mounted here", file=sys.stderr)
        return mount.returncode == 0

    def shifted_clock(self):
        """The environment in which a file says how far off the clock is."""
        self.shift = self.box.folder / "shift"
        self.shift.write_text("0")
        library = pathlib.Path(os.environ["TEXTMILL_BUILD"]) / "tests/daemon/clock_shift.so"
        if SANITIZED:  # the sanitizer's library must come first
            return dict(os.environ)
        return {**os.environ, "LD_PRELOAD": str(library), "CLOCK_SHIFT": str(self.shift)}

    # ---- what happens meanwhile ----

    def until(self, what, true):
        end = time.monotonic() + PATIENCE
        while not true():
            self.assertLess(time.monotonic(), end, what + "\n" + (self.mill.kept_log + self.mill.log.read_text())[-3000:])
            self.assertIsNone(self.mill.process.poll(), self.mill.log.read_text()[-3000:])
            time.sleep(0.05)

    def reload_good(self):
        self.taken += 1
        self.box.config.write_text(self.good[self.taken % 2])
        self.mill.process.send_signal(signal.SIGHUP)
        self.until("reload", lambda: (s := self.mill.status()) and s["reloads"]["taken"] == self.taken)

    def reload_bad(self):
        self.refused += 1
        self.box.config.write_text(self.good[0] + "nonsense: 1\n")
        self.mill.process.send_signal(signal.SIGHUP)
        self.until("refusal", lambda: (s := self.mill.status()) and s["reloads"]["refused"] == self.refused)

    def fill_disk(self):
        if not self.disk:
            return
        filler = self.box.out / ".filler"
        before = self.mill.status()["counters"]["delivery_retries_total"]
        with open(filler, "wb", buffering=0) as f:
            try:
                while f.write(bytes(65536)):
                    pass
            except OSError:
                pass
        self.mill.put_some()
        self.until("full disk", lambda: (s := self.mill.status()) and s["counters"]["delivery_retries_total"] > before)
        filler.unlink()

    def jump_clock(self):
        self.jumps += 1
        self.shift.write_text(("86400", "-7200", "0")[self.jumps % 3])

    # ---- the test ----

    def drive(self):
        actions = [self.reload_good, self.jump_clock, self.fill_disk, self.mill.rotate_log, self.reload_bad, self.jump_clock]
        begin = time.monotonic()
        pause, due, i = min(20.0, SECONDS / 14), 0.0, 0
        memory = []
        while (now := time.monotonic() - begin) < SECONDS:
            if self.mill.waiting() < WAITING_MOST:
                self.mill.put_some()
            self.mill.collect()
            if now > due:
                actions[i % len(actions)]()
                i += 1
                due = time.monotonic() - begin + pause
                status = self.mill.status()
                memory.append(status["memory_bytes"] if status else 0)
                self.say(f"{now:.0f} s: {self.mill.files} files, {sum(self.mill.seen.values())} ended, "
                         f"{memory[-1] / 1e6:.1f} MB, then {actions[(i - 1) % len(actions)].__name__}")
            time.sleep(0.02)
        return memory

    def say(self, text):
        if log := os.environ.get("TEXTMILL_SOAK_LOG"):
            with open(log, "a") as f:
                print(text, file=f)

    def test_a_life(self):
        self.taken = self.refused = self.jumps = 0
        self.mill = mill = Mill(self.box, self.shifted_clock())
        self.addCleanup(mill.process.wait)
        self.addCleanup(mill.process.kill)
        self.until("start", lambda: mill.status())
        memory = self.drive()
        self.until("the last", lambda: mill.collect() or len(mill.seen) == len(mill.expected))
        self.until("idle", lambda: (s := mill.status()) and s["in_flight"] == 0)
        mill.collect()
        self.assertEqual(mill.wrong, [])
        self.assertEqual([name for name, n in mill.seen.items() if n != 1], [], "delivered twice")
        self.check_metrics(mill)
        mill.process.send_signal(signal.SIGTERM)
        self.assertEqual(mill.process.wait(PATIENCE), OK)
        self.check_memory(memory)
        self.check_log(mill.kept_log + mill.log.read_text(errors="replace"))
        self.say(f"{len(mill.expected)} documents, {self.taken} reloads, {self.refused} refused, {self.jumps} jumps of the clock, "
                 f"memory {memory[len(memory) // 4] / 1e6:.1f} MB after a quarter, {memory[-1] / 1e6:.1f} MB at the end")

    def check_metrics(self, mill):
        dead = sum(1 for good in mill.expected.values() if not good)
        counters = mill.status()["counters"]
        self.assertEqual(counters["documents_dead_total"], dead)
        self.assertEqual(counters["documents_out_total"], len(mill.expected) - dead)
        metrics = parse_metrics(mill.get("/metrics"))
        self.assertEqual(metrics["textmill_documents_out_total", ""][1], len(mill.expected) - dead)
        self.assertEqual(sum(v for (name, _), (_, v) in metrics.items() if name == "textmill_dead_letters_total"), dead)
        self.assertEqual(metrics["textmill_reloads_total", ""][1], self.taken)
        self.assertEqual(metrics["textmill_reload_failures_total", ""][1], self.refused)
        self.assertEqual(metrics["textmill_restarts_total", ""][1], 0, "it died")

    def check_memory(self, memory):
        warm = [m for m in memory[len(memory) // 4:] if m > 0]
        if not SANITIZED and len(warm) > 4:  # a sanitizer keeps what was freed
            self.assertLess(max(warm[len(warm) // 2:]), MEMORY_MORE * max(warm[:len(warm) // 2]))


if __name__ == "__main__":
    main()
