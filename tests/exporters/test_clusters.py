"""Near-duplicate clusters: held against every pair of a set, against scikit-learn, and against the formula."""

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import CountVectorizer

from exporters import clusters
from exporters.clusters import BANDS, NEAR, ROWS, plain_text
from exporters.splits import side_of, split_key

SHARES = (("train", 0.8), ("test", 0.2))


def oldest_of_clusters(prompts: Iterable[tuple[int, str]]) -> dict[int, int]:
    ids, oldest = clusters.oldest_of_clusters(prompts)
    return dict(zip(ids.tolist(), oldest.tolist(), strict=True))


def distinct(number: int, words: int = 20) -> str:
    return " ".join(f"w{number}.{place}" for place in range(words))


def near(text: str, word: str, place: int = -1) -> str:
    """One word of twenty changed at an end: 15 of 17 runs of five words are shared, 0.88."""
    changed = text.split()
    changed[place] = word
    return " ".join(changed)


def brute_force(texts: list[str]) -> dict[int, int]:
    """By index, the lowest index of its cluster: every pair compared as Python sets, then walked."""
    sets = []
    for text in texts:
        words = text.split()
        sets.append({tuple(words[i : i + 5]) for i in range(max(len(words) - 4, 1))})
    linked = defaultdict(set)
    for one, other in combinations(range(len(texts)), 2):
        if 5 * len(sets[one] & sets[other]) >= 4 * len(sets[one] | sets[other]):
            linked[one].add(other)
            linked[other].add(one)
    lowest: dict[int, int] = {}
    for start in range(len(texts)):
        waiting = [start]
        while waiting:
            if (one := waiting.pop()) not in lowest:
                lowest[one] = start
                waiting += linked[one]
    return lowest


def varied(seed: int, count: int) -> list[str]:
    """Texts of 0 to 30 words, most of them an earlier one with some words changed, lost or put in."""
    draw = random.Random(seed)
    texts: list[str] = []
    for number in range(count):
        words = draw.choice(texts).split() if texts and draw.random() < 0.8 else distinct(number, 30).split()
        words = words[: draw.choice([30, 30, 30, 30, 12, 5, 3, 0])]
        for _ in range(draw.choice([0, 1, 1, 2, 3])):
            place = draw.randrange(len(words) + 1)
            words[place : place + draw.randrange(2)] = [draw.choice("abc")] * draw.randrange(2)
        texts.append(" ".join(words))
    return texts


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_those_of_every_pair_compared(seed: int) -> None:
    texts = varied(seed, 400)
    expected = brute_force(texts)
    assert oldest_of_clusters(enumerate(texts)) == expected
    sizes = [list(expected.values()).count(first) for first in set(expected.values())]
    assert len(sizes) > 50 and max(sizes) > 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("ab"), max_size=9).map(" ".join), max_size=14))
def test_clusters_of_short_texts_are_those_of_every_pair_compared(texts: list[str]) -> None:
    assert oldest_of_clusters(enumerate(texts)) == brute_force(texts)


@pytest.mark.data
def test_clusters_of_real_conversations_are_those_of_scikit_learn(shared_data: Path) -> None:
    """Both transcripts of each pair: they share their prompt, and many differ in the last reply only."""
    with gzip.open(shared_data / "hh_harmless" / "test.jsonl.gz", "rt") as lines:
        pairs = [json.loads(line) for line in lines]
    texts = [
        plain_text([{"role": "user", "content": pair[side]}])
        for pair in pairs
        for side in ("chosen", "rejected")
    ]
    texts = [text for text in texts if len(text.split()) >= 5]
    counts = CountVectorizer(
        ngram_range=(5, 5), token_pattern=r"\S+", lowercase=False, binary=True, dtype=np.int64
    ).fit_transform(texts)
    shared = (counts @ counts.T).tocoo()
    sizes = np.asarray(counts.sum(axis=1)).ravel()
    is_near = 9 * shared.data >= 4 * (sizes[shared.row] + sizes[shared.col])
    graph = shared.tocsr().copy()
    graph.data = is_near[np.lexsort((shared.col, shared.row))].astype(np.int64)
    graph.eliminate_zeros()
    _, labels = connected_components(graph, directed=False)
    lowest: dict[int, int] = {}
    for index, label in enumerate(labels.tolist()):
        lowest.setdefault(label, index)
    expected = {index: lowest[label] for index, label in enumerate(labels.tolist())}
    found = oldest_of_clusters(enumerate(texts))
    several = len(texts) - len(set(expected.values()))
    print(f"{len(texts)} transcripts, {len(set(expected.values()))} clusters")
    assert several > 100
    assert found == expected


@given(st.permutations(list(enumerate(varied(9, 40)))))
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_prompts_does_not_matter(prompts: list[tuple[int, str]]) -> None:
    assert oldest_of_clusters(prompts) == brute_force(varied(9, 40))


