#!/usr/bin/env python3
"""textmill infer against transformers' pipelines on the small models of pipelines/ (make_pipelines.py made both).

    test_pipelines.py TEXTMILL FOLDER
"""
import json
import os
import re
import subprocess
import sys
import tempfile

TOLERANCE = 2e-4


def close(got, expected, path=""):
    """What differs, or None."""
    if isinstance(expected, float) and isinstance(got, (int, float)):
        return None if abs(got - expected) <= TOLERANCE * max(1, abs(expected)) else f"{path}: {got}, not {expected}"
    if isinstance(expected, list) and isinstance(got, list):
        if len(got) != len(expected):
            return f"{path}: {len(got)} entries, not {len(expected)}"
        return next((d for i, (g, e) in enumerate(zip(got, expected)) if (d := close(g, e, f"{path}[{i}]"))), None)
    if isinstance(expected, dict) and isinstance(got, dict):
        if set(got) != set(expected):
            return f"{path}: {sorted(got)}, not {sorted(expected)}"
        return next((d for k in expected if (d := close(got[k], expected[k], f"{path}.{k}"))), None)
    return None if got == expected else f"{path}: {got!r}, not {expected!r}"


def run(textmill, folder, case):
    command = [textmill, "infer", "-m", os.path.join(folder, case["model"]), "--precision", "float32"] + case["args"]
    done = subprocess.run(command, input="".join(x + "\n" for x in case["lines"]), capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        return f"exit {done.returncode}: {done.stderr.strip()}"
    return close([json.loads(x) for x in done.stdout.splitlines()], case["expected"])


CONFIG = """
source: {{ spool: {{ path: in, pattern: "*.jsonl", settle_ms: 0 }} }}
tasks:
  - {{ task: summary, model: {0}/bart, policy: map_reduce, num_beams: 1 }}
  - {{ task: classification, model: {0}/bert-nli, labels: [traffic, schools] }}
  - {{ task: entities, model: {0}/bert-ner, stride: 16 }}
  - {{ task: answers, model: {0}/bert-qa, max_seq_len: 48, stride: 16, questions: ["Who found cracks?"] }}
  - {{ task: embedding, model: {0}/bert-mean }}
  - {{ task: translation, model: {0}/marian, to: es, from: en }}
  - {{ task: generation, model: {0}/llama, name: note, system: "You are brief.", template: "{{{{ text[:60] }}}}", max_new_tokens: 12 }}
  - {{ task: generation, model: {0}/llama, name: form, chat: false, schema: schema.json, max_new_tokens: 80 }}
  - {{ task: generation, model: {0}/t5, name: short, template: "summarize: {{{{ text }}}}", max_new_tokens: 8 }}
sink: {{ files: {{ path: out }}, dead_letters: {{ path: dead }} }}
engine: {{ precision: float32 }}
"""
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}, "kind": {"enum": ["a", "b", 3]}}, "required": ["ok", "kind"]}


def keeps_to_schema(x):
    return isinstance(x, dict) and list(x) == ["ok", "kind"] and x["ok"] in (True, False) and x["kind"] in ("a", "b", 3)


def infer(textmill, folder, model, args, lines):
    done = subprocess.run([textmill, "infer", "-m", os.path.join(folder, model), "--precision", "float32"] + args,
                          input="".join(x + "\n" for x in lines), capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(x)["generated_text"] for x in done.stdout.splitlines()]


def guided(textmill, folder):
    """Choices, schemas and stop strings, greedy and with beams; what is wrong, or None."""
    lines = ["The bridge is", "Boats go", "Anna said that"]
    with tempfile.TemporaryDirectory() as work:
        schema = os.path.join(work, "schema.json")
        with open(schema, "w", encoding="utf-8") as f:
            json.dump(SCHEMA, f)
        for model, beams in [("llama", "1"), ("llama", "3"), ("bart", "3")]:
            args = ["--num-beams", beams]
            got = infer(textmill, folder, model, args + ["--choices", "yes, no, not at all", "--max-new-tokens", "30"], lines)
            if any(x.strip() not in ("yes", "no", "not at all") for x in got):
                return f"choices of {model}: {got}"
            got = infer(textmill, folder, model, args + ["--schema", schema, "--max-new-tokens", "80", "--no-repeat-ngram-size", "0"], lines)
            if not all(keeps_to_schema(json.loads(x)) for x in got):
                return f"schema of {model}: {got}"
    whole = infer(textmill, folder, "llama", ["--max-new-tokens", "12"], lines)
    stopped = 0
    for text, line in zip(whole, lines):
        found = re.search("[A-Za-z]{2}", text[1:])
        if found is None:
            continue
        got = infer(textmill, folder, "llama", ["--max-new-tokens", "12", "--stop-strings", found[0]], [line])[0]
        stopped += len(got) < len(text)
        if not text.startswith(got) or found[0] not in got:
            return f"stop string {found[0]!r}: {got!r} of {text!r}"
    if stopped == 0:
        return "no stop string ended an answer"
    return None


