"""The status page in a real browser: it shows the pipeline's figures, in a wide and in a narrow window.

With TEXTMILL_SCREENSHOTS=DIR the pictures are kept there; docs/ has those of the last change."""
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import urllib.request
import zlib

from harness import classifier, main
from test_http import Daemons

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


class Page(Daemons):
    def browse(self, url, *how):
        profile = tempfile.mkdtemp(prefix="textmill-browser-")
        self.addCleanup(shutil.rmtree, profile, ignore_errors=True)
        done = subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
                               "--virtual-time-budget=3000", *how, url], capture_output=True, timeout=120)
        return done.stdout.decode()

    def picture(self, url, path, width, height, *how):
        """A screenshot, and its share of dark pixels."""
        self.browse(url, f"--window-size={width},{height}", f"--screenshot={path}", *how)
        pixels = png_pixels(path.read_bytes())
        self.assertEqual(pixels[:2], (width, height))
        return sum(1 for p in pixels[2] if p < 100) / len(pixels[2])

    def test_it_shows_the_figures(self):
        box = self.box(tasks="[{ task: sentiment, model: ./classifier }]")
        classifier(box.folder / "classifier")
        os.environ["TEXTMILL_FAULT_SLOW"] = "clean:300"  # so that something is in flight
        self.addCleanup(os.environ.pop, "TEXTMILL_FAULT_SLOW")
        port = free_port()
        self.daemon(box, listen=f"127.0.0.1:{port}")
        for i in range(12):
            box.put(f"{i}.txt", f"w{i} is a document of w{i + 1}.")
        box.put("empty.txt", "")
        self.until(lambda: (c := json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}/status").read())["counters"])
                   ["documents_out_total"] == 12 and c["documents_dead_total"] == 1)
        url = f"http://127.0.0.1:{port}/"
        page = self.browse(url, "--dump-dom")
        for word in ('<span id="state" class="">working</span>', "<b>12</b><span>delivered</span>",
                     "<b>1</b><span>dead letters</span>", "E_EMPTY", "BertForSequenceClassification", "assemble",
                     '<a href="dead?code=E_EMPTY">', "nothing is in flight"):
            self.assertIn(word, page)
        box.put("posts.jsonl", "".join(f'{{"text": "w{i % 300} w1"}}\n' for i in range(9000)))
        box.put("page.html", "<p>w1 and w2")
        self.assertIn("<td>posts.jsonl</td>", self.browse(url, "--dump-dom"))
        folder = pathlib.Path(os.environ.get("TEXTMILL_SCREENSHOTS") or box.folder)
        dark = "--blink-settings=preferredColorScheme=0"
        for name, size in (("page", (900, 1000)), ("page-phone", (500, 1300))):
            self.assertLess(self.picture(url, folder / f"{name}.png", *size), 0.3)
            self.assertGreater(self.picture(url, folder / f"{name}-dark.png", *size, dark), 0.7)
        samples = json.loads(urllib.request.urlopen(f"{url}dead?code=E_EMPTY").read())
        self.assertEqual([s["document"] for s in samples["E_EMPTY"]], ["empty.txt"])


def png_pixels(data):
    """Width, height and the green of every 7th pixel of an 8-bit RGB or RGBA picture."""
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert depth == 8 and kind in (2, 6)
    n, at, packed = {2: 3, 6: 4}[kind], 8, b""
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at:at + 8])
        packed += data[at + 8:at + 8 + size] if name == b"IDAT" else b""
        at += 12 + size
    raw, stride, before, greens = zlib.decompress(packed), width * n, bytearray(width * n), []
    for y in range(height):
        how, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            a, b, c = row[x - n] if x >= n else 0, before[x], before[x - n] if x >= n else 0
            nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            row[x] = (row[x] + (0, a, b, (a + b) // 2, nearest)[how]) & 255
        greens += row[1::7 * n]
        before = row
    return width, height, greens


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


if __name__ == "__main__":
    if BROWSER is None:
        print("SKIPPED: no chromium (Debian: chromium)")
        sys.exit(77)
    main()
