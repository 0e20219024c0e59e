"""What goes into the packages, without building them: nothing that is installed is left out, nothing that
is listed is missing, and the guide's nightly job does what the guide says."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from harness import OK, SOURCE, Case, find_model, main, run
from machine import transcript

DEBIAN = SOURCE / "packaging/debian"
# What building needs anyway (build-essential), and what only tests and fetching models need.
NOT_OURS = {"gcc", "libc6-dev", "python3-venv", "ca-certificates", "unzip"}


def patterns(name):
    return [line.split() for line in (DEBIAN / name).read_text().splitlines()]


class Contents(Case):
    def test_all_that_is_installed_is_packed(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="textmill-packages-"))
        self.addCleanup(shutil.rmtree, folder)
        subprocess.run(["meson", "install", "-C", os.environ["TEXTMILL_BUILD"], "--no-rebuild", "--quiet", "--destdir", folder],
                       check=True)
        prefix = next(folder.rglob("bin/textmill")).parent.parent
        left = {p.relative_to(prefix) for p in prefix.rglob("*") if p.is_file()}
        for (pattern,) in patterns("textmill.install"):
            place = pathlib.Path(pattern).relative_to("usr")
            taken = {p for p in left if p.is_relative_to(place)}
            self.assertTrue(taken, f"{pattern} is not installed")
            left -= taken
        self.assertEqual(left, set())

    def test_documents_and_examples_are_there(self):
        for name in ("textmill.docs", "textmill.examples"):
            for (pattern,) in patterns(name):
                self.assertTrue(list(SOURCE.glob(pattern)), f"{name}: {pattern}")

    def test_the_default_models_are_packed(self):
        table = re.findall(r"(?m)^\| `([\w-]+)` \|", (SOURCE / "models/README.md").read_text())
        self.assertGreater(len(table), 2)
        packed = {}
        for pattern, place in patterns("textmill-models.install"):
            model = place.removeprefix("usr/share/textmill/models").strip("/") or pathlib.Path(pattern).name
            packed.setdefault(model, set()).update(p.name for p in SOURCE.glob(pattern))
        self.assertEqual(set(packed), set(table))
        recipes = re.compile(r".*\.py|train|requirements\.txt")
        for model in table:
            there = {p.name for p in (SOURCE / "models" / model).glob("*") if not recipes.fullmatch(p.name)}
            if there:  # the others are fetched when packages are built
                self.assertEqual(packed[model], there, model)

    def test_build_dependencies_are_those_of_the_checkout(self):
        setup = re.search(r"(?s)BUILD_PACKAGES=\((.*?)\)", (SOURCE / "tools/setup.sh").read_text())[1]
        control = re.search(r"(?s)Build-Depends:(.*?)\n\S", (DEBIAN / "control").read_text())[1]
        named = {name.split()[0] for name in control.split(",")} - {"debhelper-compat", "dh-sequence-installsysusers"}
        self.assertEqual(named, set(setup.split()) - NOT_OURS)

    def test_the_version_is_the_projects(self):
        version = re.search(r"version: '([\d.]+)'", (SOURCE / "meson.build").read_text())[1]
        self.assertIn(f"textmill ({version})", (DEBIAN / "changelog").read_text())


class Guide(Case):
    def test_the_nightly_job(self):
        """The configuration and the samples of docs/nightly.md; test_machine.py types all of its commands."""
        if find_model("all-MiniLM-L6-v2") is None:
            self.skipTest("needs the default models (models/fetch-minilm)")
        written = next(c for c, _ in transcript((SOURCE / "docs/nightly.md").read_text()) if "wire.yaml <<" in c)
        box = self.box()
        text = re.search(r"(?s)<<'END'\n(.*)END\n", written)[1].replace("/var/lib/textmill/wire", str(box.folder))
        box.config.write_text(text.replace("in }", "in, settle_ms: 0 }"))
        shutil.copytree(SOURCE / "docs/samples", box.spool, dirs_exist_ok=True)
        self.expect(run("check", "-c", box.config), OK)
        self.assertIn(" 0 dead-lettered", self.expect(box.once(), OK).err)
        self.assertIn("harbour-bridge.html", box.results())
        self.assertEqual(box.waiting(), [])


if __name__ == "__main__":
    if shutil.which("meson") is None:
        print("SKIPPED: needs meson")
        sys.exit(77)
    main()
