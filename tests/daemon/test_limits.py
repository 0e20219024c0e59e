"""limits.memory and the cores a process may use, on a daemon at work."""
import json
import os
import pathlib
import subprocess
import sys

from harness import CONFIG, SANITIZED, TEXTMILL, classifier, main, run
from test_http import WAIT, Daemons

MB = 1_000_000


class Memory(Daemons):
    def peak(self, limit, documents, size, slow_ms):
        """The largest size of the working process over documents that come faster than they are cleaned."""
        box = self.box(tasks="[]", more=f"limits: {{ memory: {limit} }}\n")
        for i in range(documents):
            box.put(f"{i}.txt", f"Document {i} has something to say. " * (size // 35))
        os.environ["TEXTMILL_FAULT_SLOW"] = f"clean:{slow_ms}"
        self.addCleanup(os.environ.pop, "TEXTMILL_FAULT_SLOW", None)
        process, _ = self.daemon(box)
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        worker, state = children.read_text().split()[0], set()
        while len(list(box.out.glob("*.json"))) < documents:
            done = run("top", "-c", box.config, "--json", "--count", "1", "--interval-ms", "100")
            state |= {line["state"] for line in done.lines}
            self.assertIsNone(process.poll())
        high = next(line for line in pathlib.Path(f"/proc/{worker}/status").read_text().splitlines()
                    if line.startswith("VmHWM"))
        return int(high.split()[1]) * 1024, state

    def test_documents_wait_when_memory_is_near_its_cap(self):
        for documents, size, slow_ms, limit in ((600, 40_000, 10, 38 * MB), (150, 300_000, 40, 55 * MB),
                                                (20, 3_000_000, 100, 115 * MB)):
            with self.subTest(size=size):
                free, _ = self.peak(0, documents, size, slow_ms)
                capped, state = self.peak(limit, documents, size, slow_ms)
                self.assertGreater(free, limit, "these documents do not need the cap")
                self.assertLess(capped, limit)
                self.assertIn("short of memory", state)

    def test_a_cap_below_what_models_take(self):
        box = self.box(tasks="[]", more="limits: { memory: 1000 }\n")
        done = self.expect(box.once(), CONFIG)
        self.assertIn("limits.memory", done.err)


CGROUP = """
mount --make-rprivate / && mount -t tmpfs tmpfs /sys/fs/cgroup || exit 77
group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir -p "$group" && echo "$1" >"$group/cpu.max"
shift
exec "$@"
"""


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

    def in_group(self, cpu, *args):
        """textmill in a control group with this cpu.max: that of a mount that only this process sees."""
        return subprocess.run(["unshare", "--mount", "sh", "-c", CGROUP, "sh", cpu, TEXTMILL, *map(str, args)],
                              capture_output=True, text=True, timeout=WAIT)

    def test_limits_of_the_control_group(self):
        if os.geteuid() != 0 or self.in_group("max 100000", "version").returncode != 0:
            self.skipTest("mounts a control group of its own, which needs root")
        whole = json.loads(run("version", "--json").out)["cores"]
        for cpu, cores in (("50000 100000", 1), ("100000 100000", 1), ("max 100000", whole), ("6400000 100000", whole)):
            self.assertEqual(json.loads(self.in_group(cpu, "version", "--json").stdout)["cores"], cores, cpu)
        classifier(model := self.box().folder / "classifier")
        inspected = self.in_group("100000 100000", "models", "inspect", model, "--json")
        self.assertEqual(json.loads(inspected.stdout)["threads"], 1)


if __name__ == "__main__":
    if SANITIZED:
        print("SKIPPED: a sanitizer takes memory of its own")
        sys.exit(77)
    main()
