"""Topics to topics as it is meant to go: what a record becomes, positions, tombstones, events, once."""

import json
import socket
import sys

from kafka_tools import ROOT, Failed, Gen, Mill, Oracle, World, ck, main, read_topic, wait_until

sys.path.insert(0, str(ROOT / "tests/daemon"))
from harness import classifier, embedder  # noqa: E402

world = World()


def topics(partitions=2, **config):
    return world.topic("in", partitions, **config), world.topic("out", partitions), world.topic("dead")


def produce(topic, *messages):
    p = ck.Producer({"bootstrap.servers": world.broker.address})
    for m in messages:
        p.produce(topic, **m)
    p.flush()


def expect(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}: {got!r} instead of {wanted!r}")


def once_drains_what_is_there():
    source, out, dead = topics(4)
    gen = Gen(world, source).put(500)
    mill = Mill(world, source, out, dead).once()
    Oracle(world, gen, out, dead).check()
    gen.put(50)
    mill.once()  # goes on behind what is committed
    Oracle(world, gen, out, dead).check()
    return "550 documents in two runs"


def a_record_and_its_result():
    source, out, dead = topics(1)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    produce(source, {"value": "<html><head><title>T</title></head><body><p>One sentence here. And another one.</p></body></html>",
                     "key": "page-1", "headers": [("content-type", "text/html; charset=utf-8"), ("traceparent", trace),
                                                  ("binary", b"\x00\xff"), ("empty", None)]},
            {"value": json.dumps({"id": "mine", "text": "A text of its own."}), "key": b"\xff\x00"},
            {"value": "A plain text without a key."},
            {"value": None, "key": "gone"},
            {"value": b"", "key": "empty"},
            {"value": b'{"text": 5}', "key": "bad", "headers": [("a", b"\x01")]})
    Mill(world, source, out, dead, kind="auto").once(code=1)
    page, own, plain, tombstone = read_topic(world, out)
    result = json.loads(page.value)
    expect((page.key, result["id"]), (b"page-1", "page-1"), "key")
    expect(result["input"]["topic"], source, "input")
    expect((result["input"]["partition"], result["input"]["offset"]), (0, 0), "coordinates")
    expect((page.header["traceparent"], page.header["content-type"]), (trace, "application/json"), "headers")
    expect(dict(page.headers)["binary"], b"\x00\xff", "binary header")
    expect(dict(page.headers)["empty"], None, "header without a value")
    expect(json.loads(own.value)["id"], "mine", "id of the envelope")
    expect(own.key, b"\xff\x00", "a key that is no text")
    expect(plain.key, None, "no key")
    expect((tombstone.key, tombstone.value), (b"gone", None), "tombstone")
    empty, bad = read_topic(world, dead)
    expect((empty.key, empty.value, empty.header["textmill.code"]), (b"empty", b"", "E_EMPTY"), "empty document")
    expect((bad.value, dict(bad.headers)["a"]), (b'{"text": 5}', b"\x01"), "original bytes and headers")
    expect((bad.header["textmill.code"], bad.header["textmill.stage"], bad.header["textmill.topic"],
            bad.header["textmill.partition"], bad.header["textmill.offset"], bad.header["textmill.attempts"]),
           ("E_BAD_INPUT", "clean", source, "0", "5", "0"), "reason")
    for name in ("textmill.message", "textmill.version", "textmill.config_hash"):
        if not bad.header.get(name):
            raise Failed(f"{name} is missing")


