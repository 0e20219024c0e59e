#!/usr/bin/env python3
"""Every record format through `textmill extract`: what each document is, and what becomes of bad ones."""
import base64
import gzip
import json
import os
import subprocess
import tempfile
import unittest
import zlib

TEXTMILL = os.environ["TEXTMILL"]
PROSE = ("The harbour was closed for three days, and the ferries waited outside in the fog until it lifted. "
         "Nobody on board knew when the pilots would come, so the cooks served what they had left.")

RSS = f"""<?xml version="1.0"?><!-- a feed --><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Harbour News</title><language>en</language>
<item><title>Fog &amp; ferries</title><link>http://x.example/1</link><guid>one</guid><dc:creator>Kim Olsen</dc:creator>
<pubDate>Tue, 28 Jan 2020 09:00:00 GMT</pubDate><description>Short.</description>
<content:encoded><![CDATA[<p>{PROSE}</p><p>More&nbsp;of it.</p>]]></content:encoded></item>
<item><title>Teaser</title><description>&lt;p&gt;Only a few words.&lt;/p&gt;</description></item>
<item><title>Twice</title><description>&amp;lt;p&amp;gt;Escaped twice.&amp;lt;/p&amp;gt;</description></item>
</channel></rss>"""

ATOM = f"""<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>Atom</title>
<entry><title>One</title><id>tag:1</id><link rel="self" href="http://x.example/self"/><link href="http://x.example/a"/>
<author><name>Kim Olsen</name></author><published>2020-01-28T09:00:00Z</published>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>{PROSE}</p></div></content></entry></feed>"""

NITF = f"""<nitf><head><title>T</title><docdata><doc-id id-string="id-1"/><date.issue norm="20200128T090000Z"/></docdata>
</head><body><body.head><hedline><hl1>Fog in the harbour</hl1></hedline><byline>By <person>Kim Olsen</person></byline>
</body.head><body.content><p>{PROSE}</p><media><media-caption>A ferry</media-caption></media><p>A &lt; B.</p>
</body.content></body></nitf>"""


def news_item(status):
    return f"""<newsItem guid="urn:1" xml:lang="en"><itemMeta><pubStatus qcode="stat:{status}"/>
<firstCreated>2020-01-28T09:00:00Z</firstCreated><provider literal="Agency"/></itemMeta>
<contentMeta><headline>Fog</headline><by>Kim Olsen</by></contentMeta>
<contentSet><inlineXML><html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body><p>{PROSE}</p></body>
</html></inlineXML></contentSet></newsItem>"""


# <html><title>Page</title><body><p>PROSE</p></html> by the brotli program.
BROTLI_PAGE = base64.b64decode(
    "G+YAIETnlupD0lCYIZoMhQ0UEgyC8Pm7gPnf7s1XFKdJGE23ye8tQgqjBiHN/BKNnSSwaFrA6VKuY/qkzufGsCPax1iqoeu7WuXamLDKehAUMONRssH1"
    "1KMysEOctJKE+GUxlQ4J8U+aL6tDpWd0iOZBvI3lc3OaJlPVCA==")


