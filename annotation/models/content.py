"""What is judged: batches of items, each with its completions. Items and completions never change."""

import pgtrigger
from django.db import models
from django.db.models import F, Q


class Batch(models.Model):
    """Items imported and staffed together.

    importing → open → closed; importing → failed when the file was refused (then it holds no item).
    Only a lead closes a batch; after that only reviewers correct. A file of judgments: importing → closed, with an
    overlap of 0, since nobody is to judge its items again.

    A training batch holds gold items only: whoever is to judge in the project passes it first.
    """

    class Purpose(models.TextChoices):
        WORK = "work", "Work"
        TRAINING = "training", "Training"

    class State(models.TextChoices):
        IMPORTING = "importing", "Importing"
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"
        FAILED = "failed", "Failed"

    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="batches")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    protocol = models.ForeignKey(
        "annotation.ProtocolVersion", on_delete=models.PROTECT, related_name="batches"
    )
    state = models.CharField(max_length=9, choices=State, default=State.IMPORTING)
    purpose = models.CharField(max_length=8, choices=Purpose, default=Purpose.WORK)
    priority = models.IntegerField(default=0)
    overlap = models.PositiveSmallIntegerField()
    overlap_policy = models.CharField(max_length=20, blank=True)
    """Key of a registered policy that may add judgments; empty: the overlap is fixed."""
    overlap_max = models.PositiveSmallIntegerField(null=True)
    """What a policy may raise an item to; null when the overlap is fixed."""
    skill = models.CharField(max_length=40, blank=True)
    """Only people with this skill; empty: everybody."""
    staff = models.ManyToManyField("annotation.Membership", blank=True, related_name="+")
    """Only these people; nobody named: everybody."""
    cap_per_annotator = models.PositiveIntegerField(null=True)
    """Judgments that one person may give in this batch; null: as many as there are."""
    pass_share = models.FloatField(default=0.8)
    """Of a training batch: the share of right answers that passes."""
    pay_per_item = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    """What a person is paid for one submitted answer, in `pay_currency`; null: no page shows money."""
    pay_currency = models.CharField(max_length=3, blank=True)
    """ISO 4217 code."""
    lease_seconds = models.PositiveIntegerField(default=1800)
    gold_share = models.FloatField(default=0)
    repeat_share = models.FloatField(default=0)
    source_format = models.CharField(max_length=20)
    source_name = models.CharField(max_length=255, blank=True)
    source_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("annotation.User", on_delete=models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="batch_number_unique"),
            # Two uploads of the same file race: one gets the batch, the other is told its number.
            models.UniqueConstraint(
                fields=["project", "source_sha256"],
                condition=~Q(state="failed"),
                name="batch_file_once_per_project",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["importing", "open", "closed", "failed"]), name="batch_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="closed", closed_at__isnull=False) | ~Q(state="closed"),
                name="batch_closed_has_time",
            ),
            models.CheckConstraint(
                condition=Q(overlap__gte=1) | Q(overlap=0, source_format="judgments"),
                name="batch_overlap_positive",
            ),
            models.CheckConstraint(condition=Q(lease_seconds__gte=1), name="batch_lease_positive"),
            models.CheckConstraint(
                condition=Q(
                    gold_share__gte=0,
                    repeat_share__gte=0,
                    gold_share__lt=1 - F("repeat_share"),
                    pass_share__gt=0,
                    pass_share__lte=1,
                ),
                name="batch_shares_in_range",
            ),
            models.CheckConstraint(condition=Q(purpose__in=["work", "training"]), name="batch_purpose_known"),
            models.CheckConstraint(
                condition=Q(overlap_policy="", overlap_max__isnull=True)
                | (~Q(overlap_policy="") & Q(overlap_max__gte=F("overlap"))),
                name="batch_policy_has_maximum",
            ),
            models.CheckConstraint(
                condition=Q(cap_per_annotator__isnull=True) | Q(cap_per_annotator__gte=1),
                name="batch_cap_positive",
            ),
            models.CheckConstraint(
                condition=Q(pay_per_item__isnull=True, pay_currency="")
                | Q(pay_per_item__gt=0, pay_currency__regex="^[A-Z]{3}$"),
                name="batch_pay_complete",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Item(models.Model):
    """One prompt (a conversation) with its completions."""

    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="items")
    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="items")
    number = models.PositiveIntegerField()
    external_id = models.CharField(max_length=200)
    prompt = models.JSONField()
    """Messages, oldest first: [{"role", "content"}, …]."""
    prompt_hash = models.CharField(max_length=64)
    """SHA-256 of the prompt alone; groups items for splits."""
    content_hash = models.CharField(max_length=64)
    language = models.CharField(max_length=35, blank=True)
    category = models.CharField(max_length=40, blank=True)
    """Harmful category, for exposure limits; empty: none."""
    reference = models.SmallIntegerField(null=True)
    """A label that came with the data: −1 first completion preferred, +1 second. Never shown."""
    metadata = models.JSONField(default=dict)
    target_overlap = models.PositiveSmallIntegerField()
    """The number of non-void work slots (I1). Only ever raised. 0: a gold item, shown to check people."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "number"], name="item_number_unique"),
            models.UniqueConstraint(fields=["batch", "external_id"], name="item_external_id_unique"),
        ]
        indexes = [
            models.Index(fields=["batch", "id"], condition=Q(target_overlap=0), name="item_gold"),
        ]
        triggers = [
            pgtrigger.ReadOnly(name="item_immutable", exclude=["target_overlap"]),
            pgtrigger.Protect(
                name="item_overlap_only_grows",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(new__target_overlap__lt=pgtrigger.F("old__target_overlap")),
            ),
        ]

    def __str__(self) -> str:
        return self.external_id


class Completion(models.Model):
    """One candidate answer. `position` is the order of import, never the order on a screen."""

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="completions")
    position = models.PositiveSmallIntegerField()
    messages = models.JSONField()
    """Messages that continue the prompt; the last one is the assistant's."""
    model = models.CharField(max_length=200, blank=True)
    settings = models.JSONField(default=dict)
    content_hash = models.CharField(max_length=64)
    source_line = models.PositiveIntegerField()

    class Meta:
        ordering = ["item", "position"]
        constraints = [
            models.UniqueConstraint(fields=["item", "position"], name="completion_position_unique")
        ]
        triggers = [pgtrigger.ReadOnly(name="completion_immutable")]

    def __str__(self) -> str:
        return f"completion {self.position} of item {self.item_id}"


