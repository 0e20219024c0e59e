"""limits.memory and the cores a process may use, on a daemon at work."""
import json
import os
import pathlib
import subprocess
import sys

from harness import CONFIG, SANITIZED, TEXTMILL, main, run
from test_http import Daemons

MB = 1_000_000


class Memory(Daemons):
    def peak(self, limit):
        """The largest size of the working process over 150 documents of 300 kB that are slow to clean."""
        box = self.box(tasks="[]", more=f"limits: {{ memory: {limit} }}\n")
        for i in range(150):
            box.put(f"{i}.txt", f"Document {i} has something to say. " * (300_000 // 35))
        os.environ["TEXTMILL_FAULT_SLOW"] = "clean:50"
        self.addCleanup(os.environ.pop, "TEXTMILL_FAULT_SLOW", None)
        process, _ = self.daemon(box)
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        worker, state = children.read_text().split()[0], set()
        while len(list(box.out.glob("*.json"))) < 150:
            done = run("top", "-c", box.config, "--json", "--count", "1", "--interval-ms", "100")
            state |= {line["state"] for line in done.lines}
            self.assertIsNone(process.poll())
        high = next(line for line in pathlib.Path(f"/proc/{worker}/status").read_text().splitlines()
                    if line.startswith("VmHWM"))
        return int(high.split()[1]) * 1024, state

    def test_documents_wait_when_memory_is_near_its_cap(self):
        free, _ = self.peak(0)
        limit = 55 * MB
        self.assertGreater(free, limit, "these documents do not need the cap")
        capped, state = self.peak(limit)
        self.assertLess(capped, limit)
        self.assertIn("short of memory", state)

    def test_a_cap_below_what_models_take(self):
        box = self.box(tasks="[]", more="limits: { memory: 1000 }\n")
        done = self.expect(box.once(), CONFIG)
        self.assertIn("limits.memory", done.err)


class Cores(Daemons):
    def test_cores_are_those_of_the_affinity(self):
        one = min(os.sched_getaffinity(0))
        done = subprocess.run([TEXTMILL, "version", "--json"], capture_output=True, check=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, {one}))
        self.assertEqual(json.loads(done.stdout)["cores"], 1)
        box = self.box(tasks="[]")
        os.sched_setaffinity(0, {one})
        try:
            self.daemon(box)
        finally:
            os.sched_setaffinity(0, range(os.cpu_count()))
        status = run("top", "-c", box.config, "--json", "--count", "1").lines[0]
        self.assertEqual({s["name"]: s["threads"] for s in status["stages"]}["clean"], 1)


if __name__ == "__main__":
    if SANITIZED:
        print("SKIPPED: a sanitizer takes memory of its own")
        sys.exit(77)
    main()
