"""Formats made of whole judgments, against records written by hand."""

import json
from collections.abc import Sequence
from datetime import timedelta

import pyarrow as pa
import pytest
from scipy.stats import rankdata

from annotation.models import Judgment, Membership
from annotation.services.judgments import Submission, correct_judgment, undo_judgment
from annotation.services.projects import publish_guideline, publish_protocol
from annotation.services.voiding import void_judgment
from comparisons.erasure import erase_texts
from exporters.content import SelectedContent
from exporters.formats import MESSAGES
from exporters.formats.judgments import judgments
from exporters.formats.rankings import places_of, rankings
from exporters.formats.ratings import ratings
from exporters.settings import release_settings
from exporters.snapshot import select_rows
from tests.exporters.format_worlds import cut_as, lease_in, message
from tests.exporters.releases import contents, cut, judge_item, judged_world, lines_of
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = [message("Why?", "user")]
ODD = "Ünï \u202e‹×› ✓\u2028"
TEXT = pa.string()


def labels_of(order: Sequence[int]) -> dict[int, str]:
    """By position of import the label on the screen."""
    return {position: "ABCDEFGH"[place] for place, position in enumerate(order)}


def rank(world: World, annotator: Membership, tiers: list[list[int]]) -> Judgment:
    lease = world.lease(annotator, seed=annotator.pk)
    label = labels_of(lease.display_order)
    outcome = world.submit(lease, {"ranking": [[label[position] for position in tier] for tier in tiers]})
    return Judgment.objects.get(pk=outcome.body["judgment"])


def test_schemas_are_the_documented_ones() -> None:
    assert rankings.schema == pa.schema(
        {
            "id": TEXT,
            "item": TEXT,
            "criterion": TEXT,
            "prompt": MESSAGES,
            "completions": pa.list_(pa.struct({"model": TEXT, "messages": MESSAGES})),
            "rankings": pa.list_(
                pa.struct({"judgment": pa.int64(), "annotator": TEXT, "ranks": pa.list_(pa.int32())})
            ),
            "mean_ranks": pa.list_(pa.float64()),
            "protocol": TEXT,
        }
    )
    rating = pa.struct({"criterion": TEXT, "value": pa.int32(), "low": pa.int32(), "high": pa.int32()})
    assert ratings.schema == pa.schema(
        {
            "id": TEXT,
            "item": TEXT,
            "prompt": MESSAGES,
            "completion": MESSAGES,
            "model": TEXT,
            "annotator": TEXT,
            "ratings": pa.list_(rating),
            "protocol": TEXT,
        }
    )


def test_rankings_stand_in_the_order_of_import_with_their_mean() -> None:
    world = make_world({"kind": "ranking", "overlap": 2})
    world.item(world.batch(items=0), 1, ["x", ODD, "z"], prompt=QUESTION)
    one, other = world.member(), world.member()
    first = rank(world, one, [[2], [0, 1]])
    second = rank(world, other, [[1], [0], [2]])
    assert cut_as(world, "rankings") == [
        {
            "id": "1-1-overall",
            "item": "row-1",
            "criterion": "overall",
            "prompt": QUESTION,
            "completions": [
                {"model": "model-0", "messages": [message("x")]},
                {"model": "model-1", "messages": [message(ODD)]},
                {"model": "model-2", "messages": [message("z")]},
            ],
            "rankings": [
                {"judgment": first.pk, "annotator": one.pseudonym, "ranks": [2, 2, 1]},
                {"judgment": second.pk, "annotator": other.pseudonym, "ranks": [2, 1, 3]},
            ],
            "mean_ranks": [2.25, 1.75, 2.0],
            "protocol": "ranking v1",
        }
    ]


def test_items_ranked_level_throughout_are_in_though_no_pair_is() -> None:
    world = make_world({"kind": "ranking", "overlap": 1})
    world.item(world.batch(items=0), 1, ["x", "y"], prompt=QUESTION)
    rank(world, world.member(), [[0, 1]])
    [row] = cut_as(world, "rankings")
    assert row["mean_ranks"] == [1.5, 1.5]


@pytest.mark.parametrize("ranks", [[1, 2, 2, 4], [1, 1, 1], [3, 1, 4, 4, 2], [1], [2, 2, 1, 4, 4, 4, 7]])
def test_shared_places_are_the_mean_of_the_places(ranks: list[int]) -> None:
    assert places_of(ranks) == rankdata(ranks, method="average").tolist()


