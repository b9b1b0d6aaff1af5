"""Clusters of prompts that are the same or nearly so. Pure functions; no Django.

A prompt is the set of its shingles, the runs of 5 words; one with fewer words is a single shingle. Two prompts are
near duplicates where the Jaccard similarity |A ∩ B| / |A ∪ B| of their sets is 0.8 or more, and a cluster is
what such pairs link (single linkage). Near pairs are looked for by MinHash with banding (Broder 1997; Leskovec,
Rajaraman, Ullman, Mining of Massive Datasets, 3.4) and every pair that is found is then verified on the whole sets.

A run stands in its set as a 64-bit hash of its words, so two different runs are taken for one once in 2^64. The sets
lie in a temporary file: what stays in memory is about 250 bytes for each prompt, however long it is.

A pair of similarity s agrees in all ROWS hashes of one band with probability s^ROWS, so it is missed in all
BANDS bands with probability (1 − s^ROWS)^BANDS: 3.6e-4 at s = 0.8, 6e-8 at s = 0.9 and 0 at s = 1. A missed pair
of a larger cluster is mostly linked through a third prompt all the same.
"""

from __future__ import annotations

import mmap
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import numpy.typing as npt

SHINGLE_WORDS = 5
NEAR = (4, 5)
"""The lowest Jaccard similarity of near duplicates, as a fraction: verified in whole numbers, without rounding."""
ROWS, BANDS = 5, 20
WORDS_AT_ONCE = 1 << 15
"""Words that are hashed together; so few stay in the processor's cache through all ROWS × BANDS rounds."""
WORDS_KEPT = 100_000
"""Hashes of words that are remembered."""
BUCKETS_AT_ONCE = 1000

Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

GOLDEN, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
"""Constants of SplitMix64 (Steele, Lea, Flood 2014)."""


def plain_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """A conversation as one line: all messages, NFKC, casefolded, each run of white space one blank."""
    text = unicodedata.normalize("NFKC", " ".join(str(message["content"]) for message in messages))
    return " ".join(unicodedata.normalize("NFKC", text.casefold()).split())


def oldest_of_clusters(prompts: Iterable[tuple[int, str]]) -> tuple[Numbers, Numbers]:
    """The ids of `prompts` (id, plain text), and for each the lowest id in its cluster.

    Who is in which cluster does not depend on the order of `prompts`, which are read once: no text is kept.
    """
    with TemporaryFile(prefix="concord-clusters-") as file:
        writer = ShingleWriter(file)
        for texts in chunks(prompts, writer.ids):
            writer.add(texts)
        ids = np.array(writer.ids, dtype=np.int64)
        if not len(ids):
            return ids, ids
        forest = Forest(len(ids))
        link(writer.sets(), writer.keys, forest)
    roots = np.array([forest.root(document) for document in range(len(ids))])
    lowest = np.full(len(ids), np.iinfo(np.int64).max)
    np.minimum.at(lowest, roots, ids)
    return ids, lowest[roots]


def chunks(prompts: Iterable[tuple[int, str]], ids: array[int]) -> Iterator[list[list[str]]]:
    """The words of the prompts, at least WORDS_AT_ONCE together; notes their ids on the way."""
    texts: list[list[str]] = []
    count = 0
    for pk, text in prompts:
        ids.append(pk)
        texts.append(text.split())
        count += max(len(texts[-1]), SHINGLE_WORDS)
        if count >= WORDS_AT_ONCE:
            yield texts
            texts, count = [], 0
    if texts:
        yield texts


class WordHashes(dict[str, int]):
    """By word, its 64-bit hash; filled as it is asked."""

    def __missing__(self, word: str) -> int:
        digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        found = self[word] = int.from_bytes(digest, "little")
        return found


