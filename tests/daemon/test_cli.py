"""The command line: help of every verb, usage errors, the pages made from the table of keys."""
import json
import math
import shutil
import struct

from harness import DATA, GOLDENS, NOINPUT, OK, USAGE, Case, embedder, main, run

VERBS = ["run", "once", "check", "extract", "tokenize", "infer", "models", "config", "version", "completion"]


class CommandLine(Case):
    def test_help_names_every_verb_and_exit_code(self):
        for args in (["--help"], ["-h"], ["help"]):
            done = self.expect(run(*args), OK)
            for verb in VERBS:
                self.assertRegex(done.out, rf"(?m)^  {verb} +\w")
            for code in ("64 +usage", "65 +bad data", "66 +input", "78 +configuration"):
                self.assertRegex(done.out, code)

    def test_each_verb_has_its_help(self):
        for verb in VERBS:
            done = self.expect(run(verb, "--help"), OK)
            self.assertIn(f"Usage: textmill {verb}", done.out)
            self.assertEqual(done.err, "")
        self.assertIn("-c, --config FILE", run("once", "--help").out)

    def test_usage_errors_say_the_remedy(self):
        cases = [
            ([], "Usage: textmill VERB"),
            (["frobnicate"], "no verb frobnicate"),
            (["once"], "-c FILE"),
            (["once", "-c"], "--config needs FILE"),
            (["once", "--confg", "x"], "no option --confg"),
            (["once", "-c", "x", "stray"], "takes no operand like stray"),
            (["once", "--no-progress=1", "-c", "x"], "--no-progress takes no value"),
            (["check"], "-c FILE"),
            (["tokenize"], "-m DIR"),
            (["infer"], "-m DIR"),
            (["infer", "-m", "x", "--threads", "many"], "--threads takes a whole number"),
            (["infer", "-m", "x", "--threads=-1"], "from 0 to 1024"),
            (["models"], "list, inspect DIR, verify DIR, pull ORG"),
            (["models", "inspect"], "models inspect DIR"),
            (["models", "polish", "x"], "list, inspect DIR"),
            (["config"], "example, schema or reference"),
            (["config", "poem"], "say which: effective, example"),
            (["extract", "--kind", "poem", "x"], "--kind"),
        ]
        for args, says in cases:
            with self.subTest(args=args):
                done = self.expect(run(*args), USAGE)
                self.assertIn(says, done.err)
                self.assertEqual(done.out, "")

    def test_options_may_be_written_in_three_ways(self):
        for args in (["-c", "/no/file"], ["-c/no/file"], ["--config", "/no/file"], ["--config=/no/file"]):
            self.assertIn("/no/file", run("check", *args).err)

    def test_version(self):
        self.assertRegex(self.expect(run("version"), OK).out, r"^textmill \d+\.\d+\.\d+\n")
        self.assertEqual(run("--version").out, run("version").out)
        facts = json.loads(self.expect(run("version", "--json"), OK).out)
        self.assertEqual(facts["devices"][0], "cpu")
        said = run("version").out
        if "cuda" not in facts["devices"]:
            self.assertRegex(said, r"\ndevices: cpu \(no cuda: .+\)\n$")
        self.assertEqual("cuda" in facts["devices"], said.endswith(", cuda\n"))
        self.assertGreaterEqual(facts["cores"], 1)

    def test_pages_of_the_table_of_keys(self):
        schema = json.loads(self.expect(run("config", "schema"), OK).out)
        self.assertIn("source", schema["properties"])
        self.assertIn("| `source.spool.path` |", self.expect(run("config", "reference"), OK).out)

    def test_the_example_is_a_configuration_once_its_paths_are_filled_in(self):
        box = self.box()
        lines = self.expect(run("config", "example"), OK).out
        box.config.write_text(lines)
        done = run("check", "-c", box.config)
        self.assertNotIn("unknown", done.err)
        self.assertNotIn("expected", done.err)


