"""What a release would hold, counted before it is cut. Nothing is stored."""

from typing import Any

from annotation.errors import Refused
from annotation.models import Project
from exporters.obstacles import obstacle
from exporters.services.releases import refuse_unknown
from exporters.settings import ReleaseSettings
from exporters.snapshot import select_rows

ITEMS_MAX = 100_000
"""Somebody waits for the answer: about 25 s at so many items."""


def preview_release(project: Project, settings: ReleaseSettings) -> dict[str, Any]:
    """The counts under the names of the manifest; `problem` is why such a cut would fail, or None.

    Call it outside any transaction. Raises Refused for what the project does not have, and for a project with more
    than ITEMS_MAX items.
    """
    refuse_unknown(project, settings)
    items = project.items.count()
    if items > ITEMS_MAX:
        raise Refused(
            f"The project has {items:,} items, and counting is for {ITEMS_MAX:,} at most. Cut a release; it tells "
            "the same counts.",
            code="too_many",
        )
    selection = select_rows(project, settings)
    splits = selection.splits(settings)
    return {
        "items": selection.items,
        "judgments": selection.judgments,
        "rows": sum(rows for _, rows, _ in splits),
        "splits": {side: {"rows": rows, "prompts": prompts} for side, rows, prompts in splits},
        "dropped_pairs": dict(sorted(selection.dropped.items())),
        "clusters": {"count": selection.clusters[0], "largest_items": selection.largest_cluster()},
        "problem": obstacle(selection, settings),
    }
