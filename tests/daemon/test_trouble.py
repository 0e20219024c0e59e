"""The mistakes of docs/troubleshooting.md, each made here: what the page says is what textmill says. And
what the log looks like: a summary a minute, repeats folded, a next step, no text of documents."""
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import unittest

from harness import CONFIG, IO, NOINPUT, OK, PERMISSION, SANITIZED, SOURCE, TEXTMILL, classifier, main, run
from test_http import WAIT, Daemons

PAGE = (SOURCE / "docs/troubleshooting.md").read_text()


def headings():
    return re.findall(r"(?m)^## (.+)$", PAGE)


class Mistakes(Daemons):
    def says(self, heading, err):
        """The section quotes this output: each of its quoted lines is in it, with … for what varies."""
        section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
        quotes = re.findall(r"(?m)^    (.+)$", section)
        self.assertTrue(quotes, heading)
        for quote in quotes:
            self.assertRegex(err, ".*".join(re.escape(part) for part in quote.split("…")), heading)

    def test_wrong_path(self):
        box = self.box()
        box.spool.rmdir()
        self.says("The spool is empty although there are documents", self.expect(box.once(), OK).err)

    def test_no_rights(self):
        if os.geteuid() != 0:
            self.skipTest("becomes another user, which needs root")
        box = self.box()
        box.put("a.txt", "Some words.")
        os.chmod(box.folder, 0o755)
        own = shutil.copy(TEXTMILL, box.folder)  # a build folder may lie where others cannot come
        done = run("once", "-c", box.config, executable=own, user=65534, group=65534)
        self.says("No rights", self.expect(done, PERMISSION).err)

    def test_model_half_copied(self):
        box = self.box(tasks="[{ task: sentiment, model: ./classifier }]")
        weights = classifier(box.folder / "classifier") / "model.safetensors"
        os.truncate(weights, weights.stat().st_size // 2)
        self.says("A model that was half copied", self.expect(box.once(), NOINPUT).err)

    def test_model_not_there(self):
        done = self.box(tasks="[{ task: sentiment, model: no-such-model }]").once()
        self.says("A model is not found", self.expect(done, NOINPUT).err)

    def test_mistyped_key(self):
        box = self.box(more="limits: { documnts: 7 }\n")
        self.says("A key is mistyped", self.expect(run("check", "-c", box.config), CONFIG).err)

    def test_gpu_that_cannot_be_had(self):
        """One section for a build without CUDA, one for a machine without a driver: each says what this
        build says, or what the sources of the other one say (tests/cuda provokes it on the shim)."""
        if os.path.exists("/dev/nvidiactl"):
            self.skipTest("there is a GPU")
        box = self.box(more="engine: { device: cuda }\n", tasks="[{ task: sentiment, model: ./classifier }]")
        classifier(box.folder / "classifier")
        done = self.expect(box.once(), NOINPUT)
        with_cuda = "built without CUDA" not in done.err
        sources = [(SOURCE / "kernels/cuda" / name).read_text() for name in ("absent.c", "backend.c")]
        self.says("A GPU is asked for, and this textmill has no CUDA", sources[0] if with_cuda else done.err)
        self.says("A GPU is asked for, and there is no driver", done.err if with_cuda else sources[1])

    def test_broker_name(self):
        if "replay-dlq" not in run("--help").out:
            self.skipTest("built without Kafka")
        box = self.box()
        box.config.write_text("source: { kafka: { brokers: 'kafka.invalid:9092', topics: wire } }\ntasks: []\n"
                              "sink:\n  files: { path: out }\n  dead_letters: { path: dead }\n")
        done = run("check", "--online", "-c", box.config)
        self.assertNotEqual(done.code, OK)
        self.says("A broker's name is mistyped", done.err)

    def test_full_disk(self):
        """A limit on the size of files fails writes as a full disk does."""
        box = self.box()
        box.put("big.txt", "Words to fill it with. " * 20_000)

        def small():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        p = subprocess.Popen([TEXTMILL, "once", "-c", box.config], stderr=subprocess.PIPE, preexec_fn=small)
        self.addCleanup(p.stderr.close)
        line = p.stderr.readline().decode()
        p.send_signal(signal.SIGTERM)
        p.send_signal(signal.SIGTERM)
        p.communicate(timeout=WAIT)
        self.says("The disk is full", line)
        self.expect(box.once(), OK)
        self.assertEqual(list(box.results()), ["big.txt"])

    def test_address_taken(self):
        box = self.box()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            box.config.write_text(box.config.read_text() + f"http: {{ listen: '127.0.0.1:{s.getsockname()[1]}' }}\n")
            done = run("run", "-c", box.config)
        self.says("The status page's address is taken", self.expect(done, IO).err)

    def test_clock_jump(self):
        if SANITIZED:
            self.skipTest("a sanitizer's library must be loaded first")
        box = self.box(tasks="[]", more="log: { level: info }\n")
        shift = box.folder / "shift"
        shift.write_text("0")
        library = pathlib.Path(os.environ["TEXTMILL_BUILD"]) / "tests/daemon/clock_shift.so"
        os.environ.update(LD_PRELOAD=str(library), CLOCK_SHIFT=str(shift), CLOCK_SHIFT_ALL="1")
        for name in ("LD_PRELOAD", "CLOCK_SHIFT", "CLOCK_SHIFT_ALL"):
            self.addCleanup(os.environ.pop, name, None)
        process, _ = self.daemon(box)
        for i in range(30):
            box.put(f"{i}.txt", "" if i % 2 else "A document with the word zanzibar in it.")
        self.until(lambda: len(box.results()) == 15 and len(box.reasons()) == 15)
        shift.write_text("61")
        log = box.folder / "log"
        self.until(lambda: b"msg=summary" in log.read_bytes())
        text = log.read_text()
        self.assertRegex(text, r"msg=summary delivered=15 dead=15 documents_per_s=0\.\d+ ")
        self.assertLess(text.count("document failed"), 5, "repeats are folded")
        self.assertNotIn("zanzibar", text)
        self.says("The clock jumped", text)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(WAIT), OK)


class Whole(unittest.TestCase):
    def test_every_section_is_provoked(self):
        """A section quotes output, so it needs a test above that makes it."""
        source = pathlib.Path(__file__).read_text()
        for heading in headings():
            self.assertIn(f'says("{heading}"', source)

    def test_every_line_of_an_error_has_a_next_step(self):
        """Those that no test provokes too: in the sources."""
        calls = [call for path in SOURCE.glob("[a-z]*/**/*.c") if path.parts[len(SOURCE.parts)] not in ("build", "tests")
                 for call in re.findall(r"(?s)tm_log\([^;]*?TM_LOG_(?:ERROR|WARNING).*?\);", path.read_text())]
        self.assertGreater(len(calls), 5)
        for call in calls:
            self.assertIn('TM_S("next"', call)


if __name__ == "__main__":
    main()
