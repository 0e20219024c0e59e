"""Topics with documents that fail, hang, crash, eat memory or are too large; a full disk; reload under
load; a spool on one side and topics on the other."""

import json
import os
import signal
import subprocess

from kafka_tools import Failed, Gen, Mill, Oracle, World, ck, main, read_topic, wait_until

world = World()
SANITIZED = os.environ.get("TEXTMILL_SANITIZED", "none") != "none"


def topics(partitions=2, **config):
    return world.topic("in", partitions, **config), world.topic("out", partitions), world.topic("dead")


def expect(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}: {got!r} instead of {wanted!r}")


def produce(topic, *messages):
    p = ck.Producer({"bootstrap.servers": world.broker.address, "message.max.bytes": 20000000})
    for m in messages:
        p.produce(topic, **m)
    p.flush()


def poison():
    """T7: one document of 200 crashes or hangs every process that takes it up. It is found, after two
    deaths alone, whichever process of the supervisor sees them; its neighbours are delivered."""
    figures = []
    for action, code, attempts in (("crash:clean", "E_CRASH", "2"), ("crash:assemble", "E_CRASH", "2"),
                                   ("hang:clean", "E_TIMEOUT", "2"), ("eat:clean", "E_MEMORY", "0")):
        if action.startswith("eat") and SANITIZED:
            continue  # the address space of a sanitizer cannot be limited
        source, out, dead = topics()
        gen = Gen(world, source, seed=70).put(200)
        guilty = 77
        name = next(f"{source}/{r.partition}/{r.offset}" for r in read_topic(world, source) if r.number == guilty)
        limit = 1 if action.startswith("hang") else 60  # memory may be eaten slowly
        mill = Mill(world, source, out, dead, stage_seconds=limit, source="static_member: true")
        if action.startswith("eat"):
            mill.config.write_text(mill.config.read_text().replace("limits: {", "limits: { process_memory: 1500000000,"))
        mill.once(code=1, TEXTMILL_FAULT_DOC=f"{name}:{action}")
        oracle = Oracle(world, gen, out, dead).check(dead=[guilty])
        letter = oracle.letters[0]
        expect((letter.header["textmill.code"], letter.header["textmill.attempts"]), (code, attempts), action)
        figures.append(action)
    return ", ".join(figures)


