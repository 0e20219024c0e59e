"""Topics to topics while textmill and the broker die, at random and at every named point. Nothing is
lost, nothing comes twice, order is kept."""

import os
import pathlib
import random
import re
import signal
import time

from kafka_tools import ROOT, Failed, Gen, Mill, Oracle, World, main

SEED = int(os.environ.get("TEXTMILL_FAULTS_SEED", "1"))
world = World()


def topics(partitions=2, **config):
    return world.topic("in", partitions, **config), world.topic("out", partitions), world.topic("dead")


KILLS, BOUNCES = 50, 10


def kills_and_bounces():
    """T1 and T4: 50 kills of textmill at random moments and 10 bounces of the broker (stopped, killed,
    frozen) in one run, each after the group has got on."""
    rng = random.Random(SEED)
    source, out, dead = topics(3)
    gen = Gen(world, source, seed=SEED).put(400)
    mill = Mill(world, source, out, dead, window=64, source="static_member: true")
    progress, late = 0, 0
    for i in range(KILLS):
        gen.put(100)
        mill.start(TEXTMILL_FAULT_SLOW="clean:100")
        if i % 5 == 2:
            bounce_broker(i // 5)
        seen = mill.done()
        if i % 2 == 0:  # when it has got on; else at any moment
            mill.wait_done(min(progress + 1, gen.sent))
        time.sleep(rng.uniform(0, 0.6))
        if i % 7 == 3 and mill.child() is not None:  # the child alone: the supervisor starts another
            os.kill(mill.child(), signal.SIGKILL)
            mill.wait_done(min(seen + 1, gen.sent))
        mill.kill()
        late += mill.done() == gen.sent
        progress = max(progress, mill.done())  # which says 0 while a transaction is open
    before = progress
    mill.once()
    Oracle(world, gen, out, dead).check()
    if before == 0 or late > KILLS // 5:
        raise Failed(f"the kills did not meet it at work: {before} of {gen.sent} done, {late} kills too late")
    return f"{gen.sent} documents, {KILLS} kills, {BOUNCES} bounces; {before} were done before the last start"


def bounce_broker(i):
    if i % 3 == 0:
        world.broker.stop()
    elif i % 3 == 1:
        world.broker.kill()
    else:
        world.broker.signal(signal.SIGSTOP)
        time.sleep(2)
        world.broker.signal(signal.SIGCONT)
    world.broker.start()


def named_points():
    """Every TM_FAULT on the way from topic to topic."""
    points = {"in-clean", "in-tokenize", "in-assemble", "before-deliver", "after-deliver"}
    text = (pathlib.Path(ROOT) / "sinks/kafka.c").read_text()
    return sorted(points | set(re.findall(r'TM_FAULT\("([^"]+)"\)', text)))


def every_named_point():
    """T2: killed in the second passing of each point, supervisor and all, and once more in the fifth."""
    source, out, dead = topics(2)
    gen = Gen(world, source, seed=2)
    mill = Mill(world, source, out, dead, window=16, source="static_member: true")
    points = named_points()
    for point in points:
        gen.put(60)
        for count in (2, 5):
            code = mill.start("once", TEXTMILL_FAULT=f"{point}:{count}:killpg").wait()
            if count == 2 and code == 0:
                raise Failed(f"{point} was never passed")
    mill.once()
    Oracle(world, gen, out, dead).check()
    return f"{len(points)} points"


if __name__ == "__main__":
    main([kills_and_bounces, every_named_point])
