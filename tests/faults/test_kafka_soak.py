"""T13: textmill between topics for a while, with documents coming all the time: memory, descriptors and
threads stay as they are. TEXTMILL_SOAK_SECONDS: 60 without it; ./runtests --soak takes 1800."""

import os
import pathlib
import time

from kafka_tools import Failed, Gen, Mill, Oracle, World, main

SECONDS = int(os.environ.get("TEXTMILL_SOAK_SECONDS", "60"))
SANITIZED = os.environ.get("TEXTMILL_SANITIZED", "none") != "none"

world = World()


def measure(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    field = lambda name: int(status.split(name + ":")[1].split()[0])
    return {"kilobytes": field("VmRSS"), "descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": field("Threads")}


def soak():
    source, out, dead = world.topic("in", 4), world.topic("out", 4), world.topic("dead")
    gen = Gen(world, source, seed=13, words=(50, 400))
    mill = Mill(world, source, out, dead, window=256, session_ms=6000).start()
    seen = []
    began = time.monotonic()
    while time.monotonic() - began < SECONDS:
        gen.put(300)
        time.sleep(0.5)
        seen.append(measure(mill.child()))
    pid = mill.child()
    mill.wait_done(gen.sent)
    if mill.child() != pid:
        raise Failed("the working process was started again")
    mill.stop()
    Oracle(world, gen, out, dead).check()
    middle, last = seen[len(seen) // 3], seen[-1]
    slope = {k: last[k] - middle[k] for k in last}
    limit = max(middle["kilobytes"] // 10, 4096)
    if slope["descriptors"] > 2 or slope["threads"] > 0 or (not SANITIZED and slope["kilobytes"] > limit):
        raise Failed(f"from {middle} to {last}")
    return f"{gen.sent} documents in {SECONDS} s; from a third of it on: {slope['kilobytes']:+d} kB of {last['kilobytes']}, " \
           f"{slope['descriptors']:+d} descriptors, {slope['threads']:+d} threads"


if __name__ == "__main__":
    main([soak])
