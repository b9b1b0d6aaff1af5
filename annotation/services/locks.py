"""The engine's locks, all of them, in the order in which they are taken.

1. a batch's row (leads: closing, staffing, voiding, more judgments, priorities)
2. the annotator's membership row
3. slots
4. a slot's item
5. pools, several in the order of their ids

Who holds a lock waits only for those below it. Slots are picked with SKIP LOCKED; who waits for several takes them in
the order of their ids.
"""

from annotation.models import Assignment, Membership, Pool
from annotation.services.lease_sql import LOCK_ANNOTATOR
from annotation.statements import Bound


def lock_annotator(annotator: Membership) -> None:
    """Race: two tabs of one person lease and submit at once. Their membership row makes them take turns."""
    LOCK_ANNOTATOR.rows(annotator.pk)


def lock_of(annotator: Membership) -> Bound:
    """The lock as a statement to be sent before another one."""
    return LOCK_ANNOTATOR.on(annotator.pk)


def lock_slot(assignment: Assignment) -> Assignment:
    """The slot as it is now, locked until the transaction ends."""
    return (
        Assignment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("batch__project", "batch__protocol")
        .get(pk=assignment.pk)
    )


def lock_pools(ids: set[int]) -> None:
    """Race: somebody's place moves past a slot that is about to open (`move_place`). Pools are the last lock."""
    list(Pool.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk").values_list("pk"))
