"""Formats made of pairs and texts, against records written by hand."""

from typing import Any

import pyarrow as pa
import pytest

from annotation.errors import Refused
from annotation.models import Job
from exporters.formats import MESSAGES, ExportFormat
from exporters.formats.argilla import argilla
from exporters.formats.messages import messages
from exporters.formats.openai import openai
from exporters.formats.preference_implicit import preference_implicit
from exporters.formats.prompt_only import prompt_only
from exporters.formats.reward import reward
from exporters.formats.stepwise import stepwise
from exporters.formats.unpaired_preference import unpaired_preference
from exporters.settings import release_settings
from tests.exporters.format_worlds import cut_as, message
from tests.exporters.releases import contents, cut, judge_item, judged_world
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

YES, NO = "Ünï \u202e‹×› ✓\n", "no\u2028\x85"
TURNS = [
    message("Be brief.", "system"),
    message("שלום 👋", "user"),
    message("Hello."),
    message("And\u2028then?", "user"),
]
QUESTION = [message("Why?", "user")]
BOTH = {"labels": "mean_strength", "ties": "both"}


def pairwise() -> World:
    """Item 1: several turns, the second is better; 2: a tie; 3: the prompt of 2 again, the first is better."""
    world = make_world({"kind": "pairwise", "points": 7, "overlap": 1})
    batch = world.batch(items=0)
    world.item(batch, 1, [YES, NO], prompt=TURNS)
    world.item(batch, 2, ["a", "b"], prompt=QUESTION)
    world.item(batch, 3, ["c", "d"], prompt=QUESTION)
    annotator = world.member()
    for preference in (2, 0, -3):
        judge_item(world, annotator, preference)
    return world


def revised() -> World:
    """One completion of three messages, whose last one was revised; and one that was fine."""
    world = make_world({"kind": "critique", "criteria": ["Honest", "Kind"]})
    batch = world.batch(items=0)
    said = [message("First."), message("And?", "user"), message("Second.")]
    item = world.item(batch, 1, [], prompt=QUESTION)
    item.completions.create(position=0, messages=said, content_hash="0" * 64, source_line=1)
    world.item(batch, 2, ["Fine."], prompt=TURNS)
    annotator = world.member()
    world.judge(annotator, {"principles": ["honest"], "critique": "No.", "revision": YES})
    world.judge(annotator, {"principles": [], "critique": "Good.", "revision": "Fine."})
    return world


def expect(rows: list[dict[str, Any]], export_format: ExportFormat, *expected: tuple[Any, ...]) -> None:
    """`expected` are the values in the order of the columns."""
    assert rows == [dict(zip(export_format.columns, values, strict=True)) for values in expected]


TEXT = pa.string()
PAIR = {"chosen": MESSAGES, "rejected": MESSAGES}
SOFT = {"soft_label": pa.float64(), "protocol": TEXT}


@pytest.mark.parametrize(
    ("export_format", "fields"),
    [
        (preference_implicit, {"id": TEXT, "item": TEXT, **PAIR, **SOFT}),
        (
            reward,
            {"id": TEXT, "item": TEXT, "prompt": MESSAGES, **PAIR, "margin": pa.float64(), **SOFT},
        ),
        (
            unpaired_preference,
            {
                "id": TEXT,
                "item": TEXT,
                "prompt": MESSAGES,
                "completion": MESSAGES,
                "label": pa.bool_(),
                "protocol": TEXT,
            },
        ),
        (messages, {"id": TEXT, "item": TEXT, "messages": MESSAGES, "source": TEXT, "protocol": TEXT}),
        (prompt_only, {"prompt": MESSAGES}),
        (
            stepwise,
            {"prompt": MESSAGES, "completions": pa.list_(TEXT), "labels": pa.list_(pa.bool_())},
        ),
        (
            openai,
            {
                "input": pa.struct({"messages": MESSAGES}),
                "preferred_output": MESSAGES,
                "non_preferred_output": MESSAGES,
            },
        ),
        (
            argilla,
            {
                "id": TEXT,
                "fields": pa.struct({"prompt": MESSAGES, "response_1": MESSAGES, "response_2": MESSAGES}),
                "suggestions": pa.struct({"preferred": pa.struct({"value": TEXT, "agent": TEXT})}),
                "metadata": pa.struct({"item": TEXT, "protocol": TEXT, "judgments": pa.int32()}),
            },
        ),
    ],
)
def test_schemas_are_the_documented_ones(export_format: ExportFormat, fields: dict[str, Any]) -> None:
    assert export_format.schema == pa.schema(fields)
    assert list(export_format.columns) == export_format.schema.names