@dataclass
class ShingleWriter:
    """Puts documents into `file` as sets. `keys` are band keys, a (BANDS, documents) array for each chunk."""

    file: IO[bytes]
    ids: array[int] = field(default_factory=lambda: array("q"))
    sizes: list[Numbers] = field(default_factory=list)
    keys: list[Hashes] = field(default_factory=list)
    words: WordHashes = field(default_factory=WordHashes)

    def add(self, texts: Sequence[list[str]]) -> None:
        hashes, counts = self.runs(texts)
        self.keys.append(band_keys(hashes, np.cumsum(counts) - counts))
        owners = np.repeat(np.arange(len(counts)), counts)
        order = np.lexsort((hashes, owners))
        hashes = hashes[order]  # the owners stay as they are: they were in order
        is_new = np.ones(len(hashes), dtype=bool)
        is_new[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
        self.file.write(hashes[is_new].tobytes())
        self.sizes.append(np.bincount(owners[is_new], minlength=len(counts)))

    def runs(self, texts: Sequence[list[str]]) -> tuple[Hashes, Numbers]:
        """The hashes of the runs of all texts one after another, and how many each has: one or more."""
        if len(self.words) > WORDS_KEPT:
            self.words.clear()
        # What lacks words for one shingle is filled up with the empty word, which no text has.
        filled = [words + [""] * (SHINGLE_WORDS - len(words)) for words in texts]
        tokens = np.fromiter(map(self.words.__getitem__, chain.from_iterable(filled)), dtype=np.uint64)
        lengths = np.array([len(words) for words in filled])
        left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(tokens))
        return run_hashes(tokens, np.flatnonzero(left >= SHINGLE_WORDS)), lengths - SHINGLE_WORDS + 1

    def sets(self) -> ShingleSets:
        """What was written, as sets: document d is the one with the id `ids[d]`."""
        self.file.flush()
        ends = np.cumsum(np.concatenate(self.sizes))
        pages = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)
        return ShingleSets(np.concatenate([[0], ends]), np.frombuffer(pages, dtype=np.uint64), pages)


@dataclass(frozen=True)
class ShingleSets:
    """Documents as sets: document d has `shingles[starts[d]:starts[d + 1]]`, ascending, distinct, one or more."""

    starts: Numbers
    shingles: Hashes
    pages: mmap.mmap
    """The file of the shingles."""

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

    def forget(self) -> None:
        """Let go of the pages that were read; they are read again when they are wanted."""
        self.pages.madvise(mmap.MADV_DONTNEED)


def run_hashes(words: Hashes, begins: Numbers) -> Hashes:
    """A 64-bit hash of each run of SHINGLE_WORDS words."""
    hashes = np.zeros(len(begins), dtype=np.uint64)
    for place in range(SHINGLE_WORDS):
        hashes = mixed(hashes * GOLDEN + words[begins + place])
    return hashes


def mixed(values: Hashes) -> Hashes:
    """The output function of SplitMix64: each bit of the value reaches each bit of the answer."""
    values = (values ^ (values >> np.uint64(30))) * FIRST
    values = (values ^ (values >> np.uint64(27))) * SECOND
    return values ^ (values >> np.uint64(31))


def band_keys(hashes: Hashes, places: Numbers) -> Hashes:
    """One key for each band of each document, with shape (BANDS, documents); the hashes of a document's shingles
    begin at its place.

    Documents with the same key in a band have, but for a hash in 2^64, the same smallest hash in all its rows.
    """
    seeds = mixed(np.arange(1, BANDS * ROWS + 1, dtype=np.uint64) * GOLDEN).reshape(BANDS, ROWS)
    keys = np.zeros((BANDS, len(places)), dtype=np.uint64)
    for band in range(BANDS):
        for row in range(ROWS):
            # The values are mixed already: one round more makes each seed an order of its own.
            values = (hashes ^ seeds[band, row]) * FIRST
            values ^= values >> np.uint64(32)
            values *= SECOND
            keys[band] = mixed(keys[band] * GOLDEN + np.minimum.reduceat(values, places))
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


def link(sets: ShingleSets, keys: Sequence[Hashes], forest: Forest) -> None:
    """Join the documents of every near pair that agrees in a band."""
    for band in range(BANDS):
        for number, documents in enumerate(buckets(np.concatenate([chunk[band] for chunk in keys]))):
            link_bucket(sets, forest, documents)
            if number % BUCKETS_AT_ONCE == 0:
                sets.forget()


def buckets(keys: Hashes) -> Iterator[list[int]]:
    """Documents with equal keys, ascending, where there are several."""
    order = np.argsort(keys, kind="stable")
    borders = np.flatnonzero(np.diff(keys[order])) + 1
    begins = np.concatenate([[0], borders])
    ends = np.concatenate([borders, [len(order)]])
    several = ends - begins > 1
    for begin, end in zip(begins[several].tolist(), ends[several].tolist(), strict=True):
        yield order[begin:end].tolist()


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
