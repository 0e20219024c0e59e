"""What `meson install` puts on a system: the program, a manual page for each verb, completion scripts
that complete, units; all of it from one table."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import OK, Case, main, run

BUILD = os.environ["TEXTMILL_BUILD"]


class Installed(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="textmill-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", cls.folder], check=True)
        cls.prefix = next(cls.folder.rglob("bin/textmill")).parent.parent

    def verbs(self):
        text = self.expect(run("--help"), OK).out
        return re.findall(r"(?m)^  ([a-z-]+) +\S", text.split("Verbs:")[1].split("Exit codes")[0])

    def pages(self):
        return {p.name: p for p in (self.prefix / "share/man").rglob("*.[157]")}

    def test_every_verb_has_a_page_without_a_finding(self):
        expected = {f"textmill-{v}.1" for v in self.verbs()} | {"textmill.1", "textmill.yaml.5", "textmill-metrics.7"}
        self.assertEqual(set(self.pages()), expected)
        for page in self.pages().values():
            done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), page.name)

    def test_the_configuration_page_has_every_key(self):
        page = self.pages()["textmill.yaml.5"].read_text().replace("\\-", "-")
        schema = json.loads(self.expect(run("config", "schema"), OK).out)

        def keys(node, prefix=""):
            for name, value in node.get("properties", {}).items():
                if value["type"] == "object":
                    yield from keys(value, prefix + name + ".")
                elif value["type"] != "array":
                    yield prefix + name
                else:
                    yield from keys(value["items"])

        for key in keys(schema):
            self.assertIn(f"\n.B {key}\n", page)

    def test_options_are_those_of_the_help(self):
        for verb in self.verbs():
            page = self.pages()[f"textmill-{verb}.1"].read_text().replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
            for option in re.findall(r"(?m)^  .{4}--([a-z0-9-]+)", self.expect(run(verb, "--help"), OK).out):
                self.assertRegex(page, rf"(?m)^(-\w, )?--{option}\b", f"{verb} --{option}")

    def complete(self, *words):
        script = self.prefix / "share/bash-completion/completions/textmill"
        program = (f". {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _textmill; "
                   'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, cwd=self.folder)
        return done.stdout.split()

    def test_bash_completes_verbs_options_and_words(self):
        self.assertEqual(self.complete("textmill", "comp"), ["completion"])
        self.assertEqual(self.complete("textmill", "once", "--conf"), ["--config"])
        self.assertEqual(self.complete("textmill", "config", "eff"), ["effective"])
        for script in ("zsh/site-functions/_textmill", "fish/vendor_completions.d/textmill.fish"):
            text = (self.prefix / "share" / script).read_text()
            for verb in self.verbs():
                self.assertIn(verb, text, script)

    def test_units_name_the_program_where_it_is(self):
        program = "/" + str((self.prefix / "bin/textmill").relative_to(self.folder))
        for unit in ("textmill@.service", "textmill-once@.service"):
            self.assertIn(f"ExecStart={program} ", (self.prefix / "lib/systemd/system" / unit).read_text())


class Effective(Case):
    def test_it_is_the_same_configuration(self):
        """What is printed reads as a file that comes to the same."""
        box = self.box(tasks="[{ task: summary, sentences: 2 }, { task: sentiment }]", more="limits: { documents: 7 }\n")
        first = self.expect(run("config", "effective", "-c", box.config), OK).out
        self.assertIn("documents: 7", first)
        self.assertIn(f'path: "{box.folder}/in"', first)
        again = box.folder / "again.yaml"
        again.write_text(first)
        self.assertEqual(self.expect(run("config", "effective", "-c", again), OK).out, first)


if __name__ == "__main__":
    if shutil.which("groff") is None or shutil.which("meson") is None:
        print("SKIPPED: needs groff and meson (Debian: groff-base, meson)")
        sys.exit(77)
    main()
