"""Bad input, one case each: it ends as a result or as a dead letter with code, stage and message; the
document beside it is delivered; the exit code is as documented; memory stays under a cap."""
import gzip
import json
import os
import resource
import signal
import subprocess
import time
import unittest

from harness import AGAIN, DEAD, IO, OK, PERMISSION, SANITIZED, TEXTMILL, Case, main

NOBODY = 65534
MEMORY_CAP = 400 << 20  # of the whole process, whatever comes; clean.max_bytes is 20 MiB
GOOD = "A good neighbour of two sentences. It is delivered whatever lies beside it."
SENTENCE = b"A sentence of a few words. "
DEPTH = 100_000
SHORT_DRAIN = "limits: { drain_seconds: 1 }\n"


def envelope(**fields):
    return json.dumps(fields).encode()


def huge(path):
    with open(path, "wb") as f:
        f.truncate(1 << 30)  # sparse


def damaged_gzip():
    data = bytearray(gzip.compress(os.urandom(3000)))
    data[1500] ^= 0xFF
    return bytes(data)


def page(body, head=b""):
    return b"<html><head>" + head + b"</head><body>" + body + b"</body></html>"


# Broken documents with a word that nothing but a dead letter may show.
WORDY = {
    "first.jsonl": '{"text": "WORD", "meta": WORD}\n',
    "second.jsonl": '{"text": 5, "WORD": 1}\n',
    "third.jsonl": "WORD\n",
    "fourth.jsonl": '{"WORD": "',
    "cut.json": '{"text": "WORD"',
    "feed.json": '{"version": "https://jsonfeed.org/version/1.1", "items": [WORD]}',
    "mail.eml": "From: WORD\n\n",
    "archive.warc": "WARC/1.0\r\nWORD: WORD\r\n\r\n",
    "page.html": "<html><body><script>WORD</script>",
}

# Cases that end as a dead letter: file, bytes (or what makes it), code, stage, part of the message.
LETTERS = [
    ("empty.txt", b"", "E_EMPTY", "clean", "the document is empty"),
    ("blank.txt", b" \n\t \n", "E_EMPTY", "clean", "no text is left after cleaning"),
    ("scripts.html", page(b"<script>let a = 1</script><style>p {}</style>"), "E_EMPTY", "clean", "no text is left"),
    ("huge.txt", huge, "E_TOO_LARGE", "source", "has 1073741824 bytes, more than 20971520"),
    ("binary.dat", bytes(range(256)) * 64, "E_BAD_INPUT", "clean", "binary data, not text"),
    ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(3000), "E_BAD_INPUT", "clean", "PNG image"),
    ("paper.pdf", b"%PDF-1.7\n" + bytes(3000), "E_BAD_INPUT", "clean", "PDF"),
    ("array.json", b"[1, 2, 3]", "E_BAD_INPUT", "clean", "must be an object, not an array"),
    ("broken.json", b'{"text": "x"', "E_BAD_INPUT", "clean", "not valid JSON at 1:"),
    ("missing.json", envelope(id="no payload"), "E_BAD_INPUT", "clean", "none of the fields text, html"),
    ("number.json", envelope(text=5), "E_BAD_INPUT", "clean", "field text must be a string, not a number"),
    ("base64.json", envelope(body_base64="%%%"), "E_BAD_INPUT", "clean", "not base64"),
    ("meta.json", envelope(text="x", meta={"k": "v" * 70_000}), "E_TOO_LARGE", "clean", "field meta has"),
    ("bomb.txt.gz", gzip.compress(bytes(300 << 20), 9), "E_TOO_LARGE", "source", "decompresses to more than"),
    ("cut.txt.gz", gzip.compress(SENTENCE * 500)[:-30], "E_BAD_INPUT", "source", "gzip data end too early"),
    ("damaged.txt.gz", damaged_gzip(), "E_BAD_INPUT", "source", "gzip data are damaged"),
    ("not-really.txt.gz", b"plain text that calls itself gzip", "E_BAD_INPUT", "source", "gzip"),
]

