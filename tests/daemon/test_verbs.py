"""extract, tokenize and infer: the exact forms that harnesses outside rely on. What needs the real
default models is skipped without them."""
import json
import math
import unittest

from harness import DATA, DEAD, GOLDENS, NOINPUT, OK, USAGE, Case, classifier, embedder, find_model, main, run, \
    tiny_model

MINILM, SENTIMENT = find_model("all-MiniLM-L6-v2"), find_model("sentiment-en")
needs_models = unittest.skipUnless(MINILM and SENTIMENT, "no all-MiniLM-L6-v2 and sentiment-en in TEXTMILL_MODELS")


def lines(*values):
    return "".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in values).encode()


class Extract(Case):
    def test_one_line_a_document_in_input_order(self):
        box = self.box()
        text = "A first sentence of the text. " + "And another one that says a little more, of course. " * 8
        page = box.put("page.html", "<html lang=en><head><title>The title</title></head><body><nav><a href=/>Home"
                       f"</a> <a href=/a>About</a></nav><article><p>{text}</p><p>{text}</p></article></body></html>")
        empty = box.put("empty.txt", "")
        posts = box.put("posts.jsonl", lines({"id": "p1", "text": "First post."}, "", "{broken",
                                             {"id": "p4", "text": "Fourth post."}))
        done = self.expect(run("extract", page, empty, posts, box.spool / "missing.txt"), DEAD)
        got = done.lines
        self.assertEqual([d["source"] for d in got], [str(page), str(empty), *[str(posts)] * 3,
                                                      str(box.spool / "missing.txt")])
        self.assertEqual(got[0]["title"], "The title")
        self.assertIn("A first sentence of the text.", got[0]["text"])
        self.assertNotIn("About", got[0]["text"])
        self.assertEqual(got[0]["lang"], "en")
        self.assertGreater(got[0]["cleaning"]["chars_in"], got[0]["cleaning"]["chars_out"])
        self.assertEqual(got[1]["error"]["code"], "E_EMPTY")
        self.assertEqual((got[2]["id"], got[2]["line"], got[2]["text"]), ("p1", 1, "First post."))
        self.assertEqual((got[3]["line"], got[3]["error"]["code"]), (3, "E_BAD_INPUT"))
        self.assertEqual((got[4]["line"], got[4]["id"]), (4, "p4"))
        self.assertEqual(got[5]["error"]["code"], "E_NOT_FOUND")

    def test_standard_input_is_one_document(self):
        done = self.expect(run("extract", stdin="Just a text.\n\nTwo paragraphs.".encode()), OK)
        self.assertEqual(len(done.lines), 1)
        self.assertEqual(done.lines[0]["source"], "-")
        self.assertEqual(done.lines[0]["text"], "Just a text.\n\nTwo paragraphs.")

    def test_kind(self):
        done = self.expect(run("extract", "--kind", "text", stdin=b"<b>not markup</b>"), OK)
        self.assertEqual(done.lines[0]["text"], "<b>not markup</b>")


class Tokenize(Case):
    def tiny(self):
        return embedder(self.box().folder / "tiny")

    def test_forms(self):
        m = self.tiny()
        given = lines("w1 W2", '"w1\\u0020w3"', '"\\u00e9 w4"', "", "é w5")
        got = self.expect(run("tokenize", "-m", m, stdin=given), OK).lines
        self.assertEqual(got[0], {"ids": [2, 5, 6, 3], "offsets": [[0, 0], [0, 2], [3, 5], [0, 0]]})
        self.assertEqual(got[1]["ids"], [2, 5, 7, 3])
        self.assertEqual(got[2], {"ids": [2, 1, 8, 3], "offsets": [[0, 0], [0, 1], [2, 4], [0, 0]]})
        self.assertEqual(got[3], {"ids": [2, 3], "offsets": [[0, 0], [0, 0]]})
        self.assertEqual(got[4]["offsets"][2], [2, 4])  # code points, not bytes
        got = self.expect(run("tokenize", "-m", m, "--no-special", stdin=lines("w1", "")), OK).lines
        self.assertEqual(got, [{"ids": [5], "offsets": [[0, 2]]}, {"ids": [], "offsets": []}])

    def test_decode(self):
        m = self.tiny()
        done = self.expect(run("tokenize", "-m", m, "--decode", stdin=lines([2, 5, 6, 3], [])), OK)
        self.assertEqual([json.loads(line) for line in done.out.splitlines()], ["[CLS] w1 w2 [SEP]", ""])
        done = self.expect(run("tokenize", "-m", m, "--decode", "--no-special", stdin=lines([2, 5, 6, 3])), OK)
        self.assertEqual(json.loads(done.out), "w1 w2")

    def test_bad_lines_are_bad_data(self):
        m = self.tiny()
        for args, line in (([], b'"open\n'), ([], b"\xff\xfe\n"), ([], b'"\\ud800"\n'),
                           (["--decode"], b"w1\n"), (["--decode"], b"[1.5]\n"), (["--decode"], b"[1\n")):
            with self.subTest(line=line):
                self.expect(run("tokenize", "-m", m, *args, stdin=line), DATA)

    def test_no_tokenizer(self):
        self.expect(run("tokenize", "-m", GOLDENS / "bert", stdin=b"x\n"), NOINPUT)
        m = self.tiny()
        (m / "tokenizer.json").write_text("{")
        self.expect(run("tokenize", "-m", m, stdin=b"x\n"), NOINPUT)

    @needs_models
    def test_real_vocabulary(self):
        got = self.expect(run("tokenize", "-m", "all-MiniLM-L6-v2", stdin=lines("What a wonderful morning.")), OK).lines
        self.assertEqual(got[0]["ids"], [101, 2054, 1037, 6919, 2851, 1012, 102])
        self.assertEqual(got[0]["offsets"], [[0, 0], [0, 4], [5, 6], [7, 16], [17, 24], [24, 25], [0, 0]])


