"""What a release of whole judgments holds is the same after it was imported into another project."""

from datetime import timedelta
from typing import Any

import pytest

from annotation.invariants import violations
from annotation.models import Item, Judgment, Lease
from annotation.services.judgments import Submission, correct_judgment, undo_judgment
from annotation.services.people import give_consent
from tests.exporters.moving import another_project, released, rows_of, taken_in
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

ODD = "Ünï \u202e‹×›\u2028 \x7f\ttab\n\n| a |\n end "
METADATA = {"source": "café", "nested": {"z": [1, 2.5, None, True], "a": "\u200b"}, "tiny": 1e-7, "one": 1.0}

Protocol = dict[str, Any]
SHAPES: dict[str, tuple[Protocol, int]] = {
    "pairwise": ({"kind": "pairwise", "points": 7, "criteria": ["Correctness"], "overlap": 2}, 2),
    "per turn": ({"kind": "pairwise", "points": 5, "per_turn": True, "overlap": 2}, 2),
    "ranking": ({"kind": "ranking", "criteria": ["Clarity"], "overlap": 2}, 4),
    "best of a ranking": ({"kind": "ranking", "top": 1, "ties": False, "overlap": 2}, 4),
    "rating": (
        {
            "kind": "rating",
            "choice": True,
            "overlap": 2,
            "criteria": [{"name": "Depth", "optional": True, "points": 3, "anchors": ["low", "mid", "high"]}],
        },
        3,
    ),
    "demonstration": ({"kind": "demonstration", "overlap": 2}, 0),
    "critique": ({"kind": "critique", "criteria": ["Honest", "Kind"], "overlap": 2}, 1),
}


def answers(shape: str, lease: Lease) -> list[dict[str, Any]]:
    """Two different answers to the lease's item."""
    ratings = {label: {"depth": None if label == "B" else 1, "overall": 4} for label in "ABC"}
    spans = [
        {"label": "C", "start": 0, "end": 2, "type": "unsafe"},
        {"label": "C", "start": 0, "end": 2, "type": "off_task"},
        {"label": "A", "start": 1, "end": 3, "type": "wrong_fact"},
    ]
    tie = {"tie": "both_poor"}
    two: dict[str, list[dict[str, Any]]] = {
        "pairwise": [
            {"preferred": "A", "strength": 3, "criteria": {"correctness": tie}},
            {"tie": "", "criteria": {"correctness": {"preferred": "B", "strength": 1}}},
        ],
        "per turn": [
            {"preferred": "A", "strength": 2, "turns": [tie, {"preferred": "B", "strength": 1}]},
            {"tie": "nearly_identical", "turns": [{"preferred": "A", "strength": 2}, {"tie": ""}]},
        ],
        "ranking": [
            {
                "ranking": [["C"], ["A", "D"], ["B"]],
                "criteria": {"clarity": {"ranking": [["A", "B", "C", "D"]]}},
            },
            {
                "ranking": [["B"], ["A"], ["D"], ["C"]],
                "criteria": {"clarity": {"ranking": [["D"], ["A", "B", "C"]]}},
            },
        ],
        "best of a ranking": [{"ranking": [["C"]]}, {"ranking": [["D"], ["A"]]}],
        "rating": [
            {"ratings": ratings, "spans": spans, "choice": "B"},
            {"ratings": {label: {"depth": 2, "overall": 7} for label in "ABC"}},
        ],
        "demonstration": [{"text": ODD}, {"text": "Short."}],
        "critique": [
            {"principles": ["kind"], "critique": f"Curt. {ODD}", "revision": ODD},
            {"principles": [], "critique": "Nothing.", "revision": "Response 0"},
        ],
    }
    assert lease.assignment.batch.protocol.kind in shape or shape in ("per turn", "best of a ranking")
    return two[shape]


def judged_project(shape: str, **fields: Any) -> World:
    """Two people judge two items over the normal way; one of them corrects an answer."""
    protocol, completions = SHAPES[shape]
    world = make_world(protocol, **fields)
    batch = world.batch(items=0)
    turns = [
        {"role": "assistant", "content": "First."},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": ODD},
    ]
    for number, facts in enumerate(
        [{"language": "pt-BR", "category": "self_harm", "reference": 1}, {}], start=1
    ):
        item = world.item(
            batch, number, [f"Response {at}" for at in range(completions)], metadata=METADATA, **facts
        )
        if shape == "per turn":
            replace_messages(item, turns)
    for place, person in enumerate([world.member(), world.member(is_simulated=True)]):
        give_consent(annotator=person, now=NOW)
        for number in range(2):
            lease = world.lease(person, seed=place + number)
            said = answers(shape, lease)[(place + number) % 2]
            side = {"active_seconds": 12.625 * place + number, "confidence": 3, "note": ODD} if place else {}
            labels = ["A"][:completions]
            world.submit(lease, said, after=11 + number, read_to_end=labels, **side)
    correct_first(world, shape)
    return world


def replace_messages(item: Item, messages: list[dict[str, str]]) -> None:
    """Conversations of two turns in place of single replies."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE annotation_completion DISABLE TRIGGER USER")
        for one in item.completions.all():
            one.messages = [*messages[:2], {"role": "assistant", "content": f"{ODD}{one.position}"}]
            one.save(update_fields=["messages"])
        cursor.execute("ALTER TABLE annotation_completion ENABLE TRIGGER USER")


def correct_first(world: World, shape: str) -> None:
    judgment = Judgment.objects.filter(batch__project=world.project).earliest("pk")
    undo = undo_judgment(annotator=judgment.annotator, judgment=judgment)
    lease = Lease.objects.get(assignment=judgment.assignment, attempt=judgment.attempt)
    correct_judgment(
        annotator=judgment.annotator,
        judgment=judgment,
        submission=Submission(undo.submission_id, judgment.attempt, answers(shape, lease)[1]),
        now=NOW + timedelta(seconds=40, microseconds=1),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_release_import_release_gives_the_same_bytes(shape: str) -> None:
    origin = judged_project(shape)
    file = released(origin)
    assert len(rows_of(file)) == 4
    assert sum(row["supersedes"] is not None for row in rows_of(file)) == 1
    copy = another_project(origin, SHAPES[shape][0])
    copy.batch(items=1)  # so that numbers of batches and judgments differ from the origin's
    _, job = taken_in(copy, file)
    assert job.error is None, job.error
    assert job.result is not None and (job.result["items"], job.result["judgments"]) == (2, 4)
    assert released(copy) == file
    assert violations() == []
