"""once: every document of a spool ends as a result; summary and exit codes; equal input gives equal
bytes whatever the batches and the workers. Models are tiny ones with random weights."""
import fcntl
import json
import shutil
import unittest

from harness import DEAD, OK, SOURCE, WORDS, Case, classifier, embedder, find_model, main

TASKS = "[{ task: summary, model: ./embedder, sentences: 2 }, { task: sentiment, model: ./classifier, stride: 8 }]"


def text(seed, sentences):
    """Sentences of words that the tiny tokenizer knows; no two documents are alike."""
    out, state = [], seed
    for _ in range(sentences):
        words = []
        for _ in range(6 + seed % 9):
            state = (state * 1103515245 + 12345) % 2 ** 31
            words.append(WORDS[(state >> 8) % 300])
        out.append(" ".join(words).capitalize() + ".")
    return " ".join(out)


def without_times(result):
    return {k: v for k, v in result.items() if k != "timing_ms"}


class Once(Case):
    def filled(self, **config):
        box = self.box(tasks=TASKS, **config)
        embedder(box.folder / "embedder")
        classifier(box.folder / "classifier")
        for i in range(12):
            box.put(f"sub/{i}.txt", text(i, 1 + 3 * i))
        box.put("posts.jsonl", "".join(json.dumps({"id": f"p{i}", "text": text(100 + i, 1 + i % 4), "meta": {"n": i / 10}})
                                       + "\n" for i in range(40)))
        box.put("page.html", f"<html lang=en><head><title>{text(7, 1)}</title></head><body><p>{text(8, 9)}</p></body></html>")
        return box

    def test_every_document_has_its_result(self):
        box = self.filled()
        done = self.expect(box.once(), OK)
        results = box.results()
        self.assertEqual(len(results), 12 + 40 + 1)
        self.assertEqual(box.waiting(), [])
        self.assertEqual(box.dead_letters(), {})
        self.assertRegex(done.err, r"(?m)^53 documents: 53 delivered \(0 partial\), 0 dead-lettered; \d+ tokens, "
                                   r"\d+\.\d MB in \d+\.\d\d s: \d+\.\d documents/s, \d+ tokens/s$")
        self.assertEqual(done.out, "")
        one = results["posts.jsonl:5"]
        self.assertEqual((one["id"], one["status"], one["meta"]), ("p4", "ok", {"n": 0.4}))
        long = results["sub/11.txt"]
        self.assertGreater(long["sentiment"]["windows"], 1)
        self.assertEqual(long["sentiment"]["coverage"], 1)
        self.assertEqual(len(long["summary"]["sentences_used"]), 2)
        self.assertEqual(long["models"]["summary"]["name"], "embedder")  # not where it lies
        self.assertEqual(results["page.html"]["sentiment"]["title"].keys(), {"label", "score", "scores", "compound"})
        self.check_offsets(results.values())

    def check_offsets(self, results, tasks=("summary", "sentiment")):
        for r in results:
            for start, end in r["sentences"]:
                self.assertTrue(0 <= start < end <= len(r["text"]))
                self.assertEqual(r["text"][start:end], r["text"][start:end].strip())
            parts = [r["text"][s:e] for s, e in (r["sentences"][i] for i in r["summary"]["sentences_used"])]
            if r["summary"]["method"] == "centrality":
                self.assertEqual(r["summary"]["text"], " ".join(parts))
            self.assertAlmostEqual(sum(r["sentiment"]["scores"].values()), 1, places=5)
            self.assertEqual(r["sentiment"]["score"], max(r["sentiment"]["scores"].values()))
            self.assertGreater(r["usage"]["tokens_in"], 0)
            self.assertEqual(set(r["models"]), set(tasks))
            times = r["timing_ms"]
            self.assertGreaterEqual(times["total"], times["clean"] + times["tokenize"])

    def test_equal_input_gives_equal_results_whatever_the_batches(self):
        seen = []
        for engine in ("{}", "{}", "{ threads: 1, batch_tokens: 16 }", "{ threads: 3, batch_tokens: 100 }",
                       "{ threads: 2, batch_tokens: 100000 }"):
            box = self.filled(more=f"engine: {engine}\n")
            self.expect(box.once(), OK)
            seen.append({name: without_times(r) for name, r in box.results().items()})
            self.assertEqual(len(seen[0]), 53)
            for name, result in seen[0].items():
                self.assertEqual(json.dumps(seen[-1][name]), json.dumps(result), f"{engine}: {name}")

    def test_again_overwrites_itself(self):
        box = self.filled()
        self.expect(box.once(), OK)
        first = sorted(p.name for p in box.out.rglob("*.json*"))
        shutil.copytree(box.spool / "done", box.folder / "again")
        for path in (box.folder / "again").rglob("*.*"):
            box.put(str(path.relative_to(box.folder / "again")), path.read_bytes())
        self.expect(box.once(), OK)
        self.assertEqual(sorted(p.name for p in box.out.rglob("*.json*")), first)

    def test_without_tasks_it_cleans(self):
        box = self.box()
        box.put("a.txt", "A text. Of two sentences.")
        self.expect(box.once(), OK)
        r = box.results()["a.txt"]
        self.assertEqual((r["text"], r["models"], r["errors"]), ("A text. Of two sentences.", {}, []))
        self.assertNotIn("sentiment", r)

    def test_an_empty_spool(self):
        done = self.expect(self.box().once(), OK)
        self.assertIn("0 documents: 0 delivered", done.err)

    def test_a_dead_letter_is_said_and_counted(self):
        box = self.box()
        box.put("a.txt", "A text.")
        box.put("empty.txt", "")
        done = self.expect(box.once(), DEAD)
        self.assertIn("2 documents: 1 delivered (0 partial), 1 dead-lettered", done.err)
        self.assertRegex(done.err, r'level=warning msg="document failed" doc=empty\.txt .*stage=clean code=E_EMPTY')
        self.assertEqual(list(box.results()), ["a.txt"])

    def test_documents_choose_among_the_tasks(self):
        box = self.filled()
        box.put("wish.json", json.dumps({"text": text(1, 5), "tasks": ["sentiment", "poetry"]}))
        self.expect(box.once(), OK)
        r = box.results()["wish.json"]
        self.assertNotIn("summary", r)
        self.assertIn("sentiment", r)
        self.assertEqual([(w["code"], w["task"]) for w in r["warnings"]], [("W_TASK_UNKNOWN", "poetry")])

    def test_results_on_standard_output(self):
        box = self.box()
        box.config.write_text("source:\n  spool: { path: in, settle_ms: 0 }\nsink:\n  stdout: { enabled: true }\n"
                              "  text: false\n  dead_letters: { path: dead }\nlog: { level: error, format: json }\n")
        box.put("a.txt", "A text.")
        box.put("b.jsonl", '{"text": "One."}\n{"text": "Two."}\n')
        done = self.expect(box.once(), OK)
        names = sorted((d["input"]["file"], d["input"].get("line", 0)) for d in done.lines)
        self.assertEqual(names, [("a.txt", 0), ("b.jsonl", 1), ("b.jsonl", 2)])
        self.assertTrue(all("text" not in d for d in done.lines))

    def test_a_second_instance_is_told(self):
        """Two processes with one name would take each other's files: the second one ends at once."""
        box = self.box()
        box.put("a.txt", "A text.")
        state = box.folder / ".textmill"
        state.mkdir()
        with open(state / "default.lock", "w") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = box.once()
        self.assertEqual(done.code, 75, done.err)
        self.assertEqual(box.waiting(), ["a.txt"])

    @unittest.skipUnless(all(map(find_model, ("all-MiniLM-L6-v2", "sentiment-en", "translate-en-es-small"))),
                         "the default models are not all in TEXTMILL_MODELS")
    def test_the_quickstart_with_the_default_models(self):
        box = self.box()
        shutil.copytree(SOURCE / "docs/samples", box.spool, dirs_exist_ok=True)
        shutil.copy(SOURCE / "docs/quickstart.yaml", box.config)
        self.expect(box.once(), OK)
        results = box.results()
        self.assertEqual(len(results), 5 + len((SOURCE / "docs/samples/posts.jsonl").read_text().splitlines()))
        self.check_offsets(results.values(), tasks=("summary", "sentiment", "translation"))
        for r in results.values():
            for segment in r["translations"]["es"]["segments"]:
                start, end = segment["src"]
                self.assertTrue(0 <= start < end <= len(r["text"]))
        self.assertEqual({r["status"] for r in results.values()}, {"ok"})


if __name__ == "__main__":
    main()
