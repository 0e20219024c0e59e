"""Topics to topics while the group changes, instances are stopped, frozen or fenced, answers are lost and
the engine is slow. Nothing is lost, nothing comes twice, order is kept."""

import os
import random
import signal
import time

from kafka_tools import (Failed, FaultProxy, Gen, Mill, Oracle, World, main, newest_library, read_topic, wait_until,
                         END_TXN, TXN_OFFSET_COMMIT)

SEED = int(os.environ.get("TEXTMILL_FAULTS_SEED", "1"))
world = World()


def topics(partitions=2, **config):
    return world.topic("in", partitions, **config), world.topic("out", partitions), world.topic("dead")


def sigterm_drains():
    """T3: a stop in the middle of slow batches ends within its limit, and nothing is done again."""
    source, out, dead = topics(2)
    gen = Gen(world, source, seed=3).put(300)
    mill = Mill(world, source, out, dead, window=32, drain_seconds=20)
    lives = 0
    while mill.done() < gen.sent and lives < 12:
        mill.start(TEXTMILL_FAULT_SLOW="clean:200")
        before = mill.done()
        mill.wait_done(min(before + 20, gen.sent))
        began = time.monotonic()
        mill.stop()
        lives += 1
        if time.monotonic() - began > 20:
            raise Failed("the drain took too long")
    mill.once()
    Oracle(world, gen, out, dead).check()
    return f"{lives} stops"


def instances_come_and_go():
    """T5: one instance, three, one again, every second, with batches longer than a session."""
    rng = random.Random(SEED)
    source, out, dead = topics(6)
    gen = Gen(world, source, seed=5).put(900)
    first = Mill(world, source, out, dead, instance="i0", window=24)
    mills = [first] + [Mill(world, source, out, dead, group=first.group, instance=f"i{i}", folder=first.folder,
                            window=24, source=s)
                       for i, s in ((1, ""), (2, "static_member: true"))]
    slow = {"TEXTMILL_FAULT_SLOW": "clean:1500"}
    mills[0].start(**slow)
    joined = 0
    until = time.monotonic() + 20
    while time.monotonic() < until and first.done() < gen.sent:
        m = mills[1 + rng.randrange(2)]
        if m.process is None or m.process.poll() is not None:
            m.start(**slow)
            joined += 1
        elif rng.random() < 0.5:
            m.stop(code=None)
        else:
            m.kill()
        time.sleep(1)
    for m in mills:
        if m.process is not None and m.process.poll() is None:
            m.kill()
    first.once()
    Oracle(world, gen, out, dead).check()
    said = "".join(m.said() for m in mills)
    if "illegal" in said.lower():
        raise Failed("an illegal commit: " + said[-2000:])
    return f"{joined} joins"


def eager_assignment():
    """The same rebalance with all partitions taken back at once."""
    source, out, dead = topics(4)
    gen = Gen(world, source, seed=6).put(600)
    more = "assignment: eager"
    first = Mill(world, source, out, dead, instance="i0", window=24, source=more)
    second = Mill(world, source, out, dead, group=first.group, instance="i1", folder=first.folder, window=24, source=more)
    first.start(TEXTMILL_FAULT_SLOW="clean:100")
    first.wait_done(20)
    second.start(TEXTMILL_FAULT_SLOW="clean:100")
    first.wait_done(150)
    second.stop()
    first.stop()
    first.once()
    Oracle(world, gen, out, dead).check()


def a_zombie_is_refused():
    """T6: frozen past its session while another instance takes over; thawed, it must not deliver. librdkafka
    2.0.2 can fail an assertion of its sticky assignor when a member leaves while it joins, as `once` does when
    the zombie's partitions are done: where there is no newer one, all partitions are moved at once."""
    newest = newest_library()
    more = "" if newest else "assignment: eager"
    newest = newest or {}
    source, out, dead = topics(2)
    gen = Gen(world, source, seed=7).put(400)
    zombie = Mill(world, source, out, dead, instance="zombie", window=64, source=more)
    other = Mill(world, source, out, dead, group=zombie.group, instance="other", folder=zombie.folder, source=more)
    zombie.start(TEXTMILL_FAULT_SLOW="clean:100", **newest)
    zombie.wait_done(20)
    child = zombie.child()
    os.kill(child, signal.SIGSTOP)
    other.once(**newest)
    if other.done() != sum(world.ends(source)):
        raise Failed("the other instance did not finish the work")
    os.kill(child, signal.SIGCONT)
    gen.put(50)
    other.once(**newest)
    zombie.stop(code=None)
    Oracle(world, gen, out, dead).check()
    return "eager assignment" if more else "a newer librdkafka"


