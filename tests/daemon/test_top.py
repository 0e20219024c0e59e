"""textmill top: on a terminal that changes its size, in a pipe, as JSON, and when nobody answers.

With TEXTMILL_SCREENSHOTS=DIR the picture is kept there; docs/ has that of the last change."""
import json
import os
import pathlib
import re
import signal
import socket
import time

from harness import OK, TEXTMILL, USAGE, classifier, main, run
from terminal import Terminal
from test_http import WAIT, Daemons

UNAVAILABLE = 69


class Top(Daemons):
    def at_work(self):
        box = self.box(tasks="[{ task: sentiment, model: ./classifier }]")
        classifier(box.folder / "classifier")
        self.process, _ = self.daemon(box)
        for i in range(40):
            box.put(f"{i}.txt", f"w{i} is a document of w{i + 1}.")
        box.put("empty.txt", "")
        self.until(lambda: self.ended(box) == (40, 1))  # results are in place before they are counted
        return box

    def ended(self, box):
        counters = run("top", "-c", box.config, "--json", "--count", "1", "--interval-ms", "100").lines[0]["counters"]
        return counters["documents_out_total"], counters["documents_dead_total"]

    def terminal(self, box, columns=100, rows=30, **env):
        t = Terminal([TEXTMILL, "top", f"unix:{box.folder}/http", "--interval-ms", "100"], columns, rows, **env)
        self.addCleanup(t.close)
        return t

    def until_shown(self, t, true):
        end = time.monotonic() + WAIT
        while not true():
            t.read()
            self.assertLess(time.monotonic(), end, t.rows())

    def test_the_frame_has_the_figures(self):
        os.environ["TEXTMILL_FAULT_SLOW"] = "clean:100"  # so that something is in flight
        self.addCleanup(os.environ.pop, "TEXTMILL_FAULT_SLOW")
        box = self.at_work()
        t = self.terminal(box, columns=112)
        box.put("posts.jsonl", "".join(f'{{"text": "w{i % 300} w1"}}\n' for i in range(9000)))
        self.until_shown(t, lambda: re.search(r"(?m)^posts.jsonl ", "\n".join(t.rows()))
                         and not re.search(r"(?m)^0\.0 documents/s", "\n".join(t.rows())))
        text = "\n".join(t.rows())
        for pattern in (r"textmill \S+  default  working", r"\d+ delivered  1 dead", r"(?m)^clean .*  \d+ %", r"(?m)^assemble ",
                        r"classifier +BertForSequenceClassification", r"(?m)^E_EMPTY +1$"):
            self.assertRegex(text, pattern)
        self.assertIn(b"\033[31m", t.seen, "no colour on a terminal")
        folder = pathlib.Path(os.environ.get("TEXTMILL_SCREENSHOTS") or box.folder)
        (folder / "top.svg").write_text(t.picture())
        for word in ("E_EMPTY", "posts.jsonl"):
            self.assertIn(word, (folder / "top.svg").read_text())

    def test_it_follows_the_size(self):
        t = self.terminal(self.at_work())
        self.until_shown(t, lambda: t.rows())
        for columns, rows in ((40, 8), (160, 50)):
            t.resize(columns, rows)
            t.seen = b""
            self.until_shown(t, lambda: len(t.frames()) > 1)
            self.assertLessEqual(max(map(len, t.rows())), columns)
            self.assertLessEqual(len(t.rows()), rows + 1)
            self.assertEqual(any("E_EMPTY" in row for row in t.rows()), rows == 50)

    def test_it_gives_the_terminal_back(self):
        box = self.at_work()
        for end in (lambda t: t.type(b"q"), lambda t: t.process.send_signal(signal.SIGTERM), lambda t: t.type(b"\x03")):
            t = self.terminal(box)
            self.until_shown(t, lambda: t.rows())
            end(t)
            self.until_shown(t, lambda: t.process.poll() is not None)
            t.read(0)
            self.assertEqual(t.process.returncode, OK)
            self.assertTrue(t.seen.endswith(b"\033[?25h\033[?1049l"), t.seen[-40:])

    def test_no_colour_where_none_is_wanted(self):
        box = self.at_work()
        t = self.terminal(box, NO_COLOR="1")
        self.until_shown(t, lambda: t.rows())
        self.assertNotRegex(t.seen.decode(), r"\033\[[0-9]+m")
        piped = self.expect(run("top", "-c", box.config, "--count", "2", "--interval-ms", "100"), OK).out
        self.assertNotIn("\033", piped)
        self.assertEqual(len(re.findall("40 delivered", piped)), 2)

    def test_json_has_rates(self):
        box = self.at_work()
        done = self.expect(run("top", "-c", box.config, "--json", "--count", "3", "--interval-ms", "100"), OK)
        self.assertEqual(len(done.lines), 3)
        for line in done.lines:
            self.assertEqual(line["counters"]["documents_out_total"], 40)
            self.assertEqual(line["per_second"]["documents_out_total"], 0)
            self.assertEqual(set(line["per_second"]["busy_share"]), {"clean", "tokenize", "infer", "assemble"})

    def test_it_says_when_nobody_answers_and_goes_on(self):
        box = self.at_work()
        t = self.terminal(box)
        self.until_shown(t, lambda: t.rows())
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(WAIT)
        self.until_shown(t, lambda: "is `textmill run` at work there?" in "".join(t.rows()))
        self.assertIsNone(t.process.poll())

    def test_mistakes(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            nobody = f"127.0.0.1:{s.getsockname()[1]}"
            done = self.expect(run("top", nobody), UNAVAILABLE)
        self.assertIn("http.listen", done.err)
        self.expect(run("top", "--interval-ms", "1"), USAGE)
        self.expect(run("top", "a:1", "b:2"), USAGE)


if __name__ == "__main__":
    main()
