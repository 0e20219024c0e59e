"""Tools of the Kafka tests: gen, oracle, bounce and faultproxy, and a textmill between two topics.

  World      a private broker with topics, for all tests of one file
  gen        puts numbered documents into a topic, each with a hash of its text
  Oracle     reads what came out as a read-committed reader sees it, and judges it
  bounce     starts, stops, kills or freezes a process when a group has got on so far
  FaultProxy stands between a client and the broker: delays, cuts, swallows single answers

Needs confluent-kafka (tests/requirements.txt) and the broker's jars (tools/broker); a test file
exits 77, saying so, without them."""

import atexit
import collections
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(os.environ["TEXTMILL_SOURCE"])
TEXTMILL = os.environ["TEXTMILL"]

if os.environ.get("TEXTMILL_PYTHON") and importlib.util.find_spec("confluent_kafka") is None \
        and not os.environ.get("TEXTMILL_PYTHON_TRIED"):
    os.environ["TEXTMILL_PYTHON_TRIED"] = "1"
    os.execv(os.environ["TEXTMILL_PYTHON"], [os.environ["TEXTMILL_PYTHON"], *sys.argv])


def skip(why):
    print("SKIPPED: " + why, file=sys.stderr)
    sys.exit(77)


try:
    import confluent_kafka as ck
    from confluent_kafka import admin as ck_admin
except ImportError:
    skip("the Python package confluent-kafka is not there (tests/requirements.txt, TEXTMILL_PYTHON)")


def load_broker():
    loader = importlib.machinery.SourceFileLoader("broker", str(ROOT / "tools/broker"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("broker", loader))
    loader.exec_module(module)
    return module


broker_module = load_broker()
if not (broker_module.JARS / ".complete").exists() and "TEXTMILL_KAFKA_JARS" not in os.environ:
    skip("the broker's jars are not there (tools/broker jars)")
if shutil.which("java") is None:
    skip("java is not there")

WAIT_S = 120  # longest that anything here may take before the test has failed


class Failed(AssertionError):
    pass


def wait_until(condition, what, wait_s=WAIT_S, every=0.05):
    until = time.monotonic() + wait_s
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > until:
            raise Failed(f"not within {wait_s} s: {what() if callable(what) else what}")
        time.sleep(every)


def newest_library():
    """What makes textmill run with the librdkafka that confluent-kafka brings, the environment for it; None
    where there is none, or where a sanitizer wants to be the first library. Debian 12's 2.0.2 has faults that
    textmill cannot help: see where this is called."""
    found = list(pathlib.Path(ck.__file__).parent.parent.glob("confluent_kafka*libs/librdkafka-*"))
    sanitized = os.environ.get("TEXTMILL_SANITIZED", "none") != "none"
    return {"LD_PRELOAD": str(found[0])} if len(found) == 1 and not sanitized else None


# ---- the world ----

class World:
    """One broker and a folder, removed at exit."""

    def __init__(self, secure=False, settings=(), proxied=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="textmill-kafka-"))
        self.broker = broker_module.Broker(self.dir / "broker", secure, settings, proxied)
        atexit.register(self.remove)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # a test runner's time-out
        self.broker.start()
        self.number = 0
        self._admin = None
        self.partitions = {}  # of topics
        self.askers = {}  # by group
        self.trouble = None  # why the last question was not answered

    def remove(self):
        self.broker.remove()
        shutil.rmtree(self.dir, ignore_errors=True)

    @property
    def admin(self):
        if self._admin is None:
            self._admin = ck_admin.AdminClient({"bootstrap.servers": self.broker.address, "log_level": 0})
        return self._admin

    def topic(self, name, partitions=1, exact=False, **config):
        """A new topic; its whole name is returned."""
        self.number += 1
        name = name if exact else f"{name}-{self.number}"
        config = {k.replace("_", "."): str(v) for k, v in config.items()}
        self.partitions[name] = partitions
        for f in self.admin.create_topics([ck_admin.NewTopic(name, partitions, 1, config=config)]).values():
            f.result()
        return name

    def folder(self):
        self.number += 1
        path = self.dir / f"work-{self.number}"
        path.mkdir()
        return path

    def ends(self, topic):
        """The end of each partition as a read-committed reader sees it."""
        c = ck.Consumer({"bootstrap.servers": self.broker.address, "group.id": "ends", "log_level": 0})
        n = len(c.list_topics(topic, WAIT_S).topics[topic].partitions)
        ends = [c.get_watermark_offsets(ck.TopicPartition(topic, p), WAIT_S)[1] for p in range(n)]
        c.close()
        return ends

    def committed(self, group, topic):
        """Sum of what the group has committed; 0 while the broker does not answer. Asked by a consumer that
        joins nothing: an admin client crashes when the answer is that a transaction is open (librdkafka's
        rd_kafka_handle_OffsetFetch hands that to a group which such a client has not)."""
        if group not in self.askers:
            self.askers[group] = ck.Consumer({"bootstrap.servers": self.broker.address, "group.id": group,
                                              "log_level": 0})
        asked = [ck.TopicPartition(topic, p) for p in range(self.partitions[topic])]
        try:
            found = self.askers[group].committed(asked, timeout=3)
        except ck.KafkaException as e:
            self.trouble = e
            return 0
        return sum(max(p.offset, 0) for p in found)