def golden(name):
    return [json.loads(line) for line in (GOLDENS / name / "golden.jsonl").read_text().splitlines()]


class InferIds(Case):
    """--ids works on folders without a tokenizer; the goldens say what comes out."""

    def near(self, got, want):
        self.assertEqual(len(got), len(want))
        for a, b in zip(got, want):
            self.assertTrue(math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-3), (a, b))

    def answers(self, name):
        cases = [c for c in golden(name) if "skip" not in c]
        given = [c["ids"] if not c.get("n_first") else
                 {"ids": c["ids"][:c["n_first"]], "pair_ids": c["ids"][c["n_first"]:]} for c in cases]
        got = self.expect(run("infer", "--ids", "--precision", "float32", "-m", GOLDENS / name, stdin=lines(*given)), OK).lines
        self.assertEqual(len(got), len(cases))
        return zip(got, cases)

    def test_sequence_classification(self):
        for got, case in self.answers("bert-sequence"):
            self.assertEqual(list(got), ["logits"])
            self.near(got["logits"], case["out"])

    def test_token_classification(self):
        for got, case in self.answers("bert-token"):
            self.assertEqual(len(got["logits"]), len(case["ids"]))
            self.near([x for row in got["logits"] for x in row], case["out"])

    def test_span(self):
        for got, case in self.answers("bert-span"):
            self.assertEqual(list(got), ["start_logits", "end_logits"])
            self.near(got["start_logits"] + got["end_logits"], case["out"])

    def test_embedding(self):
        for got, case in self.answers("sentence-mean"):
            self.assertEqual(list(got), ["embedding"])
            self.near(got["embedding"], case["out"])

    def test_lines_that_are_no_sequence(self):
        for line, says in ((b"[]", "without ids"), (b"[1, 2", "line 1"), (b"[100000]", "outside the vocabulary"),
                           (b"[-1]", "outside the vocabulary"), (b"[1.5]", "expected an id"),
                           (b'{"idz":[1]}', "unknown key idz"), (b"[" + b"1," * 64 + b"1]", "the model takes 64"),
                           (b"hello", "line 1")):
            with self.subTest(line=line[:20]):
                done = self.expect(run("infer", "--ids", "-m", GOLDENS / "bert-sequence", stdin=line + b"\n"), DATA)
                self.assertIn(says, done.err)

    def test_order_holds_over_chunks_and_workers(self):
        given = [[5 + i % 300] * (1 + i % 60) for i in range(2500)]
        for threads in ("1", "3"):
            done = self.expect(run("infer", "--ids", "-m", GOLDENS / "bert-sequence", "--threads", threads,
                                   stdin=lines(*given)), OK)
            got = done.out.splitlines()
            self.assertEqual(len(got), len(given))
            alone = run("infer", "--ids", "-m", GOLDENS / "bert-sequence", stdin=lines(given[2221])).out
            self.assertEqual(got[2221] + "\n", alone)


class InferText(Case):
    def test_labels(self):
        m = classifier(self.box().folder / "m")
        got = self.expect(run("infer", "-m", m, stdin=lines("w1 w2 w3", '"w1 w2 w3"', {"text": "w1", "text_pair": "w2"})),
                          OK).lines
        self.assertEqual(got[0], got[1])
        for answer in got:
            self.assertEqual(list(answer), ["label", "score"])
            self.assertIn(answer["label"], ("negative", "neutral", "positive"))
            self.assertTrue(1 / 3 <= answer["score"] <= 1)

    def test_entities(self):
        m = tiny_model(self.box().folder / "m", "bert-token")
        got = self.expect(run("infer", "-m", m, stdin=lines("w1 w2")), OK).lines[0]
        for entity in got:
            self.assertEqual(list(entity), ["entity", "score", "index", "word", "start", "end"])
            self.assertEqual(entity["word"], f"w{entity['index']}")
            self.assertEqual((entity["start"], entity["end"]), ((0, 2), (3, 5))[entity["index"] - 1])

    def test_a_task_that_the_model_does_not_do(self):
        m = classifier(self.box().folder / "m")
        done = self.expect(run("infer", "-m", m, "--task", "feature-extraction"), NOINPUT)
        self.assertIn("does not do feature-extraction", done.err)
        done = self.expect(run("infer", "-m", m, "--task", "telepathy"), USAGE)
        self.assertIn("no task telepathy", done.err)
        self.expect(run("infer", "-m", m, "--task", "sentiment-analysis", stdin=b"w1\n"), OK)

    @needs_models
    def test_real_models(self):
        text = lines("What a wonderful morning.", "This is a disgrace.")
        got = self.expect(run("infer", "-m", "sentiment-en", stdin=text), OK).lines
        self.assertEqual([d["label"] for d in got], ["positive", "negative"])
        got = self.expect(run("infer", "-m", "all-MiniLM-L6-v2", stdin=text), OK).lines
        for d in got:
            self.assertEqual(len(d["embedding"]), 384)
            self.assertAlmostEqual(sum(x * x for x in d["embedding"]), 1, places=4)


if __name__ == "__main__":
    main()
