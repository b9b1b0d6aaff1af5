"""Helps for tests of review: somebody looks at an item, and decides on it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from annotation.models import Item, Membership
from comparisons.models import Adjudication
from comparisons.services.adjudication import look_first, settle_item
from tests.factories import NOW, World

B_BETTER = {"preferred": "B", "strength": 1}
TIE = {"tie": "both_good"}


def item_of(world: World, number: int = 1) -> Item:
    return Item.objects.select_related("batch__protocol", "batch__project").get(
        project=world.project, batch__number=1, number=number
    )


def decide(
    world: World,
    number: int = 1,
    reason: str = "misread",
    answer: Mapping[str, Any] | None = B_BETTER,
    *,
    by: Membership | None = None,
    now: datetime = NOW,
    **more: Any,
) -> Adjudication:
    """The decision of a reviewer, who had the judgments shown without answering."""
    reviewer, item = by or world.member("reviewer"), item_of(world, number)
    look_first(item=item, reviewer=reviewer, answer=None, now=now)
    return settle_item(item=item, reviewer=reviewer, reason=reason, answer=answer, now=now, **more)