# ---- gen ----

def text_of(number, seed, words=(5, 60)):
    rng = random.Random(f"{seed}/{number}")
    body = " ".join("word%d" % rng.randrange(1000) for _ in range(rng.randrange(*words)))
    return f"Document {number} begins here. {body}. It ends as document {number}."


def hash_of(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Gen:
    """Documents number 0, 1, 2 … of a topic. Keys repeat, so that there is an order to keep."""

    def __init__(self, world, topic, seed=1, keys=50, envelope=True, words=(5, 60)):
        self.world, self.topic, self.seed, self.keys, self.words = world, topic, seed, keys, words
        self.envelope, self.sent = envelope, 0
        self.expected = {}  # number -> hash of the text

    def put(self, n, **more):
        p = ck.Producer({"bootstrap.servers": self.world.broker.address, "enable.idempotence": True,
                         "linger.ms": 5, "log_level": 0})
        for number in range(self.sent, self.sent + n):
            text = text_of(number, self.seed, self.words)
            self.expected[number] = hash_of(text)
            value = json.dumps({"text": text, "meta": {"n": number}}) if self.envelope else text
            p.produce(self.topic, value, key=f"key-{number % self.keys}", headers=[("n", str(number))], **more)
            p.poll(0)
        self.sent += n
        if p.flush(WAIT_S) != 0:
            raise Failed("the broker does not take documents")
        return self


# ---- oracle ----

class Record:
    def __init__(self, m):
        self.partition, self.offset, self.key, self.value = m.partition(), m.offset(), m.key(), m.value()
        self.headers = [(k, v) for k, v in m.headers() or []]
        texts = {k: (v or b"").decode(errors="replace") for k, v in self.headers}
        self.header = texts
        self.number = int(texts["n"]) if "n" in texts else None
        self.source = (texts.get("textmill.topic"), int(texts.get("textmill.partition", -1)))
        self.source_offset = int(texts.get("textmill.offset", -1))


def read_topic(world, topic):
    """All of a topic, in order of its partitions, as a read-committed reader sees it."""
    ends = world.ends(topic)
    c = ck.Consumer({"bootstrap.servers": world.broker.address, "group.id": "oracle", "log_level": 0,
                     "enable.partition.eof": True, "auto.offset.reset": "earliest"})
    wanted = {p for p, end in enumerate(ends) if end > 0}
    c.assign([ck.TopicPartition(topic, p, 0) for p in wanted])
    found = []
    until = time.monotonic() + WAIT_S
    while wanted:
        for m in c.consume(5000, 0.2):
            until = time.monotonic() + WAIT_S  # a soak leaves much to read
            if m.error() is None:
                found.append(Record(m))
            elif m.error().code() == ck.KafkaError._PARTITION_EOF:
                wanted.discard(m.partition())
        if time.monotonic() > until:
            raise Failed(f"{topic} cannot be read to its end: {wanted}")
    c.close()
    return sorted(found, key=lambda r: (r.partition, r.offset))


class Oracle:
    """What came of the documents: exactly the input, each once unless doubles are allowed, whole, in
    the order of its source partition."""

    def __init__(self, world, gen, out, dead):
        self.world, self.gen = world, gen
        self.results, self.letters = read_topic(world, out), read_topic(world, dead)

    def check(self, dead=(), most_doubles=0):
        counts = collections.Counter(r.number for r in self.results + self.letters)
        lost = sorted(set(self.gen.expected) - set(counts))
        alien = sorted(set(counts) - set(self.gen.expected), key=str)
        doubles = sum(n - 1 for n in counts.values())
        letters = sorted(r.number for r in self.letters)
        if lost or alien or doubles > most_doubles:
            raise Failed(f"{len(lost)} lost {lost[:5]}, {doubles} doubled (most {most_doubles}), {alien[:5]} never sent")
        if sorted(set(letters)) != sorted(dead):
            raise Failed(f"dead letters {letters[:10]} instead of {sorted(dead)[:10]}: "
                         f"{[r.header for r in self.letters][:2]}")
        for r in self.results:
            text = json.loads(r.value)["text"]
            if hash_of(text) != self.gen.expected[r.number]:
                raise Failed(f"document {r.number} is not what it was")
        if most_doubles == 0:
            self.check_order()
        return self

    def check_order(self):
        """Results of one source partition never overtake each other in a partition."""
        last = {}
        for r in self.results:
            lane = (r.partition, *r.source)
            if r.source_offset <= last.get(lane, -1):
                raise Failed(f"order is lost in {lane}: {r.source_offset} after {last[lane]}")
            last[lane] = r.source_offset


# ---- textmill ----

CONFIG = """\
source:
  kafka: {{ brokers: "{brokers}", topics: [{topics}], group: {group}, session_ms: {session_ms}{source} }}
clean: {{ kind: {kind} }}
tasks: [{tasks}]
sink:
{sink}
state: {{ path: state, instance: {instance} }}
limits: {{ documents: {window}, stage_seconds: {stage_seconds}, drain_seconds: {drain_seconds} }}
kafka: {{ properties: {{ {properties} }} }}
http: {{ listen: "{listen}" }}
log: {{ level: notice }}
"""


class Mill:
    """textmill between topics, with a state of its own. Several with one group share the work."""

    def __init__(self, world, topics, out=None, dead=None, group=None, instance="default", kind="json",
                 window=256, session_ms=1000, stage_seconds=60, drain_seconds=30, source="", sink=None,
                 properties=None, brokers=None, folder=None, tasks="", listen="off"):
        self.world = world
        self.folder = folder or world.folder()
        self.group = group or f"group-{world.number}"
        self.topics = [topics] if isinstance(topics, str) else topics
        if sink is None:
            sink = f"  kafka: {{ topic: {out}, commit_ms: 50 }}\n  dead_letters: {{ topic: {dead} }}"
        given = {"socket.timeout.ms": 10000, "reconnect.backoff.max.ms": 500, **(properties or {})}
        text = CONFIG.format(brokers=brokers or world.broker.address, topics=", ".join(self.topics),
                             group=self.group, session_ms=session_ms, source=source and ", " + source, kind=kind,
                             tasks=tasks, listen=listen, sink=sink, instance=instance, window=window, stage_seconds=stage_seconds,
                             drain_seconds=drain_seconds,
                             properties=", ".join(f"{k}: {v}" for k, v in given.items()))
        self.config = self.folder / f"{instance}.yaml"
        self.config.write_text(text)
        self.log = self.folder / f"{instance}.log"
        self.process = None
        atexit.register(self.kill)

    def start(self, verb="run", **env):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([TEXTMILL, verb, "-c", str(self.config)], stdout=subprocess.DEVNULL,
                                            stderr=log, env=dict(os.environ, **env))
        return self

    def child(self):
        """The working process below the supervisor; None when there is none just now."""
        try:
            pids = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except OSError:
            return None
        return int(pids[0]) if pids else None

    def wait(self, wait_s=WAIT_S):
        try:
            return self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"it does not end; log:\n{self.said()[-3000:]}") from None

    def once(self, code=0, **env):
        got = self.start("once", **env).wait()
        if got != code:
            raise Failed(f"exit code {got} instead of {code}; log:\n{self.said()[-3000:]}")
        return self

    def stop(self, code=0):
        self.process.send_signal(signal.SIGTERM)
        got = self.wait()
        if code is not None and got != code:
            raise Failed(f"exit code {got} instead of {code}; log:\n{self.said()[-3000:]}")
        return got

    def kill(self):
        """Supervisor and child at once, as the power does."""
        if self.process is None or self.process.poll() is not None:
            return
        child = self.child()
        self.process.kill()
        self.process.wait()
        if child is not None:  # the kernel kills it with its parent
            wait_until(lambda: not pathlib.Path(f"/proc/{child}").exists()
                       or "\nState:\tZ" in read_status(child), "the child is gone")

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def done(self):
        return sum(self.world.committed(self.group, t) for t in self.topics)

    def wait_done(self, n, wait_s=WAIT_S):
        """Until the group has committed so much."""
        wait_until(lambda: self.done() >= n, lambda: f"{self.done()} of {n} committed ({self.world.trouble}); log:\n{self.said()[-2000:]}",
                   wait_s)