def check_result(r, text, cases):
    """All tasks over one document; what is wrong, or None."""
    if r["status"] != "ok" or r["text"] != text:
        return f"status {r['status']}: {r['errors']}"
    spans = r["entities"] + r["answers"]
    if not r["entities"] or any(text[x["start"]:x["end"]] != x.get("answer", x.get("text")) for x in spans):
        return f"entities or answers lie elsewhere: {spans}"
    if [a["question"] for a in r["answers"]] != ["Who found cracks?", "How do people go to work?"]:
        return f"questions: {r['answers']}"
    if (r["summary"]["style"], r["summary"]["method"], r["summary"]["coverage"]) != ("abstractive", "map_reduce", 1) or r["summary"]["chunks"] < 2:
        return f"summary: {r['summary']}"
    segments = r["translations"]["es"]["segments"]
    if len(segments) != 4 or any(text[a["src"][0]:a["src"][1]][-1] != "." for a in segments):
        return f"translation: {segments}"
    if len(r["embedding"]["vector"]) != 32 or {x["label"] for x in r["classification"]["labels"]} != {"traffic", "schools"}:
        return "embedding or classification"
    chat = next(c for c in cases if "--chat" in c["args"])
    if not keeps_to_schema(r["generated"][1]["json"]):
        return f"schema: {r['generated'][1]}"
    if [g["name"] for g in r["generated"]] != ["note", "form", "short"] or r["generated"][0]["text"] != chat["expected"][0]["generated_text"]:
        return f"generated: {r['generated']}"
    return None


def all_tasks(textmill, folder, cases):
    text = json.loads(next(c for c in cases if c["model"] == "bert-qa" and "24" in c["args"])["lines"][0])["context"]
    with tempfile.TemporaryDirectory() as work:
        os.mkdir(os.path.join(work, "in"))
        with open(os.path.join(work, "in", "a.jsonl"), "w", encoding="utf-8") as f:
            f.write(json.dumps({"text": text, "questions": ["How do people go to work?"]}) + "\n")
        with open(os.path.join(work, "schema.json"), "w", encoding="utf-8") as f:
            json.dump(SCHEMA, f)
        with open(os.path.join(work, "pipeline.yaml"), "w", encoding="utf-8") as f:
            f.write(CONFIG.format(os.path.abspath(folder)))
        done = subprocess.run([textmill, "once", "-c", os.path.join(work, "pipeline.yaml")], capture_output=True, text=True, timeout=100)
        if done.returncode != 0:
            return f"exit {done.returncode}: {done.stderr.strip()}"
        found = [os.path.join(d, x) for d, _, names in os.walk(os.path.join(work, "out")) for x in names if x.endswith(".jsonl")]
        with open(found[0], encoding="utf-8") as f:
            return check_result(json.loads(f.readline()), text, cases)


def main():
    textmill, folder = sys.argv[1:]
    with open(os.path.join(folder, "cases.json"), encoding="utf-8") as f:
        cases = json.load(f)
    failed = 0
    for case in cases:
        wrong = run(textmill, folder, case)
        failed += wrong is not None
        print("not ok" if wrong else "ok", case["model"], *case["args"], "" if wrong is None else f": {wrong}")
    for name, wrong in [("guides", guided(textmill, folder)), ("all tasks over one document", all_tasks(textmill, folder, cases))]:
        failed += wrong is not None
        print("not ok" if wrong else "ok", name, "" if wrong is None else f": {wrong}")
    print(f"{len(cases)} cases over {len({c['model'] for c in cases})} models, {failed} failed")
    sys.exit(failed > 0)


main()
