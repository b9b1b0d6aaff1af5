"""The form of a protocol's next version starts from the settings of this one: they give the same protocol again."""

from typing import Any

import pytest

from annotation.kinds import judgment_kinds
from annotation.models import ProtocolVersion
from annotation.services.projects import publish_protocol
from tests.factories import NOW, make_world

pytestmark = pytest.mark.django_db

NAMED = [{"name": "Correct", "question": "Is it true?"}, {"key": "tone-2", "name": "Tone of voice"}]
SETTINGS: list[dict[str, Any]] = [
    *({"kind": "pairwise", "points": points} for points in (2, 3, 5, 7, 8)),
    *({"kind": "pairwise", "points": points, "ties": False} for points in (2, 3, 5, 7, 8)),
    {"kind": "pairwise", "per_turn": True, "overlap": 5, "criteria": NAMED},
    {"kind": "pairwise", "points": 8, "criteria": [{"name": "A", "points": 3}, {"name": "B", "points": 2}]},
    {"kind": "pairwise", "ties": False, "criteria": [{"name": "A", "points": 3}, {"name": "B", "points": 8}]},
    {"kind": "pairwise", "criteria": [{"key": "overall", "question": "Which one would you send?"}]},
    {"kind": "ranking"},
    {"kind": "ranking", "top": 2, "ties": False, "criteria": NAMED},
    {"kind": "rating"},
    {
        "kind": "rating",
        "points": 3,
        "choice": True,
        "criteria": [
            {"name": "Safe", "points": 2, "anchors": ["no", "yes"], "optional": True},
            {"key": "overall", "name": "Overall", "anchors": ["poor", "fair", "good"]},
        ],
    },
    {"kind": "demonstration", "overlap": 2},
    {"kind": "critique", "criteria": NAMED},
]


def told(protocol: ProtocolVersion) -> tuple[Any, ...]:
    """Everything that people are asked under it."""
    one = ProtocolVersion.objects.filter(pk=protocol.pk)
    fields = ("kind", "points", "overlap", "ties_allowed", "top", "per_turn", "has_choice")
    criteria = (
        "position",
        "key",
        "name",
        "question",
        "low",
        "high",
        "ties_allowed",
        "anchors",
        "is_optional",
    )
    return one.values_list(*fields).get(), list(protocol.criteria.order_by("position").values_list(*criteria))


@pytest.mark.parametrize("asked", SETTINGS, ids=str)
def test_settings_give_the_same_protocol_again(asked: dict[str, Any]) -> None:
    world = make_world(asked)
    first = world.project.protocols.get()
    found = judgment_kinds.get(first.kind).settings(first)
    again = publish_protocol(project=world.project, actor=world.lead, settings=found, now=NOW)
    assert told(again) == told(first)
    assert judgment_kinds.get(first.kind).settings(again) == found
