"""Lines of judgments that a project does not take: each error names the line, the field and a remedy."""

import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from django.core.files.base import ContentFile
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.errors import Refused
from annotation.importers import ItemRow, RowError, check_rows
from annotation.models import Batch, Item, Judgment, Membership, Origin, User
from annotation.services.batches import start_import
from tests.annotation.judged_lines import CRITERION, completion, line, saying
from tests.annotation.test_importers_anything import JSON_VALUES
from tests.annotation.uploading import lines, start, work_off
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def sent(world: World, rows: Sequence[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """What the job answered."""
    _, job = start(world, lines(rows), format="judgments", **fields)
    job = work_off(str(job.pk))
    answer: dict[str, Any] = job.result or job.error
    return answer


def stored() -> tuple[int, ...]:
    """Rows in every table that an import of judgments writes."""
    return tuple(model._default_manager.count() for model in (Item, Judgment, Origin, Membership, User))


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"id": ...}, "id", "field_missing"),
    ({"answers": None}, "answers", "field_missing"),
    ({"annotater": "x"}, "annotater", "unknown_field"),
    ({"id": "4-17"}, "id", "wrong_id"),
    ({"id": "2-4-17"}, "id", "wrong_id"),
    ({"id": "1-4-18"}, "id", "wrong_id"),
    ({"id": "1-0-17"}, "id", "wrong_id"),
    ({"judgment": 0}, "judgment", "out_of_range"),
    ({"judgment": True}, "judgment", "out_of_range"),
    ({"supersedes": -1}, "supersedes", "out_of_range"),
    ({"batch": 2**31}, "batch", "out_of_range"),
    ({"protocol_version": "1"}, "protocol_version", "out_of_range"),
    ({"guideline_version": 0}, "guideline_version", "out_of_range"),
    ({"item": 5}, "item", "not_text"),
    ({"language": "english?"}, "language", "unknown_language"),
    ({"category": "x" * 41}, "category", "name_too_long"),
    ({"reference": 2}, "reference", "out_of_range"),
    ({"metadata": {}}, "metadata", "not_text"),
    ({"metadata": "{"}, "metadata", "not_json"),
    ({"metadata": "[]"}, "metadata", "not_an_object"),
    ({"metadata": '{"a": NaN}'}, "metadata.a", "not_finite"),
    ({"metadata": '{"a": 1, "a": 2}'}, "metadata.a", "duplicate_key"),
    ({"metadata": '{"a": "\\u0000"}'}, "metadata.a", "nul"),
    ({"metadata": json.dumps({"a": "x" * 70_000})}, "metadata", "metadata_too_large"),
    ({"prompt": "Why?"}, "prompt", "not_messages"),
    ({"prompt": [{"role": "assistant", "content": "x"}]}, "prompt[0].role", "prompt_ends_with_assistant"),
    ({"prompt": [{"role": "user", "content": "x" * 200_001}]}, "prompt[0].content", "text_too_long"),
    ({"completions": [completion(0, "one")]}, "completions", "completions_count"),
    ({"completions": [completion(0, "a"), completion(0, "b")]}, "completions[1].position", "wrong_position"),
    ({"completions": [completion(0, "a"), {"messages": []}]}, "completions[1]", "not_a_completion"),
    (
        {"completions": [completion(0, "a"), completion(1, "b", settings="1")]},
        "completions[1].settings",
        "not_an_object",
    ),
    ({"annotator": "a b"}, "annotator", "not_a_pseudonym"),
    ({"annotator": "x" * 17}, "annotator", "not_a_pseudonym"),
    ({"is_simulated": 0}, "is_simulated", "not_a_boolean"),
    ({"kind": "ranking"}, "kind", "other_protocol"),
    ({"points": 5}, "points", "other_protocol"),
    ({"points": "7"}, "points", "out_of_range"),
    ({"criteria": []}, "criteria", "other_protocol"),
    ({"criteria": ["overall"]}, "criteria", "not_a_list"),
    ({"criteria": [CRITERION | {"question": "Which?"}]}, "criteria[0].question", "other_protocol"),
    ({"criteria": [CRITERION | {"low": -2, "weight": 1}]}, "criteria[0].low", "other_protocol"),
    ({"answers": {}}, "answers", "not_text"),
    ({"answers": "{}"}, "answers.preferred", "required"),
    ({"answers": saying(preference=4)}, "answers.strength", "out_of_range"),
    ({"answers": saying(preference=5)}, "answers.overall.preference", "out_of_range"),
    ({"answers": saying(preference="2")}, "answers.overall.preference", "not_an_integer"),
    (
        {"answers": saying(preference=2, tie_reason="both_good")},
        "answers.overall.tie_reason",
        "contradiction",
    ),
    ({"answers": saying(preference=0, tie_reason="bored")}, "answers.tie", "not_a_choice"),
    ({"answers": saying(erased=True)}, "answers.overall.erased", "unknown_field"),
    (
        {"answers": '{"overall":{"preference":1},"tone":{"preference":1}}'},
        "answers.criteria.tone",
        "unknown_field",
    ),
    ({"display_order": [0, 0]}, "display_order", "not_an_order"),
    ({"display_order": [0]}, "display_order", "not_an_order"),
    ({"display_order": [False, True]}, "display_order", "not_a_list"),
    ({"active_seconds": -1}, "active_seconds", "out_of_range"),
    ({"confidence": 4}, "confidence", "out_of_range"),
    ({"note": "x" * 5001}, "note", "text_too_long"),
    ({"note": 5}, "note", "not_text"),
    ({"read_to_end": ["C"]}, "read_to_end", "not_a_label"),
    ({"created_at": "2026-03-02T09:00:10"}, "created_at", "not_a_time"),
    ({"created_at": "2026-02-30T09:00:10Z"}, "created_at", "not_a_time"),
    ({"created_at": "0001-01-01T00:00:00+14:00"}, "created_at", "not_a_time"),
]