class GoldAnswer(models.Model):
    """An expected answer, right within `tolerance` steps of the scale."""

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="gold_answers")
    criterion = models.ForeignKey("annotation.Criterion", on_delete=models.PROTECT, related_name="+")
    preference = models.SmallIntegerField()
    tolerance = models.PositiveSmallIntegerField(default=0)
    why = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "criterion"], name="goldanswer_one_per_criterion"),
            models.CheckConstraint(
                condition=Q(preference__gte=-4, preference__lte=4), name="goldanswer_preference_in_scale"
            ),
        ]

    def __str__(self) -> str:
        return f"gold for item {self.item_id}"


class Exclusion(models.Model):
    """This person is never offered this item again, and why."""

    class Reason(models.TextChoices):
        SKIPPED = "skipped", "Skipped"
        EXPERTISE = "expertise", "I lack the expertise for this"
        BROKEN_PROMPT = "broken_prompt", "The prompt is unclear or broken"
        LANGUAGE = "language", "Not in a language I read well"
        CUT_OFF = "cut_off", "A response is cut off or unreadable"
        RATHER_NOT = "rather_not", "I would rather not read this content"
        PRIVATE_DATA = "private_data", "It holds private data"
        VOIDED = "voided", "The judgment was voided"
        LATE = "late", "The answer came late"

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="exclusions")
    annotator = models.ForeignKey(
        "annotation.Membership", on_delete=models.PROTECT, related_name="exclusions"
    )
    reason = models.CharField(max_length=13, choices=Reason)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "annotator"], name="exclusion_once_per_person")
        ]

    def __str__(self) -> str:
        return f"{self.annotator_id} not on {self.item_id}: {self.reason}"
