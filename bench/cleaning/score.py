#!/usr/bin/env python3
"""Everything cleaning is measured by, textmill and its peers on the same files in the same run.

    score.py BUILD [--own]        BUILD: a build folder; --own: textmill alone

Called by run, which makes the virtual environment. Takes $TEXTMILL_TESTDATA. Pages are single-threaded for
everybody. Each figure is over all files; of the parts named dev and test (extraction.py) the test part is beside it."""
import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time

import charset
import extraction
import language
import neardup
import pii
import repair


PEERS_SHARE = 4  # each so many'th line of a language goes to the peers: lingua reads 400 a second


def row(*cells):
    print("| " + " | ".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells) + " |", flush=True)


def head(title, *names):
    print(f"\n## {title}\n")
    row(*names)
    row(*["---"] * len(names))


def cpu_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def extraction_rows(build, data, peers):
    tool = os.path.join(build, "daemon", "textmill")
    for name, pages_of in (("Trafilatura's pages", extraction.trafilatura_pages),
                           ("Readability's pages", extraction.readability_pages)):
        pages = list(pages_of(data))
        keys = [key for key in extraction.META if any(page.meta.get(key) for page in pages)]
        head(f"{name} ({len(pages)})", "tool", "precision", "recall", "F1", "F1, test part", *keys, "pages/s")
        tools = {f"textmill {mode}": None for mode in ("fast", "balanced", "precision", "recall")}
        for label, function in {**tools, **(peers.EXTRACTORS if peers else {})}.items():
            if function is None:
                before = cpu_of_children()
                results, _ = extraction.run_textmill(tool, pages, ["-j", "1", "--mode", label.split()[1]])
                seconds = cpu_of_children() - before
            else:
                results, start = {}, time.process_time()
                for page in pages:
                    with open(page.path, "rb") as file:
                        html = file.read()
                    try:
                        results[page.path] = function(html)
                    except Exception as problem:  # a tool that fails has found nothing
                        print(f"{label}: {page.name}: {problem!r}", file=sys.stderr)
                seconds = time.process_time() - start
            rows = extraction.score(pages, results)
            whole = rows["all"]
            row(label, whole["precision"], whole["recall"], whole["f1"], rows["test"]["f1"],
                *[whole.get(key, 0.0) for key in keys], f"{len(pages) / seconds:.1f}")
        alone = subprocess.run([os.path.join(build, "bench", "bench_parse"), *[page.path for page in pages]],
                               capture_output=True, text=True, check=True).stdout.strip()
        print(f"\nlibxml2 alone parses {alone} of these pages/s.")


def charset_rows(build, data, peers):
    files = charset.files(data)
    head(f"Charset decisions ({len(files)} files)", "tool", "right", "right, test part")
    named = {"textmill": charset.run_textmill(os.path.join(build, "daemon", "textmill"), [path for _, path in files])}
    for label, function in (peers.DETECTORS if peers else {}).items():
        named[label] = {}
        for _, path in files:
            with open(path, "rb") as file:
                named[label][path] = function(file.read())
    for label, by_path in named.items():
        right = {"all": [], "dev": [], "test": []}
        for folder, path in files:
            with open(path, "rb") as file:
                good = charset.is_right(folder, file.read(), by_path.get(path, ""))
            for part in ("all", extraction.part_of(os.path.basename(path))):
                right[part].append(good)
        row(label, sum(right["all"]) / len(right["all"]), sum(right["test"]) / len(right["test"]))


def repair_rows(build, data, peers):
    cases = repair.cases(data)
    head(f"Repair of misread text ({len(cases)} cases)", "tool", "right")
    with tempfile.TemporaryDirectory() as folder:
        texts = {"textmill": repair.run_textmill(os.path.join(build, "daemon", "textmill"), [a for a, _ in cases],
                                                 os.path.join(folder, "cases.jsonl"))}
    if peers:
        texts["ftfy"] = [peers.mend(original) for original, _ in cases]
    for label, got in texts.items():
        row(label, sum(repair.plain(a) == repair.plain(b) for a, (_, b) in zip(got, cases, strict=True)) / len(cases))


def language_rows(build, data, peers):
    tool = os.path.join(build, "tests", "clean", "bench_langid")
    every = {kind: language.lines(data, kind) for kind in language.KINDS}
    few = {kind: lines[::PEERS_SHARE] for kind, lines in every.items()}
    head(f"Language (mean over {len({lang for lang, _ in every['sentences']})} languages)", "tool", *language.KINDS,
         "sentences/s")
    for label, gold in {"textmill": every, **({f"textmill, each {PEERS_SHARE}th line": few} if peers else {})}.items():
        own = {kind: language.run_textmill(tool, [text for _, text in lines]) for kind, lines in gold.items()}
        row(label, *[language.score(gold[kind], own[kind][0])["all"] for kind in gold], f"{own['sentences'][1]:.0f}")
    named = {"lingua, high accuracy": peers.language_detector(), "fastText lid.176": peers.fasttext_detector(data)} \
        if peers else {}
    for label, detect in named.items():
        cells, rates = [], {}
        for kind, lines in few.items():
            start = time.process_time()
            cells.append(language.score(lines, [detect(text) for _, text in lines])["all"])
            rates[kind] = len(lines) / (time.process_time() - start)
        row(f"{label}, each {PEERS_SHARE}th line", *cells, f"{rates['sentences']:.0f}")


def neardup_rows(build, data, peers):
    sets = {part: neardup.articles(data, part) for part in neardup.SETS}
    head("Near-duplicates (" + " and ".join(f"{len(docs)} articles, {len(pairs)} pairs" for docs, pairs in sets.values())
         + ")", "tool", *[f"{what}, {part}" for part in sets for what in ("recall", "precision")])
    tools = {"textmill": lambda docs: neardup.run_textmill(os.path.join(build, "daemon", "textmill"), docs)}
    if peers:
        tools["datasketch"] = peers.duplicates
    for label, find in tools.items():
        row(label, *[cell for docs, pairs in sets.values() for cell in neardup.score(find(docs), pairs)])


def pii_rows(build, data, peers):
    cases = pii.sentences(data)
    head(f"Personal data, types of patterns ({sum(len(gold) for _, gold in cases)} spans in {len(cases)} texts)",
         "tool", "F2", "recall", "precision", "F2, test part")
    named = {"textmill": pii.run_textmill(os.path.join(build, "tests", "clean", "bench_pii"), [t for t, _ in cases])}
    if peers:
        find = peers.pii_finder()
        named["presidio, patterns alone"] = [find(text) for text, _ in cases]
    for label, got in named.items():
        scores, _ = pii.score(cases, got)
        row(label, *scores["all"], scores["test"][0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--own", action="store_true", help="textmill alone, without the peers")
    args = parser.parse_args()
    data = os.environ.get("TEXTMILL_TESTDATA")
    if not data:
        print("skipped: set TEXTMILL_TESTDATA to the folder of test data", file=sys.stderr)
        return 77
    peers = None
    if not args.own:
        import peers
    for rows in (extraction_rows, charset_rows, repair_rows, language_rows, neardup_rows, pii_rows):
        rows(args.build, data, peers)
    return 0


sys.exit(main())
