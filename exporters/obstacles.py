"""Why a selection cannot become a release, in a sentence that says what to do."""

from annotation.models import Item
from exporters.prompts import Cluster
from exporters.selection import Selection
from exporters.settings import ReleaseSettings
from exporters.words import counted

CLUSTER_SHARE_MAX = 0.1
CLUSTER_ITEMS_MAX = 20
"""A cluster of near duplicates that is larger than both stops a cut: its side alone would decide the shares."""
EXAMPLE_CHARACTERS = 60


def obstacle(selection: Selection, settings: ReleaseSettings) -> str | None:
    """None for a selection that can be released."""
    if not selection.rows and not selection.texts and not selection.whole:
        return why_empty(selection, settings)
    if settings.clusters == "near" and len(settings.shares) > 1:
        _, largest = selection.clusters
        if largest and is_too_large(largest, selection.items):
            return why_too_large(largest, selection.items)
    return None


def is_too_large(cluster: Cluster, items: int) -> bool:
    """Equal prompts stay together whatever is chosen, so only a cluster of different ones can be in the way."""
    return (
        cluster.items > CLUSTER_ITEMS_MAX
        and cluster.items > CLUSTER_SHARE_MAX * items
        and cluster.prompts > 1
    )


def why_too_large(cluster: Cluster, items: int) -> str:
    example = Item.objects.select_related("batch").get(pk=cluster.first)
    words = " ".join(" ".join(str(message["content"]) for message in example.prompt).split())
    if len(words) > EXAMPLE_CHARACTERS:
        words = words[:EXAMPLE_CHARACTERS].rstrip() + "…"
    return (
        f"{cluster.items:,} of the {items:,} items ({100 * cluster.items / items:.0f} %) have prompts that are linked "
        f"as nearly the same, such as item {example.external_id} of batch {example.batch.number} (“{words}”). They "
        "would all lie on one side of the split. Choose that only equal prompts go together "
        '("split": {"clusters": "exact"}) if it is the template that they share, or leave such items out.'
    )


def why_empty(selection: Selection, settings: ReleaseSettings) -> str:
    if not selection.dropped:
        return "There is nothing to release: no item passes the filters."
    reasons = {
        "too_few_judgments": f"fewer than {counted(settings.min_judgments, 'judgment')} that may be released",
        "tie": "ties",
        "identical": "two completions that read the same",
        "no_reference": "no label that came with the data",
        "no_estimate": "no estimate by Dawid and Skene's model",
        "low_agreement": "judgments that agree too little",
        "one_order": "judgments that do not say the same in both orders",
        "taste": "a decision that tastes really differ",
        "broken": "a decision that the item is broken",
        "length": "nothing against them in the balance of lengths",
    }
    parts = [
        f"{selection.dropped[key]:,} with {words}" for key, words in reasons.items() if selection.dropped[key]
    ]
    return " ".join(
        [
            f"There is nothing to release. Pairs of completions left out: {', '.join(parts)}.",
            *(f"{note}." for note in selection.notes),
        ]
    )
