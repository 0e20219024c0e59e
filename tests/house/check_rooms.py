#!/usr/bin/env python3
"""check_rooms.py ROOT BUILD: the dependency rule of ARCHITECTURE.md holds in the build itself.

For one source file of each room, taken with the very flags the build gives it, including the public
header of a forbidden room must fail to compile, and that of an allowed room must not. A room's
private headers must not be included from outside."""
import json
import pathlib
import re
import shlex
import subprocess
import sys

root, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
PUBLIC = {"base": "tm_base.h", "kernels": "tm_kernels.h", "engine": "tm_engine.h",
          "pipeline": "tm_pipeline.h", "ingest": "tm_ingest.h", "sinks": "tm_sinks.h",
          "kafka": "tm_kafka.h", "daemon": "verbs.h"}
MAY = {"base": {"base"},
       "kernels": {"base", "kernels"},
       "engine": {"base", "kernels", "engine"},
       "pipeline": {"base", "engine", "pipeline"},
       "kafka": {"base", "kafka"},
       "ingest": {"base", "pipeline", "kafka", "ingest"},
       "sinks": {"base", "pipeline", "kafka", "sinks"},
       "daemon": {"base", "engine", "pipeline", "kafka", "ingest", "sinks", "daemon"}}


def room_of(path):
    path = pathlib.Path(path)
    path = (build / path).resolve() if not path.is_absolute() else path.resolve()
    try:
        return path.relative_to(root).parts[0]
    except ValueError:
        return None


def compiles(entry, header):
    words = shlex.split(entry["command"])
    flags = [w for w in words[1:] if re.match(r"-(I|isystem|D|std|f|m|W)", w)]
    done = subprocess.run([words[0], *flags, "-w", "-fsyntax-only", "-x", "c", "-"],
                          input=f'#include "{header}"\n', text=True, capture_output=True,
                          cwd=entry["directory"])
    return done.returncode == 0


def check_build():
    seen, wrong = {}, 0
    for entry in json.loads((build / "compile_commands.json").read_text()):
        room = room_of(entry["file"])
        if room not in MAY:
            continue
        folder = str(pathlib.Path(entry["file"]).parent)
        if folder in seen:  # one file a folder: all of a library share their flags
            continue
        seen[folder] = room
        for other, header in PUBLIC.items():
            allowed = other in MAY[room]
            if compiles(entry, header) != allowed:
                wrong += 1
                print(f"{entry['file']}: {header} {'does not compile' if allowed else 'compiles'}, "
                      f"{room}/ {'may' if allowed else 'must not'} include {other}/")
    missing = set(MAY) - set(seen.values())
    if missing:
        print(f"no source of {sorted(missing)} in compile_commands.json")
    print(f"{len(seen)} folders with sources, {wrong} wrong")
    return wrong + len(missing)


def check_private():
    """Headers without tm_ are private to their room."""
    owner = {}
    for room in MAY:
        for h in (root / room).rglob("*.h"):
            if not h.name.startswith("tm_"):
                owner.setdefault(h.name, set()).add(room)
    wrong = 0
    for room in MAY:
        for source in (root / room).rglob("*.[ch]"):
            for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', source.read_text(), re.M):
                rooms = owner.get(pathlib.Path(name).name)
                if rooms and room not in rooms:
                    wrong += 1
                    print(f"{source.relative_to(root)} includes {name}, private to {sorted(rooms)}")
    return wrong


sys.exit(1 if check_build() + check_private() else 0)
