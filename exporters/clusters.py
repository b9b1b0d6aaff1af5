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
SHINGLES_AT_ONCE = 1 << 17
"""Of pairs that are verified together."""

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
        order = np.argsort(hashes)
        # By owner last. They are few enough for whole numbers of 16 bits, which are sorted without comparing.
        order = order[np.argsort(owners[order].astype(np.uint16), kind="stable")]
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

    def __len__(self) -> int:
        return len(self.starts) - 1

    def near(self, pairs: Numbers) -> npt.NDArray[np.bool_]:
        """Whether the similarity of each two documents, shape (2, pairs), is NEAR or more."""
        begins = self.starts[pairs]
        sizes = self.starts[pairs + 1] - begins
        places = np.cumsum(sizes).reshape(sizes.shape) - sizes
        flat = np.repeat((begins - places).ravel(), sizes.ravel()) + np.arange(sizes.sum())
        owners = np.repeat(np.tile(np.arange(pairs.shape[1]), 2), sizes.ravel())
        found = self.shingles[flat]
        order = np.lexsort((found, owners))
        found, owners = found[order], owners[order]
        # Within a set all are different: what stands twice for one pair is in both of its sets.
        is_shared = (found[1:] == found[:-1]) & (owners[1:] == owners[:-1])
        shared = np.bincount(owners[1:][is_shared], minlength=pairs.shape[1])
        # shared / (a + b − shared) ≥ n / d  ⇔  (n + d) · shared ≥ n · (a + b)
        part, whole = NEAR
        is_near: npt.NDArray[np.bool_] = (part + whole) * shared >= part * sizes.sum(axis=0)
        return is_near

    def near_pairs(self, pairs: Numbers) -> Iterator[list[int]]:
        """Those of `pairs`, shape (2, pairs), that are near; some at a time, as documents may be long."""
        sizes = (self.starts[pairs + 1] - self.starts[pairs]).sum(axis=0)
        portions = np.cumsum(sizes) // SHINGLES_AT_ONCE
        for some in np.split(pairs, np.flatnonzero(np.diff(portions)) + 1, axis=1):
            yield from some[:, self.near(some)].T.tolist()
            self.forget()

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
    couples = np.empty(0, dtype=np.int64)
    for band in range(BANDS):
        found, larger = buckets(np.concatenate([chunk[band] for chunk in keys]))
        # Most buckets hold two, and near ones meet in many bands: they are verified once, together at the end.
        couples = np.union1d(couples, found)
        for documents in larger:
            link_bucket(sets, forest, documents)
    for one, other in sets.near_pairs(np.stack(np.divmod(couples, len(sets)))):
        forest.join(one, other)


def buckets(keys: Hashes) -> tuple[Numbers, list[Numbers]]:
    """Documents with equal keys: where they are two, first · size + second; where they are more, all of them."""
    order = np.argsort(keys)
    borders = np.flatnonzero(np.diff(keys[order])) + 1
    begins = np.concatenate([[0], borders])
    sizes = np.diff(np.append(begins, len(order)))
    two = begins[sizes == 2]
    one, other = order[two], order[two + 1]
    more = sizes > 2
    larger = [order[begin : begin + size] for begin, size in zip(begins[more], sizes[more], strict=True)]
    return np.minimum(one, other) * len(keys) + np.maximum(one, other), larger


def link_bucket(sets: ShingleSets, forest: Forest, documents: Numbers) -> None:
    """Verify each two documents that no chain of near pairs links yet."""
    left = documents.tolist()
    while left:
        document = left.pop()
        root = forest.root(document)
        others = [other for other in left if forest.root(other) != root]
        if not others:
            # All that are left are linked; those before have been held against each of them.
            return
        pairs = np.stack([np.full(len(others), document), others])
        for _, other in sets.near_pairs(pairs):
            forest.join(document, other)