def read_status(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "\nState:\tZ"


# ---- faultproxy ----

END_TXN, TXN_OFFSET_COMMIT, PRODUCE, FETCH = 26, 28, 0, 1


class FaultProxy:
    """A door to the broker with faults. swallow(api, n): the next n answers to that kind of request are
    dropped, and what comes after on the connection too: the request was done, the client never hears.
    hold(api, n): the request itself does not arrive. delay_s: of every request."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target = None
        self.lock = threading.Lock()
        self.swallows, self.holds = collections.Counter(), collections.Counter()
        self.hits = collections.Counter()
        self.delay_s = 0
        self.bytes_fetched = 0  # in answers to Fetch
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            dropped, fetches = set(), set()  # dropped: correlation ids whose answers do not come, or "all"
            threading.Thread(target=self._requests, args=(client, server, dropped, fetches), daemon=True).start()
            threading.Thread(target=self._answers, args=(server, client, dropped, fetches), daemon=True).start()

    @staticmethod
    def _frame(s):
        head = s.recv(4, socket.MSG_WAITALL)
        if len(head) < 4:
            raise OSError
        size = struct.unpack(">i", head)[0]
        body = b""
        while len(body) < size:
            part = s.recv(min(size - len(body), 1 << 20))
            if not part:
                raise OSError
            body += part
        return head, body

    def _take(self, counter, api):
        with self.lock:
            if counter[api] <= 0:
                return False
            counter[api] -= 1
            self.hits[api] += 1
            return True

    def _requests(self, client, server, dropped, fetches):
        try:
            while True:
                head, body = self._frame(client)
                api, _, correlation = struct.unpack(">hhi", body[:8])
                if api == FETCH:
                    fetches.add(correlation)
                if self.delay_s:
                    time.sleep(self.delay_s)
                if self._take(self.holds, api):
                    dropped.add("all")
                    continue
                if self._take(self.swallows, api):
                    dropped.add(correlation)
                if "all" not in dropped:
                    server.sendall(head + body)
        except OSError:
            pass
        finally:
            self._close(client, server)

    def _answers(self, server, client, dropped, fetches):
        try:
            while True:
                head, body = self._frame(server)
                correlation = struct.unpack(">i", body[:4])[0]
                if correlation in fetches:
                    fetches.discard(correlation)
                    self.bytes_fetched += len(body)
                if correlation in dropped:
                    dropped.add("all")
                if "all" not in dropped:
                    client.sendall(head + body)
        except OSError:
            pass
        finally:
            self._close(client, server)

    @staticmethod
    def _close(*sockets):
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


# ---- running ----

def main(cases):
    """Runs the cases named on the command line, or all. One line each with what was measured."""
    names = sys.argv[1:] or [c.__name__ for c in cases]
    failed = 0
    for case in cases:
        if case.__name__ not in names:
            continue
        began = time.monotonic()
        try:
            figures = case()
            print(f"ok   {case.__name__}: {figures or ''} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception as e:  # the other cases run all the same
            failed += 1
            import traceback
            traceback.print_exc()
            print(f"FAIL {case.__name__}: {e} ({time.monotonic() - began:.1f} s)", flush=True)
    sys.exit(1 if failed else 0)
