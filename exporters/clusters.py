"""Clusters of prompts that are the same or nearly so. Pure functions; no Django.

A prompt is the set of its shingles, the runs of 5 words; one with fewer words is a single shingle. Two prompts are
near duplicates where the Jaccard similarity |A ∩ B| / |A ∪ B| of their sets is 0.8 or more, and a cluster is
what such pairs link (single linkage). Near pairs are looked for by MinHash with banding (Broder 1997; Leskovec,
Rajaraman, Ullman, Mining of Massive Datasets, 3.4) and every pair that is found is then verified exactly.

A pair of similarity s agrees in all ROWS hashes of one band with probability s^ROWS, so it is missed in all
BANDS bands with probability (1 − s^ROWS)^BANDS: 3.6e-4 at s = 0.8, 6e-8 at s = 0.9 and 0 at s = 1. A missed pair
of a larger cluster is mostly linked through a third prompt all the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

SHINGLE_WORDS = 5
NEAR = (4, 5)
"""The lowest Jaccard similarity of near duplicates, as a fraction: verified in whole numbers, without rounding."""
ROWS, BANDS = 5, 20
HASHES_AT_ONCE = 1 << 15
"""Shingles that are hashed together; so few stay in the processor's cache through all ROWS × BANDS rounds."""

Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

GOLDEN, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
"""Constants of SplitMix64 (Steele, Lea, Flood 2014)."""


def plain_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """A conversation as one line: all messages, NFKC, casefolded, each run of white space one blank."""
    text = unicodedata.normalize("NFKC", " ".join(str(message["content"]) for message in messages))
    return " ".join(unicodedata.normalize("NFKC", text.casefold()).split())


def oldest_of_clusters(prompts: Iterable[tuple[int, str]]) -> dict[int, int]:
    """By id, the lowest id in the cluster of each prompt; `prompts` are (id, plain text).

    The answer does not depend on the order of `prompts`, which are read once: no text is kept.
    """
    documents: dict[bytes, int] = {}
    document_of: dict[int, int] = {}
    lowest: list[int] = []
    vocabulary = {"": 0}
    words: list[Numbers] = []
    for pk, text in prompts:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        document = documents.setdefault(digest, len(lowest))
        if document == len(lowest):
            lowest.append(pk)
            # What lacks words for one shingle is filled up with the word 0, which no text has.
            numbers = [vocabulary.setdefault(word, len(vocabulary)) for word in text.split()]
            numbers += [0] * (SHINGLE_WORDS - len(numbers))
            words.append(np.array(numbers, dtype=np.int64))
        lowest[document] = min(lowest[document], pk)
        document_of[pk] = document
    if not words:
        return {}
    forest = Forest(len(lowest))
    link(shingle_sets(words, list(vocabulary)), forest)
    oldest: dict[int, int] = {}
    for document, pk in enumerate(lowest):
        root = forest.root(document)
        oldest[root] = min(oldest.get(root, pk), pk)
    return {pk: oldest[forest.root(document)] for pk, document in document_of.items()}


@dataclass(frozen=True)
class ShingleSets:
    """Documents as sets: document d has `shingles[starts[d]:starts[d + 1]]`, ascending, distinct, one or more.

    A number stands for one run of words and no other. `hashes[n]` is the hash of shingle n, made of its words
    alone, so that it is the same whatever else is there.
    """

    starts: Numbers
    shingles: Numbers
    hashes: Hashes

    def near(self, document: int, others: Sequence[int]) -> list[int]:
        """Those of `others` whose similarity with `document` is NEAR or more."""
        own = self.shingles[self.starts[document] : self.starts[document + 1]]
        begins = self.starts[others]
        sizes = self.starts[np.asarray(others) + 1] - begins
        places = np.cumsum(sizes) - sizes
        flat = np.repeat(begins - places, sizes) + np.arange(sizes.sum())
        found = self.shingles[flat]
        where = np.minimum(np.searchsorted(own, found), len(own) - 1)
        shared = np.add.reduceat((own[where] == found).astype(np.int64), places)
        # shared / (a + b − shared) ≥ n / d  ⇔  (n + d) · shared ≥ n · (a + b)
        part, whole = NEAR
        is_near = (part + whole) * shared >= part * (len(own) + sizes)
        return [other for other, yes in zip(others, is_near.tolist(), strict=True) if yes]


