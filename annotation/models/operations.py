"""Jobs, the audit log and remembered answers of unsafe API calls."""

import uuid

import pgtrigger
from django.db import models
from django.db.models import Q


class Job(models.Model):
    """A background job is this row first; the message to a worker only wakes it.

    queued → running → succeeded | failed. A run that crashed or whose worker died (the heartbeat stopped)
    goes back to queued; after the last try it is failed and a dead letter, which a lead may put back to
    queued. queued or dead letter → cancelled at once; running → cancelled when its run notices the wish.
    `attempts` fences off an earlier run.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=200)
    """What the job is about; one unfinished job per (kind, key)."""
    project = models.ForeignKey(
        "annotation.Project", on_delete=models.PROTECT, null=True, related_name="jobs"
    )
    created_by = models.ForeignKey("annotation.User", on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=9, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    """Runs since the job was made. Only grows: it is the fence."""
    tries = models.PositiveSmallIntegerField(default=0)
    """Runs since the job was made or last put back by a lead; bounded."""
    run_after = models.DateTimeField(null=True)
    """No run before this: the wait after a crash."""
    progress = models.FloatField(default=0)
    arguments = models.JSONField(default=dict)
    result = models.JSONField(null=True)
    error = models.JSONField(null=True)
    """{"detail": sentence, "errors": [{"line"?, "field"?, "code"?, "detail"}]} when it failed."""
    traceback = models.TextField(default="")
    """Of the last crash, for the project's lead and the operator only; bounded, without values of variables."""
    is_dead_letter = models.BooleanField(default=False)
    """Failed on errors of ours as often as it may be tried; waits until a lead tries it again or gives it up."""
    cancel_wanted_at = models.DateTimeField(null=True)
    """When somebody asked a running job to stop."""
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"], condition=Q(state__in=["queued", "running"]), name="job_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "succeeded", "failed", "cancelled"]),
                name="job_state_known",
            ),
            models.CheckConstraint(
                condition=Q(progress__gte=0, progress__lte=1), name="job_progress_is_share"
            ),
            models.CheckConstraint(
                condition=Q(is_dead_letter=False) | Q(state="failed"), name="job_dead_letter_has_failed"
            ),
            # Race: a crash, a dead worker or a lead puts a job back that somebody wants stopped.
            models.CheckConstraint(
                condition=~Q(state="queued") | Q(cancel_wanted_at__isnull=True), name="job_queued_is_wanted"
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"], condition=Q(state__in=["queued", "running"]), name="job_unfinished"
            ),
            models.Index(fields=["project", "-created_at"], name="job_of_project"),
            # Read at each scrape of the metrics: dead letters, and the last verdict of the nightly check.
            models.Index(fields=["finished_at"], condition=Q(state="failed"), name="job_failed"),
            models.Index(fields=["kind", "-created_at"], name="job_newest_of_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    @property
    def is_finished(self) -> bool:
        return self.state not in (self.State.QUEUED, self.State.RUNNING)


class AuditEvent(models.Model):
    """Who did what to which object, written in the transaction of the change.

    Rows are inserted unchained. One sealer gives committed rows their `chain_position` and
    `chain_hash` later; nothing else ever changes.
    """

    project = models.ForeignKey(
        "annotation.Project", on_delete=models.PROTECT, null=True, related_name="audit_events"
    )
    actor = models.ForeignKey(
        "annotation.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    """Null: the system itself (a sweep, a beat)."""
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=40)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    chain_position = models.BigIntegerField(null=True, unique=True)
    chain_hash = models.BinaryField(max_length=32, null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(chain_position__isnull=True, chain_hash__isnull=True)
                | Q(chain_position__isnull=False, chain_hash__isnull=False),
                name="auditevent_chained_whole",
            )
        ]
        indexes = [
            models.Index(fields=["object_type", "object_id"], name="auditevent_object"),
            models.Index(fields=["id"], condition=Q(chain_position__isnull=True), name="auditevent_unsealed"),
        ]
        triggers = [
            pgtrigger.Protect(name="auditevent_not_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="auditevent_immutable", exclude=["chain_position", "chain_hash"]),
            pgtrigger.Protect(
                name="auditevent_sealed_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__chain_position__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"


class IdempotentCall(models.Model):
    """The answer of an unsafe API call that carried an Idempotency-Key; kept for 24 hours."""

    user = models.ForeignKey("annotation.User", on_delete=models.CASCADE, related_name="+")
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=200)
    body_hash = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    answer = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "route", "key"], name="idempotentcall_key_once")
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotentcall_age")]

    def __str__(self) -> str:
        return self.key
