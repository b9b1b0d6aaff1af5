"""Which items go to one side of a split together."""

from array import array
from collections.abc import Iterator

import numpy as np
import orjson
from django.db.models import TextField
from django.db.models.functions import Cast

from annotation.models import Batch, Item, Project
from exporters.clusters import oldest_of_clusters, plain_text
from exporters.clusters_apart import oldest_of_clusters_apart
from exporters.prompts import HASH_BYTES
from exporters.settings import ReleaseSettings

ITEMS_AT_ONCE = 1000
APART_FROM = 5_000
"""Items that are clustered by a process of their own, which takes a quarter of a second to start."""


def deciding_hashes(project: Project, settings: ReleaseSettings) -> dict[int, str]:
    """By item id, the prompt hash that decides its side: that of the oldest item in its cluster.

    Items that are not named are decided by their own, so with clusters "exact" the answer is empty. The clusters are
    those of all items of the project, whatever the filters choose: an item keeps its side in a release of another
    batch, and when an older item gets its first judgment.
    """
    if settings.clusters == "exact":
        return {}
    items = Item.objects.filter(project=project, batch__state__in=[Batch.State.OPEN, Batch.State.CLOSED])
    numbers = array("q")
    hashes = bytearray()

    def prompts() -> Iterator[tuple[int, str]]:
        found = items.values_list("pk", "prompt_hash", Cast("prompt", TextField()))
        for pk, prompt_hash, prompt in found.iterator(chunk_size=ITEMS_AT_ONCE):
            numbers.append(pk)
            hashes.extend(bytes.fromhex(prompt_hash))
            yield pk, prompt

    if items.count() < APART_FROM:
        texts = ((pk, plain_text(orjson.loads(prompt))) for pk, prompt in prompts())
        _, oldest = oldest_of_clusters(texts)
    else:
        oldest = oldest_of_clusters_apart(prompts())
    ids = np.asarray(numbers, dtype=np.int64)
    order = np.argsort(ids)
    first = order[np.searchsorted(ids, oldest, sorter=order)]

    def hash_of(place: int) -> str:
        return hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES].hex()

    followers = np.flatnonzero(ids != oldest).tolist()
    named = ((int(ids[place]), hash_of(place), hash_of(first[place])) for place in followers)
    return {pk: deciding for pk, own, deciding in named if deciding != own}