# Cases that end as a result: file, bytes, and what its text, flags and encoding are.
RESULTS = [
    ("latin.txt", b"Caf\xe9 au lait, monsieur. Encore une phrase.",
     {"text": "Café au lait", "encoding": "windows-1252"}),
    ("mended.html", page(b"<p>A caf\xe9 with a broken byte in it.</p>", b"<meta charset=utf-8>"),
     {"text": "A caf\ufffd with", "replaced_chars": 1}),
    ("unknown-charset.html", page(b"<p>Some text in a page of its own.</p>", b'<meta charset="x-klingon">'),
     {"text": "Some text in", "flags": ["unknown_charset"]}),
    ("unknown-charset.json", envelope(body_base64="U29tZSB0ZXh0Lg==", charset="x-klingon"),
     {"text": "Some text.", "flags": ["unknown_charset"]}),
    ("deep.html", page(b"<p>Text above.</p>" + b"<div>" * DEPTH + b"Text deep down." + b"</div>" * DEPTH),
     {"text": "Text above.", "flags": ["depth_capped"]}),
    ("deep-json.json", b'{"text": "Some text.", "x": ' + b"[" * 1000 + b"]" * 1000 + b"}", {"text": "Some text."}),
    ("controls.txt", b"Bell \x07 and escape \x1b[1m are left out of a text like this one.", {"text": "Bell"}),
]

LINES = [
    (envelope(id="first", text="The first."), None),
    (b"[1]", ("E_BAD_INPUT", "clean", "must be an object")),
    (b'{"text": "open', ("E_BAD_INPUT", "clean", "not valid JSON at 3:")),
    (b"", None),  # a blank line is no document
    (envelope(id="ten megabytes", text=(SENTENCE * 400_000).decode()), None),
    (envelope(text="x" * (21 << 20)), ("E_TOO_LARGE", "source", "line 6 has more than 20971520 bytes")),
    (b"\xff\xfe\x00", ("E_BAD_INPUT", "clean", "")),
    (envelope(id=5, text="x"), ("E_BAD_INPUT", "clean", "field id must be a string")),
    (envelope(id="last", text="The last."), None),
]