def test_an_implicit_prompt_stands_at_the_head_of_both_sides() -> None:
    expect(
        cut_as(pairwise(), "preference-implicit", BOTH),
        preference_implicit,
        ("1-1-0-1", "row-1", [*TURNS, message(NO)], [*TURNS, message(YES)], 1.0, "pairwise v1"),
        ("1-2-0-1", "row-2", [*QUESTION, message("a")], [*QUESTION, message("b")], 0.5, "pairwise v1"),
        ("1-2-1-0", "row-2", [*QUESTION, message("b")], [*QUESTION, message("a")], 0.5, "pairwise v1"),
        ("1-3-0-1", "row-3", [*QUESTION, message("c")], [*QUESTION, message("d")], 1.0, "pairwise v1"),
    )


def test_a_margin_is_the_strength_of_the_label() -> None:
    a, b = [message("a")], [message("b")]
    expect(
        cut_as(pairwise(), "reward", BOTH),
        reward,
        ("1-1-0-1", "row-1", TURNS, [message(NO)], [message(YES)], 2.0, 1.0, "pairwise v1"),
        ("1-2-0-1", "row-2", QUESTION, a, b, 0.0, 0.5, "pairwise v1"),
        ("1-2-1-0", "row-2", QUESTION, b, a, 0.0, 0.5, "pairwise v1"),
        ("1-3-0-1", "row-3", QUESTION, [message("c")], [message("d")], 3.0, 1.0, "pairwise v1"),
    )


def test_the_margin_of_a_majority_is_its_share() -> None:
    rows = cut_as(judged_world([[-3], [1], [1]]), "reward", {"labels": "majority"})
    assert [(row["chosen"], row["margin"]) for row in rows] == [([message("Answer 0.1")], 1 / 3)]


def test_labels_without_a_strength_have_no_margin_and_the_card_says_so() -> None:
    world = make_world()
    world.item(world.batch(items=0), 1, ["a", "b"], reference=1, prompt=QUESTION)
    body = {"split": {"train": 1}, "formats": ["reward"], "labels": "reference"}
    release, job = cut(world, body)
    assert job.error is None
    warning = "1 record without a strength, which have the margin 0.0"
    assert release.manifest["warnings"] == [f"reward: {warning}"]
    assert (job.result or {})["warnings"] == [f"reward: {warning}"]
    assert f"## Warnings\n\n- {warning}.\n" in contents(release)["README.md"].decode()
    assert [row["margin"] for row in cut_as(world, "reward", {"labels": "reference"})] == [0.0]


def test_each_text_is_wanted_or_not_once() -> None:
    world = pairwise()
    expect(
        cut_as(world, "unpaired-preference", BOTH),
        unpaired_preference,
        ("1-1-1", "row-1", TURNS, [message(NO)], True, "pairwise v1"),
        ("1-1-0", "row-1", TURNS, [message(YES)], False, "pairwise v1"),
        ("1-3-0", "row-3", QUESTION, [message("c")], True, "pairwise v1"),
        ("1-3-1", "row-3", QUESTION, [message("d")], False, "pairwise v1"),
    )
    assert world.project.releases.get().manifest["warnings"] == [
        "unpaired-preference: 2 records left out: the text won as many pairs of its item as it lost"
    ]


def ranked(ranking: list[list[int]], texts: list[str]) -> World:
    """One ranking of one item by position, best first."""
    world = make_world({"kind": "ranking", "overlap": 1})
    world.item(world.batch(items=0), 1, texts, prompt=QUESTION)
    lease = world.lease(world.member())
    label = {position: "ABCDEFGH"[place] for place, position in enumerate(lease.display_order)}
    world.submit(lease, {"ranking": [[label[position] for position in tier] for tier in ranking]})
    return world


def test_the_middle_of_a_ranking_is_neither_wanted_nor_unwanted() -> None:
    rows = cut_as(ranked([[2], [0], [1]], ["x", "y", "z"]), "unpaired-preference")
    assert [(row["completion"], row["label"]) for row in rows] == [
        ([message("y")], False),
        ([message("z")], True),
    ]


def test_completions_that_read_the_same_are_one_text() -> None:
    """x was imported twice and won over z each time."""
    rows = cut_as(ranked([[0], [1], [2]], ["x", "x", "z"]), "unpaired-preference")
    assert [(row["id"], row["completion"], row["label"]) for row in rows] == [
        ("1-1-0", [message("x")], True),
        ("1-1-2", [message("z")], False),
    ]


def test_disagreeing_judgments_are_counted_out() -> None:
    rows = cut_as(judged_world([[-3], [1], [2]]), "unpaired-preference", {"labels": "every"})
    assert [(row["completion"], row["label"]) for row in rows] == [
        ([message("Answer 0.0")], False),
        ([message("Answer 0.1")], True),
    ]


def test_a_revision_is_wanted_and_what_it_revises_is_not() -> None:
    world = revised()
    rows = cut_as(world, "unpaired-preference")
    first = rows[0]["id"].removeprefix("1-1-written-")
    assert first.isdigit()
    shared = [message("First."), message("And?", "user")]
    assert [(row["id"], row["completion"], row["label"]) for row in rows] == [
        (f"1-1-written-{first}", [*shared, message(YES)], True),
        ("1-1-0", [*shared, message("Second.")], False),
    ]


