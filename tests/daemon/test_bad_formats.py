#!/usr/bin/env python3
"""Damaged and hostile files of every format through `textmill extract`: what is whole is given, what is not is an error
that says where, and neither time nor memory grows beyond the caps."""
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import unittest
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_formats import ATOM, NITF, PROSE, RSS, TEXTMILL, news_item, response, warc_record

MEMORY = 2 << 30  # most that a process may have
with open(TEXTMILL, "rb") as program:
    SANITIZED = b"__asan_init" in program.read()  # its shadow alone takes more


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def extract(files, timeout=60):
    """{name: [results]} of files {name: bytes}, read by one process, which must not die."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        run = subprocess.run([TEXTMILL, "extract", "-j", "1", *files], cwd=folder, capture_output=True, timeout=timeout,
                             check=False, preexec_fn=None if SANITIZED else limit)
    assert run.returncode in (0, 1), (run.returncode, run.stderr[-2000:])
    results = {name: [] for name in files}
    for line in run.stdout.decode("utf-8").splitlines():
        one = json.loads(line)
        assert one.get("text") or one["error"]["message"], one
        results[one["source"]].append(one)
    assert all(results.values()), [name for name, got in results.items() if not got]
    return results


PAGE = f"<html><title>T</title><body><article><p>{PROSE}</p><p>{PROSE}</p></article></body></html>"
LINES = "".join(json.dumps({"id": str(i), "text": f"{i}: {PROSE}"}) + "\n" for i in range(5))
MAIL = f"From: Kim <kim@x.example>\nSubject: News\nContent-Type: multipart/alternative; boundary=b\n\n--b\n" \
       f"Content-Type: text/plain\n\n{PROSE}\n--b--\n"
SAMPLES = {"rss": RSS, "atom": ATOM, "xml": NITF, "html": PAGE, "json": json.dumps({"text": PROSE, "meta": {"a": [1, 2]}}),
           "jsonl": LINES, "csv": f"id,text\n1,\"{PROSE}\"\n2,{PROSE[:40]}\n", "eml": MAIL, "md": f"# News\n\n* {PROSE}\n",
           "mbox": f"From kim\n{MAIL}\nFrom kim\n{MAIL}\n", "feed": news_item("usable"),
           "warc": (warc_record("response", response(PAGE.encode())) * 2).decode()}


class BadFormats(unittest.TestCase):
    def test_cut_short_anywhere(self):
        """Each format cut at each sixteenth of its length: none ends the program, each has its line."""
        files = {}
        for kind, sample in SAMPLES.items():
            data = sample.encode()
            for i in range(16):
                files[f"{i}.{kind}"] = data[:len(data) * i // 16]
        results = extract(files)
        for kind in ("jsonl", "csv", "mbox", "warc"):  # what comes before the cut is there
            self.assertTrue(any("text" in one for one in results[f"15.{kind}"]), kind)
        self.assertEqual([one.get("id") for one in results["8.jsonl"]][:2], ["0", "1"])

    def test_bytes_that_do_not_belong(self):
        """NULs, bytes of no encoding, and a stretch of the file twice, in the middle of each format."""
        files = {}
        for kind, sample in SAMPLES.items():
            data = sample.encode()
            middle = len(data) // 2
            for name, junk in (("nul", b"\0" * 9), ("ff", b"\xff\xfe\xff" * 9), ("twice", data[middle // 2:middle]),
                               ("lt", b"<" * 5000), ("quote", b"\"" * 5001)):
                files[f"{name}.{kind}"] = data[:middle] + junk + data[middle:]
        extract(files)

    def test_archives_cut_short(self):
        """The lines before the cut are given, and the last result says what is the matter with the archive."""
        lines = "".join(json.dumps({"id": str(i), "text": f"{os.urandom(30).hex()} {PROSE}"}) + "\n" for i in range(2000))
        packed = gzip.compress(lines.encode())
        for name, data in {"a.jsonl.gz": packed[:len(packed) // 2], "b.jsonl.gz": packed[:-6] + b"\0" * 6,
                           "c.jsonl.gz": packed[:5000] + b"\0" * 50 + packed[5050:]}.items():
            *good, last = extract({name: data})[name]
            self.assertGreater(len(good), 20, name)
            self.assertEqual([one["id"] for one in good[:20]], [str(i) for i in range(20)])
            self.assertRegex(last["error"]["message"], "(?i)gzip|truncated|ends", name)
        one, = extract({"a.html.gz": gzip.compress(PAGE.encode())[:-20]})["a.html.gz"]
        self.assertIn("error", one)

    def test_ratios(self):
        """300 MB that were packed to a few hundred KB: one file, one line of many, one answer in an archive of the web."""
        squeeze = zlib.compressobj(9, wbits=31)
        bomb = b"".join(squeeze.compress(b" " * (1 << 20)) for _ in range(300)) + squeeze.flush()
        self.assertLess(len(bomb), 400_000)
        inside = warc_record("response", response(bomb, "Content-Encoding: gzip\r\n"))
        results = extract({"a.html.gz": bomb, "a.jsonl.gz": bomb, "a.warc": inside + warc_record("response", response(PAGE.encode()))})
        self.assertEqual([one["error"]["code"] for one in results["a.html.gz"]], ["E_TOO_LARGE"])
        self.assertTrue(all("error" in one for one in results["a.jsonl.gz"]))
        first, second = results["a.warc"]
        self.assertIn("error", first)
        self.assertIn(PROSE, second["text"])

    def test_mixed_encodings(self):
        """Bytes of another encoding inside a page cost themselves; a line or a message of another one stands alone."""
        umlauts = PROSE + " Fähren und Brücken über den Fluß."
        page = PAGE.replace("<title>", "<meta charset=utf-8><title>").encode()
        page = page.replace(b"The harbour", "Der Hafen – f".encode() + b"\xfcr alle \xe9 \x93x\x94", 1)
        lines = [json.dumps({"text": umlauts}, ensure_ascii=False).encode(c) for c in ("utf-8", "latin-1", "utf-8")]
        mails = "".join(f"From kim\nSubject: {c}\nContent-Type: text/plain; charset={c}\nContent-Transfer-Encoding: 8bit\n\n@{c}@\n\n"
                        for c in ("koi8-r", "shift_jis", "iso-8859-1", "no-such")).encode()
        for c, text in (("koi8-r", "Гавань была закрыта"), ("shift_jis", "港は三日間閉まっていた"), ("iso-8859-1", umlauts),
                        ("no-such", "Plain words.")):
            mails = mails.replace(f"@{c}@".encode(), text.encode("ascii" if c == "no-such" else c))
        got = extract({"a.html": page, "a.jsonl": b"\n".join(lines), "a.mbox": mails})
        self.assertIn(PROSE, got["a.html"][0]["text"])
        self.assertIn("Der Hafen", got["a.html"][0]["text"])
        first, second, third = got["a.jsonl"]
        self.assertEqual((first["text"], third["text"]), (umlauts, umlauts))
        self.assertEqual(second["line"], 2)
        self.assertEqual([one["text"] for one in got["a.mbox"]],
                         ["Гавань была закрыта", "港は三日間閉まっていた", umlauts, "Plain words."])

    def test_trees(self):
        """A million elements, hundreds of thousands of attributes, depth: refused with the key that allows more, or kept."""
        deep = 100_000
        files = {
            "nodes.html": b"<body>" + b"<p>x</p>" * 1_000_000,
            "nodes.rss": b"<rss><channel>" + b"<item><title>x</title></item>" * 100_000 + b"</channel></rss>",
            "attributes.html": b"<p>y</p><a" + b" b" * 500_000 + b">x</a>",
            "attributes.rss": b"<rss><channel><item" + b"".join(b" a%d='x'" % i for i in range(100_000)) + b"><title>x</title></item></channel></rss>",
            "deep.rss": b"<rss><channel><item>" + b"<a>" * deep + b"x",
            "deep.xml": b"<nitf><body>" + b"<p>" * deep + b"x",
            "deep.json": b'{"text":"x","meta":' + b"[" * deep + b"]" * deep + b"}",
            "deep.md": b"> " * deep + b"x\n",
            "deep.eml": b"Subject: x\n" + b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * deep,
            "state.html": b"<script>window.__S__=" + b'{"body":[' * deep + b'"' + PROSE.encode() + b'"</script>',
            "ld.html": b"<script type=application/ld+json>" + b'{"@graph":[' * deep + b"</script><p>x",
        }
        results = extract(files)
        self.assertIn("clean.max_nodes", results["nodes.html"][0]["error"]["message"])
        self.assertEqual(results["attributes.html"][0]["error"]["code"], "E_TOO_LARGE")
        self.assertIn("attributes", results["attributes.rss"][0]["error"]["message"])
        self.assertEqual(len(results["nodes.rss"]), 100_000)
        self.assertEqual(results["ld.html"][0]["text"], "x")
        self.assertIn("error", results["deep.json"][0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
