"""The roads to items under review; as `annotation.access`."""

from django.core.exceptions import PermissionDenied
from django.http import Http404

from annotation.access import access_item
from annotation.models import Item, Judgment, Membership, User
from annotation.selectors_console import is_theirs_to_judge
from comparisons.kinds.settling import SETTLED
from comparisons.selectors_adjudication import reviewer_membership


def access_review(user: User, slug: str, batch_number: int, number: int) -> tuple[Item, Membership]:
    """An item that can be settled, and the membership that settles it: of a lead or a reviewer.

    Raises PermissionDenied for who may still judge it as an annotator (I13), and for who did: they are a party to it.
    """
    item = access_item(user, slug, batch_number, number)
    reviewer = reviewer_membership(user, item.batch.project)
    if reviewer is None or item.batch.protocol.kind not in SETTLED:
        raise Http404("nothing to settle")
    if is_theirs_to_judge(user, item):
        raise PermissionDenied(
            "You judge in this project too. What others said of this item is not shown before your own answer is in."
        )
    if Judgment.objects.filter(item=item, annotator__user=user).exists():
        raise PermissionDenied("You judged this item yourself; another lead or reviewer has to settle it.")
    return item, reviewer
