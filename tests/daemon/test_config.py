"""Configuration files: every finding of one run, each at its line and column, and the exit codes."""
import os
import re

from harness import CONFIG, NOINPUT, OK, Case, main, run

BAD = """\
source:
  spool: { path: in, settle: 5, recursive: maybe }
sorce:
  spool: { path: in }
tasks:
  - { task: sentimant }
  - { task: summary, sentences: none, modell: x }
  - task: summary
    sentences: 0
engine:
  threads: -1
  device: [cpu]
  batch_tokens: 12345678901234567890123
sink:
  files:
    path: out
log: { level: loud }
"""

# line, column, and what the message says
FOUND = [
    (2, 22, "unknown key source.spool.settle; did you mean source.spool.settle_ms?"),
    (2, 44, "source.spool.recursive"),
    (3, 1, "unknown key sorce; did you mean source?"),
    (6, 7, 'unknown task "sentimant"; did you mean "sentiment"?'),
    (7, 33, "sentences"),
    (7, 39, "unknown key modell; did you mean model?"),
    (9, 5, "a summary needs a length"),
    (11, 12, "engine.threads"),
    (12, 11, "engine.device: expected a value, not a list"),
    (13, 17, "engine.batch_tokens"),
    (14, 1, "no place for documents that fail: set sink.dead_letters.path"),
    (17, 15, "log.level"),
]


class Findings(Case):
    def findings(self, text, code=CONFIG, verb="check"):
        box = self.box()
        box.config.write_text(text)
        done = self.expect(run(verb, "-c", box.config), code)
        self.last = done
        pattern = re.escape(str(box.config)) + r":(\d+):(\d+): (.*)"
        return [(int(m[1]), int(m[2]), m[3]) for m in re.finditer(pattern, done.err)]

    def test_all_findings_in_one_run_each_at_its_place(self):
        found = self.findings(BAD)
        self.assertEqual([f[:2] for f in found], [f[:2] for f in FOUND], "\n".join(map(str, found)))
        for (_, _, text), (line, _, says) in zip(found, FOUND):
            self.assertIn(says, text, f"line {line}")

    def test_the_pipeline_does_not_start_with_findings(self):
        self.assertEqual(len(self.findings(BAD, verb="once")), len(FOUND))
        self.assertEqual(len(self.findings(BAD, verb="run")), len(FOUND))

    def test_a_syntax_error_is_one_finding_at_its_place(self):
        found = self.findings("source:\n  spool: { path: in\nsink: {}\n")
        self.assertEqual(len(found), 1)
        self.assertIn(found[0][0], (2, 3))

    def test_forms_that_are_not_what_is_expected(self):
        cases = [
            ("just text\n", 1, 1, "expected a mapping"),
            ("- a\n- b\n", 1, 1, "expected a mapping"),
            ("source: in\n", 1, 9, "source: expected a mapping of keys"),
            ("tasks: summary\n", 1, 8, "tasks: expected a list"),
            ("tasks:\n  - summary\n", 2, 5, "tasks: expected a mapping like"),
            ("source:\n  spool: { path: &x in }\nsink:\n  files: { path: *x }\n", 4, 18, "reference"),
        ]
        for text, line, column, says in cases:
            with self.subTest(text=text):
                found = self.findings(text)
                self.assertTrue(any(f[:2] == (line, column) and says in f[2] for f in found), found)

    def test_outputs_in_the_spool_are_refused(self):
        found = self.findings("source:\n  spool: { path: in }\nsink:\n  files: { path: ./in/ }\n"
                              "  dead_letters: { path: dead }\n")
        self.assertEqual([f[0] for f in found], [4])
        self.assertIn("documents are taken from this folder", found[0][2])

    def test_an_empty_file_says_what_is_missing(self):
        texts = " ".join(f[2] for f in self.findings(""))
        for key in ("source.spool.path", "sink.files.path", "sink.dead_letters.path"):
            self.assertIn(key, texts)

    def test_a_good_file(self):
        box = self.box()
        done = self.expect(run("check", "-c", box.config), OK)
        self.assertEqual(done.out, f"{box.config}: ok\n")
        self.assertEqual(done.err, "")

    def test_relative_paths_go_by_the_file_not_by_the_caller(self):
        box = self.box()
        box.put("a.txt", "One sentence of a document.")
        self.expect(run("once", "-c", os.path.relpath(box.config, "/"), cwd="/"), OK)
        self.assertEqual(list(box.results()), ["a.txt"])
        self.assertTrue((box.folder / ".textmill/default.journal").exists())  # defaults do, too

    def test_a_service_has_its_state_where_systemd_says(self):
        box = self.box()
        state = box.folder / "state"
        state.mkdir()
        box.put("a.txt", "One sentence of a document.")
        self.expect(box.once(env={"STATE_DIRECTORY": str(state)}), OK)
        self.assertTrue((state / ".textmill/default.journal").exists())
        self.assertFalse((box.folder / ".textmill").exists())

    def test_standard_output_is_for_once(self):
        box = self.box()
        box.config.write_text("source:\n  spool: { path: in }\nsink:\n  stdout: { enabled: true }\n"
                              "  dead_letters: { path: dead }\n")
        self.assertIn("sink.stdout.enabled is for textmill once", self.expect(run("run", "-c", box.config), CONFIG).err)
        self.expect(run("once", "-c", box.config), OK)

    def test_a_file_that_is_not_there(self):
        for verb in ("check", "once", "run"):
            done = self.expect(run(verb, "-c", "/no/such/pipeline.yaml"), NOINPUT)
            self.assertIn("/no/such/pipeline.yaml", done.err)


if __name__ == "__main__":
    main()