def test_ratings_name_each_criterion_with_its_scale() -> None:
    world = make_world({"kind": "rating", "overlap": 1, "criteria": ["Helpful", "Honest"]})
    batch = world.batch(items=0)
    world.item(batch, 1, ["x", ODD], prompt=QUESTION)
    annotator = world.member()
    lease = world.lease(annotator)
    label = labels_of(lease.display_order)
    values = {0: (0, 4, 2), 1: (3, 1, 6)}
    scales = {"helpful": (0, 4), "honest": (0, 4), "overall": (1, 7)}
    answer = {label[position]: dict(zip(scales, given, strict=True)) for position, given in values.items()}
    judgment = world.submit(lease, {"ratings": answer}).body["judgment"]
    assert cut_as(world, "ratings") == [
        {
            "id": f"1-1-{position}-{judgment}",
            "item": "row-1",
            "prompt": QUESTION,
            "completion": [message(text)],
            "model": f"model-{position}",
            "annotator": annotator.pseudonym,
            "ratings": [
                {"criterion": key, "value": value, "low": scales[key][0], "high": scales[key][1]}
                for key, value in zip(scales, values[position], strict=True)
            ],
            "protocol": "rating v1",
        }
        for position, text in ((0, "x"), (1, ODD))
    ]


def test_a_single_completion_can_be_rated_and_released() -> None:
    world = make_world({"kind": "rating", "overlap": 1})
    batch = world.batch(items=1, completions=1)
    keys = [criterion.key for criterion in batch.protocol.criteria.all()]
    world.judge(world.member(), {"ratings": {"A": dict.fromkeys(keys, 3)}})
    [row] = cut_as(world, "ratings")
    assert row["completion"] == [message("Answer 0.0")]


def test_a_judgment_is_told_whole() -> None:
    world = make_world({"kind": "pairwise", "points": 7, "overlap": 1, "criteria": ["Honest"]})
    batch = world.batch(items=0)
    extra = {"language": "en", "category": "", "reference": -1, "metadata": {"b": ODD, "a": [1]}}
    item = world.item(batch, 1, [], prompt=QUESTION, **extra)
    for position, text in enumerate(["x", ODD]):
        item.completions.create(
            position=position,
            messages=[message(text)],
            model=f"m{position}",
            settings={"temperature": 0.7} if position else {},
            content_hash=f"{position:064}",
            source_line=1,
        )
    guideline = publish_guideline(project=world.project, actor=world.lead, text="New.", now=NOW)
    annotator = world.member()
    lease = world.lease(annotator)
    label = labels_of(lease.display_order)
    answer = {"preferred": label[1], "strength": 3, "criteria": {"honest": {"tie": "both_good"}}}
    side = {"active_seconds": 12.5, "confidence": 2, "note": ODD, "read_to_end": ["A"]}
    judgment = Judgment.objects.get(pk=world.submit(lease, answer, **side).body["judgment"])
    [row] = cut_as(world, "judgments")
    criteria = row.pop("criteria")
    assert row == {
        "id": f"1-1-{judgment.pk}",
        "judgment": judgment.pk,
        "supersedes": None,
        "batch": 1,
        "item": "row-1",
        "language": "en",
        "category": "",
        "reference": -1,
        "metadata": f'{{"a":[1],"b":"{ODD}"}}',
        "prompt": QUESTION,
        "completions": [
            {"position": 0, "model": "m0", "settings": "{}", "messages": [message("x")]},
            {"position": 1, "model": "m1", "settings": '{"temperature":0.7}', "messages": [message(ODD)]},
        ],
        "annotator": annotator.pseudonym,
        "is_simulated": False,
        "kind": "pairwise",
        "points": 7,
        "protocol_version": 1,
        "guideline_version": guideline.number,
        "answers": '{"honest":{"preference":0,"tie_reason":"both_good"},"overall":{"preference":3}}',
        "display_order": list(lease.display_order),
        "active_seconds": 12.5,
        "confidence": 2,
        "note": ODD,
        "read_to_end": ["A"],
        "created_at": "2026-03-02T09:00:10Z",
    }
    assert [(c["key"], c["name"], c["low"], c["high"], c["ties_allowed"]) for c in criteria] == [
        ("honest", "Honest", -2, 2, True),
        ("overall", "Overall", -3, 3, True),
    ]
    assert set(row) | {"criteria"} == set(judgments.schema.names)


def test_every_judgment_is_in_whatever_becomes_of_its_pair() -> None:
    """Three people on one item: a tie by majority is dropped from pairs, and no judgment from judgments."""
    world = judged_world([[-2], [1], [0]])
    rows = cut_as(world, "judgments")
    said = [json.loads(row["answers"])["overall"]["preference"] for row in rows]
    assert said == [-2, 1, 0]
    assert len({row["annotator"] for row in rows}) == 3
    release = world.project.releases.get()
    assert (release.judgments, release.manifest["rows"], release.manifest["annotators"]) == (3, 3, 3)
    assert "no label was made of it" in contents(release)["README.md"].decode()
    assert cut(world, {"formats": ["judgments"], "filters": {"min_judgments": 4}})[1].error is not None


