"""Which items go to one side of a split together."""

from collections.abc import Iterator

from annotation.models import Batch, Item, Project
from exporters.clusters import oldest_of_clusters, plain_text
from exporters.settings import ReleaseSettings

ITEMS_AT_ONCE = 1000


def deciding_hashes(project: Project, settings: ReleaseSettings) -> dict[int, str]:
    """By item id, the prompt hash that decides its side: that of the oldest item in its cluster.

    Items that are not named are decided by their own, so with clusters "exact" the answer is empty. The clusters are
    those of all items of the project, whatever the filters choose: an item keeps its side in a release of another
    batch, and when an older item gets its first judgment.
    """
    if settings.clusters == "exact":
        return {}
    items = Item.objects.filter(project=project, batch__state__in=[Batch.State.OPEN, Batch.State.CLOSED])
    hashes: dict[int, str] = {}

    def prompts() -> Iterator[tuple[int, str]]:
        found = items.values_list("pk", "prompt_hash", "prompt")
        for pk, prompt_hash, prompt in found.iterator(chunk_size=ITEMS_AT_ONCE):
            hashes[pk] = prompt_hash
            yield pk, plain_text(prompt)

    oldest = oldest_of_clusters(prompts())
    return {pk: hashes[first] for pk, first in oldest.items() if hashes[first] != hashes[pk]}
