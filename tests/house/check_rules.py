#!/usr/bin/env python3
"""check_rules.py ROOT: rules of CONTRIBUTING.md that a machine can hold: no unsafe libc calls, no
exit() and no threads outside their places, no file that has grown past its budget."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
ROOMS = ["base", "kernels", "engine", "pipeline", "kafka", "ingest", "sinks", "daemon"]
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|gets|localtime|gmtime|"
                    r"alloca|strtol|strtoul)\s*\(")
EXIT = re.compile(r"(?<![\w.>])(exit|_exit|quick_exit)\s*\(")
THREAD = re.compile(r"\bpthread_create\s*\(")
EXIT_OK = {"base/fault.c", "daemon/extract.c", "daemon/reload.c", "daemon/run.c", "daemon/supervise.c"}
THREAD_OK = {"pipeline/threads.c"}
MAX_LINES = 1000


def without_comments(text):
    return re.sub(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|//[^\n]*",
                  lambda m: "\n" * m.group().count("\n"), text, flags=re.S)


problems = []
for room in ROOMS:
    for path in sorted((root / room).rglob("*.[ch]")):
        name = str(path.relative_to(root))
        text = path.read_text()
        if text.count("\n") > MAX_LINES and "tables" not in name:
            problems.append(f"{name}: {text.count(chr(10))} lines, more than {MAX_LINES}")
        if not text.startswith("/*"):
            problems.append(f"{name}:1: does not open with what it is")
        code = without_comments(text)
        for number, line in enumerate(code.splitlines(), 1):
            for found in BANNED.finditer(line):
                problems.append(f"{name}:{number}: {found.group(1)}() is banned")
            if EXIT.search(line) and name not in EXIT_OK:
                problems.append(f"{name}:{number}: only the daemon ends the process")
            if THREAD.search(line) and name not in THREAD_OK:
                problems.append(f"{name}:{number}: threads are created in one file")
print("\n".join(problems) or "all rules hold")
sys.exit(1 if problems else 0)
