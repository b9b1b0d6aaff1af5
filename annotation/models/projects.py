"""A project and what it asks: guideline, protocol and criteria, each in immutable versions."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

IMMUTABLE = pgtrigger.Update | pgtrigger.Delete


class Project(models.Model):
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    exclusion_limit = models.PositiveSmallIntegerField(default=3)
    """After so many exclusions an item is offered to nobody and waits for review."""
    daily_cap = models.PositiveIntegerField(null=True)
    """Judgments that one person may give in a day (UTC); null: no cap."""
    split_seed = models.BigIntegerField()
    """Keys the train/test side of a prompt, so that it stays from release to release."""
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("annotation.User", on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(daily_cap__isnull=True) | Q(daily_cap__gte=1), name="project_cap_positive"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ExposureLimit(models.Model):
    """How many items of one harmful category a person may be shown in a day (UTC)."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="exposure_limits")
    category = models.CharField(max_length=40)
    per_day = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "category"], name="exposurelimit_one_per_category"),
            models.CheckConstraint(condition=~Q(category=""), name="exposurelimit_category_named"),
        ]

    def __str__(self) -> str:
        return f"{self.category}: {self.per_day} a day"


class GuidelineVersion(models.Model):
    """The instructions (markdown). Every judgment carries the version that was shown."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="guidelines")
    number = models.PositiveIntegerField()
    text = models.TextField()
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("annotation.User", on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="guidelineversion_number_unique")
        ]
        triggers = [pgtrigger.Protect(name="guidelineversion_immutable", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"guide v{self.number}"


class ProtocolVersion(models.Model):
    """Kind of judgment, scale, criteria, tie rule and overlap. A batch keeps the version it came under."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="protocols")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)
    points = models.PositiveSmallIntegerField(null=True)
    overlap = models.PositiveSmallIntegerField()
    ties_allowed = models.BooleanField()
    top = models.PositiveSmallIntegerField(null=True)
    """Of a ranking: so many completions have to be placed, the best ones; null: all of them."""
    per_turn = models.BooleanField(default=False, db_default=False)
    """Of pairwise: two conversations are compared turn by turn before they are compared as wholes."""
    has_choice = models.BooleanField(default=False, db_default=False)
    """Of a rating: whether people may say at the end which completion they would choose."""
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("annotation.User", on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="protocolversion_number_unique"),
            models.CheckConstraint(condition=Q(overlap__gte=1), name="protocolversion_overlap_positive"),
            models.CheckConstraint(
                condition=Q(top__isnull=True) | Q(top__gte=1), name="protocolversion_top_positive"
            ),
        ]
        triggers = [pgtrigger.Protect(name="protocolversion_immutable", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"{self.kind} v{self.number}"


class Criterion(models.Model):
    """One question asked of each item. Every protocol ends with the criterion `overall`."""

    OVERALL = "overall"

    protocol = models.ForeignKey(ProtocolVersion, on_delete=models.PROTECT, related_name="criteria")
    key = models.SlugField(max_length=40)
    name = models.CharField(max_length=80)
    question = models.CharField(max_length=300, blank=True)
    position = models.PositiveSmallIntegerField()
    low = models.SmallIntegerField(null=True)
    high = models.SmallIntegerField(null=True)
    """Bounds of the stored value; null where the kind has no scale (ranking)."""
    ties_allowed = models.BooleanField()
    anchors = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    """Wording of each point from low to high; empty or exactly one a point."""
    is_optional = models.BooleanField(default=False, db_default=False)
    """Of a rating: whether "not applicable" is an answer."""

    class Meta:
        ordering = ["protocol", "position"]
        constraints = [
            models.UniqueConstraint(fields=["protocol", "key"], name="criterion_key_unique"),
            models.UniqueConstraint(fields=["protocol", "position"], name="criterion_position_unique"),
            models.CheckConstraint(
                condition=Q(low__isnull=True, high__isnull=True) | Q(low__lt=F("high")),
                name="criterion_bounds_ordered",
            ),
        ]
        triggers = [pgtrigger.Protect(name="criterion_immutable", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return self.name
