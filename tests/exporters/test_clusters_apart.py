"""Clustering in a process of its own says what it says in this one, and its end is noticed."""

import json
from collections.abc import Iterator

import pytest

from exporters.clusters import oldest_of_clusters, plain_text
from exporters.clusters_apart import oldest_of_clusters_apart
from tests.exporters.test_clusters import varied


def as_json(texts: list[str]) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(texts):
        yield number, json.dumps([{"role": "user", "content": text}])


def test_a_process_apart_finds_the_same_clusters() -> None:
    texts = [*varied(11, 300), 'a "quoted" line\nand another', "Καλημέρα κόσμε, τι κάνεις σήμερα; 🙂"]
    _, oldest = oldest_of_clusters((n, plain_text([{"content": text}])) for n, text in enumerate(texts))
    assert len(set(oldest.tolist())) < len(texts)
    assert oldest_of_clusters_apart(as_json(texts)).tolist() == oldest.tolist()


def test_without_prompts_there_are_no_clusters() -> None:
    assert oldest_of_clusters_apart([]).tolist() == []


def test_a_process_that_ends_badly_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    """Long enough that the pipe breaks before everything is written."""
    broken = ((number, "no JSON " * 10_000) for number in range(1_000))
    with pytest.raises(ChildProcessError, match="ended with 1"):
        oldest_of_clusters_apart(broken)
    assert "JSONDecodeError" in capfd.readouterr().err


def test_what_goes_wrong_on_the_way_there_ends_the_process() -> None:
    def failing() -> Iterator[tuple[int, str]]:
        yield from as_json(varied(1, 10))
        raise LookupError("the database is gone")

    with pytest.raises(LookupError):
        oldest_of_clusters_apart(failing())
