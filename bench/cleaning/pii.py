"""Personal data: presidio-research's synthetic sentences with their spans.

Scored are the types that patterns can find. A span is found when one of the same type covers at least half of both
together. F2 weighs recall four times. Sentences belong to the test part when the SHA-256 of the text ends in an odd
byte."""
import json
import os
import subprocess

from extraction import part_of

TYPES = {"CREDIT_CARD": "CREDIT_CARD", "DOMAIN_NAME": "URL", "EMAIL_ADDRESS": "EMAIL_ADDRESS", "IBAN_CODE": "IBAN_CODE",
         "IP_ADDRESS": "IP_ADDRESS", "PHONE_NUMBER": "PHONE_NUMBER", "US_SSN": "US_SSN"}


def sentences(data):
    """[(text, [(type, start, end)])] with offsets in characters."""
    path = os.path.join(data, "datasets", "pii-presidio", "synth_dataset_v2.first500.json")
    with open(path, encoding="utf-8") as file:
        return [(s["full_text"], [(TYPES[x["entity_type"]], x["start_position"], x["end_position"])
                                  for x in s["spans"] if x["entity_type"] in TYPES]) for s in json.load(file)]


def run_textmill(tool, texts):
    """Spans of the texts by the program bench_pii."""
    run = subprocess.run([tool], input="".join(json.dumps(t, ensure_ascii=False) + "\n" for t in texts),
                         capture_output=True, text=True, encoding="utf-8", check=True)
    out = []
    for text, line in zip(texts, run.stdout.splitlines(), strict=True):
        raw = text.encode()
        out.append([(kind, len(raw[:start].decode()), len(raw[:end].decode())) for kind, start, end in json.loads(line)
                    if kind in TYPES.values()])
    return out


def is_hit(gold, found):
    both = min(gold[2], found[2]) - max(gold[1], found[1])
    return gold[0] == found[0] and both * 2 >= max(gold[2], found[2]) - min(gold[1], found[1])


def score(cases, got):
    """{part: (F2, recall, precision)} and what was missed or invented, for reading."""
    counts, wrong = {p: [0, 0, 0] for p in ("all", "dev", "test")}, []
    for (text, gold), found in zip(cases, got, strict=True):
        hits = [g for g in gold if any(is_hit(g, f) for f in found)]
        wrong += [("missed", g[0], text[g[1]:g[2]], text) for g in gold if g not in hits]
        wrong += [("invented", f[0], text[f[1]:f[2]], text) for f in found if not any(is_hit(g, f) for g in gold)]
        for part in ("all", part_of(text)):
            counts[part][0] += len(hits)
            counts[part][1] += len(gold)
            counts[part][2] += len(found)
    out = {}
    for part, (hits, gold, found) in counts.items():
        recall, precision = hits / max(1, gold), hits / max(1, found)
        out[part] = (5 * precision * recall / max(1e-9, 4 * precision + recall), recall, precision)
    return out, wrong
