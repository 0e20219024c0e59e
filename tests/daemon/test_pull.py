"""models pull against a server that behaves as a hub does: listings, redirects to another host, ranges, 401, 404,
429, cut connections, and lies."""
import fcntl
import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

import harness
from harness import AGAIN, CONFIG, DATA, GOLDENS, NOINPUT, OK, PERMISSION, TEXTMILL, USAGE

UNAVAILABLE = 69
REPO = "mill/tiny"
BIG = bytes(range(256)) * 4096  # 1 MiB


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub:
    """Two listeners: the hub, and the host of large files to which it redirects."""

    def __init__(self, files):
        self.files = dict(files)
        self.revision = "0123456789abcdef0123456789abcdef01234567"
        self.token = None
        self.ranges = True
        self.redirect = True
        self.cut_after = []  # bytes after which the next answers of the large files' host break off
        self.busy = []  # statuses that are given before an answer
        self.log = []  # (host, path, Range, Authorization)
        self.listing = self.siblings
        self.servers = [self.serve("hub"), self.serve("store")]
        self.endpoint = f"http://127.0.0.1:{self.servers[0].server_port}"
        self.store = f"http://127.0.0.1:{self.servers[1].server_port}"

    def siblings(self):
        out = []
        for path, data in self.files.items():
            entry = {"rfilename": path, "size": len(data), "blobId": git_sha1(data)}
            if not path.endswith((".json", ".txt", ".md")):
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            out.append(entry)
        return out

    def serve(self, host):
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def answer(self, status, body=b"", headers=(), cut=None):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body if cut is None else body[:cut])
                if cut is not None:
                    self.wfile.flush()
                    self.close_connection = True

            def do_GET(self):
                path = urllib.parse.unquote(self.path)
                hub.log.append((host, path, self.headers.get("Range"), self.headers.get("Authorization")))
                if hub.busy:
                    return self.answer(hub.busy.pop(0), b"later", [("Retry-After", "0")])
                if host == "hub" and hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                    return self.answer(401, b"who are you?")
                if path == f"/api/models/{REPO}/revision/main?blobs=true":
                    body = {"sha": hub.revision, "siblings": hub.listing()}
                    return self.answer(200, json.dumps(body).encode())
                match = re.fullmatch(rf"/(?:{REPO}/resolve/{hub.revision}|plain|files)/(.+)", path)
                if not match or match[1] not in hub.files:
                    return self.answer(404, b"no such thing")
                if host == "hub" and hub.redirect and not path.endswith(".json"):
                    return self.answer(302, b"", [("Location", f"{hub.store}/files/{match[1]}")])
                self.send_file(hub.files[match[1]])

            def send_file(self, data):
                cut = hub.cut_after.pop(0) if hub.cut_after and len(data) > 100000 else None
                wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
                if not wanted or not hub.ranges:
                    return self.answer(200, data, cut=cut)
                start = int(wanted[1])
                if start >= len(data):
                    return self.answer(416, b"", [("Content-Range", f"bytes */{len(data)}")])
                span = f"bytes {start}-{len(data) - 1}/{len(data)}"
                self.answer(206, data[start:], [("Content-Range", span)], cut)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def asked(self, name):
        return [row for row in self.log if row[1].endswith(name)]


def tiny_model():
    """A folder that runs, and what else repositories hold."""
    folder = GOLDENS / "bert"
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*")
             if p.name in ("config.json", "model.safetensors")}
    files.update({"README.md": b"# tiny\n", ".gitattributes": b"*.bin filter=lfs\n", "pytorch_model.bin": BIG,
                  "onnx/model.onnx": BIG, "1_Pooling/config.json": b'{"word_embedding_dimension": 8}\n'})
    return files


