"""Batches over the API: import a file, see how far the work is, close."""

from typing import Any

from django.conf import settings
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.access import Role, access_batch, access_project, roles_in
from annotation.api_base import ApiView, Pages, checked, idempotent
from annotation.models import Batch, User
from annotation.selectors import BatchCounts, batch_counts
from annotation.selectors_staffing import items_to_judge
from annotation.services.batches import close_batch, start_import, too_large
from annotation.services.overlap import saving_of

FORM_BYTES = 65_536
"""What the other fields and the multipart frame may add to the file."""


class BatchInput(serializers.Serializer[Any]):
    file = serializers.FileField(allow_empty_file=True)
    format = serializers.CharField(max_length=20)
    name = serializers.CharField(required=False, allow_blank=True, max_length=120)
    overlap = serializers.IntegerField(required=False, min_value=1, max_value=100)
    gold_share = serializers.FloatField(required=False, min_value=0, max_value=1)
    repeat_share = serializers.FloatField(required=False, min_value=0, max_value=1)
    priority = serializers.IntegerField(required=False, min_value=-(2**31) + 1, max_value=2**31 - 1)
    lease_seconds = serializers.IntegerField(required=False, min_value=60, max_value=604_800)
    purpose = serializers.CharField(required=False, max_length=8)
    pass_share = serializers.FloatField(required=False, min_value=0, max_value=1)
    skill = serializers.CharField(required=False, allow_blank=True, max_length=40)
    cap_per_annotator = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    overlap_policy = serializers.CharField(required=False, allow_blank=True, max_length=20)
    overlap_max = serializers.IntegerField(required=False, min_value=1, max_value=100)
    dry_run = serializers.BooleanField(required=False)
    skip_bad_rows = serializers.BooleanField(required=False)


NOT_FOR_ANNOTATORS = {"file", "sha256", "gold_share", "repeat_share"}
"""Would tell who only judges where the items come from, and how many of them are tests (I13)."""


def batch_json(batch: Batch, counts: BatchCounts, roles: set[str]) -> dict[str, Any]:
    """What `roles` may know of a batch, with its work slots by state and its late judgments, counted now."""
    facts: dict[str, Any] = {
        "number": batch.number,
        "name": batch.name,
        "state": batch.state,
        "format": batch.source_format,
        "file": batch.source_name,
        "sha256": batch.source_sha256,
        "protocol": batch.protocol.number,
        "purpose": batch.purpose,
        "pass_share": batch.pass_share,
        "overlap": batch.overlap,
        "overlap_policy": batch.overlap_policy,
        "overlap_max": batch.overlap_max,
        "skill": batch.skill,
        "cap_per_annotator": batch.cap_per_annotator,
        "gold_share": batch.gold_share,
        "repeat_share": batch.repeat_share,
        "priority": batch.priority,
        "lease_seconds": batch.lease_seconds,
        "counts": {
            "items": counts.items,
            "open": counts.open,
            "leased": counts.leased,
            "submitted": counts.submitted,
            "void": counts.void,
            "late": counts.late,
        },
        "created_at": batch.created_at,
        "closed_at": batch.closed_at,
    }
    if roles != {Role.ANNOTATOR}:
        return facts | ({"saving": saving_json(batch)} if batch.overlap_policy else {})
    # Gold items have no slots: beside the slots, their number would tell how many there are.
    facts["counts"]["items"] = (
        counts.items if batch.purpose == "training" else items_to_judge([batch])[batch.pk]
    )
    return {key: value for key, value in facts.items() if key not in NOT_FOR_ANNOTATORS}


def saving_json(batch: Batch) -> dict[str, Any]:
    saving = saving_of(batch)
    return {
        "items": saving.items,
        "settled": saving.settled,
        "judgments": saving.judgments,
        "at_maximum": saving.at_maximum,
        "share": saving.share,
    }


def batch_response(batch: Batch, user: User) -> Response:
    """One batch as `user` may know it."""
    return Response(batch_json(batch, batch_counts([batch])[batch.pk], roles_in(user, batch.project)))


class BatchesView(ApiView):
    parser_classes = (MultiPartParser,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # Before the body is read: a stranger to the limit does not fill our disk first.
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.IMPORT_BYTES_MAX + FORM_BYTES:
            raise too_large()

    @extend_schema(responses={200: dict}, operation_id="batches_list")
    def get(self, request: Request, slug: str) -> Response:
        project = access_project(self.user, slug, token=self.token)
        pages = Pages()
        pages.ordering = "number"
        batches = (
            pages.paginate_queryset(project.batches.select_related("protocol"), request, view=self) or []
        )
        counts = batch_counts(batches)
        roles = roles_in(self.user, project)
        return pages.get_paginated_response([batch_json(batch, counts[batch.pk], roles) for batch in batches])

    @extend_schema(request=BatchInput, responses={202: dict}, operation_id="batches_import")
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        project = access_project(self.user, slug, Role.LEAD, token=self.token)
        data = checked(BatchInput, request)
        batch, job = start_import(
            project=project, actor=self.user, now=timezone.now(), upload=data.pop("file"), **data
        )
        return Response({"batch": batch and batch.number, "job": str(job.pk)}, status=202)


class BatchView(ApiView):
    @extend_schema(responses={200: dict}, operation_id="batches_retrieve")
    def get(self, request: Request, slug: str, number: int) -> Response:
        batch = access_batch(self.user, slug, number, token=self.token)
        return batch_response(batch, self.user)


class CloseBatchView(ApiView):
    @extend_schema(request=None, responses={200: dict}, operation_id="batches_close")
    @idempotent
    def post(self, request: Request, slug: str, number: int) -> Response:
        batch = access_batch(self.user, slug, number, Role.LEAD, token=self.token)
        batch = close_batch(batch=batch, actor=self.user, now=timezone.now())
        return batch_response(batch, self.user)


urlpatterns = [
    path("projects/<slug:slug>/batches", BatchesView.as_view(), name="api-batches"),
    path("projects/<slug:slug>/batches/<int:number>", BatchView.as_view(), name="api-batch"),
    path("projects/<slug:slug>/batches/<int:number>/close", CloseBatchView.as_view(), name="api-batch-close"),
]
