"""What tests of training share: a training batch, and answers that are right or wrong on the screen."""

from annotation.models import Assignment, Batch, Criterion, GoldAnswer, Lease, Membership
from tests.factories import World


def gold_item(world: World, batch: Batch, number: int, why: str = "Because.") -> None:
    """An item that only checks people; the first completion is better by two steps, give or take one."""
    item = world.item(batch, number, [f"Right {number}", f"Wrong {number}"], target_overlap=0)
    overall = Criterion.objects.get(protocol=batch.protocol, key=Criterion.OVERALL)
    GoldAnswer.objects.create(item=item, criterion=overall, preference=-2, tolerance=1, why=why)


def training_batch(world: World, items: int = 2, why: str = "Because.") -> Batch:
    batch = world.batch(items=0, purpose="training")
    for number in range(1, items + 1):
        gold_item(world, batch, number, why)
    return batch


def held(annotator: Membership) -> Lease:
    """The lease that is running now."""
    slot = Assignment.objects.get(annotator=annotator, state="leased")
    return Lease.objects.get(assignment=slot, attempt=slot.attempt)


def side(lease: Lease, *, is_right: bool) -> str:
    """What the form sends as `q-overall` for the expected answer, or for its contrary."""
    first_is_a = lease.display_order[0] == 0
    return "-2" if first_is_a == is_right else "2"
