"""Models that cannot be used end the program before any document is touched: exit code 66, a message
that names the file and what is wrong with it, and the spool as it was."""
import json
import struct

from harness import NOINPUT, OK, Case, classifier, embedder, main, run, write_tokenizer

PAGE = "A first sentence of some length. A second one follows it here. And a third ends the text."


def safetensors(path):
    """Header and payload of a safetensors file."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + size]), data[8 + size:]


def write_safetensors(path, header, payload):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + payload)


def cut(path, n):
    path.write_bytes(path.read_bytes()[:n])


def drop_tensor(path):
    header, payload = safetensors(path)
    begin, end = header.pop("embeddings.word_embeddings.weight")["data_offsets"]
    for entry in header.values():
        if "data_offsets" in entry and entry["data_offsets"][0] >= end:
            entry["data_offsets"] = [at - (end - begin) for at in entry["data_offsets"]]
    write_safetensors(path, header, payload[:begin] + payload[end:])


def leave_a_hole(path):
    header, payload = safetensors(path)
    del header["embeddings.word_embeddings.weight"]
    write_safetensors(path, header, payload)


def bend_tensor(path):
    header, payload = safetensors(path)
    header["embeddings.word_embeddings.weight"]["shape"].reverse()
    write_safetensors(path, header, payload)


def overlap(path):
    header, payload = safetensors(path)
    names = [n for n in header if n != "__metadata__"]
    header[names[0]]["data_offsets"] = header[names[1]]["data_offsets"]
    write_safetensors(path, header, payload)


def no_numbers(path):
    header, payload = safetensors(path)
    write_safetensors(path, header, b"\xff" * len(payload))


# what is done to which file, and what the message must name
BROKEN = {
    "weights cut short": ("model.safetensors", lambda p: cut(p, p.stat().st_size - 100), "model.safetensors"),
    "weights cut in the header": ("model.safetensors", lambda p: cut(p, 100), "model.safetensors"),
    "weights empty": ("model.safetensors", lambda p: cut(p, 0), "model.safetensors"),
    "header length absurd": ("model.safetensors",
                             lambda p: p.write_bytes(b"\xff" * 8 + p.read_bytes()[8:]), "model.safetensors"),
    "header is not JSON": ("model.safetensors",
                           lambda p: p.write_bytes(p.read_bytes()[:8] + b"#" + p.read_bytes()[9:]),
                           "model.safetensors"),
    "tensors overlap": ("model.safetensors", overlap, "model.safetensors"),
    "tensors with a hole between": ("model.safetensors", leave_a_hole, "leaves a hole"),
    "tensor missing": ("model.safetensors", drop_tensor, "word_embeddings"),
    "tensor of another shape": ("model.safetensors", bend_tensor, "word_embeddings"),
    "weights missing": ("model.safetensors", lambda p: p.unlink(), "model.safetensors"),
    "config.json cut short": ("config.json", lambda p: cut(p, 50), "config.json"),
    "config.json missing": ("config.json", lambda p: p.unlink(), "config.json"),
    "config.json of an unknown family": (
        "config.json", lambda p: p.write_text(p.read_text().replace('"bert"', '"cuttlefish"')
                                              .replace('"BertModel"', '"CuttlefishModel"')), "uttlefish"),
    "tokenizer.json cut short": ("tokenizer.json", lambda p: cut(p, p.stat().st_size // 2), "tokenizer.json"),
    "tokenizer.json empty": ("tokenizer.json", lambda p: cut(p, 0), "tokenizer.json"),
    "tokenizer.json missing": ("tokenizer.json", lambda p: p.unlink(), "tokenizer.json"),
    "tokenizer with an unknown part": (
        "tokenizer.json", lambda p: p.write_text(p.read_text().replace('"Whitespace"', '"Cuttlefish"')),
        "Cuttlefish"),
}


class BrokenModels(Case):
    def pipeline(self, task="{ task: summary, model: ./model, sentences: 1 }"):
        box = self.box(tasks=f"[{task}]")
        box.put("a.txt", PAGE)
        return box

    def untouched(self, box):
        self.assertEqual(box.waiting(), ["a.txt"])
        self.assertEqual(box.results(), {})
        self.assertEqual(box.dead_letters(), {})

    def test_the_model_as_it_should_be(self):
        box = self.pipeline()
        embedder(box.folder / "model")
        self.expect(box.once(), OK)
        self.assertEqual(box.results()["a.txt"]["summary"]["method"], "centrality")

    def test_each_kind_of_damage(self):
        for name, (file, damage, names) in BROKEN.items():
            with self.subTest(name):
                box = self.pipeline()
                damage(embedder(box.folder / "model") / file)
                done = self.expect(box.once(), NOINPUT)
                self.assertIn("tasks[0] summary: ", done.err)
                self.assertIn(names, done.err)
                self.untouched(box)
                verified = self.expect(run("models", "verify", box.folder / "model"), NOINPUT)
                self.assertIn(names, verified.err)
                checked = self.expect(run("check", "--online", "-c", box.config), NOINPUT)
                self.assertIn(names, checked.err)

    def test_no_such_model(self):
        box = self.pipeline()
        done = self.expect(box.once(), NOINPUT)
        self.assertIn("model folder", done.err)
        self.assertIn("does not exist", done.err)
        self.untouched(box)
        box.write(tasks="[{ task: summary, model: no-such-name }]")
        done = self.expect(box.once(env={"TEXTMILL_MODELS": str(box.folder)}), NOINPUT)
        self.assertIn("no-such-name is not in the model path", done.err)
        self.assertIn(str(box.folder), done.err)
        self.untouched(box)

    def test_a_model_that_does_something_else(self):
        box = self.pipeline("{ task: sentiment, model: ./model }")
        embedder(box.folder / "model")
        done = self.expect(box.once(), NOINPUT)
        self.assertIn("is for sentence embeddings, not for sequence classification", done.err)
        self.untouched(box)

    def test_a_classifier_without_the_labels(self):
        box = self.pipeline("{ task: sentiment, model: ./model }")
        config = classifier(box.folder / "model") / "config.json"
        config.write_text(config.read_text().replace('"negative"', '"cats"'))
        done = self.expect(box.once(), NOINPUT)
        self.assertIn("does not tell negative from positive", done.err)
        self.untouched(box)

    def test_weights_that_are_no_numbers_fail_documents_not_the_process(self):
        box = self.pipeline()
        no_numbers(embedder(box.folder / "model") / "model.safetensors")
        done = self.expect(box.once(), 1)
        letter = box.dead_letters()["a.txt"]
        self.assertEqual((letter["code"], letter["stage"]), ("E_MODEL", "infer"))
        self.assertIn("1 dead-lettered", done.err)
        self.assertEqual(box.reasons()["a.txt"]["code"], "E_MODEL")

    def test_verify_reads_every_value(self):
        box = self.box()
        file = embedder(box.folder / "model") / "model.safetensors"
        done = self.expect(run("models", "verify", box.folder / "model"), OK)
        self.assertRegex(done.out, r": ok, safetensors, \d+ values, sha256 [0-9a-f]{64}\n")
        no_numbers(file)
        done = self.expect(run("models", "verify", box.folder / "model"), NOINPUT)
        self.assertRegex(done.err, r"tensor \S+: element \d+ is no finite number")

    def test_an_adapter_without_its_base(self):
        box = self.pipeline("{ task: sentiment, model: ./model }")
        folder = box.folder / "model"
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps(
            {"peft_type": "LORA", "base_model_name_or_path": "no-such-base", "r": 1}))
        write_tokenizer(folder)
        done = self.expect(box.once(), NOINPUT)
        self.assertIn("no-such-base", done.err)
        self.untouched(box)


if __name__ == "__main__":
    main()
