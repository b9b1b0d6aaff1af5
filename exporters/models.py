"""A release: a frozen, versioned, hashed snapshot of judgments, and the files written from it.

building → frozen | failed. Rows and files appear in the transaction that freezes the release, never before, and
nothing of a frozen release changes again. Rows hold ids, labels and sides of the split but no text, because
items and completions are immutable where they are.
"""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

IMMUTABLE = pgtrigger.Update | pgtrigger.Delete


def only_while_building(name: str) -> pgtrigger.Trigger:
    """Refuse a row for a release that is frozen already: what was published must not grow."""
    return pgtrigger.Trigger(
        name=name,
        # Once for all rows of a statement: asked row by row, it is a sixth of the time that a million of them take.
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=pgtrigger.Insert,
        referencing=pgtrigger.Referencing(new="added"),  # type: ignore[no-untyped-call]
        func="""
            IF EXISTS (SELECT FROM exporters_release WHERE state <> 'building'
                       AND id IN (SELECT DISTINCT release_id FROM added)) THEN
                RAISE EXCEPTION 'the release is not being built: nothing can be added'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    )


class Release(models.Model):
    class State(models.TextChoices):
        BUILDING = "building", "Building"
        FROZEN = "frozen", "Frozen"
        FAILED = "failed", "Failed"

    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="releases")
    number = models.PositiveIntegerField()
    version = models.CharField(max_length=32)
    """What people say: "1", "2024.2". Unique in the project; never "latest"."""
    state = models.CharField(max_length=8, choices=State, default=State.BUILDING)
    settings = models.JSONField()
    """api.md, Release settings, with every default filled in."""
    manifest = models.JSONField(default=dict)
    """`exporters.facts.ReleaseFacts.as_json()`: what card and `manifest.json` tell; no clock value in it."""
    judgments = models.PositiveIntegerField(default=0)
    """How many judgments the rows were made from."""
    audit_position = models.BigIntegerField(default=0)
    audit_hash = models.BinaryField(max_length=32, default=bytes)
    """The audit chain at the last sealed event about a judgment of the project in the snapshot."""
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("annotation.User", on_delete=models.PROTECT, related_name="+")
    frozen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="release_number_unique"),
            # A cut that failed keeps no name: the next try may have it.
            models.UniqueConstraint(
                fields=["project", "version"], condition=~Q(state="failed"), name="release_version_unique"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["building", "frozen", "failed"]), name="release_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="frozen", frozen_at__isnull=False)
                | (~Q(state="frozen") & Q(frozen_at__isnull=True)),
                name="release_frozen_has_time",
            ),
            models.CheckConstraint(condition=~Q(version="latest"), name="release_version_not_latest"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="release_frozen",
                operation=IMMUTABLE,
                condition=pgtrigger.Q(old__state="frozen"),
            )
        ]

    def __str__(self) -> str:
        return self.version


class ReleaseRow(models.Model):
    """One preference of a release: `chosen` over `rejected` for one item, on one side of the split."""

    # Rows are read release by release, which releaserow_number_unique serves; other indexes would double the time that
    # it takes to freeze.
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="rows", db_index=False)
    number = models.PositiveIntegerField()
    item = models.ForeignKey("annotation.Item", on_delete=models.PROTECT, related_name="+", db_index=False)
    chosen = models.ForeignKey(
        "annotation.Completion", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    rejected = models.ForeignKey(
        "annotation.Completion", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    strength = models.FloatField(null=True)
    """How much better, > 0, or 0 for a tie. In steps of the protocol's scale (labels every, mean_strength), or
    votes for less votes against, as a share of all (majority; 1 where a reviewer decided). Null where the label has
    none (reference)."""
    is_tie = models.BooleanField(default=False)
    """One of the two rows that stand for a tie kept in both orders."""
    split = models.CharField(max_length=20)
    judgment_ids = ArrayField(models.BigIntegerField())
    content_hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["release", "number"]
        constraints = [
            models.UniqueConstraint(fields=["release", "number"], name="releaserow_number_unique"),
            models.CheckConstraint(condition=~Q(chosen=F("rejected")), name="releaserow_two_completions"),
        ]
        triggers = [
            pgtrigger.Protect(name="releaserow_immutable", operation=IMMUTABLE),
            only_while_building("releaserow_not_added_later"),
        ]

    def __str__(self) -> str:
        return f"row {self.number} of release {self.release_id}"


class ReleaseFile(models.Model):
    """One file of one format. Erasure deletes its bytes and keeps this row, with the hash."""

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=200)
    """Path within the release, as in `files/{name}`: "train-00000-of-00001.parquet". A release in several
    formats has a folder for each: "preference/train-00000-of-00001.parquet"."""
    format = models.CharField(max_length=40)
    """Key of the export format; card, manifest and checksums are written for each format."""
    split = models.CharField(max_length=20, blank=True)
    rows = models.PositiveIntegerField(default=0)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    storage_name = models.CharField(max_length=255)
    erased_at = models.DateTimeField(null=True)
    successor = models.ForeignKey(Release, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["release", "name"], name="releasefile_name_unique"),
        ]
        triggers = [
            pgtrigger.ReadOnly(name="releasefile_immutable", exclude=["erased_at", "successor"]),
            pgtrigger.Protect(name="releasefile_kept", operation=pgtrigger.Delete),
            only_while_building("releasefile_not_added_later"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """Its name in the folder into which one format is pulled."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def type(self) -> str:
        """parquet, jsonl or text."""
        return self.name.removesuffix(".gz").rsplit(".", 1)[-1] if self.split else "text"


class Webhook(models.Model):
    """An address that is told of what happens in a project. Removed ones stay, for their deliveries.

    Its secret is stored nowhere: it is made from the server's SECRET_KEY and `nonce` whenever something is signed
    (`exporters.signing`), so neither a dump nor a backup of the database can sign.
    """

    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="webhooks")
    url = models.CharField(max_length=500)
    events = ArrayField(models.CharField(max_length=40))
    nonce = models.CharField(max_length=32, unique=True)
    secret_hash = models.CharField(max_length=64)
    """SHA-256 of the secret that was shown: tells when another SECRET_KEY would make another one."""
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("annotation.User", on_delete=models.PROTECT, related_name="+")
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(events=[]), name="webhook_has_events")]

    def __str__(self) -> str:
        return f"webhook {self.pk}"


class WebhookDelivery(models.Model):
    """One message to one webhook: waiting → delivered | failed; sending it again makes a failed one waiting.

    Its job sends it. `message_id` stays the same with every try, so that a receiver can leave out what came twice.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    webhook = models.ForeignKey(Webhook, on_delete=models.PROTECT, related_name="deliveries")
    message_id = models.CharField(max_length=40, unique=True)
    event = models.CharField(max_length=40)
    body = models.TextField()
    """The JSON that is sent, byte for byte."""
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    tries = models.PositiveIntegerField(default=0)
    status = models.PositiveSmallIntegerField(null=True)
    """The HTTP status of the last answer; null: there was none."""
    detail = models.CharField(max_length=300, blank=True)
    """What became of the last try, where it failed."""
    created_at = models.DateTimeField()
    tried_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "delivered", "failed"]), name="webhookdelivery_state_known"
            )
        ]
        indexes = [models.Index(fields=["webhook", "-created_at"], name="webhookdelivery_newest")]

    def __str__(self) -> str:
        return self.message_id
