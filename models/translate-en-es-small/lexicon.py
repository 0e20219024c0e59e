"""Words and short phrases with their translations, mined from the training pairs.

Sentences teach a model little about a word alone, which is what people try first. Words are aligned by IBM model 1 with
a preference for the diagonal (Dyer et al. 2013), in both directions; phrases consistent with the alignment on which both
directions agree (Koehn et al. 2003) are counted, and those that are frequent and mutual are kept.
"""

import collections

import numpy as np

import data

ROUNDS = 5
SHARPNESS = 4.0         # of the diagonal
MAX_WORDS = 3           # of an English phrase; a Spanish one may have one more
MIN_COUNT = 4
MIN_FORWARD, MIN_BACKWARD = 0.35, 0.25
MIN_ALONE = 0.45        # the forward share of a single word, which has no neighbours to confirm it
_MARKS = set(".,;:?!¿¡\"()-—…'")


def _ids(texts):
    table = {}
    return [np.array([table.setdefault(word, len(table)) for word in text], dtype=np.int64) for text in texts], len(table)


def _cells(sources, targets):
    """Every (source word, target word) of every pair, flat: sentence-wise target position, both ids, the prior."""
    slots, left, right, prior = [], [], [], []
    slot = 0
    for s, t in zip(sources, targets):
        n, m = len(s), len(t)
        slots.append(np.repeat(np.arange(slot, slot + m), n))
        left.append(np.tile(s, m))
        right.append(np.repeat(t, n))
        gap = np.abs((np.arange(n)[None, :] + 0.5) / n - (np.arange(m)[:, None] + 0.5) / m)
        prior.append(np.exp(-SHARPNESS * gap).ravel())
        slot += m
    return tuple(map(np.concatenate, (slots, left, right, prior)))


def _align(sources, targets):
    """For each pair, the source position that each target position comes from."""
    sources, _ = _ids(sources)
    targets, count = _ids(targets)
    slots, left, right, prior = _cells(sources, targets)
    kinds, kind = np.unique(left * count + right, return_inverse=True)
    table = np.full(len(kinds), 1.0)
    for _ in range(ROUNDS):
        weight = table[kind] * prior
        weight /= np.bincount(slots, weight)[slots]
        seen = np.bincount(kind, weight, len(kinds))
        table = seen / np.bincount(kinds // count, seen)[kinds // count]
    weight, at, result = table[kind] * prior, 0, []
    for s, t in zip(sources, targets):
        size = len(s) * len(t)
        result.append(weight[at:at + size].reshape(len(t), len(s)).argmax(1))
        at += size
    return result


def _phrases(source, target, forward, backward):
    """Phrase pairs consistent with the links both directions have."""
    links = [(int(i), j) for j, i in enumerate(forward) if backward[i] == j]
    for begin in range(len(source)):
        for end in range(begin + 1, min(begin + MAX_WORDS, len(source)) + 1):
            inside = [j for i, j in links if begin <= i < end]
            if not inside or {begin, end - 1} - {i for i, _ in links}:
                continue
            low, high = min(inside), max(inside) + 1
            if high - low <= MAX_WORDS + 1 and all(begin <= i < end for i, j in links if low <= j < high):
                yield source[begin:end], target[low:high]


def mine(pairs, usual_en, usual_es):
    """(English, Spanish) phrases, the most frequent first."""
    english = [[w.lower() for w in data.words(pair[0])] for pair in pairs]
    spanish = [[w.lower() for w in data.words(pair[1])] for pair in pairs]
    forward, backward = _align(english, spanish), _align(spanish, english)
    both, ones, others = collections.Counter(), collections.Counter(), collections.Counter()
    for s, t, f, b in zip(english, spanish, forward, backward):
        for left, right in _phrases(s, t, f, b):
            if _MARKS.isdisjoint(left) and _MARKS.isdisjoint(right):
                left, right = " ".join(left), " ".join(right)
                both[left, right] += 1
                ones[left] += 1
                others[right] += 1
    def cased(text, usual):
        return " ".join(usual.get(word, word) for word in text.split())
    return [(cased(left, usual_en), cased(right, usual_es)) for (left, right), n in both.most_common()
            if n >= MIN_COUNT and n >= (MIN_FORWARD if " " in left else MIN_ALONE) * ones[left]
            and n >= MIN_BACKWARD * others[right]]
