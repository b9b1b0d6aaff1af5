"""Where a judgment came from that was made in another project and imported as it is (docs/decisions/0016).

Such a judgment has no slot and no lease: nobody was asked for it here. What an export tells of a judgment and its own
columns cannot hold, because it speaks of the server that the judgment comes from, stands here.
"""

import pgtrigger
from django.db import models


class Origin(models.Model):
    """The names and numbers of one imported judgment on the server where it was made. Immutable."""

    batch = models.PositiveIntegerField()
    item_number = models.PositiveIntegerField()
    item = models.CharField(max_length=200)
    """The id that the item was first imported with. Two batches of one file may hold the same."""
    judgment = models.BigIntegerField()
    supersedes = models.BigIntegerField(null=True)
    """The judgment that this one corrected there. It is not here: a release holds the end of a chain only."""
    protocol_version = models.PositiveIntegerField()
    guideline_version = models.PositiveIntegerField()

    class Meta:
        triggers = [pgtrigger.Protect(name="origin_immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.record

    @property
    def group(self) -> str:
        """Batch and number of the item: the same for all judgments of one item."""
        return f"{self.batch}-{self.item_number}"

    @property
    def record(self) -> str:
        """The `id` of the judgment in every export: "1-4-17"."""
        return f"{self.group}-{self.judgment}"