def correct(judgment: Judgment, strength: int) -> None:
    undo = undo_judgment(annotator=judgment.annotator, judgment=judgment)
    better = "AB"[list(judgment.display_order).index(1)]
    correct_judgment(
        annotator=judgment.annotator,
        judgment=judgment,
        submission=Submission(
            undo.submission_id, judgment.attempt, {"preferred": better, "strength": strength}
        ),
        now=NOW + timedelta(minutes=5),
    )


def test_a_correction_stands_alone_and_names_what_it_corrects() -> None:
    world = judged_world([[-2]])
    judgment = Judgment.objects.get()
    correct(judgment, 1)
    [row] = cut_as(world, "judgments")
    assert row["supersedes"] == judgment.pk
    assert row["answers"] == '{"overall":{"preference":1}}'


def test_what_happens_after_the_snapshot_changes_nothing() -> None:
    world = judged_world([[-2, -1]])
    selection = select_rows(world.project, release_settings({"formats": ["judgments"]}))
    corrected, voided = Judgment.objects.order_by("pk")

    def read() -> list[tuple[int, str]]:
        content = SelectedContent(selection, lambda share: None)
        return [(row["judgment"], row["answers"]) for _, row in judgments.records(content)]

    before = read()
    correct(corrected, 3)
    void_judgment(judgment=voided, reason="Wrong.", actor=world.lead, now=NOW)
    assert (
        read()
        == before
        == [
            (corrected.pk, '{"overall":{"preference":-2}}'),
            (voided.pk, '{"overall":{"preference":-1}}'),
        ]
    )


def test_written_answers_are_told_whole() -> None:
    world = make_world({"kind": "critique", "criteria": ["Honest", "Kind"]})
    world.batch(items=1, completions=1)
    world.judge(world.member(), {"principles": ["kind"], "critique": "Curt.", "revision": ODD})
    [row] = cut_as(world, "judgments")
    assert json.loads(row["answers"]) == {
        "overall": {"completion": 0, "principles": ["kind"], "critique": "Curt.", "revision": ODD}
    }


def test_a_note_is_left_out_once_its_author_is_forgotten() -> None:
    """A person who demonstrated and noted is forgotten; what they note afterwards is theirs again."""
    world = make_world({"kind": "demonstration"})
    world.batch(items=1, completions=0)
    annotator = world.member()
    world.judge(annotator, {"text": "Mine."})
    other = make_note_world(world, annotator)
    before = cut_as(world, "judgments", {"filters": {"batches": [other]}})
    assert [row["note"] for row in before] == ["I know the author."]
    erase_texts(annotator=annotator, actor=world.lead, now=NOW + timedelta(minutes=1))
    after = cut_as(world, "judgments", {"filters": {"batches": [other]}})
    assert [row["note"] for row in after] == [""]
    assert [row | {"note": "I know the author."} for row in after] == before


def make_note_world(world: World, annotator: Membership) -> int:
    """A pairwise batch of the same project, judged once with a note; its number."""
    settings = {"kind": "pairwise", "points": 7, "overlap": 1}
    publish_protocol(project=world.project, actor=world.lead, settings=settings, now=NOW)
    batch = world.batch(items=1)
    world.submit(lease_in(batch, annotator), note="I know the author.")
    return batch.number


def test_reference_labels_leave_no_judgment_to_tell() -> None:
    _, job = cut(judged_world([[-2]]), {"labels": "reference", "formats": ["judgments"]})
    assert job.error is not None


def test_pairs_of_a_release_with_judgments_are_those_without() -> None:
    world = judged_world([[-2, 0, 1], [-1, 0, -1]])
    alone = contents(cut(world, {"split": {"train": 1}})[0])
    both = contents(cut(world, {"split": {"train": 1}, "formats": ["preference", "judgments"]})[0])
    name = "train-00000-of-00001.jsonl.gz"
    assert both[f"preference/{name}"] == alone[name]
    assert len(lines_of(both[f"judgments/{name}"])) == 6


def test_judge_item_undoes_the_screen() -> None:
    """Whatever stood left, the stored sign is that of the import."""
    world = make_world({"kind": "pairwise", "points": 7, "overlap": 1})
    world.batch(items=4)
    annotator = world.member()
    for _ in range(4):
        judge_item(world, annotator, 2)
    rows = cut_as(world, "judgments")
    assert {tuple(row["display_order"]) for row in rows} == {(0, 1), (1, 0)}
    assert {row["answers"] for row in rows} == {'{"overall":{"preference":2}}'}