def shingle_sets(words: Sequence[Numbers], vocabulary: Sequence[str]) -> ShingleSets:
    """The sets of documents given as word numbers, each of SHINGLE_WORDS words or more.

    Runs of two, four and five words are numbered one after another, each from the numbers of its parts.
    """
    lengths = np.array([len(document) for document in words])
    tokens = np.concatenate(words)
    owners = np.repeat(np.arange(len(words)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(tokens))
    begins = np.flatnonzero(left >= SHINGLE_WORDS)
    size = len(vocabulary)
    pairs, twos = numbered(tokens[:-1] * size + tokens[1:])
    _, fours = numbered(twos[begins] * pairs + twos[begins + 2])
    kinds, fives = numbered(fours * size + tokens[begins + 4])
    hashes = np.empty(kinds, dtype=np.uint64)
    hashes[fives] = run_hashes(tokens, begins, word_hashes(vocabulary))
    entries = np.unique(owners[begins] * kinds + fives)
    counts = np.bincount(entries // kinds, minlength=len(words))
    return ShingleSets(np.concatenate([[0], np.cumsum(counts)]), entries % kinds, hashes)


def numbered(values: Numbers) -> tuple[int, Numbers]:
    """How many different values there are, and for each value its number among them, from 0."""
    different, numbers = np.unique(values, return_inverse=True)
    return len(different), numbers.astype(np.int64)


def word_hashes(vocabulary: Sequence[str]) -> Hashes:
    digests = (blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest() for word in vocabulary)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def run_hashes(tokens: Numbers, begins: Numbers, of_words: Hashes) -> Hashes:
    """A 64-bit hash of each run of SHINGLE_WORDS words."""
    hashes = np.zeros(len(begins), dtype=np.uint64)
    for place in range(SHINGLE_WORDS):
        hashes = mixed(hashes * GOLDEN + of_words[tokens[begins + place]])
    return hashes


def mixed(values: Hashes) -> Hashes:
    """The output function of SplitMix64: each bit of the value reaches each bit of the answer."""
    values = (values ^ (values >> np.uint64(30))) * FIRST
    values = (values ^ (values >> np.uint64(27))) * SECOND
    return values ^ (values >> np.uint64(31))


def band_keys(sets: ShingleSets) -> Hashes:
    """One key for each band of each document, with shape (BANDS, documents).

    Documents with the same key in a band have, but for a hash in 2^64, the same smallest hash in all its rows.
    """
    seeds = mixed(np.arange(1, BANDS * ROWS + 1, dtype=np.uint64) * GOLDEN).reshape(BANDS, ROWS)
    keys = np.zeros((BANDS, len(sets.starts) - 1), dtype=np.uint64)
    first = 0
    while first < keys.shape[1]:
        begin = sets.starts[first]
        last = max(int(np.searchsorted(sets.starts, begin + HASHES_AT_ONCE, "right")) - 1, first + 1)
        values = sets.hashes[sets.shingles[begin : sets.starts[last]]]
        places = sets.starts[first:last] - begin
        for band in range(BANDS):
            for row in range(ROWS):
                # The values are mixed already: one round more makes each seed an order of its own.
                hashes = (values ^ seeds[band, row]) * FIRST
                hashes ^= hashes >> np.uint64(32)
                hashes *= SECOND
                smallest = np.minimum.reduceat(hashes, places)
                keys[band, first:last] = mixed(keys[band, first:last] * GOLDEN + smallest)
        first = last
    return keys


class Forest:
    """Disjoint sets of 0 … size − 1 (union-find, paths halved)."""

    def __init__(self, size: int) -> None:
        self.parents = list(range(size))

    def root(self, one: int) -> int:
        parents = self.parents
        while parents[one] != one:
            parents[one] = one = parents[parents[one]]
        return one

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self.parents[high] = low


def link(sets: ShingleSets, forest: Forest) -> None:
    """Join the documents of every near pair that agrees in a band."""
    for keys in band_keys(sets):
        order = np.argsort(keys, kind="stable")
        borders = np.flatnonzero(np.diff(keys[order])) + 1
        begins = np.concatenate([[0], borders])
        ends = np.concatenate([borders, [len(order)]])
        several = ends - begins > 1
        for begin, end in zip(begins[several].tolist(), ends[several].tolist(), strict=True):
            link_bucket(sets, forest, order[begin:end].tolist())


def link_bucket(sets: ShingleSets, forest: Forest, documents: list[int]) -> None:
    """Verify each two documents that no chain of near pairs links yet."""
    for place, document in enumerate(documents):
        root = forest.root(document)
        others = [other for other in documents[place + 1 :] if forest.root(other) != root]
        if not others:
            # All that are left are linked; those before have been held against each of them.
            return
        for other in sets.near(document, others):
            forest.join(document, other)