def cloud_events_in_both_modes():
    source, out, dead = topics(1)
    event = {"specversion": "1.0", "type": "wire.story", "source": "/desk/7", "id": "ev-2", "time": "2026-01-31T12:00:00Z",
             "datacontenttype": "application/json", "data": {"text": "A text inside an event."}}
    typed = [("content-type", "application/cloudevents+json; charset=utf-8")]
    produce(source, {"value": "A text beside its attributes.", "headers": [
                ("ce_specversion", "1.0"), ("ce_type", "wire.story"), ("ce_source", "/desk/7"), ("ce_id", "ev-1"),
                ("ce_time", "2026-01-30T12:00:00Z"), ("content-type", "text/plain")]},
            {"value": json.dumps(event), "headers": typed},
            {"value": json.dumps({**event, "id": "ev-3", "datacontenttype": "text/plain", "data": "A text as data."}),
             "headers": typed},
            {"value": json.dumps({**{k: v for k, v in event.items() if k != "data"}, "id": "ev-4",
                                  "datacontenttype": "text/plain", "data_base64": "QSB0ZXh0IGluIGJhc2U2NC4="}),
             "headers": typed},
            {"value": "{}", "headers": typed}, {"value": "no event", "headers": typed})
    Mill(world, source, out, dead, kind="auto").once(code=1)
    results = [json.loads(r.value) for r in read_topic(world, out)]
    expect([(r["id"], r["text"], r["document"].get("source"), r["document"].get("published_at")) for r in results],
           [("ev-1", "A text beside its attributes.", "/desk/7", "2026-01-30T12:00:00Z"),
            ("ev-2", "A text inside an event.", "/desk/7", "2026-01-31T12:00:00Z"),
            ("ev-3", "A text as data.", "/desk/7", "2026-01-31T12:00:00Z"),
            ("ev-4", "A text in base64.", "/desk/7", "2026-01-31T12:00:00Z")], "events")
    expect([r.value for r in read_topic(world, dead)], [b"{}", b"no event"], "originals of bad events")


def positions_cross_markers_and_gaps():
    """The end of a topic whose last offsets are no records: once ends, and the group has it all."""
    source, out, dead = topics(1)
    p = ck.Producer({"bootstrap.servers": world.broker.address, "transactional.id": "upstream"})
    p.init_transactions()
    for i in range(3):
        p.begin_transaction()
        p.produce(source, "A text of some words.", headers=[("n", str(i))])
        p.flush()
        p.abort_transaction() if i == 1 else p.commit_transaction()
    mill = Mill(world, source, out, dead, kind="text").once()
    expect(len(read_topic(world, out)), 2, "committed records")
    expect(mill.done(), world.ends(source)[0], "position")
    expect(mill.done(), 6, "records and markers")


def where_it_starts():
    source, out, dead = topics(2)
    for i in range(10):
        produce(source, {"value": f"Text number {i} is here.", "headers": [("n", str(i))], "partition": 0,
                         "timestamp": 1767225600000 + i * 1000})
    for start, first in (("latest", 10), ("earliest", 0), ("2026-01-01T00:00:04Z", 4), (f"{source}/0=7", 7)):
        target = world.topic("out")
        Mill(world, source, target, dead, kind="text", source=f'start: "{start}"').once()
        expect([r.number for r in read_topic(world, target)], list(range(first, 10)), start)


def passed_on_unread():
    source, out, dead = topics(1)
    produce(source, {"value": b"\x00\x01 no text at all", "key": "k", "headers": [("content-type", "x/y"), ("h", b"1")]},
            {"value": b"", "key": None}, {"value": None, "key": "t"})
    Mill(world, source, out, dead, kind="none").once()
    expect([(r.key, r.value, r.headers) for r in read_topic(world, out)],
           [(b"k", b"\x00\x01 no text at all", [("content-type", b"x/y"), ("h", b"1")]), (None, b"", []),
            (b"t", None, [])], "records")


def several_topics():
    a, b, out, dead = world.topic("a"), world.topic("b.c_d", 3), world.topic("out"), world.topic("dead")
    produce(a, {"value": "A text of topic a.", "headers": [("n", "0")]})
    produce(b, {"value": "A text of topic b.", "headers": [("n", "1")]})
    Mill(world, [a, b], out, dead, kind="text").once()
    expect(sorted(r.number for r in read_topic(world, out)), [0, 1], "results")


def topics_by_language():
    """A document's language chooses among topics that begin alike; it makes no other name, and not many."""
    source, _, dead = topics(1)
    pattern = f"lang-{world.number}-"
    for lang in ("en", "de", "none"):
        world.topic(pattern + lang, exact=True)
    langs = ["en", "DE", "en", "../../in", None, "fr", "it"]
    produce(source, *({"value": json.dumps({"text": "12 34", "lang": lang, "id": str(i)}), "headers": [("n", str(i))]}
                      for i, lang in enumerate(langs)))
    sink = (f"  kafka: {{ topic: '{pattern}{{lang}}', most_topics: 5 }}\n  dead_letters: {{ topic: {dead} }}")
    Mill(world, source, sink=sink).once(code=1)
    found = {lang: [r.number for r in read_topic(world, pattern + lang)] for lang in ("en", "de", "none")}
    expect(found, {"en": [0, 2], "de": [1], "none": [4]}, "results by language")
    letters = [(r.number, r.header["textmill.code"]) for r in read_topic(world, dead)]
    expect(letters, [(3, "E_NOT_FOUND"), (5, "E_NOT_FOUND"), (6, "E_TOO_LARGE")], "letters")