class Models(Case):
    def test_list_inspect_verify(self):
        box = self.box()
        embedder(box.folder / "tiny")
        (box.folder / "not-a-model").mkdir()
        env = {"TEXTMILL_MODELS": str(box.folder), "XDG_DATA_HOME": "/nonexistent"}
        listed = self.expect(run("models", "list", "--json", env=env), OK).lines
        self.assertEqual([(m["name"], m["format"]) for m in listed], [("tiny", "safetensors")])
        facts = json.loads(self.expect(run("models", "inspect", "tiny", "--json", env=env), OK).out)
        self.assertEqual(facts["architecture"], "BertModel")
        self.assertEqual(facts["head"], "embedding")
        self.assertEqual(facts["tokenizer"]["kind"], "WordLevel")
        self.assertEqual(len(facts["sha256"]), 64)
        self.assertEqual((facts["runs"], facts["format"], facts["dtypes"]), (True, "safetensors", ["F16"]))
        data = (box.folder / "tiny/model.safetensors").read_bytes()
        header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
        header.pop("__metadata__", None)
        self.assertEqual(facts["parameters"], sum(math.prod(t["shape"]) for t in header.values()))
        # Memory grows with the batch that is asked for.
        small, large = (json.loads(run("models", "inspect", "tiny", "--json", "--threads", "1", "--batch-tokens", n,
                                       env=env).out)["pool_bytes"] for n in ("64", "4096"))
        self.assertLess(small, large)
        done = self.expect(run("models", "verify", box.folder / "tiny"), OK)
        self.assertIn(facts["sha256"], done.out)

    def test_inspect_says_what_it_can_of_a_broken_folder(self):
        box = self.box()
        tiny = embedder(box.folder / "tiny")

        def inspect():
            done = run("models", "inspect", tiny, "--json")
            return done.code, json.loads(done.out)

        config = json.loads((tiny / "config.json").read_text())
        (tiny / "config.json").write_text(json.dumps({**config, "model_type": "perceptron", "architectures": ["P"]}))
        code, facts = inspect()
        self.assertEqual((code, facts["runs"], facts["tokenizer"]["kind"]), (NOINPUT, False, "WordLevel"))
        self.assertIn("perceptron", facts["error"])
        self.assertGreater(facts["parameters"], 0)
        (tiny / "config.json").write_text(json.dumps(config))
        (tiny / "tokenizer.json").write_text("{")
        code, facts = inspect()
        self.assertEqual((code, facts["runs"], facts["tokenizer"]), (NOINPUT, False, None))
        self.assertIn("tokenizer.json", facts["tokenizer_error"])
        (tiny / "tokenizer.json").unlink()
        code, facts = inspect()
        self.assertEqual((code, facts["runs"], facts["tokenizer"]), (OK, True, None))
        weights = tiny / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1])
        code, facts = inspect()
        self.assertEqual((code, facts["runs"], facts["format"]), (NOINPUT, False, None))
        self.assertIn("model.safetensors", facts["error"])
        shutil.rmtree(tiny)
        self.expect(run("models", "inspect", tiny), NOINPUT)

    def test_bench_prints_one_object(self):
        box = self.box()
        embedder(box.folder / "tiny")
        args = ["models", "bench", "-m", box.folder / "tiny", "--json", "--sequences", "8"]
        facts = json.loads(self.expect(run(*args, "--source-tokens", "3-9"), OK).out)
        self.assertGreater(facts["sequences_per_s"], 0)
        self.assertGreaterEqual(facts["tokens_per_s"], 3 * facts["sequences_per_s"])
        for wrong in ("0", "9-3", "a-b", "5-100000", "-"):
            done = self.expect(run(*args, "--source-tokens=" + wrong), USAGE)
            self.assertIn("--source-tokens takes a length or a range", done.err)
        self.expect(run(*args, "--new-tokens", "3"), USAGE)

    def test_bench_of_a_generator(self):
        model = GOLDENS / "bart"
        args = ["models", "bench", "-m", model, "--json", "--sequences", "6", "--source-tokens", "3-9",
                "--new-tokens", "7", "--num-beams", "2", "--precision", "int8"]
        facts = json.loads(self.expect(run(*args), OK).out)
        self.assertEqual(facts["precision"], "int8")
        self.assertAlmostEqual(facts["tokens_per_s"] / facts["sequences_per_s"], 7, places=1)
        self.assertGreater(facts["limit_s"], 0)
        self.assertLessEqual(sum(facts["spent_s"].values()), 1.05 * facts["cpu_s"])
        self.assertTrue(all(facts["spent_s"][part] > 0 for part in ("matrices", "attention", "output", "norms")))
        text = self.expect(run(*(a for a in args if a != "--json")), OK).out
        self.assertIn("where it goes: matrices", text)
        self.expect(run(*args, "--new-tokens", "100000"), DATA)


if __name__ == "__main__":
    main()
