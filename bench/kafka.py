#!/usr/bin/env python3
"""Topic to topic without a model, beside the plainest transactional loop (kafka_loop.c): the same
records, commit interval, properties and broker, in turns in one run.

  TEXTMILL_SOURCE=… TEXTMILL=… bench/kafka.py LOOP [--records N] [--rounds N]

opaque: bytes passed on unread. envelope: the JSON envelope read and a result written. Rates are
between the first and the last record of the output, by the brokers' clock; the ratio is of medians."""

import os
import pathlib
import random
import re
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/faults"))
from kafka_tools import Mill, World, ck  # noqa: E402

COMMIT_MS = 200
PARTITIONS = 4
PROPERTIES = {"compression.type": "none", "queue.buffering.max.kbytes": 1048576}


def option(name, default):
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default


def english():
    """Sentences of this repository's own pages: words, full stops and lengths as people write them."""
    root = pathlib.Path(__file__).resolve().parent.parent
    text = " ".join(p.read_text() for p in sorted(root.glob("docs/*.md")))
    text = re.sub(r"```.*?```|^#.*?$|^[|].*?$|[^\x20-\x7e]", " ", text, flags=re.S | re.M)
    return re.sub(r'[\s"\\]+', " ", text)


def fill(world, topic, n, size):
    rng = random.Random(size)
    words = english()
    words *= 1 + 200000 // len(words)
    p = ck.Producer({"bootstrap.servers": world.broker.address, "linger.ms": 20, "batch.size": 1000000})
    for i in range(n):
        at = rng.randrange(len(words) - size)
        value = '{"text": "%s."}' % words[at:at + size - 13]
        while True:
            try:
                p.produce(topic, value, key=f"key-{i % 1000}")
                break
            except BufferError:
                p.poll(0.1)
        p.poll(0)
    p.flush()


def rate(world, topic, n):
    """Records a second, by the times at which the broker took them."""
    c = ck.Consumer({"bootstrap.servers": world.broker.address, "group.id": "rate", "enable.partition.eof": True,
                     "auto.offset.reset": "earliest"})
    c.assign([ck.TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    times, ended = [], 0
    while ended < PARTITIONS:
        for m in c.consume(10000, 1):
            if m.error() is None:
                times.append(m.timestamp()[1])
            else:
                ended += 1
    c.close()
    assert len(times) == n, f"{len(times)} of {n} records"
    return n / ((max(times) - min(times)) / 1000)


def output(world, name):
    return world.topic(name, PARTITIONS, message_timestamp_type="LogAppendTime", max_message_bytes=5000000)


def run_loop(world, loop, source, n, number):
    out = output(world, "plain")
    subprocess.run([loop, world.broker.address, source, out, f"plain-{number}", str(COMMIT_MS),
                    *(f"{k}={v}" for k, v in PROPERTIES.items())], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return rate(world, out, n)


def run_textmill(world, source, n, kind):
    out, dead = output(world, "out"), world.topic("dead")
    sink = (f"  kafka: {{ topic: {out}, commit_ms: {COMMIT_MS}, compression: none }}\n"
            f"  dead_letters: {{ topic: {dead} }}\n  text: false")
    Mill(world, source, sink=sink, kind=kind, window=65536, session_ms=45000).once()
    return rate(world, out, n)


def main():
    loop, rounds, records = sys.argv[1], option("--rounds", 3), option("--records", 200000)
    world = World(settings=["log.retention.bytes=-1"])
    print(f"{'records':>16} {'mode':>9} {'plain loop/s':>13} {'textmill/s':>11} {'ratio':>6}")
    for size, n in ((1000, records), (20000, records // 10)):
        source = world.topic("in", PARTITIONS)
        fill(world, source, n, size)
        for mode, kind in (("opaque", "none"), ("envelope", "json")):
            plain, ours = [], []
            for i in range(rounds):
                plain.append(run_loop(world, loop, source, n, world.number))
                ours.append(run_textmill(world, source, n, kind))
            a, b = statistics.median(plain), statistics.median(ours)
            print(f"{n:>7} x {size:>6} {mode:>9} {a:>13.0f} {b:>11.0f} {b / a:>6.2f}", flush=True)


main()