def test_a_pair_at_the_limit_is_missed_as_rarely_as_the_formula_says() -> None:
    """Thirteen words with the last one changed: 8 of 10 runs are shared, a similarity of exactly 0.8."""
    pairs = 20_000
    prompts = []
    for number in range(pairs):
        text = distinct(number, 13)
        prompts += [(2 * number, text), (2 * number + 1, near(text, f"x{number}"))]
    oldest = oldest_of_clusters(prompts)
    missed = sum(oldest[2 * number] != oldest[2 * number + 1] for number in range(pairs))
    expected = pairs * (1 - (NEAR[0] / NEAR[1]) ** ROWS) ** BANDS
    print(f"missed {missed} of {pairs}, expected {expected:.1f}")
    assert expected < pairs * 1e-3
    # Four standard deviations of a Poisson number.
    assert abs(missed - expected) < 4 * expected**0.5
    # Nothing else is linked: no two pairs share a word.
    assert len(set(oldest.values())) == pairs + missed
    # Which pairs are missed depends on their words alone: not on the order, and not on what else is there.
    assert oldest_of_clusters(random.Random(1).sample(prompts, len(prompts))) == oldest
    half = oldest_of_clusters([(0, "something else of five words and more"), *prompts[pairs:]])
    assert {pk: half[pk] for pk, _ in prompts[pairs:]} == {pk: oldest[pk] for pk, _ in prompts[pairs:]}


def test_a_pair_just_below_the_limit_is_not_linked() -> None:
    """Twelve words with the last one changed share 7 of 9 runs."""
    for number in range(50):
        text = distinct(number, 12)
        assert oldest_of_clusters([(1, text), (2, near(text, "x"))]) == {1: 1, 2: 2}


def test_fewer_than_five_words_are_near_only_when_equal() -> None:
    texts = ["write a poem now", "write a poem", "write a poem now", "", "a b c d e", ""]
    assert oldest_of_clusters(enumerate(texts)) == {0: 0, 1: 1, 2: 0, 3: 3, 4: 4, 5: 3}
    assert oldest_of_clusters([]) == {}


def test_the_lowest_id_stands_for_its_cluster() -> None:
    text = distinct(1)
    assert oldest_of_clusters([(9, text), (7, near(text, "x")), (8, distinct(2)), (3, near(text, "y"))]) == {
        9: 3,
        7: 3,
        8: 8,
        3: 3,
    }


def test_a_conversation_is_all_its_messages_in_one_plain_form() -> None:
    messages = [
        {"role": "system", "content": "Be\u00a0 BRIEF.\n"},
        {"role": "user", "content": "\uff26\uff55\uff4c\uff4c stra\u00dfe \ufb01ne"},
    ]
    assert plain_text(messages) == "be brief. full strasse fine"
    # An e with an accent is one character or two, and reads the same.
    assert plain_text([{"content": "caf\u00e9"}]) == plain_text([{"content": "cafe\u0301"}])


def test_a_chain_is_one_cluster_though_its_ends_are_far_apart() -> None:
    first = distinct(1)
    middle = near(first, "x")
    last = near(middle, "y", 0)
    assert oldest_of_clusters([(1, first), (2, last)]) == {1: 1, 2: 2}
    assert oldest_of_clusters([(1, first), (2, last), (3, middle)]) == {1: 1, 2: 1, 3: 1}


def test_many_of_one_template_are_one_cluster() -> None:
    """They meet in one bucket, where each would otherwise be held against each: 12 million pairs."""
    template = distinct(1, 30)
    texts = [near(template, f"x{number}") for number in range(5_000)]
    assert set(oldest_of_clusters(enumerate(texts)).values()) == {0}


# Splits


def test_a_near_duplicate_never_crosses_a_split() -> None:
    """In 10,000 seeds; by their own prompts the two would part in about 32 % of them."""
    texts = [distinct(number) for number in range(10)]
    texts.append(near(texts[4], "planted"))
    hashes = [f"{number:064x}" for number in range(11)]
    oldest = oldest_of_clusters(enumerate(texts))
    crossed = alone = 0
    for seed in range(10_000):
        key = split_key(7, seed)
        sides = [side_of(hashes[oldest[number]], key, SHARES) for number in (4, 10)]
        crossed += sides[0] != sides[1]
        alone += side_of(hashes[4], key, SHARES) != side_of(hashes[10], key, SHARES)
    print(f"crossed {crossed}, by the exact prompt {alone}")
    assert crossed == 0
    assert abs(alone / 10_000 - 0.32) < 0.02


@pytest.mark.parametrize("seed", range(10))
def test_later_prompts_change_who_decides_only_where_they_join_clusters(seed: int) -> None:
    texts = varied(seed + 20, 200)
    before = oldest_of_clusters(enumerate(texts[:120]))
    after = oldest_of_clusters(enumerate(texts))
    for number, first in before.items():
        if after[number] == first:
            continue
        # The cluster has another one decide: an older cluster that a newer prompt links to this one.
        assert after[number] < first and before[after[number]] == after[number]
        assert any(after[later] == after[number] for later in range(120, 200))