def topics_by_task():
    """A document with two tasks goes to both topics; where one is missing it goes to neither."""
    source, _, dead = topics(1)
    folder = world.folder()
    tasks = (f"{{ task: sentiment, model: {classifier(folder / 'classifier')} }}, "
             f"{{ task: embedding, model: {embedder(folder / 'embedder')} }}")
    produce(source, *({"value": f"w1 w2 w{i}", "headers": [("n", str(i))]} for i in range(5)))
    for there, code in ((["sentiment", "embedding"], 0), (["sentiment"], 1)):
        pattern = f"task-{world.number}-"
        for task in there:
            world.topic(pattern + task, exact=True)
        sink = f"  kafka: {{ topic: '{pattern}{{task}}' }}\n  dead_letters: {{ topic: {dead} }}"
        Mill(world, source, sink=sink, kind="text", tasks=tasks, folder=world.folder()).once(code=code)
        for task in there:
            expect([r.number for r in read_topic(world, pattern + task)], list(range(5)) if code == 0 else [], pattern + task)
    expect([(r.number, r.header["textmill.code"]) for r in read_topic(world, dead)], [(i, "E_NOT_FOUND") for i in range(5)], "letters")


def metrics_of(path):
    """What the status server says: {name or name{labels}: number}."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(path))
    s.sendall(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n")
    text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    lines = [l.rsplit(" ", 1) for l in text.splitlines() if l.startswith("textmill_")]
    return {name: float(v) for name, v in lines}


def metrics_agree():
    """The counters are those of the oracle, to the document."""
    source, out, dead = topics(3)
    gen = Gen(world, source).put(200)
    bad = range(200, 207)
    produce(source, *({"value": '{"text": %s}' % ("5" if n < 204 else '" "'), "headers": [("n", str(n))]} for n in bad))
    gen.expected.update((n, "") for n in bad)
    folder = world.folder()
    mill = Mill(world, source, out, dead, folder=folder, listen=f"unix:{folder}/http").start()
    mill.wait_done(207)
    want = {"documents_in_total": 207, "documents_out_total": 200, "documents_dead_total": 7, "documents_in_flight": 0,
            'dead_letters_total{code="E_BAD_INPUT"}': 4, 'dead_letters_total{code="E_EMPTY"}': 3, "kafka_lag_records": 0,
            "kafka_partitions_assigned": 3, "kafka_aborts_total": 0, "kafka_fenced_total": 0, "kafka_unknown_total": 0}
    wait_until(lambda: all(metrics_of(folder / "http").get("textmill_" + k) == v for k, v in want.items()),
               lambda: f"{metrics_of(folder / 'http')}", wait_s=20)
    mill.stop()
    Oracle(world, gen, out, dead).check(dead=bad)


def a_group_of_three_is_drained():
    """Every instance ends by itself, with 0, when the group has committed everything."""
    source, out, dead = topics(6)
    gen = Gen(world, source).put(1500)
    first = Mill(world, source, out, dead, instance="i0", window=32)
    mills = [first] + [Mill(world, source, out, dead, group=first.group, instance=f"i{i}", folder=first.folder, window=32)
                       for i in (1, 2)]
    for m in mills:
        m.start("once", TEXTMILL_FAULT_SLOW="clean:50")
    codes = [m.wait() for m in mills]
    expect(codes, [0, 0, 0], "exit codes")
    Oracle(world, gen, out, dead).check()
    shares = [int(m.said().rsplit(" documents: ", 1)[0].rsplit("\n", 1)[-1]) for m in mills]
    if min(shares) == 0:
        raise Failed(f"the work was not shared: {shares}")
    return f"shares {shares}"


def at_least_once_when_configured():
    source, out, dead = topics(2)
    gen = Gen(world, source).put(300)
    sink = f"  kafka: {{ topic: {out}, delivery: at-least-once }}\n  dead_letters: {{ topic: {dead} }}"
    Mill(world, source, sink=sink).once()
    Oracle(world, gen, out, dead).check()


if __name__ == "__main__":
    main([once_drains_what_is_there, a_record_and_its_result, cloud_events_in_both_modes,
          positions_cross_markers_and_gaps, where_it_starts, passed_on_unread, several_topics,
          topics_by_language, topics_by_task, metrics_agree,          a_group_of_three_is_drained, at_least_once_when_configured])
