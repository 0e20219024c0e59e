"""The real textmill, killed in every way: outputs = inputs, nothing twice, nothing torn, no dead letter
but for documents that are guilty, and those with their reason.

  faults.py random|points|stop|crash|hang|memory|line TEXTMILL SOURCE_ROOT
"""

import os
import re
import signal
import sys

sys.dont_write_bytecode = True # nothing is left in the source tree
from mill import MODEL, Mill, be_subreaper, child_of, fail, kill, kill_both, sleep_until

ROUNDS = 50
DOCUMENTS = 500 if MODEL else 2000
STAGES = ("clean", "tokenize", "assemble") + (("infer",) if MODEL else ())


def case_random(textmill, _):
    """kill -9 at random moments: of both processes, of the child alone, of the supervisor alone."""
    m = Mill(textmill, seed=int(os.environ.get("TEXTMILL_FAULTS_SEED", "1")))
    longest, early = 0.2, 0
    for i in range(ROUNDS):
        m.add_documents(DOCUMENTS // ROUNDS)
        while not strike(m, i, longest): # it was over before the blow
            m.add_documents(1)
            longest = max(longest * 0.7, 0.005)
            early += 1
        longest = min(longest * 1.1, 2)
    before = len(m.files_below("in/done"))
    m.finish()
    m.check()
    print("%d documents, %d kills; %d more came too late; %d files were done before the last start"
          % (len(m.expected), ROUNDS, early, before))
    if before == 0:
        fail("nothing was done between the kills")
    m.remove()


def strike(m, i, longest):
    """One life, ended at a random moment; in one round of five the child alone is killed before."""
    p = m.start()
    sleep_until(p, m.random.uniform(0, longest))
    child = child_of(p.pid)
    if i % 5 == 1 and child is not None and kill(child):
        sleep_until(p, m.random.uniform(0, longest))
    return kill_both(p, supervisor_first=i % 2 == 0)


def named_points(source_root):
    """Every TM_FAULT of the sources, and those of the runner's stages. test_kafka_kill.py has those of
    topics."""
    points = {"in-" + stage for stage in STAGES}
    for room in ("pipeline", "ingest", "sinks"):
        for at, _, files in os.walk(os.path.join(source_root, room)):
            for name in files:
                if name.endswith(".c") and not name.startswith("kafka"):
                    with open(os.path.join(at, name)) as f:
                        points |= set(re.findall(r'TM_FAULT\("([^"]+)"\)', f.read()))
    return sorted(points)


def case_points(textmill, source_root):
    """Killed at each named point, in the first passing and in a later one, both processes at once."""
    for point in named_points(source_root):
        m = Mill(textmill, window=16)
        m.add_documents(60)
        hits = 0
        for count in (1, 2, 3):
            code = m.start(TEXTMILL_FAULT="%s:%d:killpg" % (point, count)).wait()
            hits += code != 0
            m.add_documents(10)
        m.finish()
        m.check()
        print("%-20s hit %d times" % (point, hits))
        if hits == 0:
            fail("never passed: " + point)
        m.remove()


def case_stop(textmill, _):
    """SIGTERM drains, a second signal ends at once: neither loses or doubles anything."""
    m = Mill(textmill, seed=3)
    codes = []
    for i in range(16):
        m.add_documents(50)
        p = m.start("run")
        sleep_until(p, m.random.uniform(0, 0.4))
        for number in ((signal.SIGTERM,) if i % 2 == 0 else (signal.SIGINT, signal.SIGTERM)):
            p.send_signal(number)
        codes.append(p.wait(timeout=60))
    if set(codes) - {0, 75, -signal.SIGTERM, -signal.SIGINT}: # negative: before anything had begun
        fail("exit codes %s" % codes)
    m.finish()
    m.check()
    print("%d documents, exit codes %s" % (len(m.expected), codes))
    m.remove()


def guilty(textmill, action, code, attempts, line=False, **limits):
    """One document of many misbehaves."""
    m = Mill(textmill, seed=7, **limits)
    m.add_documents(200)
    name = "posts/guilty.jsonl" if line else "texts/guilty.txt"
    if line:
        m.add(name, '{"text": "The one and only line of this file."}\n')
    else:
        m.add(name, "This document is not what it seems.")
    m.expected[name, 1 if line else 0] = ""
    m.finish(expected_code=1, TEXTMILL_FAULT_DOC="guilty:" + action)
    m.check(guilty={(name, 1 if line else 0): (code, attempts)})
    print("%s: %d neighbours delivered" % (action, len(m.expected) - 1))
    m.remove()


def case_crash(textmill, _):
    for stage in STAGES:
        guilty(textmill, "crash:" + stage, "E_CRASH", 2)


def case_line(textmill, _):
    guilty(textmill, "crash:clean", "E_CRASH", 2, line=True)


def case_hang(textmill, _):
    for stage in (STAGES[0], STAGES[-1]):
        guilty(textmill, "hang:" + stage, "E_TIMEOUT", 2, stage_seconds=2)


def case_memory(textmill, _):
    """Its neighbours find no memory either while it eats, and are none the worse for it."""
    if sys.argv[4:] and sys.argv[4] != "none":
        print("SKIPPED: RLIMIT_AS does not go with the address space of a sanitizer")
        sys.exit(77)
    guilty(textmill, "eat:clean", "E_MEMORY", 0, process_memory=1 << 30)


def main():
    be_subreaper()
    globals()["case_" + sys.argv[1]](sys.argv[2], sys.argv[3])


main()
