"""The status page in a real browser: it shows the pipeline's figures, in a wide and in a narrow window.

With TEXTMILL_SCREENSHOTS=DIR the pictures are kept there; docs/ has those of the last change."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

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

    def test_it_shows_the_figures(self):
        box = self.box(tasks="[{ task: sentiment, model: ./classifier }]")
        classifier(box.folder / "classifier")
        port = free_port()
        self.daemon(box, listen=f"127.0.0.1:{port}")
        for i in range(12):
            box.put(f"{i}.txt", f"w{i} is a document of w{i + 1}.")
        box.put("empty.txt", "")
        self.until(lambda: len(box.results()) == 12 and box.reasons())
        url = f"http://127.0.0.1:{port}/"
        page = self.browse(url, "--dump-dom")
        for word in ('<span id="state" class="">working</span>', "<b>12</b><span>delivered</span>",
                     "<b>1</b><span>dead letters</span>", "E_EMPTY", "BertForSequenceClassification", "assemble"):
            self.assertIn(word, page)
        folder = pathlib.Path(os.environ.get("TEXTMILL_SCREENSHOTS") or box.folder)
        for name, size, how in (("page", "900,860", []), ("page-dark", "400,1100", ["--blink-settings=preferredColorScheme=0"])):
            picture = folder / f"{name}.png"
            self.browse(url, f"--window-size={size}", f"--screenshot={picture}", *how)
            self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


if __name__ == "__main__":
    if BROWSER is None:
        print("SKIPPED: no chromium (Debian: chromium)")
        sys.exit(77)
    main()
