"""De-duplication in a pipeline: the decision is in the result, models run once, a document that failed
has no duplicates, and the next run still knows what the last one delivered."""
import json
import random
import unittest

from harness import OK, WORDS, Case, classifier, main

TASKS = "[{ task: sentiment, model: ./classifier, stride: 8 }]"
STORY = " ".join(WORDS[i * 7 % 300] for i in range(80)) + "."
OTHER = " ".join(WORDS[i * 11 % 300] for i in range(80)) + "."
NEAR = STORY.replace(WORDS[7] + " ", "w299 ", 1)


class Dedup(Case):
    def filled(self, policy, **config):
        box = self.box(tasks=TASKS, more=f"dedup: {{ policy: {policy} }}\n", **config)
        classifier(box.folder / "classifier")
        lines = [{"id": "first", "text": STORY}, {"id": "other", "text": OTHER}, {"id": "near", "text": NEAR},
                 {"id": "same", "text": STORY.upper()}]
        box.put("wire.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        return box

    def by_id(self, box):
        return {r["id"]: r for r in box.results().values()}

    def test_keep_marks_and_processes(self):
        box = self.filled("keep")
        self.expect(box.once(), OK)
        results = self.by_id(box)
        for unique in "first", "other":
            self.assertNotIn("duplicate", results[unique])
        self.assertEqual(results["same"]["duplicate"], {"of": "first", "similarity": 1, "policy": "keep"})
        near = results["near"]["duplicate"]
        self.assertEqual(near["of"], "first")
        self.assertTrue(0.75 <= near["similarity"] < 1, near)
        for r in results.values():
            self.assertEqual(r["status"], "ok")
            self.assertIn("label", r["sentiment"])

    def test_skip_leaves_the_models_out(self):
        box = self.filled("skip")
        self.expect(box.once(), OK)
        results = self.by_id(box)
        for name in "near", "same":
            self.assertEqual(results[name]["status"], "skipped")
            self.assertEqual(results[name]["usage"]["tokens_in"], 0)
            self.assertNotIn("sentiment", results[name])
        self.assertEqual(results["near"]["text"], NEAR)
        self.assertEqual(results["other"]["status"], "ok")

    def test_reuse_gives_the_result_of_the_first(self):
        box = self.filled("reuse-result")
        self.expect(box.once(), OK)
        results = self.by_id(box)
        for name in "near", "same":
            for member in "text", "sentences", "sentiment", "models", "cleaning":
                self.assertEqual(results[name][member], results["first"][member], member)
            self.assertEqual(results[name]["duplicate"]["policy"], "reuse-result")
            self.assertEqual(results[name]["input"]["line"], 3 if name == "near" else 4)
            self.assertEqual(results[name]["usage"]["tokens_in"], 0)

    def test_nobody_is_a_duplicate_of_a_document_that_crashed(self):
        """It is run again alone, after the others: one of them is the first now, and it is the duplicate."""
        box = self.filled("skip")
        self.expect(box.once(env={"TEXTMILL_FAULT_DOC": "first:crash:infer"}), OK)
        results = self.by_id(box)
        self.assertFalse([r for r in results.values() if r.get("duplicate", {}).get("of") == "first"
                          and "sentiment" not in results["first"]])
        self.assertTrue([r for r in results.values() if r["id"] in ("first", "near", "same") and "sentiment" in r])

    def test_the_next_run_knows_what_was_delivered(self):
        box = self.filled("skip")
        self.expect(box.once(), OK)
        box.put("later.txt", STORY)
        self.expect(box.once(), OK)
        self.assertEqual(box.results()["later.txt"]["duplicate"]["of"], "first")

    def test_off_marks_nothing(self):
        box = self.filled("off")
        self.expect(box.once(), OK)
        self.assertFalse([r for r in box.results().values() if "duplicate" in r])

    def test_the_first_is_the_first_of_the_input(self):
        """Whatever thread was faster: fifty stories four times each, in one file."""
        box = self.box(more="dedup: { policy: keep }\n")
        stories = [" ".join(random.Random(i).choices(WORDS, k=40)) for i in range(50)]
        box.put("wire.jsonl", "".join(json.dumps({"id": f"{turn}-{i}", "text": story}) + "\n"
                                      for turn in range(4) for i, story in enumerate(stories)))
        self.expect(box.once(), OK)
        for r in box.results().values():
            turn, story = r["id"].split("-")
            self.assertEqual(r.get("duplicate", {}).get("of"), None if turn == "0" else f"0-{story}")


if __name__ == "__main__":
    main()
