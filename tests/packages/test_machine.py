"""The packages on a Debian that has nothing else (`./runtests --packages`): the guide's nightly job as it
stands there, a daemon that is upgraded with work in flight, removed and purged.

TEXTMILL_DEBS is the folder of the packages, TEXTMILL_BASE the archive of a root with what they depend on."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest

from machine import Machine, matches, transcript

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DEBS = pathlib.Path(os.environ["TEXTMILL_DEBS"])
STATE = "/var/lib/textmill/wire"
WAIT = 60
DAEMON = f"""source:
  spool: {{ path: {STATE}/in, settle_ms: 0 }}
tasks:
  - {{ task: sentiment }}
sink:
  files: {{ path: {STATE}/out }}
  dead_letters: {{ path: {STATE}/dead }}
"""


def newer(deb, folder):
    """The same package as 0.1.1."""
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace("\nVersion: 0.1.0\n", "\nVersion: 0.1.1\n"))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, folder], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)


class OnAMachine(unittest.TestCase):
    def setUp(self):
        self.machine = Machine(os.environ["TEXTMILL_BASE"])
        self.addCleanup(self.machine.close)
        for deb in DEBS.glob("textmill*_0.1.0_*.deb"):
            if "dbgsym" not in deb.name:
                shutil.copy(deb, self.machine.root / "root")
        self.machine.boot()
        self.sh, self.put = self.machine.sh, 0

    def install(self):
        self.sh("apt-get install -y ./textmill_*.deb ./textmill-models_*.deb")

    def test_the_nightly_job_of_the_guide(self):
        steps = transcript((SOURCE / "docs/nightly.md").read_text())
        self.assertGreater(len(steps), 8)
        for command, expected in steps:
            done = self.sh(command, None)
            self.assertIn(done.returncode, (0, 1) if "is-failed" in command else (0,), command + "\n" + done.stdout)
            self.assertTrue(matches(expected, done.stdout), f"{command}\n--- printed\n{done.stdout}\n--- expected\n{expected}")
        results = [json.loads(line) for path in (self.machine.root / STATE[1:] / "out").iterdir()
                   if path.suffix in (".json", ".jsonl") for line in path.read_text().splitlines()]
        self.assertGreater(len(results), 6)
        for result in results:
            self.assertLessEqual({"summary", "sentiment"}, set(result))

    def until(self, true):
        end = time.monotonic() + WAIT
        while not true():
            self.assertLess(time.monotonic(), end, self.sh("journalctl -u textmill@wire -o cat | tail -30", None).stdout)
            time.sleep(0.1)

    def outputs(self):
        return sum(1 for p in (self.machine.root / STATE[1:] / "out").glob("*.json"))

    def put_some(self):
        spool = self.machine.root / STATE[1:] / "in"
        for i in range(self.put, self.put + 20):
            (spool / f".{i}.part").write_text(f"Document {i} was a pleasure to read, and the ending is lovely.")
            (spool / f".{i}.part").rename(spool / f"{i}.txt")
        self.put += 20

    def show(self, what):
        return self.sh(f"systemctl show -P {what} textmill@wire").stdout.strip()

    def test_a_life_of_a_daemon(self):
        self.install()
        (self.machine.root / "etc/textmill/wire.yaml").write_text(DAEMON)
        self.sh("systemctl enable --now textmill@wire")
        self.assertEqual(self.show("ActiveState"), "active")
        before = self.show("MainPID")
        newer(next(DEBS.glob("textmill_0.1.0_*.deb")), self.machine.root / "root")
        self.put_some()
        self.until(lambda: self.outputs() > 0)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            upgrade = pool.submit(self.sh, "apt-get install -y ./textmill_0.1.1_*.deb")
            while not upgrade.done():
                self.put_some()
                time.sleep(0.1)
            upgrade.result()
        self.assertEqual(self.show("ActiveState"), "active")
        self.assertNotEqual(self.show("MainPID"), before, "it goes on with the old program")
        self.assertEqual(self.show("NRestarts"), "0", "it died")
        self.put_some()
        self.until(lambda: self.outputs() == self.put)
        self.sh("systemctl reload textmill@wire")
        self.until(lambda: "reload: working with" in self.sh("journalctl -u textmill@wire -o cat").stdout)
        self.removed_and_purged()

    def removed_and_purged(self):
        root = self.machine.root
        self.sh("apt-get remove -y textmill")
        self.assertEqual(self.sh("pgrep -c textmill", None).stdout.strip(), "0", "it still runs")
        self.assertFalse((root / "usr/bin/textmill").exists())
        self.assertTrue((root / "etc/textmill/wire.yaml").exists())
        self.sh("dpkg --purge textmill textmill-models")
        self.assertTrue((root / "etc/textmill/wire.yaml").exists(), "the operator's own file")
        self.assertEqual(self.outputs(), self.put, "results stay")
        self.assertEqual([str(p) for p in (root / "usr/share").rglob("*textmill*")], [])
        self.assertEqual([p.name for p in (root / STATE[1:]).iterdir() if p.name.startswith(".")], [])
        self.install()
        self.assertIn("textmill ", self.sh("textmill version").stdout)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIPPED: boots a machine of its own, which needs root")
        sys.exit(77)
    unittest.main(verbosity=2)