@pytest.mark.parametrize(("changes", "field", "code"), BAD)
def test_a_bad_line_is_named_and_nothing_is_stored(
    world: World, changes: dict[str, Any], field: str, code: str
) -> None:
    before = stored()
    answer = sent(world, [line(16), line(17, **changes)])
    found = [(error["line"], error["field"], error["code"]) for error in answer["errors"]]
    assert (2, field, code) in found
    assert all(error["detail"] and error["fix"] for error in answer["errors"])
    assert stored() == before
    assert Batch.objects.get().state == Batch.State.FAILED


RELATED: list[tuple[list[dict[str, Any]], int, str, str]] = [
    ([line(1), line(1, annotator="other")], 2, "judgment", "duplicate_judgment"),
    ([line(1), line(2, annotator="p1")], 2, "annotator", "judged_twice"),
    ([line(1), line(2, supersedes=1)], 2, "supersedes", "superseded"),
    ([line(2, supersedes=1), line(1)], 2, "supersedes", "superseded"),
    ([line(1), line(2, metadata='{"a":1}')], 2, "metadata", "item_differs"),
    ([line(1), line(2, item="row-5")], 2, "item", "item_differs"),
    (
        [line(1), line(2, completions=[completion(0, "x"), completion(1, "y")])],
        2,
        "completions",
        "item_differs",
    ),
    ([line(1), line(2, id="1-5-2", item="row-5"), line(3)], 3, "id", "item_apart"),
    ([line(1), line(2, id="1-5-2", annotator="p1", is_simulated=True)], 2, "is_simulated", "differs"),
]


@pytest.mark.parametrize(("rows", "number", "field", "code"), RELATED)
def test_lines_that_contradict_each_other_are_refused(
    world: World, rows: list[dict[str, Any]], number: int, field: str, code: str
) -> None:
    before = stored()
    answer = sent(world, rows)
    assert [(one["line"], one["field"], one["code"]) for one in answer["errors"]] == [(number, field, code)]
    assert stored() == before