def test_conversations_to_imitate_are_the_preferred_ones() -> None:
    world = pairwise()
    expect(
        cut_as(world, "messages", BOTH),
        messages,
        ("1-1-1", "row-1", [*TURNS, message(NO)], "preferred", "pairwise v1"),
        ("1-3-0", "row-3", [*QUESTION, message("c")], "preferred", "pairwise v1"),
    )
    assert world.project.releases.get().manifest["warnings"] == [
        "messages: 1 record left out: the best completions of the item draw level"
    ]


def test_of_a_ranking_the_best_is_imitated() -> None:
    [row] = cut_as(ranked([[2], [0], [1]], ["x", "y", "z"]), "messages")
    assert row["messages"] == [*QUESTION, message("z")]


def test_what_people_wrote_is_imitated_rather_than_what_they_preferred() -> None:
    rows = cut_as(revised(), "messages")
    assert [(row["messages"], row["source"]) for row in rows] == [
        ([*QUESTION, message("First."), message("And?", "user"), message(YES)], "revision"),
        ([*TURNS, message("Fine.")], "revision"),
    ]


def test_every_prompt_stands_once_and_alone() -> None:
    expect(cut_as(pairwise(), "prompt-only", BOTH), prompt_only, (TURNS,), (QUESTION,))
    expect(cut_as(revised(), "prompt-only"), prompt_only, (QUESTION,), (TURNS,))


def test_openai_takes_the_last_message_as_the_output() -> None:
    expect(
        cut_as(pairwise(), "openai"),
        openai,
        ({"messages": TURNS}, [message(NO)], [message(YES)]),
        ({"messages": QUESTION}, [message("c")], [message("d")]),
    )
    shared = [*QUESTION, message("First."), message("And?", "user")]
    expect(cut_as(revised(), "openai"), openai, ({"messages": shared}, [message(YES)], [message("Second.")]))


def test_a_pair_that_differs_earlier_is_left_out_of_openai_and_counted() -> None:
    world = make_world({"kind": "pairwise", "points": 7, "overlap": 1})
    batch = world.batch(items=0)
    item = world.item(batch, 1, ["short"], prompt=QUESTION)
    long = [message("one"), message("And?", "user"), message("two")]
    item.completions.create(position=1, messages=long, content_hash="0" * 64, source_line=1)
    world.item(batch, 2, ["c", "d"], prompt=TURNS)
    annotator = world.member()
    judge_item(world, annotator, 1)
    judge_item(world, annotator, 1)
    assert [row["input"]["messages"] for row in cut_as(world, "openai")] == [TURNS]
    assert world.project.releases.get().manifest["warnings"] == [
        "openai: 1 record left out: its completions differ before their last message"
    ]


def test_argilla_shows_the_order_of_import_and_suggests_the_better() -> None:
    expect(
        cut_as(pairwise(), "argilla"),
        argilla,
        (
            "1-1-0-1",
            {"prompt": TURNS, "response_1": [message(YES)], "response_2": [message(NO)]},
            {"preferred": {"value": "response_2", "agent": "concord"}},
            {"item": "row-1", "protocol": "pairwise v1", "judgments": 1},
        ),
        (
            "1-3-0-1",
            {"prompt": QUESTION, "response_1": [message("c")], "response_2": [message("d")]},
            {"preferred": {"value": "response_1", "agent": "concord"}},
            {"item": "row-3", "protocol": "pairwise v1", "judgments": 1},
        ),
    )
    [row] = cut_as(revised(), "argilla")
    assert row["suggestions"]["preferred"]["value"] == "response_2"
    assert row["fields"]["response_2"][-1] == message(YES)


def test_stepwise_is_refused_with_the_reason() -> None:
    with pytest.raises(Refused, match=r"its trainer, PRMTrainer, is gone from TRL after 1\.13") as refusal:
        release_settings({"formats": ["preference", "stepwise"]})
    assert (refusal.value.status, refusal.value.errors[0].field) == (422, "formats")
    assert "its trainer is gone" in stepwise.trainers


def test_a_prompt_that_a_template_would_refuse_is_kept_and_told() -> None:
    world = make_world({"kind": "pairwise", "points": 7, "overlap": 1})
    batch = world.batch(items=0)
    world.item(batch, 1, ["a", "b"], prompt=[message("One.", "user"), message("Two.", "user")])
    world.item(batch, 2, ["c", "d"], prompt=QUESTION)
    annotator = world.member()
    judge_item(world, annotator, 1)
    judge_item(world, annotator, 1)
    assert len(cut_as(world, "preference")) == 2
    release, job = cut(world, {"split": {"train": 1}})
    assert job.state == Job.State.SUCCEEDED
    warning = "1 record in which one role speaks twice in a row"
    assert release.manifest["warnings"] == [f"preference: {warning}"]
    assert f"- {warning}.\n" in contents(release)["README.md"].decode()