class Pull(unittest.TestCase):
    def setUp(self):
        self.box = pathlib.Path(tempfile.mkdtemp(prefix="textmill-pull-"))
        self.models = self.box / "models"
        self.hub = Hub(tiny_model())

    def tearDown(self):
        self.hub.close()
        shutil.rmtree(self.box)

    def env(self, **more):
        return {"HF_ENDPOINT": self.hub.endpoint + "/", "TEXTMILL_MODELS": str(self.models), "HF_HUB_OFFLINE": "",
                "HF_TOKEN_PATH": "", "no_proxy": "127.0.0.1", **more}

    def pull(self, *args, repo=REPO, **more):
        return harness.run("models", "pull", repo, *args, env=self.env(**more))

    def check(self, done, code, *words):
        self.assertEqual(done.code, code, done.err)
        for word in words:
            self.assertIn(word, done.err)

    def folder(self, name="tiny"):
        root = self.models / name
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    def nothing_appeared(self):
        self.assertFalse((self.models / "tiny").exists())

    # ---- what is there ----

    def test_a_model_arrives_whole_and_runs(self):
        done = self.pull("--json")
        self.check(done, OK)
        wanted = ["1_Pooling/config.json", "README.md", "config.json", "model.safetensors"]
        self.assertEqual(self.folder(), {name: self.hub.files[name] for name in wanted})
        self.assertEqual(os.listdir(self.models), ["tiny"])
        said = json.loads(done.out)
        self.assertEqual(said["revision"], self.hub.revision)
        self.assertEqual(sorted(f["path"] for f in said["files"]), wanted)
        inspected = harness.run("models", "inspect", "tiny", "--json", env=self.env())
        self.check(inspected, OK)
        self.assertEqual(json.loads(inspected.out)["family"], "bert")

    def test_a_model_below_the_folder(self):
        del self.hub.files["pytorch_model.bin"]
        for name in ("config.json", "model.safetensors"):
            self.hub.files["0_Transformer/" + name] = self.hub.files.pop(name)
        self.check(self.pull(), OK)
        self.assertEqual(sorted(self.folder()), ["0_Transformer/config.json", "0_Transformer/model.safetensors",
                                                 "1_Pooling/config.json", "README.md"])

    def test_include_and_local_dir(self):
        self.check(self.pull("--include", "*.json,onnx/*", "--local-dir", str(self.models / "mine" / "x")), OK)
        self.assertEqual(sorted(self.folder("mine/x")), ["config.json", "onnx/model.onnx"])

    def test_an_update_brings_only_what_changed(self):
        self.check(self.pull(), OK)
        self.hub.log.clear()
        self.hub.files["README.md"] = b"# tiny, second edition\n"
        self.check(self.pull(), OK, "unchanged")
        self.assertEqual(self.folder()["README.md"], b"# tiny, second edition\n")
        self.assertEqual(self.hub.asked("model.safetensors"), [])
        self.assertEqual(os.listdir(self.models), ["tiny"])

    def test_a_plain_folder(self):
        self.hub.files["vocab.txt"] = b"[PAD]\n"
        del self.hub.files["README.md"]
        self.check(self.pull(repo=self.hub.endpoint + "/plain/"), OK)
        self.assertEqual(sorted(self.folder("plain")),
                         ["1_Pooling/config.json", "config.json", "model.safetensors", "vocab.txt"])
        del self.hub.files["config.json"]
        self.check(self.pull("--local-dir", str(self.models / "tiny"), repo=self.hub.endpoint + "/plain"), NOINPUT,
                   "config.json", "404")
        self.nothing_appeared()

    # ---- what breaks ----

    def test_cut_connections_are_taken_up_where_they_broke(self):
        self.hub.files["model.safetensors"] = BIG
        self.hub.cut_after = [300000, 300000, 0, 100000]
        self.check(self.pull(), OK)
        self.assertEqual(self.folder()["model.safetensors"], BIG)
        starts = [row[2] for row in self.hub.asked("model.safetensors") if row[0] == "store"]
        self.assertEqual(starts[0], None)
        self.assertIn("bytes=300000-", starts)
        self.assertIn("bytes=600000-", starts)

    def test_a_killed_pull_goes_on(self):
        self.hub.files["model.safetensors"] = BIG
        part = self.models / ".tiny.part" / "model.safetensors.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(BIG[:500000])
        self.check(self.pull(), OK)
        self.assertEqual(self.folder()["model.safetensors"], BIG)
        self.assertEqual({row[2] for row in self.hub.asked("model.safetensors")}, {"bytes=500000-"})

    def test_left_over_bytes_of_another_file_are_dropped(self):
        self.hub.files["model.safetensors"] = BIG
        part = self.models / ".tiny.part" / "model.safetensors.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(b"x" * 500000)
        self.check(self.pull(), OK)
        self.assertEqual(self.folder()["model.safetensors"], BIG)

    def test_a_server_without_ranges(self):
        self.hub.files["model.safetensors"] = BIG
        self.hub.ranges = False
        self.hub.cut_after = [300000]
        self.check(self.pull(), OK)
        self.assertEqual(self.folder()["model.safetensors"], BIG)

    def test_busy_servers_are_waited_for(self):
        self.hub.busy = [429, 503, 500]
        self.check(self.pull(), OK)

    def test_a_server_that_stays_busy(self):
        self.hub.busy = [503] * 50
        self.check(self.pull(), AGAIN, "503", "run the same command again")
        self.nothing_appeared()

    def test_nobody_listens(self):
        self.hub.close()
        done = self.pull(HF_ENDPOINT="http://127.0.0.1:1")
        self.check(done, UNAVAILABLE, "http://127.0.0.1:1", "HF_ENDPOINT")

    # ---- who may ----

    def test_a_token_from_a_file_goes_to_the_hub_only(self):
        self.hub.token = "hf_secret"
        token = self.box / "token"
        token.write_text("hf_secret\n")
        self.check(self.pull(), PERMISSION, "401", "--token-file")
        self.hub.log.clear()
        done = self.pull("--token-file", str(token))
        self.check(done, OK)
        self.assertNotIn("hf_secret", done.err + done.out)
        sent = {(host, bool(auth)) for host, _, _, auth in self.hub.log}
        self.assertEqual(sent, {("hub", True), ("store", False)})
        self.hub.log.clear()
        self.check(self.pull("--local-dir", str(self.box / "two"), HF_TOKEN_PATH=str(token)), OK)

    def test_files_that_are_no_token(self):
        token = self.box / "token"
        for text in ["", "two words", "a\r\nX-Evil: 1"]:
            token.write_text(text)
            self.check(self.pull("--token-file", str(token)), CONFIG, "token")
        self.check(self.pull("--token-file", str(self.box / "none")), NOINPUT, "none")

    def test_what_is_not_there(self):
        self.check(self.pull(repo="mill/other"), NOINPUT, "404", "check the name")
        self.check(self.pull("--revision", "v9"), NOINPUT, "404", "--revision")
        self.check(self.pull("--include", "*.gguf"), NOINPUT, "*.gguf")
        del self.hub.files["model.safetensors"], self.hub.files["pytorch_model.bin"]
        self.check(self.pull(), NOINPUT, "no weights")

    def test_what_is_no_name(self):
        for repo in ["a/b/c", "../x", "a/..", "mill/ti ny", "mill/", "/x"]:
            self.check(self.pull(repo=repo), CONFIG, "ORG/NAME")
        self.check(harness.run("models", "pull", env=self.env()), USAGE, "ORG/NAME")

    def test_offline(self):
        self.check(self.pull(HF_HUB_OFFLINE="1"), UNAVAILABLE, "HF_HUB_OFFLINE")
        self.assertEqual(self.hub.log, [])

    def test_one_pull_at_a_time(self):
        parts = self.models / ".tiny.part"
        parts.mkdir(parents=True)
        fd = os.open(parts, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        self.check(self.pull(), AGAIN, "another pull")
        os.close(fd)

    # ---- lies ----

    def test_bytes_that_are_not_the_listed_ones(self):
        honest = self.hub.siblings()
        self.hub.listing = lambda: honest
        for name in ["model.safetensors", "config.json"]:
            right = self.hub.files[name]
            for wrong in [right[:-1], right + b"x", right[:-1] + b"\0"]:
                self.hub.files[name] = wrong
                self.check(self.pull(), DATA, name)
                self.nothing_appeared()
            self.hub.files[name] = right
        self.check(self.pull(), OK)

    def test_names_that_lead_elsewhere(self):
        for path in ["/etc/x.json", "a/../../x.json", "a//b.json", "a\\b.json", "a\nb.json", "x" * 600 + ".json"]:
            self.hub.listing = lambda path=path: self.hub.siblings() + [{"rfilename": path, "size": 1}]
            self.check(self.pull(), DATA, "no name")
            self.nothing_appeared()
        self.hub.listing = lambda: self.hub.siblings() + [{"rfilename": "../x.json", "size": 1}]
        self.check(self.pull(), OK)  # hidden names are left out
        self.assertFalse((self.box / "x.json").exists())

    def test_listings_that_are_none(self):
        for listing in [7, {}, [{"size": 1}], [{"rfilename": "model.safetensors", "lfs": {"sha256": "xyz"}}],
                        [{"rfilename": f"{i}.json"} for i in range(10001)]]:
            self.hub.listing = lambda listing=listing: listing
            self.check(self.pull(), DATA)
            self.nothing_appeared()

    def test_a_terminal_shows_a_bar(self):
        if shutil.which("script") is None:
            self.skipTest("no script(1) to make a terminal")
        self.hub.files["model.safetensors"] = BIG
        done = subprocess.run(["script", "-qec", f"{TEXTMILL} models pull {REPO}", "/dev/null"], capture_output=True,
                              env={**os.environ, **self.env()}, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout.decode(), r"model\.safetensors  [\d.]+ of 1\.0 MiB  \d+ %")


if __name__ == "__main__":
    unittest.main(verbosity=2)
