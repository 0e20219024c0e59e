#!/usr/bin/env python3
"""The table of families and tasks in docs/models.md: every cell counts models whose answers were compared.

    table.py CONFORMANCE GOLDENS PAGE [--write]

Runs the conformance program over GOLDENS on this machine's best instruction set and counts what
passed; 1 when PAGE says otherwise, or --write puts it there. Standard library only.
"""
import collections
import json
import pathlib
import re
import subprocess
import sys

BEGIN, END = "<!-- made by tests/conformance/table.py -->\n", "<!-- end -->\n"
HEADS = {"generation": r"(ForConditionalGeneration|ForCausalLM|LMHeadModel|MTModel)$",
         "sequence classification": "ForSequenceClassification$",
         "token classification": "ForTokenClassification$",
         "question answering": "ForQuestionAnswering$",
         "embeddings": ""}


def passed(program, folders):
    """Names of the folders without a failure."""
    run = subprocess.run([program, "--device", "cpu", *map(str, folders)], capture_output=True, text=True, check=False)
    good, bad = set(), set()
    for line in run.stdout.splitlines():
        match = re.match(r"(\S+) +cpu ", line)
        if match:
            failed = "FAILED" in line or "tolerance" not in line
            (bad if failed else good).add(pathlib.Path(match[1]).name)
    return good - bad


def facts(folder):
    """Family and task; sentence-transformers folders are embeddings whatever class they name."""
    config = folder / "config.json"
    config = json.loads((config if config.exists() else folder / "base/config.json").read_text())
    if (folder / "adapter_config.json").exists():
        return config["model_type"], "sequence classification"
    if (folder / "modules.json").exists():
        return config["model_type"], "embeddings"
    return config["model_type"], next(h for h, end in HEADS.items() if re.search(end, config["architectures"][0]))


def table(program, goldens):
    folders = sorted(p for p in goldens.iterdir() if p.is_dir())
    good, counts = passed(program, folders), collections.Counter()
    for folder in folders:
        if folder.name in good:
            counts[facts(folder)] += 1
    rows = [["`model_type`", *HEADS], ["---"] * (1 + len(HEADS))]
    for family in sorted({family for family, _ in counts}):
        rows.append([f"`{family}`", *(str(counts[family, head] or "") for head in HEADS)])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def main():
    program, goldens, page = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    text = page.read_text()
    before, rest = text.split(BEGIN)
    said, after = rest.split(END)
    made = table(program, goldens)
    if "--write" in sys.argv:
        page.write_text(before + BEGIN + made + END + after)
    elif said != made:
        print(f"{page} says\n{said}\nbut what passed is\n{made}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
