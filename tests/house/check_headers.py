#!/usr/bin/env python3
"""check_headers.py ROOT ROOM CC INCLUDE...: every header of a room compiles alone, with only the
include folders of the rooms that it may see."""
import pathlib
import subprocess
import sys

root, room, cc, sees = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
failed = 0
headers = sorted((root / room).glob("tm_*.h"))
for header in headers:
    command = [cc, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
               *[f"-I{root / r}" for r in sees], "-x", "c", "-"]
    # Twice: the guard must hold.
    text = f'#include "{header.name}"\n' * 2 + "typedef int not_empty;\n"
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    if done.returncode != 0:
        failed += 1
        print(f"{header.relative_to(root)} does not compile alone:\n{done.stderr}")
print(f"{len(headers)} headers of {room}, {failed} failed")
sys.exit(failed != 0 or not headers)
