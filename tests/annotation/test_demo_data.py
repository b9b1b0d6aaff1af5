"""The demo's files are what a person would want to meet, and importable as they are."""

import re
import unicodedata
from collections import Counter
from itertools import chain
from typing import Any

import pytest

from annotation.demo.content import DATA, PROJECTS, consent, demo_truth, guide, rows, truth_by_id
from annotation.importers import ItemRow, Limits, check_rows
from annotation.kinds import judgment_kinds
from annotation.simulation import content_key

FILES = [(project, batch) for project in PROJECTS for batch in project.batches]
ITEMS = [(project, row) for project, batch in FILES for row in rows(batch.file)]


def texts(row: dict[str, Any]) -> str:
    """Everything that a person reads of an item."""
    prompt = row["prompt"]
    parts = [prompt] if isinstance(prompt, str) else [message["content"] for message in prompt]
    return "\n".join(parts + [completion["content"] for completion in row["completions"]])


@pytest.mark.parametrize(("project", "batch"), FILES, ids=[batch.file for _, batch in FILES])
def test_every_file_is_taken_by_the_importer_as_it_is(project: Any, batch: Any) -> None:
    kind = judgment_kinds.get(project.protocol["kind"])
    limits = Limits(completions_min=kind.completions_min, completions_max=kind.completions_max)
    with (DATA / batch.file).open("rb") as stream:
        results = list(check_rows(stream, "jsonl", limits))
    assert [result for result in results if not isinstance(result, ItemRow)] == []
    truth = demo_truth()
    for item, row in zip(results, rows(batch.file), strict=True):
        assert isinstance(item, ItemRow)
        assert item.reference is None and item.gold is None, "truth must not be imported"
        contents = [completion.messages for completion in item.completions]
        assert content_key(item.prompt, contents) in truth, f"{row['id']} changes on its way in"


def test_there_is_enough_to_do() -> None:
    sizes = {batch.file: len(rows(batch.file)) for _, batch in FILES}
    assert sum(sizes.values()) >= 60
    assert sizes["demo.jsonl"] >= 30
    assert sizes["demo-ranking.jsonl"] >= 16 and sizes["demo-rating.jsonl"] >= 16
    assert sum(sizes[b.file] for p, b in FILES if p.slug == "demo" and not b.is_simulated) >= 25
    assert {len(row["completions"]) for project, row in ITEMS if project.slug == "demo-ranking"} == {3, 4, 5}
    assert {len(row["completions"]) for project, row in ITEMS if project.slug == "demo-rating"} == {1, 2, 3}


def test_every_item_has_its_own_id_and_a_truth_that_fits_its_protocol() -> None:
    truth = truth_by_id()
    ids = Counter(row["id"] for _, row in ITEMS)
    assert set(ids.values()) == {1}
    assert set(truth) == set(ids)
    for project, row in ITEMS:
        known, size = truth[row["id"]], len(row["completions"])
        spec = judgment_kinds.get(project.protocol["kind"]).protocol(project.protocol)
        if spec.kind == "ranking":
            assert sorted(chain.from_iterable(known["order"])) == list(range(size)), row["id"]
            continue
        answers = [known["preference"]] if spec.kind == "pairwise" else known["ratings"]
        assert len(answers) == (1 if spec.kind == "pairwise" else size), row["id"]
        for answer in answers:
            assert set(answer) == {criterion.key for criterion in spec.criteria}, row["id"]
            for criterion in spec.criteria:
                assert criterion.low is not None and criterion.high is not None
                assert criterion.low <= answer[criterion.key] <= criterion.high, row["id"]


def test_neither_the_first_nor_the_longer_one_is_always_right() -> None:
    truth = truth_by_id()
    pairs = [row for project, row in ITEMS if project.slug == "demo"]
    overall = [truth[row["id"]]["preference"]["overall"] for row in pairs]
    assert 0.35 < sum(p < 0 for p in overall) / len(pairs) < 0.65
    lengths = [[len(completion["content"]) for completion in row["completions"]] for row in pairs]
    longer = sum(p * (b - a) > 0 for p, (a, b) in zip(overall, lengths, strict=True))
    assert longer / len(pairs) < 0.8
    assert overall.count(0) >= 3


def test_languages_scripts_maths_and_conversations_are_there() -> None:
    languages = {row["language"] for _, row in ITEMS}
    assert {"en", "ar", "he", "fa", "de", "fr", "es", "ja"} <= languages
    rtl = [row for _, row in ITEMS if any(unicodedata.bidirectional(c) in ("R", "AL") for c in texts(row))]
    assert len(rtl) >= 5
    assert sum(bool(re.search(r"\$[^$]*\\[a-z]+", texts(row))) for _, row in ITEMS) >= 8
    assert sum(isinstance(row["prompt"], list) for _, row in ITEMS) >= 8
    assert sum("```" in texts(row) for _, row in ITEMS) >= 15
    assert sum("\n|" in texts(row) for _, row in ITEMS) >= 3
    assert any("\u200d" in texts(row) for _, row in ITEMS), "an emoji of several code points"
    assert (
        max(len(completion["content"].split()) for _, row in ITEMS for completion in row["completions"]) > 300
    )


def test_the_answers_called_right_hold_python_that_compiles() -> None:
    truth = truth_by_id()
    blocks = 0
    for project, row in ITEMS:
        if project.slug != "demo" or truth[row["id"]]["preference"]["overall"] == 0:
            continue
        better = row["completions"][truth[row["id"]]["preference"]["overall"] > 0]["content"]
        for block in re.findall(r"```python\n(.*?)```", better, re.DOTALL):
            if not block.startswith(">>>"):
                compile(block, row["id"], "exec")
                blocks += 1
    assert blocks >= 5


@pytest.mark.parametrize("project", PROJECTS, ids=[project.slug for project in PROJECTS])
def test_guides_are_worth_reading_and_say_what_is_simulated(project: Any) -> None:
    words = guide(project).split()
    assert 300 <= len(words) <= 500
    assert "simulated" in guide(project)
    assert "simulated" in project.description
    assert len(consent().split()) > 100
