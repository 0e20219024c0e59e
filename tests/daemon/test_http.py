"""The status server of `run`: what each address answers, that it agrees with the documents that went
through, and what it refuses."""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import unittest

from harness import CONFIG, OK, TEXTMILL, Case, classifier, main, run

WAIT = 60  # seconds until a test gives up
PARSER = """
import sys
from prometheus_client.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.read()):
    for s in family.samples:
        labels = ",".join(f"{k}={v}" for k, v in sorted(s.labels.items()))
        print(family.type, s.name, labels, s.value, sep="\\t")
"""


def parse_metrics(text):
    """{(name, labels): (type, value)} as Prometheus' own client library reads it."""
    python = os.environ.get("TEXTMILL_PYTHON")
    if not python or subprocess.run([python, "-c", "import prometheus_client"], capture_output=True).returncode:
        raise unittest.SkipTest("TEXTMILL_PYTHON has no prometheus_client (tests/requirements.txt)")
    done = subprocess.run([python, "-c", PARSER], input=text, capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {(name, labels): (kind, float(value)) for kind, name, labels, value in rows}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=WAIT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Daemons(Case):
    def daemon(self, box, listen=None):
        """run over the box; returns what opens a connection to its server."""
        listen = listen or f"unix:{box.folder}/http"
        box.config.write_text(box.config.read_text() + f"http: {{ listen: '{listen}' }}\n")
        log = open(box.folder / "log", "wb")
        self.addCleanup(log.close)
        self.addCleanup(lambda: self.check_log((box.folder / "log").read_text(errors="replace")))
        process = subprocess.Popen([TEXTMILL, "run", "-c", box.config], stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.until(lambda: b"status page" in (box.folder / "log").read_bytes() or process.poll() is not None)
        return process, lambda: UnixConnection(f"{box.folder}/http")

    def until(self, true):
        end = time.monotonic() + WAIT
        while not true():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)


class Http(Daemons):
    def get(self, connect, path, method="GET"):
        c = connect()
        c.request(method, path)
        r = c.getresponse()
        body = r.read().decode()
        c.close()
        return r, body

    def test_figures_agree_with_the_documents(self):
        box = self.box(tasks="[{ task: sentiment, model: ./classifier }]")
        classifier(box.folder / "classifier")
        process, connect = self.daemon(box)
        for i in range(7):
            box.put(f"{i}.txt", f"w{i} is a document of w{i + 1}.")
        box.put("empty.txt", "")
        box.put("bad.jsonl", '{"text": "w1 w2"}\nno json\n')
        self.until(lambda: len(box.results()) == 8 and len(box.dead_letters()) + len(box.reasons()) >= 2)
        self.until(lambda: json.loads(self.get(connect, "/status")[1])["in_flight"] == 0)
        status = json.loads(self.get(connect, "/status")[1])
        self.assertEqual(status["counters"]["documents_out_total"], 8)
        self.assertEqual(status["counters"]["documents_dead_total"], 2)
        self.assertEqual(status["dead_letters"], {"E_BAD_INPUT": 1, "E_EMPTY": 1})
        self.assertEqual([s["name"] for s in status["stages"]], ["clean", "tokenize", "infer", "assemble"])
        self.assertEqual(status["models"][0]["name"], "classifier")
        self.assertGreater(status["memory_bytes"], 1 << 20)
        response, text = self.get(connect, "/metrics")
        self.assertEqual(response.getheader("Content-Type"), "text/plain; version=0.0.4; charset=utf-8")
        metrics = parse_metrics(text)
        self.assertEqual(metrics["textmill_documents_out_total", ""], ("counter", 8))
        self.assertEqual(metrics["textmill_dead_letters_total", "code=E_EMPTY"], ("counter", 1))
        self.assertEqual(metrics["textmill_document_seconds_count", ""], ("histogram", 10))
        self.assertEqual(metrics["textmill_document_seconds_bucket", "le=+Inf"][1], 10)
        self.assertGreater(metrics["textmill_stage_busy_seconds_total", "stage=clean"][1], 0)
        self.assertEqual(metrics["textmill_documents_in_flight", ""], ("gauge", 0))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(WAIT), OK)
        self.assertFalse(os.path.exists(f"{box.folder}/http"), "the socket is left behind")

    def test_what_each_address_answers(self):
        box = self.box(tasks="[]")
        _, connect = self.daemon(box)
        for path, code, start in (("/live", 200, "live"), ("/ready", 200, "ready"), ("/nowhere", 404, "here are"),
                                  ("/../etc/passwd", 404, "here are"), ("/", 200, "<!doctype html>")):
            response, body = self.get(connect, path)
            self.assertEqual((response.status, body[:len(start)]), (code, start), path)
            self.assertIn("default-src 'none'", response.getheader("Content-Security-Policy"))
        for method in ("POST", "PUT", "DELETE"):
            self.assertEqual(self.get(connect, "/status", method)[0].status, 405)
        self.assertEqual(self.get(connect, "/status", "HEAD")[1], "")

    def test_clients_cannot_hold_it_up(self):
        box = self.box(tasks="[]")
        process, connect = self.daemon(box)
        idle = [connect() for _ in range(40)]  # more than it serves at once
        for c in idle:
            c.connect()
            self.addCleanup(c.close)
        half = idle[0]
        half.sock.sendall(b"GET /status HTTP/1.1\r\nX: " + b"a" * 20000)
        box.put("one.txt", "The pipeline goes on.")
        self.until(lambda: "one.txt" in box.results())
        for c in idle:
            c.close()
        self.until(lambda: self.reachable(connect))
        self.assertIsNone(process.poll())

    def reachable(self, connect):
        try:
            return self.get(connect, "/live")[0].status == 200
        except (OSError, http.client.HTTPException):
            return False

    def test_an_address_that_cannot_be_had(self):
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for listen, code, word in ((f"127.0.0.1:{taken.getsockname()[1]}", None, "http.listen"),
                                   ("example", CONFIG, "HOST:PORT"), ("localhost:99", CONFIG, "127.0.0.1"),
                                   ("unix:" + "x" * 200, CONFIG, "bytes")):
            box = self.box(tasks="[]")
            box.config.write_text(box.config.read_text() + f"http: {{ listen: '{listen}' }}\n")
            done = run("run", "-c", box.config)
            self.assertIn(word, done.err, listen)
            self.assertNotEqual(done.code, OK)
            if code:
                self.assertEqual(done.code, code, done.err)


if __name__ == "__main__":
    main()