def too_large():
    """T8: a result beyond the topic's limit is a dead letter with its reason; a letter beyond its own
    topic's limit comes without the bytes, and says so."""
    source = world.topic("in", 1, max_message_bytes=5000000)
    out, dead = world.topic("out", 1, max_message_bytes=20000), world.topic("dead", 1, max_message_bytes=20000)
    sizes = [100, 12000, 60000, 200]
    produce(source, *({"value": "A word. " * (n // 8), "headers": [("n", str(i))]} for i, n in enumerate(sizes)))
    Mill(world, source, out, dead, kind="text").once(code=1)
    expect([r.number for r in read_topic(world, out)], [0, 3], "results")
    second, third = read_topic(world, dead)
    expect((second.number, second.header["textmill.code"], len(second.value)), (1, "E_TOO_LARGE", 12000), "result too large")
    expect((third.number, third.header["textmill.code"], third.value, third.header["textmill.omitted_bytes"]),
           (2, "E_TOO_LARGE", None, "60000"), "letter too large")


def disk_full():
    """T9: the folder of the dead letters has no room: nothing is committed that is not stored, and it
    goes on when there is room again."""
    if os.geteuid() != 0:
        return "skipped: a small tmpfs needs root"
    source, out, _ = topics(1)
    folder = world.folder()
    small = folder / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True).returncode != 0:
        return "skipped: tmpfs cannot be mounted"
    try:
        ballast = small / "ballast"
        ballast.write_bytes(b"x" * 40000)
        produce(source, *({"value": b'{"text": 5, "pad": "' + b"p" * 3000 + b'"}', "headers": [("n", str(i))]} for i in range(10)))
        sink = f"  kafka: {{ topic: {out} }}\n  dead_letters: {{ path: {small} }}"
        mill = Mill(world, source, sink=sink, folder=folder).start()
        wait_until(lambda: "No space left" in mill.said(), lambda: mill.said()[-2000:])
        expect(mill.done(), 0, "position while nothing can be stored")
        ballast.unlink()
        mill.wait_done(10)
        mill.stop()
        letters = [json.loads(p.read_text()) for p in small.glob("*.json")]
        expect(sorted(l["input"]["offset"] for l in letters), list(range(10)), "dead letters")
        expect([p for p in small.iterdir() if p.name.startswith(".tm-")], [], "torn files")
    finally:
        subprocess.run(["umount", "-l", str(small)])


def reload_under_load():
    """T11: a bad file is refused and the old one serves on; a good one takes over; nothing is lost."""
    source, out, dead = topics()
    gen = Gen(world, source, seed=11).put(600)
    mill = Mill(world, source, out, dead, window=32).start(TEXTMILL_FAULT_SLOW="clean:20")
    mill.wait_done(30)
    good = mill.config.read_text()
    mill.config.write_text(good.replace("kind: json", "kind: nonsense"))
    mill.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "must be one of" in mill.said(), lambda: mill.said()[-2000:])
    mill.wait_done(mill.done() + 20)
    moved = world.topic("moved", 2)
    mill.config.write_text(good.replace(f"topic: {out},", f"topic: {moved},"))
    mill.process.send_signal(signal.SIGHUP)
    mill.wait_done(gen.sent)
    mill.stop()
    results = read_topic(world, out) + read_topic(world, moved)
    expect(sorted(r.number for r in results), list(range(gen.sent)), "results of both topics")
    if not read_topic(world, moved):
        raise Failed("the new configuration was not taken")


def documents_below(folder):
    return [json.loads(line) for p in sorted(folder.rglob("*.jsonl")) for line in p.read_text().splitlines()]


def topics_to_files():
    """Segments named by their first offset; killed again and again, no record is in two of them."""
    source, out, dead = topics(3)
    gen = Gen(world, source, seed=21)
    sink = "  files: { path: out, segment_ms: 30 }\n  dead_letters: { path: dead }"
    mill = Mill(world, source, sink=sink, window=64, source="static_member: true")
    points = ["before-fsync", "after-fsync", "after-rename", "before-commit", "after-deliver"]
    for i, point in enumerate(points * 2):
        gen.put(40)
        mill.start("once", TEXTMILL_FAULT=f"{point}:{1 + i % 3}:killpg").wait()
    produce(source, {"value": b'{"text": 1}', "headers": [("n", "-1")]}, {"value": None, "key": "gone"})
    mill.once(code=1)
    found = documents_below(mill.folder / "out")
    expect(sorted(d["meta"]["n"] for d in found), list(range(gen.sent)), "documents")
    letters = [json.loads(p.read_text()) for p in (mill.folder / "dead").glob("*.json")]
    expect([(l["code"], l["original"]) for l in letters], [("E_BAD_INPUT", '{"text": 1}')], "dead letters")
    names = [p.name for p in (mill.folder / "out").glob("*.jsonl")]
    if not all(n.startswith(f"{source}-") and len(n.rsplit("-", 1)[1]) == 20 + len(".jsonl") for n in names):
        raise Failed(f"names {names[:3]}")
    return f"{len(points) * 2} kills, {len(names)} segments"


def spool_to_topics():
    """At least once: a kill between the acknowledgement and the move of the file doubles, never loses."""
    out, dead = world.topic("out", 2), world.topic("dead")
    folder = world.folder()
    (folder / "in").mkdir()
    for i in range(40):
        (folder / "in" / f"{i}.json").write_text(json.dumps({"id": f"id-{i}", "text": f"Text number {i} is here."}))
    (folder / "in" / "many.jsonl").write_text("".join(json.dumps({"id": f"id-{i}", "text": f"Text number {i} is here."}) + "\n"
                                                      for i in range(40, 80)) + "no json\n")
    config = folder / "config.yaml"
    config.write_text(f"source:\n  spool: {{ path: in, settle_ms: 0 }}\nsink:\n  kafka: {{ brokers: \"{world.broker.address}\", topic: {out} }}\n"
                      f"  dead_letters: {{ topic: {dead} }}\nstate: {{ path: state }}\nlog: {{ level: notice }}\n")
    run = lambda **env: subprocess.run([os.environ["TEXTMILL"], "once", "-c", str(config)], env=dict(os.environ, **env),
                                       capture_output=True, text=True, timeout=120)
    for point in ("after-produce:1", "before-commit:1", "before-deliver:1"):
        run(TEXTMILL_FAULT=point + ":killpg")
    done = run()
    expect(done.returncode, 1, done.stderr)
    results = read_topic(world, out)
    expect({json.loads(r.value)["id"] for r in results}, {f"id-{i}" for i in range(80)}, "results")
    expect({r.key for r in results}, {f"id-{i}".encode() for i in range(80)}, "keys")
    letters = read_topic(world, dead)
    expect({(l.value, l.header["textmill.file"], l.header["textmill.line"]) for l in letters},
           {(b"no json", "many.jsonl", "41")}, "dead letters")
    return f"{len(results) - 80} doubles after 3 kills"


def letters_go_back():
    """replay-dlq: by filter, dry, and each letter once; what comes back is the record as it was."""
    source, out, dead = topics(1)
    produce(source, *({"value": v, "key": k, "headers": [("n", str(i)), ("h", b"\x00\xff")]}
                      for i, (k, v) in enumerate([("a", b'{"text": 5}'), ("b", b""), ("c", b"no json \xff")])))
    mill = Mill(world, source, out, dead).once(code=1)
    replay = lambda *more: subprocess.run([os.environ["TEXTMILL"], "replay-dlq", "-c", str(mill.config), *more],
                                          capture_output=True, text=True, timeout=60)
    dry = replay("--dry-run", "--code", "E_EMPTY")
    expect((dry.returncode, dry.stdout.split()[:3]), (0, [f"{source}/0/1", "E_EMPTY", "clean"]), dry.stderr)
    expect(world.ends(source), [3], "nothing is sent in a dry run")
    sent = replay("--code", "E_BAD_INPUT")
    expect((sent.returncode, sent.stderr[:17]), (0, "2 letters sent ba"), sent.stderr)
    back = [r for r in read_topic(world, source) if r.offset >= 3]
    expect([(r.key, r.value, r.headers) for r in back],
           [(b"a", b'{"text": 5}', [("n", b"0"), ("h", b"\x00\xff")]),
            (b"c", b"no json \xff", [("n", b"2"), ("h", b"\x00\xff")])], "records")
    expect(replay().stderr[:9], "0 letters", "each is sent once")
    expect(replay("--from-beginning", "--stage", "clean", "--topic", source).stderr[:9], "3 letters", "from the beginning")


if __name__ == "__main__":
    main([poison, too_large, disk_full, reload_under_load, topics_to_files, spool_to_topics, letters_go_back])