def peak_memory():
    """Most that any process so far has used, children of children included."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


class BadInput(Case):
    def put(self, box, name, content):
        if callable(content):
            content(box.spool / name)
        else:
            box.put(name, content)

    def neighbour(self, box):
        self.assertEqual(box.results()["good.txt"]["text"], GOOD)
        self.assertTrue((box.spool / "done/good.txt").exists())

    def letter(self, box, name, code, stage, says):
        letter = box.dead_letters()[name]
        self.assertEqual((letter["schema"], letter["code"], letter["stage"]),
                         ("textmill.dead-letter/1", code, stage), letter)
        self.assertIn(says, letter["message"])
        if ":" not in name:
            reason = box.reasons()[name]
            self.assertEqual([reason[k] for k in ("code", "stage", "message")],
                             [letter[k] for k in ("code", "stage", "message")])

    def test_each_that_cannot_be_processed(self):
        for name, content, code, stage, says in LETTERS:
            with self.subTest(name):
                box = self.box()
                box.put("good.txt", GOOD)
                self.put(box, name, content)
                self.expect(box.once(), DEAD)
                self.letter(box, name, code, stage, says)
                self.neighbour(box)
                self.assertEqual(box.waiting(), [])

    def test_each_that_can_be_processed_all_the_same(self):
        for name, content, want in RESULTS:
            with self.subTest(name):
                box = self.box()
                box.put("good.txt", GOOD)
                box.put(name, content)
                self.expect(box.once(), OK)
                result = box.results()[name]
                self.assertIn(want["text"], result["text"])
                for key in want.keys() - {"text"}:
                    self.assertEqual(result["cleaning"][key], want[key], key)
                self.neighbour(box)

    def test_all_of_them_at_once(self):
        box = self.box()
        box.put("good.txt", GOOD)
        for name, content, *_ in LETTERS + RESULTS:
            self.put(box, name, content)
        done = self.expect(box.once(), DEAD)
        self.assertIn(f"{len(LETTERS) + len(RESULTS) + 1} documents: {len(RESULTS) + 1} delivered (0 partial), "
                      f"{len(LETTERS)} dead-lettered", done.err)
        self.assertEqual(sorted(box.dead_letters()), sorted(case[0] for case in LETTERS))
        self.neighbour(box)

    def test_lines_of_one_file(self):
        box = self.box()
        box.put("good.txt", GOOD)
        box.put("posts.jsonl", b"\n".join(line for line, _ in LINES))
        self.expect(box.once(), DEAD)
        results, letters = box.results(), box.dead_letters()
        for number, (line, failure) in enumerate(LINES, 1):
            name = f"posts.jsonl:{number}"
            if failure:
                self.letter(box, name, *failure)
                text = letters[name].get("original", "")
                self.assertEqual(text.encode(), line if line.isascii() and len(line) < 1 << 20 else b"")
            elif line:
                self.assertEqual(results[name]["id"], json.loads(line)["id"])
        self.assertEqual(len(results) + len(letters), len(LINES))  # one is blank, one is good.txt
        self.neighbour(box)
        self.assertTrue((box.spool / "done/posts.jsonl").exists())  # its bad lines are in dead/

    def test_the_log_has_no_words_of_a_document(self):
        for name, text in WORDY.items():  # one by one: repeats would be folded
            with self.subTest(name):
                box = self.box()
                box.put(name, text.replace("WORD", "zanzibarite"))
                done = self.expect(box.once(), DEAD)
                self.assertIn("level=warning", done.err)
                self.assertNotIn("zanzibarite", done.err)

    def test_links_are_not_followed(self):
        box = self.box()
        box.put("good.txt", GOOD)
        secret = box.folder / "secret.txt"
        secret.write_text("A text outside of the spool.")
        (box.spool / "link.txt").symlink_to(secret)
        (box.spool / "dangling.txt").symlink_to("nowhere")
        (box.spool / "folder").symlink_to(box.folder)
        box.once()
        self.assertEqual(list(box.results()), ["good.txt"])
        for name in ("link.txt", "dangling.txt", "folder"):
            reason = box.reasons()[name]
            self.assertEqual((reason["code"], reason["stage"]), ("E_UNSUPPORTED", "source"))
            self.assertIn("symbolic link", reason["message"])
        self.assertEqual(secret.read_text(), "A text outside of the spool.")
        self.neighbour(box)

    def test_pipes_and_sockets_do_not_hold_it_up(self):
        box = self.box()
        box.put("good.txt", GOOD)
        os.mkfifo(box.spool / "pipe.txt")
        os.mknod(box.spool / "socket.txt", 0o140600)
        self.expect(box.once(timeout=30), OK)
        self.assertEqual(list(box.results()), ["good.txt"])
        self.neighbour(box)

    def test_a_file_that_vanishes_before_it_is_claimed(self):
        """It is known and waits for its settle time when it is taken away: no document, no failure."""
        box = self.box()
        box.config.write_text(box.config.read_text().replace("settle_ms: 0", "settle_ms: 1500, rescan_ms: 50"))
        box.put("good.txt", GOOD)
        gone = box.put("gone.txt", GOOD)
        with subprocess.Popen([TEXTMILL, "once", "-c", box.config], stderr=subprocess.PIPE) as process:
            wait_for(lambda: (box.folder / "in/active/default").is_dir(), process)
            gone.unlink()
            err = process.communicate(timeout=60)[1].decode()
        self.assertEqual(process.returncode, OK, err)
        self.assertEqual(list(box.results()), ["good.txt"])
        self.assertEqual(box.dead_letters(), {})

    def test_a_file_that_vanishes_while_it_is_claimed(self):
        """Someone deletes from active/: whatever becomes of that file, the process and its neighbour go on."""
        box = self.box()
        with open(box.spool / "big.jsonl", "wb") as f:
            f.write(b'{"text": "First."}\n')
            f.truncate(1 << 30)  # reading it takes a while
        with subprocess.Popen([TEXTMILL, "once", "-c", box.config], stderr=subprocess.PIPE) as process:
            claimed = box.spool / "active/default/big.jsonl"
            wait_for(claimed.exists, process)
            claimed.unlink()
            box.put("good.txt", GOOD)
            err = process.communicate(timeout=120)[1].decode()
        self.assertIn(process.returncode, (OK, DEAD), err)
        self.expect(box.once(), OK)
        self.assertIn("good.txt", box.results())

    def test_zz_memory_stayed_under_its_cap(self):
        """Of everything above: 1 GB files, bombs, lines of 20 MB. Last by name."""
        if SANITIZED:
            self.skipTest("sanitizers take memory of their own")
        self.assertGreater(peak_memory(), 10 << 20)
        self.assertLess(peak_memory(), MEMORY_CAP)


def wait_for(is_true, process):
    while not is_true():
        if process.poll() is not None:
            raise AssertionError("the process ended too early: " + process.stderr.read().decode())
        time.sleep(0.001)


def as_nobody():
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def nobody_can_run():
    if os.getuid() != 0:
        return True
    try:
        return subprocess.run([TEXTMILL, "version"], preexec_fn=as_nobody, capture_output=True).returncode == 0
    except OSError:
        return False


def tmpfs(folder, size):
    """Mounts a small file system of its own; False where that is not permitted."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", folder],
                          capture_output=True)
    return done.returncode == 0


