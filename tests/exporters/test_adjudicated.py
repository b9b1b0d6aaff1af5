"""Releases with the labels of reviewers: what was decided, what the majority says, and what is left out."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from annotation.models import AuditEvent
from comparisons.models import Adjudication
from exporters.card_labels import DROPPED_STORIES
from exporters.compare import comparison
from exporters.selection import SelectedRow, Selection
from exporters.settings import release_settings
from exporters.snapshot import select_rows
from tests.comparisons.adjudicated import B_BETTER, TIE, decide
from tests.exporters.format_worlds import cut_as
from tests.exporters.releases import contents, cut, judged_world
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)
ADJUDICATED: dict[str, Any] = {"labels": "adjudicated", "split": {"train": 1}}
OPINIONS = ([-1, 1, -1, -1, -2], [-1, 1, 1, -2, -1], [1, -1, 1, 1, -1])
"""Three people on five items; two of three prefer the first, the second, the second, the first, and all the first."""


@pytest.fixture
def world() -> World:
    """Item 1 is decided against the majority, 2 not at all, 3 is a matter of taste, 4 broken, 5 a tie."""
    world = judged_world(OPINIONS)
    decide(world, 1, "misread", {"preferred": "B", "strength": 3})
    decide(world, 3, "taste")
    decide(world, 4, "broken")
    decide(world, 5, "guide_unclear", TIE)
    return world


def selected(world: World, body: dict[str, Any] | None = None) -> Selection:
    return select_rows(world.project, release_settings(ADJUDICATED | (body or {})))


def told(row: SelectedRow) -> tuple[str, bool, float | None, float, int, bool]:
    """(item, is the second chosen, strength, soft label, judgments, was it decided)."""
    soft = round(row.soft_label, 4)
    return (row.external_id, row.is_swapped, row.strength, soft, len(row.judgment_ids), row.is_decided)


def test_each_reason_has_its_label(world: World) -> None:
    found = selected(world)
    rows = list(map(told, found.rows))
    assert rows == [
        ("row-1", True, 1.0, 1.0, 3, True),
        ("row-2", True, pytest.approx(1 / 3), 0.6667, 3, False),
    ]
    assert found.dropped == {"taste": 1, "broken": 1, "tie": 1}
    assert found.sources == {"decision": 1, "majority": 1}
    assert set(found.dropped) <= set(DROPPED_STORIES)


def test_a_tie_that_was_decided_is_a_tie(world: World) -> None:
    [*_, soft] = selected(world, {"ties": "soft"}).rows
    assert (soft.external_id, soft.is_tie, soft.soft_label, soft.strength) == ("row-5", True, 0.5, 0)
    both = selected(world, {"ties": "both"})
    assert [row.is_swapped for row in both.rows if row.external_id == "row-5"] == [False, True]
    assert both.sources == {"decision": 3, "majority": 1}


@pytest.mark.parametrize(("labels", "rows"), [("every", 15), ("majority", 5), ("mean_strength", 5)])
def test_other_labels_read_no_decision(world: World, labels: str, rows: int) -> None:
    found = selected(world, {"labels": labels})
    assert len(list(found.rows)) == rows and not found.dropped and not found.sources
    assert not any(row.is_decided for row in found.rows)


def test_what_was_decided_stands_however_few_agreed(world: World) -> None:
    """Two of three are 67 %; only item 1 was decided with a side."""
    found = selected(world, {"filters": {"min_agreement": 0.9}})
    assert [row.external_id for row in found.rows] == ["row-1"]
    assert found.dropped == {"low_agreement": 1, "taste": 1, "broken": 1, "tie": 1}
    found = selected(world, {"filters": {"min_judgments": 4}})
    assert list(found.rows) == [] and found.dropped == {"too_few_judgments": 5}


def test_the_newest_decision_counts(world: World) -> None:
    first = Adjudication.objects.get(item__number=1)
    decide(world, 1, "misread", {"preferred": "A", "strength": 1}, replaces=first.pk)
    assert told(next(iter(selected(world).rows))) == ("row-1", False, 1.0, 1.0, 3, True)
    decide(world, 1, "taste", replaces=Adjudication.objects.get(supersedes=first).pk)
    assert selected(world).dropped["taste"] == 2


def test_the_same_snapshot_gives_the_same_bytes_and_a_decision_changes_them(world: World) -> None:
    once, again = (contents(cut(world, ADJUDICATED)[0]) for _ in range(2))
    majority = contents(cut(world, {"labels": "majority"})[0])
    assert once == again
    decide(world, 2, "misread", {"preferred": "A", "strength": 1})
    later, job = cut(world, ADJUDICATED)
    assert job.error is None
    assert contents(later) != once
    # The head of the audit log covers the decision just where the labels rest on it.
    decided = AuditEvent.objects.filter(action="item.adjudicated").latest("pk")
    assert later.audit_position == decided.chain_position
    assert contents(cut(world, {"labels": "majority"})[0]) == majority


def test_a_comparison_of_releases_names_the_decision(world: World) -> None:
    before, _ = cut(world, ADJUDICATED)
    later = NOW + timedelta(days=2)
    decide(world, 2, "misread", {"preferred": "A", "strength": 1}, now=later)
    decide(world, 1, "taste", replaces=Adjudication.objects.get(item__number=1).pk, now=later)
    found = comparison(before, cut(world, ADJUDICATED)[0])
    reasons = ["decided by a reviewer"]
    for change, row in (("relabelled", "1-2-0-1"), ("gone", "1-1-0-1")):
        assert [(one["id"], one["reasons"]) for one in found[change]["rows"]] == [(row, reasons)]


def test_the_card_says_where_the_labels_come_from(world: World) -> None:
    files = contents(cut(world, ADJUDICATED)[0])
    for name in ("README.md", "DATASHEET.md"):
        text = files[name].decode()
        assert "what a reviewer decided who had read the judgments" in text
        assert "- 1 row from reviewers' decisions, 1 row from the majority of the judgments." in text
        assert "1 pair left out because a reviewer found a real difference of taste" in text
        assert "1 pair left out because a reviewer found the item broken" in text
    assert b'"label_sources": {\n    "decision": 1,\n    "majority": 1\n  }' in files["manifest.json"]
    other = contents(cut(world, {"labels": "majority"})[0])["README.md"].decode()
    assert "reviewer" not in other


def test_the_margin_of_what_was_decided_is_one(world: World) -> None:
    rows = cut_as(world, "reward", ADJUDICATED)
    assert [round(row["margin"], 4) for row in rows] == [1.0, 0.3333]


def judge_all(world: World, *answers: dict[str, Any]) -> None:
    """The first item, judged by one person after the other; labels are those of the file."""
    for answer in answers:
        lease = world.lease(world.member())
        shown = {"ABCD"[position]: "ABCD"[place] for place, position in enumerate(lease.display_order)}
        world.submit(lease, renamed(answer, shown))


def renamed(value: Any, shown: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {shown.get(key, key): renamed(one, shown) for key, one in value.items()}
    if isinstance(value, list):
        return [renamed(one, shown) for one in value]
    return shown.get(value, value) if isinstance(value, str) else value


def ranked(order: str) -> dict[str, Any]:
    return {"ranking": [[label] for label in order]}


def row_names(world: World, body: dict[str, Any]) -> Sequence[str]:
    return [("-" if row.is_swapped else "+") + row.id[4:] for row in selected(world, body).rows]


@pytest.mark.parametrize(
    ("which", "rows"),
    [
        # The people say A > B > C; it was decided that C > A > B. "-0-2" is C over A.
        ("all", ["+0-1", "-0-2", "-1-2"]),
        ("adjacent", ["+0-1", "-0-2"]),
        ("best_worst", ["-1-2"]),
    ],
)
def test_of_a_ranking_the_order_that_was_decided_chooses_the_pairs(which: str, rows: list[str]) -> None:
    world = make_world({"kind": "ranking", "overlap": 2})
    world.batch(items=1, completions=3)
    judge_all(world, ranked("ABC"), ranked("ABC"))
    decide(world, answer=ranked("CAB"))
    assert row_names(world, {"ranking_pairs": which}) == rows


def test_of_a_rating_each_criterion_and_the_choice_have_labels_of_their_own() -> None:
    depth = {"key": "depth", "name": "Depth", "optional": True}
    world = make_world({"kind": "rating", "criteria": [depth], "choice": True, "overlap": 2})
    world.batch(items=1, completions=2)
    said = {"ratings": {"A": {"depth": 3, "overall": 5}, "B": {"depth": 1, "overall": 2}}, "choice": "A"}
    judge_all(world, said, said)
    decided = {"ratings": {"A": {"depth": None, "overall": 2}, "B": {"depth": 4, "overall": 6}}}
    decide(world, answer=decided)
    assert [told(row)[1:4] for row in selected(world).rows] == [(True, 1.0, 1.0)]
    # Nothing was decided where the criterion does not apply: there the judgments say it.
    [row] = selected(world, {"criterion": "depth"}).rows
    assert (row.is_swapped, row.is_decided) == (False, False)


def test_a_criterion_beside_the_overall_question_is_decided_apart() -> None:
    world = make_world({"kind": "pairwise", "criteria": ["Kindness"], "overlap": 1})
    world.batch(items=1)
    both = {"preferred": "A", "strength": 1, "criteria": {"kindness": {"preferred": "A", "strength": 1}}}
    judge_all(world, both)
    decide(world, answer=B_BETTER | {"criteria": {"kindness": {"preferred": "A", "strength": 1}}})
    assert row_names(world, {}) == ["-0-1"]
    assert row_names(world, {"criterion": "kindness"}) == ["+0-1"]


def test_a_decision_on_an_item_that_nobody_judged_makes_no_row() -> None:
    world = make_world()
    world.batch(items=2, overlap=1)
    judged = world.lease(world.member())
    world.submit(judged)
    decide(world, 3 - judged.assignment.item.number)
    assert [row.item for row in selected(world).rows] == [judged.assignment.item_id]
    assert selected(world).dropped == {"too_few_judgments": 1}
