"""docs/ as a site: it builds without a network, every page is on it, and no link leads nowhere."""
import html.parser
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

SOURCE = pathlib.Path(os.environ["TEXTMILL_SOURCE"])
PYTHON = os.environ.get("TEXTMILL_PYTHON", sys.executable)


class Links(html.parser.HTMLParser):
    """The links, the outside assets and the anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.assets, self.anchors = [], [], {""}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors.add(attrs.get("id"))
        if "href" in attrs:
            (self.links if tag == "a" else self.assets).append(attrs["href"])
        if "src" in attrs:
            self.assets.append(attrs["src"])


class Site(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="textmill-site-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        subprocess.run([PYTHON, SOURCE / "tools/make-site", cls.folder], check=True)
        cls.pages = {p: Links(p.read_text()) for p in cls.folder.rglob("*.html") if "samples" not in p.parts}

    def test_every_page_is_on_it(self):
        pages = {p.stem for p in (SOURCE / "docs").glob("*.md")}
        self.assertLess(10, len(pages))
        self.assertEqual(pages - {p.stem for p in (self.folder / "docs").glob("*.html")}, set())

    def test_no_link_leads_nowhere(self):
        checked = 0
        for page, found in self.pages.items():
            for link in found.links + found.assets:
                if re.match("https?:", link):
                    continue
                path, _, anchor = urllib.parse.unquote(link).partition("#")
                target = (page.parent / path).resolve() if path else page
                self.assertTrue(target.exists(), f"{page}: {link}")
                if anchor:
                    self.assertIn(anchor, self.pages[target].anchors, f"{page}: {link}")
                checked += 1
        self.assertGreater(checked, 200)

    def test_nothing_is_fetched_from_elsewhere(self):
        for page, found in self.pages.items():
            self.assertEqual([a for a in found.assets if ":" in a or a.startswith("//")], [], page)

    def test_a_broken_link_ends_it(self):
        copy = self.folder / "copy"
        (copy / "tools").mkdir(parents=True)
        shutil.copy(SOURCE / "tools/make-site", copy / "tools")
        (copy / "README.md").write_text("# Start\n\n[gone](docs/gone.md)\n")
        done = subprocess.run([PYTHON, copy / "tools/make-site", copy / "out"], capture_output=True, text=True)
        self.assertIn("README.md: docs/gone.md leads nowhere", done.stderr)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    if subprocess.run([PYTHON, "-c", "import markdown"], capture_output=True).returncode:
        print("SKIPPED: TEXTMILL_PYTHON has no markdown (tests/requirements.txt)")
        sys.exit(77)
    unittest.main(verbosity=2)
