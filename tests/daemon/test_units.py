"""The units: systemd finds nothing to complain about, and what they expose is scored."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import SOURCE, TEXTMILL

WORST_SCORE = 1.5
SERVICES = ("textmill@.service", "textmill-once@.service")
OTHERS = ("textmill-once@.timer", "textmill.slice")
# Exit codes that starting again does not mend: usage, data, input, rights, configuration.
HOPELESS = {"64", "65", "66", "77", "78"}


class Units(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="textmill-units-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name in SERVICES:
            text = (SOURCE / "systemd" / (name + ".in")).read_text()
            text = text.replace("@bindir@/textmill", TEXTMILL).replace("@datadir@", "/usr/share")
            self.instance(name).write_text(text)
        for name in OTHERS:
            self.instance(name).write_text((SOURCE / "systemd" / name).read_text())

    def instance(self, name):
        """A template is verified as one of its instances."""
        return self.folder / name.replace("@.", "@wire.")

    def analyze(self, *args):
        done = subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, cwd=self.folder)
        return done.returncode, done.stdout + done.stderr

    def test_verify_has_no_finding(self):
        units = [str(self.instance(name)) for name in SERVICES + OTHERS]
        code, text = self.analyze("verify", "--man=no", *units)
        # Findings about units that the machine itself has are not ours.
        ours = [line for line in text.splitlines() if "textmill" in line]
        self.assertEqual(ours, [])
        self.assertEqual(code, 0, text)

    def test_exposure_is_low(self):
        for name in SERVICES:
            code, text = self.analyze("security", "--offline=true", "--no-pager", str(self.instance(name)))
            found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", text)
            self.assertIsNotNone(found, text)
            self.assertLessEqual(float(found.group(1)), WORST_SCORE, name)

    def test_a_mistake_is_not_started_again(self):
        text = self.instance(SERVICES[0]).read_text()
        prevented = re.search(r"^RestartPreventExitStatus=(.*)$", text, re.M).group(1).split()
        self.assertEqual(set(prevented), HOPELESS)

    def test_both_services_are_hardened_alike(self):
        hardening = [self.instance(name).read_text().split("\nUser=textmill\n")[1].split("\n[")[0].strip()
                     for name in SERVICES]
        self.assertEqual(hardening[0], hardening[1])


if __name__ == "__main__":
    if shutil.which("systemd-analyze") is None:
        print("SKIPPED: systemd-analyze is not installed (Debian: systemd)")
        sys.exit(77)
    unittest.main()
