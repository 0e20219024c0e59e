"""The compared tools, each as a function of bytes or text. Settings are the tools' own defaults unless said."""
import logging
import os
import re

import charset_normalizer
import chardet
import datasketch
import fasttext
import ftfy
import justext
import newspaper
import readability
import resiliparse.extract.html2text
import trafilatura
import trafilatura.utils
from lingua import LanguageDetectorBuilder
from presidio_analyzer import predefined_recognizers as recognizers

from extraction import text_of

logging.getLogger("tldextract").setLevel(logging.CRITICAL)  # without a network it takes its own list, and says so at length


def with_trafilatura(data):
    found = trafilatura.bare_extraction(data, include_comments=False, with_metadata=True)
    found = found.as_dict() if found is not None else {}
    return {"text": found.get("text"), "title": found.get("title"), "author": found.get("author"),
            "date": found.get("date"), "sitename": found.get("sitename"), "lang": found.get("language")}


def with_readability(data):
    page = readability.Document(trafilatura.utils.decode_file(data))
    return {"text": text_of(page.summary()), "title": page.short_title()}


def with_resiliparse(data):
    text = resiliparse.extract.html2text.extract_plain_text(trafilatura.utils.decode_file(data), main_content=True)
    return {"text": text}


def with_newspaper(data):
    article = newspaper.Article("http://page.invalid/", fetch_images=False)
    article.download(input_html=trafilatura.utils.decode_file(data))
    article.parse()
    return {"text": article.text, "title": article.title, "author": "; ".join(article.authors),
            "date": str(article.publish_date or ""), "sitename": article.meta_site_name, "lang": article.meta_lang}


STOP = frozenset().union(*[justext.get_stoplist(lang) for lang in ("English", "German", "French", "Spanish")])


def with_justext(data):
    """In the settings that Trafilatura found best."""
    paragraphs = justext.justext(data, STOP, 50, 150, 0.1, 0.2, 0.25)
    return {"text": "\n".join(p.text for p in paragraphs if not p.is_boilerplate)}


EXTRACTORS = {"trafilatura": with_trafilatura, "readability-lxml": with_readability, "newspaper4k": with_newspaper,
              "resiliparse": with_resiliparse, "justext": with_justext}
DETECTORS = {"chardet": lambda data: chardet.detect(data)["encoding"] or "",
             "charset_normalizer": lambda data: getattr(charset_normalizer.from_bytes(data).best(), "encoding", "")}


def mend(text):
    return ftfy.fix_encoding(text)


def language_detector():
    """lingua, all its languages, its high-accuracy mode."""
    detector = LanguageDetectorBuilder.from_all_languages().build()

    def detect(text):
        found = detector.detect_language_of(text)
        return found.iso_code_639_1.name.lower() if found else "und"
    return detect


def fasttext_detector(data):
    """lid.176, the compressed model."""
    model = fasttext.load_model(os.path.join(data, "weights", "fasttext-lid176", "lid.176.ftz"))

    def detect(text):
        found = model.f.predict(text + "\n", 1, 0.0, "strict")
        return found[0][1].removeprefix("__label__") if found else "und"
    return detect


def duplicates(docs):
    """datasketch: pairs by MinHashLSH over word 5-grams, at textmill's threshold and number of hashes."""
    index, found = datasketch.MinHashLSH(threshold=0.75, num_perm=112), set()
    for name, text in docs:
        words = re.findall(r"\w+", text.lower())
        sketch = datasketch.MinHash(num_perm=112)
        sketch.update_batch([" ".join(words[i:i + 5]).encode() for i in range(max(1, len(words) - 4))])
        near = index.query(sketch)
        found |= {frozenset((name, other)) for other in near}
        if not near:
            index.insert(name, sketch)
    return found


def pii_finder():
    """presidio's recognisers of the scored types without a language model, so without words nearby; what several find
    of one text is settled as its engine does, by score."""
    tools = [recognizers.CreditCardRecognizer(), recognizers.EmailRecognizer(), recognizers.IbanRecognizer(),
             recognizers.IpRecognizer(), recognizers.PhoneRecognizer(), recognizers.UrlRecognizer(),
             recognizers.UsSsnRecognizer()]

    def find(text):
        found = [r for tool in tools for r in tool.analyze(text, tool.supported_entities, None) or []]
        kept = []
        for r in sorted(found, key=lambda r: (-r.score, r.start - r.end)):
            if not any(r.start < k.end and k.start < r.end for k in kept):
                kept.append(r)
        return [(r.entity_type, r.start, r.end) for r in kept]
    return find