def response(body, headers=""):
    return (f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n{headers}\r\n").encode() + body


def warc_record(kind, block, content_type="application/http; msgtype=response", uri="http://x.example/"):
    return (f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {uri}\r\nWARC-Record-ID: <urn:uuid:{len(block)}>\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(block)}\r\n\r\n").encode() + block + b"\r\n\r\n"


class Formats(unittest.TestCase):
    def extract(self, name, data, code=0):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(data if isinstance(data, bytes) else data.encode())
            run = subprocess.run([TEXTMILL, "extract", path], capture_output=True, check=False)
        self.assertEqual(run.returncode, code, run.stderr)
        return [json.loads(line) for line in run.stdout.decode().splitlines()]

    def test_rss(self):
        for name in ("a.rss", "a.xml"):
            one, teaser, twice = self.extract(name, RSS)
            self.assertEqual((one["line"], one["id"], one["title"], one["url"]),
                             (1, "one", "Fog & ferries", "http://x.example/1"))
            self.assertEqual((one["authors"], one["published_at"], one["lang"], one["site"]),
                             (["Kim Olsen"], "2020-01-28T09:00:00Z", "en", "Harbour News"))
            self.assertEqual(one["text"], PROSE + "\n\nMore of it.")
            self.assertEqual(teaser["text"], "Only a few words.")
            self.assertEqual((twice["line"], twice["text"]), (3, "Escaped twice."))

    def test_atom(self):
        one, = self.extract("a.xml", ATOM)
        self.assertEqual((one["url"], one["authors"], one["lang"]), ("http://x.example/a", ["Kim Olsen"], "en"))
        self.assertEqual(one["text"], PROSE)

    def test_xml_that_would_do_harm(self):
        bomb = '<!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><rss><channel><item>&b;</item></channel></rss>'
        result, = self.extract("a.rss", bomb, 1)
        self.assertIn("entities", result["error"]["message"])
        outside = '<!DOCTYPE rss SYSTEM "file:///etc/passwd"><rss><channel><item><title>Fine title</title></item></channel></rss>'
        result, = self.extract("a.rss", outside)
        self.assertEqual(result["text"], "Fine title")

    def test_malformed_feed(self):
        results = self.extract("a.rss", RSS[:RSS.index("<item><title>Teaser")] + "<item><title>Cut off in the mid")
        self.assertEqual(results[0]["id"], "one")

    def test_nitf(self):
        one, = self.extract("a.xml", NITF)
        self.assertEqual((one["id"], one["title"], one["authors"], one["published_at"]),
                         ("id-1", "Fog in the harbour", ["Kim Olsen"], "2020-01-28T09:00:00Z"))
        self.assertEqual(one["text"], PROSE + "\n\nA < B.")

    def test_newsml(self):
        one, = self.extract("a.xml", news_item("usable"))
        self.assertEqual((one["id"], one["title"], one["authors"], one["site"], one["text"]),
                         ("urn:1", "Fog", ["Kim Olsen"], "Agency", PROSE))
        message = f"<newsMessage><itemSet>{news_item('usable')}{news_item('withheld')}{news_item('canceled')}</itemSet></newsMessage>"
        one, two, three = self.extract("a.xml", message, 1)
        self.assertEqual(one["text"], PROSE)
        self.assertIn("withheld", two["error"]["message"])
        self.assertEqual(three["line"], 3)

    def test_json(self):
        ninjs = {"uri": "u", "headline": "Fog", "body_text": PROSE, "language": "en", "pubstatus": "usable", "byline": "Kim"}
        ninjs3 = {"uri": "u", "headlines": [{"role": "main", "value": "Fog"}], "pubStatus": "usable",
                  "bodies": [{"contentType": "text/plain", "value": "plain"}, {"contentType": "text/html", "value": f"<p>{PROSE}</p>"}]}
        event = {"specversion": "1.0", "id": "e1", "source": "/s", "time": "2020-01-28T09:00:00Z", "type": "t", "data": {"text": PROSE}}
        batch = {"custom_id": "c1", "method": "POST", "url": "/v1", "body": {"messages": [
            {"role": "system", "content": "no"}, {"role": "user", "content": PROSE}]}}
        post = {"id": "7", "text": PROSE[:40], "author_id": "1", "created_at": "2020-01-28T09:00:00.000Z",
                "note_tweet": {"text": PROSE}}
        reddit = {"subreddit": "harbours", "title": "Fog", "selftext": PROSE, "created_utc": 1580202000,
                  "permalink": "/r/harbours/1", "name": "t3_1", "author": "kim"}
        cases = [(ninjs, "u", PROSE), (ninjs3, "u", PROSE), (event, "e1", PROSE), (batch, "c1", PROSE), (post, "7", PROSE),
                 (reddit, "t3_1", "Fog\n\n" + PROSE)]
        for value, ident, text in cases:
            one, = self.extract("a.json", json.dumps(value))
            self.assertEqual((one["id"], one["text"]), (ident, text))
        lines = self.extract("a.jsonl", "\n".join(json.dumps(value) for value, _, _ in cases))
        self.assertEqual([line["id"] for line in lines], [ident for _, ident, _ in cases])
        self.assertEqual(lines[5]["published_at"], "2020-01-28T09:00:00Z")
        feed = {"version": "https://jsonfeed.org/version/1.1", "title": "Feed", "items": [
            {"id": "1", "content_html": f"<p>{PROSE}</p>", "authors": [{"name": "Kim"}], "date_published": "2020-01-28T09:00:00Z"},
            {"id": "2", "content_text": PROSE}]}
        one, two = self.extract("a.json", json.dumps(feed))
        self.assertEqual((one["site"], one["authors"], two["line"], two["text"]), ("Feed", ["Kim"], 2, PROSE))
        one, = self.extract("a.json", json.dumps({"data": [post]}))
        self.assertEqual(one["id"], "7")
        one, = self.extract("a.json", json.dumps(dict(ninjs, pubstatus="canceled")), 1)
        self.assertIn("canceled", one["error"]["message"])
        one, = self.extract("a.json", json.dumps(dict(reddit, selftext="[removed]")), 1)
        self.assertIn("removed", one["error"]["message"])

    def test_zstd(self):
        frame = subprocess.run(["zstd", "-c"], input=json.dumps({"text": PROSE}).encode(), capture_output=True, check=False) \
            if any(os.path.exists(os.path.join(p, "zstd")) for p in os.environ["PATH"].split(":")) else None
        if frame is None:
            self.skipTest("no zstd program to make a file with")
        one, = self.extract("RS.jsonl.zst", frame.stdout)
        self.assertEqual(one["text"], PROSE)
        one = self.extract("RS.jsonl.zst", frame.stdout[:-9], 1)[-1]
        self.assertIn("Zstandard", one["error"]["message"])

    def test_warc(self):
        page = f"<html><title>Page</title><body><p>{PROSE}</p></html>".encode()
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(page), page)
        squeezed = zlib.compressobj(wbits=31)
        packed = squeezed.compress(page) + squeezed.flush()
        records = [warc_record("warcinfo", b"software: x", "application/warc-fields"),
                   warc_record("response", response(page)),
                   warc_record("request", b"GET / HTTP/1.1\r\n\r\n", "application/http; msgtype=request"),
                   warc_record("response", response(chunked, "Transfer-Encoding: chunked\r\n")),
                   warc_record("response", response(packed, "Content-Encoding: gzip\r\n")),
                   warc_record("response", response(BROTLI_PAGE, "Content-Encoding: br\r\n")),
                   warc_record("revisit", b"HTTP/1.1 200 OK\r\n\r\n"),
                   warc_record("response", b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n" + page),
                   warc_record("resource", page, "text/html"),
                   warc_record("response", b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\nxx")]
        for name, data in (("a.warc", b"".join(records)), ("a.warc.gz", b"".join(map(gzip.compress, records)))):
            got = self.extract(name, data)
            self.assertEqual([one["text"] for one in got], [PROSE] * 5)
            self.assertEqual([one["line"] for one in got], [1, 2, 3, 4, 5])
            self.assertEqual((got[0]["title"], got[0]["url"]), ("Page", "http://x.example/"))
        *good, last = self.extract("a.warc", b"".join(records)[:-30] + b"", 1)
        self.assertEqual(len(good), 5)
        self.assertIn("ends", last["error"]["message"])
        cut, after = self.extract("a.warc", warc_record("response", response(b"\xff" * 60, "Content-Encoding: br\r\n"))
                                  + records[1], 1)
        self.assertIn("cannot be decompressed", cut["error"]["message"])
        self.assertEqual(after["text"], PROSE)
        damaged = records[1] + b"garbage\r\n" + records[1]
        good, last = self.extract("a.warc", damaged, 1)
        self.assertIn("byte", last["error"]["message"])

    def test_csv(self):
        table = f'id;Title;Body;Other\r\n1;"Fog; and ""ferries""";"{PROSE}\nSecond line";x\r\n2;;;y\r\n3;T;{PROSE};z'
        one, two, three = self.extract("a.csv", table, 1)
        self.assertEqual((one["id"], one["title"]), ("1", 'Fog; and "ferries"'))
        self.assertTrue(one["text"].startswith(PROSE) and "Second line" in one["text"])
        self.assertEqual((two["line"], two["error"]["code"]), (2, "E_EMPTY"))
        self.assertEqual(three["text"], PROSE)
        one, = self.extract("a.tsv", f"text\tlang\n{PROSE}\ten\n")
        self.assertEqual((one["text"], one["lang"]), (PROSE, "en"))
        one, = self.extract("a.csv", "a,b\n1,2\n", 1)
        self.assertIn("no column", one["error"]["message"])

    def test_mail(self):
        plain = f"From: Kim Olsen <kim@x.example>\nSubject: =?utf-8?Q?caf=C3=A9?= news\nMessage-ID: <m1>\n" \
                f"Date: Tue, 28 Jan 2020 09:00:00 +0100\nContent-Type: text/plain; charset=utf-8\n" \
                f"Content-Transfer-Encoding: quoted-printable\n\n{PROSE[:50]}=\n{PROSE[50:]} caf=C3=A9\n"
        html = base64.encodebytes(f"<p>{PROSE}</p>".encode()).decode()
        parts = f"Subject: parts\nContent-Type: multipart/mixed; boundary=\"b\"\n\nignored\n--b\nContent-Type: text/html\n" \
                f"Content-Transfer-Encoding: base64\n\n{html}\n--b\nContent-Type: text/plain\n" \
                f"Content-Disposition: attachment\n\nattached\n--b--\n"
        one, = self.extract("a.eml", plain)
        self.assertEqual((one["id"], one["title"], one["authors"], one["published_at"]),
                         ("m1", "café news", ["Kim Olsen"], "2020-01-28T09:00:00+01:00"))
        self.assertEqual(one["text"], PROSE + " café")
        box = f"From kim\n{plain}\n>From here on\n\nFrom kim\n{parts}\nFrom kim\nSubject: none\nContent-Type: image/png\n\nx\n"
        one, two, three = self.extract("a.mbox", box, 1)
        self.assertTrue(one["text"].endswith("From here on"))
        self.assertEqual(two["text"], PROSE)
        self.assertEqual((three["line"], three["error"]["code"]), (3, "E_EMPTY"))

    def test_compare(self):
        gold = {"one": {"articleBody": PROSE}, "two": {"articleBody": "Nothing of it is here at all."},
                "http://x.example/": {"file": "three.html", "with": ["closed for\u00a0three days", "absent"],
                                      "without": ["in the fog", "absent"]}}
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "gold.json"), "w", encoding="utf-8") as file:
                json.dump(gold, file)
            paths = [os.path.join(folder, name) for name in ("one.html", "two.html.gz", "three.html", "unknown.html")]
            page = f"<html><body><article><p>{PROSE}</p></article></body></html>".encode()
            for path in paths:
                with open(path, "wb") as file:
                    file.write(gzip.compress(page) if path.endswith(".gz") else page)
            for jobs in ("1", "3"):
                run = subprocess.run([TEXTMILL, "extract", "-j", jobs, "--compare", os.path.join(folder, "gold.json"),
                                      *paths], capture_output=True, check=True)
                self.assertEqual(json.loads(run.stdout), {
                    "text": {"pages": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5},
                    "segments": {"pages": 1, "precision": 0.5, "recall": 0.5, "f1": 0.5}})
            run = subprocess.run([TEXTMILL, "extract", "--compare", os.path.join(folder, "none.json"), *paths],
                                 capture_output=True, check=False)
            self.assertEqual(run.returncode, 66)

    def test_parallel_is_in_order(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for i in range(23):
                paths.append(os.path.join(folder, f"{i}.txt"))
                with open(paths[-1], "w", encoding="utf-8") as file:
                    file.write(f"Document number {i} is here." if i != 5 else "")
            alone, together = (subprocess.run([TEXTMILL, "extract", "-j", jobs, *paths], capture_output=True, check=False)
                               for jobs in ("1", "4"))
        self.assertEqual(alone.returncode, 1)
        self.assertEqual((alone.stdout, alone.returncode), (together.stdout, together.returncode))
        self.assertEqual([json.loads(line)["source"] for line in alone.stdout.decode().splitlines()], paths)


if __name__ == "__main__":
    unittest.main(verbosity=2)