def test_bad_lines_can_be_left_out(world: World) -> None:
    rows = [
        line(1),
        line(2, confidence=9),
        line(3),
        line(4, id="1-5-4", item="row-5", note=1),
        line(6, id="1-6-6"),
    ]
    answer = sent(world, rows, skip_bad_rows=True)
    assert (answer["rows"], answer["items"], answer["judgments"], answer["error_count"]) == (5, 2, 3, 2)
    assert sorted(Origin.objects.values_list("judgment", flat=True)) == [1, 3, 6]


def test_a_dry_run_reports_and_stores_nothing(world: World) -> None:
    before = stored()

    batch, job = start_import(
        project=world.project,
        actor=world.lead,
        now=NOW,
        upload=ContentFile(lines([line(1), line(2)]), name="j.jsonl"),
        format="judgments",
        dry_run=True,
    )
    assert batch is None
    answer = work_off(str(job.pk)).result
    assert answer is not None and (answer["items"], answer["judgments"], answer["errors"]) == (1, 2, [])
    assert stored() == before


def test_a_person_of_the_project_is_not_taken_for_one_of_the_file(world: World) -> None:
    member = world.member()
    before = stored()
    answer = sent(world, [line(1, annotator=member.pseudonym)])
    (error,) = answer["errors"]
    assert (error["line"], error["field"], error["code"]) == (1, "annotator", "annotator_here")
    assert stored() == before


def test_two_files_share_their_people_and_no_judgment_comes_twice(world: World) -> None:
    assert sent(world, [line(1), line(2)])["judgments"] == 2
    assert sent(world, [line(3, id="1-5-3", annotator="p1")])["judgments"] == 1
    assert Membership.objects.filter(is_imported=True).count() == 2
    before = stored()
    answer = sent(world, [line(4, id="1-7-4"), line(2)])
    assert [(one["line"], one["field"], one["code"]) for one in answer["errors"]] == [
        (2, "id", "already_imported")
    ]
    assert stored() == before


def test_the_same_file_twice_is_refused(world: World) -> None:
    sent(world, [line(1)])
    with pytest.raises(Refused) as refusal:
        start(world, lines([line(1)]), format="judgments")
    assert refusal.value.status == 409


@pytest.mark.parametrize(
    "setting",
    [
        {"gold_share": 0.1},
        {"repeat_share": 0.1},
        {"purpose": "training"},
        {"overlap_policy": "sequential", "overlap_max": 5},
        {"pay_per_item": 1, "pay_currency": "EUR"},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_settings_for_judging_have_no_place(world: World, setting: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        start(world, lines([line(1)]), format="judgments", **setting)
    assert not Batch.objects.exists()


def test_the_same_id_in_two_batches_of_a_file_is_told_apart(world: World) -> None:
    other = line(2, id="7-4-2", batch=7, prompt=[{"role": "user", "content": "And?"}])
    assert sent(world, [line(1), other])["items"] == 2
    assert list(Item.objects.order_by("number").values_list("external_id", flat=True)) == [
        "row-4",
        "7-4:row-4",
    ]
    assert list(Origin.objects.order_by("pk").values_list("item", flat=True)) == ["row-4", "row-4"]


def test_nobody_can_sign_in_as_an_imported_person(world: World) -> None:
    sent(world, [line(1, is_simulated=True)])
    member = Membership.objects.get(is_imported=True)
    assert (member.pseudonym, member.is_simulated, member.is_active, member.role) == (
        "p1",
        True,
        False,
        "annotator",
    )
    assert not member.user.is_active and not member.user.has_usable_password()


@given(
    name=st.sampled_from(sorted(line())),
    value=JSON_VALUES,
    inner=st.sampled_from(["", "metadata", "answers"]),
)
@settings(max_examples=400, deadline=None)
def test_any_value_in_any_field_gives_an_item_or_errors(name: str, value: Any, inner: str) -> None:
    changed = {inner: json.dumps(value)} if inner else {name: value}
    content = lines([line(1), line(2, **changed)])
    results = list(check_rows(io.BytesIO(content), "judgments"))
    assert results
    items = [one for one in results if isinstance(one, ItemRow)]
    assert (
        sum(len(one.judgments) for one in items)
        + len({one.line for one in results if isinstance(one, RowError)})
        == 2
    )
    assert results == list(check_rows(io.BytesIO(content), "judgments"))
