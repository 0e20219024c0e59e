"""docs/kafka.md: its commands, run one after the other, do what the page says."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from kafka_tools import ROOT, TEXTMILL, Failed, main, skip

if shutil.which("kcat") is None:
    skip("kcat is not there")


def the_page():
    text = (ROOT / "docs/kafka.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    commands = "\n".join(b for b in blocks if "apt-get" not in b)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="textmill-page-"))
    try:
        (folder / "tools").symlink_to(ROOT / "tools")
        env = dict(os.environ, PATH=f"{pathlib.Path(TEXTMILL).parent}:{os.environ['PATH']}")
        done = subprocess.run(["bash", "-euxc", "mkdir trial\n" + commands], cwd=folder, env=env, capture_output=True,
                              text=True, timeout=240)
        if done.returncode != 0:
            raise Failed(done.stdout[-2000:] + done.stderr[-3000:])
        results = [line.split(" ", 1) for line in (folder / "trial/results").read_text().splitlines()]
        told = {key: json.loads(value)["text"] for key, value in results}
        if set(told) != {"story-1", "story-2"} or not told["story-1"].startswith("The harbour reopened"):
            raise Failed(told)
        if "textmill.code=E_BAD_INPUT" not in (folder / "trial/letters").read_text():
            raise Failed((folder / "trial/letters").read_text())
        if "1 letters sent back" not in done.stderr:
            raise Failed(done.stderr[-2000:])
    finally:
        subprocess.run([str(ROOT / "tools/broker"), "remove", str(folder / "trial/broker")])
        shutil.rmtree(folder, ignore_errors=True)
    return f"{len(blocks)} blocks"


if __name__ == "__main__":
    main([the_page])
