"""Truth out of the database: items whose data came with a label. Runs on the operator's side only."""

from annotation.models import Completion, Item, Project
from annotation.simulation.truth import (
    OVERALL,
    ItemTruth,
    content_key,
    from_preferences,
)

REFERENCE_SHARE = 2 / 3
"""A label says which one is better, not by how much; "better" on seven points is two steps of three."""


def truth_from_references(project: Project, batch: int | None = None) -> dict[str, ItemTruth]:
    """`content_key` → truth for every item of `project` that has a reference."""
    items = Item.objects.filter(project=project, reference__isnull=False)
    if batch is not None:
        items = items.filter(batch__number=batch)
    contents: dict[int, list[list[dict[str, str]]]] = {}
    completions = Completion.objects.filter(item__in=items).order_by("item_id", "position")
    for item_id, messages in completions.values_list("item_id", "messages").iterator():
        contents.setdefault(item_id, []).append(messages)
    truth = {}
    for item_id, prompt, reference in items.values_list("id", "prompt", "reference").iterator():
        share = REFERENCE_SHARE * (reference or 0)
        truth[content_key(prompt, contents[item_id])] = from_preferences(contents[item_id], {OVERALL: share})
    return truth