def the_same_name_twice():
    """Two instances with one name for their transactions: one of them is fenced and ends, for as often as
    both are started; fenced again within a minute, it is a fault of the configuration, and says so."""
    source, out, dead = topics(2)
    gen = Gen(world, source, seed=8).put(100)
    sink = f"  kafka: {{ topic: {out}, commit_ms: 50, transactional_id: shared-{out} }}\n  dead_letters: {{ topic: {dead} }}"
    a = Mill(world, source, sink=sink, instance="a", window=16)
    b = Mill(world, source, sink=sink, group=a.group, instance="b", folder=world.folder())
    a.start(TEXTMILL_FAULT_SLOW="clean:100")
    a.wait_done(10)
    codes, fresh = [], b
    while 78 not in codes and len(codes) < 6:
        fresh.start(TEXTMILL_FAULT_SLOW="clean:100")
        gen.put(300)
        fresh = wait_until(lambda: next((m for m in (a, b) if m.process.poll() is not None), None), "one of them ends")
        codes.append(fresh.process.returncode)
    a.kill()
    b.kill()
    if codes[0] != 75 or codes[-1] != 78 or "transactional id" not in a.said() + b.said():
        raise Failed(f"exit codes {codes}; {a.said()[-1000:]}")
    a.once()
    Oracle(world, gen, out, dead).check()
    return f"exit codes {codes}"


def the_answer_to_a_commit_is_lost():
    """T12: the commit, or the positions, are done and the answer never comes; or they never arrive. The
    producer is made anew, and a late answer decides nothing."""
    door = FaultProxy()
    private = World(proxied=door.port)
    door.target = private.broker.proxied_port
    source, out, dead = private.topic("in", 2), private.topic("out", 2), private.topic("dead")
    gen = Gen(private, source, seed=12).put(300)
    sink = (f"  kafka: {{ topic: {out}, commit_ms: 20, transaction_ms: 4000 }}\n  dead_letters: {{ topic: {dead} }}")
    mill = Mill(private, source, sink=sink, window=16, brokers=f"127.0.0.1:{door.port}",
                properties={"socket.timeout.ms": 2000, "request.timeout.ms": 1500})
    faults = [(door.swallows, END_TXN), (door.holds, END_TXN), (door.swallows, TXN_OFFSET_COMMIT), (door.swallows, END_TXN)]
    mill.start(TEXTMILL_FAULT_SLOW="clean:50")
    for counter, api in faults:
        before, hits = mill.done(), door.hits[api]
        mill.wait_done(before + 10)
        with door.lock:
            counter[api] = 2  # the client's own second try too
        wait_until(lambda: door.hits[api] > hits, "the proxy has met the request")
        time.sleep(1)
        with door.lock:
            counter[api] = 0
        gen.put(60)
    mill.wait_done(gen.sent)
    mill.stop()
    Oracle(private, gen, out, dead).check()
    private.remove()
    return f"{len(faults)} lost answers and requests"


def a_slow_engine_with_100_partitions():
    """Batches of 10 s under sessions of 6 s: no partition is lost, and nothing is fetched twice."""
    door = FaultProxy()
    private = World(proxied=door.port)
    door.target = private.broker.proxied_port
    source, out, dead = private.topic("in", 100), private.topic("out", 2), private.topic("dead")
    gen = Gen(private, source, seed=100, keys=1000, words=(300, 600)).put(1500)
    used = sum(len(r.value) + len(r.key) + 20 for r in read_topic(private, source))
    mill = Mill(private, source, out, dead, window=1024, session_ms=6000, brokers=f"127.0.0.1:{door.port}")
    mill.start(TEXTMILL_FAULT_SLOW="assemble:10000")
    time.sleep(25)
    mill.process.send_signal(signal.SIGTERM)
    first = door.bytes_fetched
    if "lost" in mill.said() or mill.done() == 0:
        raise Failed(f"{mill.done()} done; {mill.said()[-2000:]}")
    mill.kill()
    mill.once()
    Oracle(private, gen, out, dead).check()
    private.remove()
    if first > 1.2 * used:
        raise Failed(f"{first} bytes fetched for {used}")
    return f"{first / used:.2f} bytes fetched for each of {used}"


if __name__ == "__main__":
    main([sigterm_drains, instances_come_and_go, eager_assignment, a_zombie_is_refused, the_same_name_twice,
          the_answer_to_a_commit_is_lost, a_slow_engine_with_100_partitions])
