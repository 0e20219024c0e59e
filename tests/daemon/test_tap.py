"""textmill tap and /tap: each step of a document, who may see it, and that nobody who looks holds the
pipeline up."""
import http.client
import json
import os
import signal
import socket
import subprocess
import time

from harness import OK, PERMISSION, TEXTMILL, classifier, main, run
from test_http import WAIT, Daemons
from test_page import free_port

class Tap(Daemons):
    def at_work(self, listen=None, more="", tasks="[{ task: sentiment, model: ./classifier }]"):
        box = self.box(tasks=tasks)
        classifier(box.folder / "classifier")
        box.config.write_text(box.config.read_text() + more)
        self.process, _ = self.daemon(box, listen=listen)
        return box

    def tap(self, box, *how):
        p = subprocess.Popen([TEXTMILL, "tap", "-c", box.config, *how], stdout=subprocess.PIPE)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        return p

    def until_seen(self, box, p, name, data):
        """Puts documents until the tap sees one: it may still be connecting."""
        lines, i = [], 0
        end = time.monotonic() + WAIT
        os.set_blocking(p.stdout.fileno(), False)
        rest = b""
        while not any(line["place"] == "assemble" for line in lines):
            self.assertLess(time.monotonic(), end, lines)
            if not lines:
                box.put(f"{name}{i}.html", data)
                i += 1
            time.sleep(0.05)
            rest += p.stdout.read() or b""
            *whole, rest = rest.split(b"\n")
            lines += [json.loads(line) for line in whole]
        return lines

    def test_each_step_of_a_document(self):
        box = self.at_work()
        page = "<html><body><article><h1>w1 w2</h1>" + "<p>w3 is a document of w4, and it is long enough.</p>" * 5
        lines = self.until_seen(box, self.tap(box, "--json"), "page", page)
        name = lines[0]["document"]
        mine = [line for line in lines if line["document"] == name]
        self.assertEqual([line["place"] for line in mine], ["source", "clean", "infer", "assemble"])
        source, clean, infer, end = mine
        self.assertEqual(source["content"], page)
        self.assertIn("w3 is a document of w4", clean["text"])
        self.assertNotIn("<p>", clean["text"])
        self.assertEqual(infer["task"], "sentiment")
        self.until(lambda: name in box.results())
        self.assertEqual(end["result"], box.results()[name])
        self.assertEqual(infer["result"], end["result"]["sentiment"])

    def test_a_failure_is_seen_where_it_happens(self):
        box = self.at_work()
        p = self.tap(box, "--json")
        self.until_seen(box, p, "good", "w1 is a document of w2.")
        box.put("empty.txt", "")
        end, out = time.monotonic() + WAIT, b""
        while b"E_EMPTY" not in out:
            self.assertLess(time.monotonic(), end)
            out += p.stdout.read() or b""
            time.sleep(0.02)
        line = next(json.loads(x) for x in out.split(b"\n") if b"E_EMPTY" in x)
        self.assertEqual((line["document"], line["place"]), ("empty.txt", "clean"))

    def test_every_and_readable(self):
        box = self.at_work()
        p = subprocess.Popen([TEXTMILL, "tap", "-c", box.config, "--every", "3", "--count", "4"], stdout=subprocess.PIPE)
        self.addCleanup(p.stdout.close)
        i = 0
        end = time.monotonic() + WAIT
        while p.poll() is None:
            self.assertLess(time.monotonic(), end)
            box.put(f"{i:04}.txt", f"w{i % 200} is \x1b[31m a document.")
            i += 1
            time.sleep(0.05)
        out = p.stdout.read().decode()
        self.assertEqual(p.wait(), OK)
        self.assertRegex(out, r"(?m)^source +\d{4}\.txt")
        self.assertRegex(out, r"(?m)^infer sentiment +\d{4}\.txt")
        self.assertNotIn("\x1b", out, "what a document says steers the terminal")

    def ask(self, port, **headers):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
        c.request("GET", "/tap", headers=headers)
        status = c.getresponse().status
        c.close()
        return status

    def test_who_may_see_documents(self):
        port = free_port()
        self.at_work(listen=f"127.0.0.1:{port}")
        self.assertEqual(self.ask(port), 200)
        self.assertEqual(self.ask(port, Host="evil.example"), 403, "a page elsewhere whose name points here")
        everywhere = free_port()
        self.at_work(listen=f"0.0.0.0:{everywhere}")
        self.assertEqual(self.ask(everywhere), 403, "the network sees documents without a token")
        tokens, more = free_port(), "http: {{ listen: '0.0.0.0:{}', token_file: token }}\n"
        box = self.box()
        (box.folder / "token").write_text("s3cret-word\n")
        box.config.write_text(box.config.read_text() + more.format(tokens))
        process = subprocess.Popen([TEXTMILL, "run", "-c", box.config], stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertIn(b"status page", process.stderr.readline())
        self.assertEqual(self.ask(tokens), 403)
        self.assertEqual(self.ask(tokens, Authorization="Bearer s3cret-wore"), 403)
        self.assertEqual(self.ask(tokens, Authorization="Bearer s3cret-word"), 200)
        done = self.expect(run("tap", f"127.0.0.1:{tokens}"), PERMISSION)
        self.assertIn("http.token_file", done.err)

    def test_one_who_does_not_read_holds_nothing_up(self):
        box = self.at_work(tasks="[]")
        stuck = []
        for _ in range(4):
            s = socket.socket(socket.AF_UNIX)
            self.addCleanup(s.close)
            s.connect(f"{box.folder}/http")
            s.sendall(b"GET /tap HTTP/1.1\r\nHost: localhost\r\n\r\n")
            s.recv(100)  # it is open
            stuck.append(s)
        fifth = run("tap", "-c", box.config, "--count", "1")
        self.assertIn("all taps are taken", fifth.err)
        big = "w1 is a document of w2. " * 400  # more than a line of the tap holds
        for i in range(100):
            box.put(f"{i}.txt", big)
        self.until(lambda: len(box.results()) == 100)
        fifth = run("tap", "-c", box.config, "--count", "1")
        self.assertIn("all taps are taken", fifth.err, "documents waited until the server gave the readers up")
        for s in stuck:
            s.close()
        self.until(lambda: self.free_again(box))
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(WAIT), OK)

    def free_again(self, box):
        s = socket.socket(socket.AF_UNIX)
        s.connect(f"{box.folder}/http")
        s.sendall(b"GET /tap HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = s.recv(100)
        s.close()
        return b" 200 " in answer

    def test_it_ends_with_the_pipeline(self):
        box = self.at_work()
        p = self.tap(box, "--json")
        self.until_seen(box, p, "good", "w1 is a document of w2.")
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(WAIT), OK)
        self.assertEqual(p.wait(WAIT), OK)


if __name__ == "__main__":
    main()