class BadPlaces(Case):
    """Permissions, and disks that are full or cannot be written."""

    def hand_over(self, box):
        """Root may read and write anything: the daemon runs as nobody, who owns the box."""
        if os.getuid() == 0:
            for root, folders, files in os.walk(box.folder):
                for name in [root, *(os.path.join(root, f) for f in folders + files)]:
                    os.chown(name, NOBODY, NOBODY, follow_symlinks=False)

    @unittest.skipUnless(nobody_can_run(), "the binary lies where an ordinary user cannot run it")
    def test_a_file_that_must_not_be_read(self):
        box = self.box()
        box.put("good.txt", GOOD)
        box.put("locked.txt", GOOD).chmod(0)
        self.hand_over(box)
        self.expect(box.once(preexec_fn=as_nobody), DEAD)
        letter = box.dead_letters()["locked.txt"]
        self.assertEqual((letter["code"], letter["stage"]), ("E_PERMISSION", "source"))
        self.assertEqual(box.reasons()["locked.txt"]["code"], "E_PERMISSION")
        self.assertEqual(list(box.results()), ["good.txt"])

    @unittest.skipUnless(nobody_can_run(), "the binary lies where an ordinary user cannot run it")
    def test_an_output_folder_that_must_not_be_written(self):
        """Nothing is taken, or what was taken stays claimed: a start with the folder mended delivers it."""
        box = self.box(more=SHORT_DRAIN)
        box.put("good.txt", GOOD)
        box.out.mkdir()
        self.hand_over(box)
        box.out.chmod(0o555)
        with subprocess.Popen([TEXTMILL, "once", "-c", box.config], stderr=subprocess.PIPE,
                              preexec_fn=as_nobody) as process:
            try:
                err = process.communicate(timeout=5)[1].decode()
            except subprocess.TimeoutExpired:  # it tries again until it is stopped
                process.send_signal(signal.SIGTERM)
                err = process.communicate(timeout=30)[1].decode()
        self.assertIn(process.returncode, (PERMISSION, IO, AGAIN), err)
        self.assertIn("E_PERMISSION" if process.returncode == AGAIN else "ermission", err)
        self.assertEqual(len(box.waiting()), 1)
        self.assertEqual(box.results(), {})
        box.out.chmod(0o755)
        self.expect(box.once(preexec_fn=as_nobody), OK)
        self.assertEqual(list(box.results()), ["good.txt"])

    def test_a_full_disk_is_a_pause(self):
        """Delivery waits until there is room again; every document has its whole result then."""
        box = self.box()
        box.out.mkdir()
        if not tmpfs(box.out, "512k"):
            self.skipTest("mounting a small tmpfs is not permitted here")
        self.addCleanup(subprocess.run, ["umount", "-l", box.out], capture_output=True)
        ballast = box.out / ".ballast"
        ballast.write_bytes(bytes(400 << 10))
        texts = {f"{i}.txt": f"Document {i}. " + "Words to fill it with. " * 300 for i in range(20)}
        for name, text in texts.items():
            box.put(name, text)
        with subprocess.Popen([TEXTMILL, "once", "-c", box.config], stderr=subprocess.PIPE, text=True) as process:
            err = ""
            for line in process.stderr:
                err += line
                if "E_NO_SPACE" in line:
                    break
            for path in box.out.rglob("*.json"):  # nothing half-written is visible
                json.loads(path.read_text())
            ballast.unlink()
            err += process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, OK, err)
        self.assertIn("E_NO_SPACE", err)
        results = box.results()
        self.assertEqual({n: r["text"] for n, r in results.items()}, {n: t.strip() for n, t in texts.items()})
        self.assertEqual(box.waiting(), [])

    def test_a_file_size_limit_loses_nothing(self):
        """RLIMIT_FSIZE stands in for any write that fails half-way: stopped, then done again without it."""
        box = self.box(more=SHORT_DRAIN)
        box.put("big.txt", "Words to fill it with. " * 20_000)

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        with subprocess.Popen([TEXTMILL, "once", "-c", box.config], stderr=subprocess.PIPE, text=True,
                              preexec_fn=limit) as process:
            err = ""
            for line in process.stderr:
                err += line
                if "E_IO" in line or "E_NO_SPACE" in line:
                    break
            process.send_signal(signal.SIGTERM)
            err += process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, AGAIN, err)
        self.assertEqual(box.results(), {})
        self.assertEqual(len(box.waiting()), 1)
        self.expect(box.once(), OK)
        self.assertEqual(list(box.results()), ["big.txt"])


if __name__ == "__main__":
    main()
