"""Who judges what and how often: limits, staff, overlap, priorities, qualification, voiding."""

from collections.abc import Sequence
from typing import Any

from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.access import Role, access_batch, access_judgment_of_other, access_project
from annotation.api_base import ApiView, checked, idempotent
from annotation.errors import Refused
from annotation.models import Membership, Project
from annotation.selectors_staffing import annotators_named, item_ids, limits_of
from annotation.services.batches import staff_batch
from annotation.services.overlap import raise_overlap, set_priorities
from annotation.services.projects import set_limits
from annotation.services.training import qualify
from annotation.services.voiding import REASON_MAX, void_judgment

WHOLE_MAX = 2**31 - 1
NAMES_MAX = 10_000


class LimitsInput(serializers.Serializer[Any]):
    daily_cap = serializers.IntegerField(allow_null=True, min_value=1, max_value=WHOLE_MAX)
    exposure = serializers.DictField(child=serializers.IntegerField(min_value=0, max_value=WHOLE_MAX))
    exclusion_limit = serializers.IntegerField(min_value=1, max_value=100)


class StaffInput(serializers.Serializer[Any]):
    annotators = serializers.ListField(child=serializers.CharField(max_length=16), max_length=NAMES_MAX)


class OverlapInput(serializers.Serializer[Any]):
    overlap = serializers.IntegerField(min_value=1, max_value=100)
    items = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, allow_empty=False, max_length=NAMES_MAX
    )


class PrioritiesInput(serializers.Serializer[Any]):
    items = serializers.DictField(
        child=serializers.IntegerField(min_value=-WHOLE_MAX, max_value=WHOLE_MAX), allow_empty=False
    )


class QualifyInput(serializers.Serializer[Any]):
    annotator = serializers.CharField(max_length=16)


class VoidInput(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=REASON_MAX)


class LimitsView(ApiView):
    @extend_schema(responses={200: dict}, operation_id="limits_retrieve")
    def get(self, request: Request, slug: str) -> Response:
        return Response(limits_of(access_project(self.user, slug, Role.LEAD, token=self.token)))

    @extend_schema(request=LimitsInput, responses={200: dict}, operation_id="limits_set")
    @idempotent
    def put(self, request: Request, slug: str) -> Response:
        project = access_project(self.user, slug, Role.LEAD, token=self.token)
        data = checked(LimitsInput, request)
        exposure = {category.strip(): per_day for category, per_day in data["exposure"].items()}
        if len(exposure) < len(data["exposure"]):
            raise Refused("Name each category once.", field="exposure")
        project = set_limits(
            project=project,
            daily_cap=data["daily_cap"],
            exposure=exposure,
            exclusion_limit=data["exclusion_limit"],
            actor=self.user,
            now=timezone.now(),
        )
        return Response(limits_of(project))


class StaffView(ApiView):
    @extend_schema(request=StaffInput, responses={200: dict}, operation_id="batches_staff")
    @idempotent
    def put(self, request: Request, slug: str, number: int) -> Response:
        batch = access_batch(self.user, slug, number, Role.LEAD, token=self.token)
        names = checked(StaffInput, request)["annotators"]
        annotators = known_annotators(batch.project, names, "annotators")
        staff_batch(batch=batch, annotators=annotators, actor=self.user, now=timezone.now())
        return Response({"annotators": sorted(annotator.pseudonym for annotator in annotators)})


def known_annotators(project: Project, pseudonyms: Sequence[str], field: str) -> list[Membership]:
    """The project's annotators with these pseudonyms. Raises Refused naming the first that there is none of."""
    found = annotators_named(project, pseudonyms)
    unknown = sorted(set(pseudonyms) - {annotator.pseudonym for annotator in found})
    if unknown:
        raise Refused(f"There is no annotator {unknown[0]!r} in this project.", code="unknown", field=field)
    return found


class OverlapView(ApiView):
    @extend_schema(request=OverlapInput, responses={200: dict}, operation_id="batches_overlap")
    @idempotent
    def post(self, request: Request, slug: str, number: int) -> Response:
        batch = access_batch(self.user, slug, number, Role.LEAD, token=self.token)
        data = checked(OverlapInput, request)
        count = raise_overlap(
            batch=batch,
            overlap=data["overlap"],
            external_ids=data.get("items"),
            actor=self.user,
            now=timezone.now(),
        )
        return Response({"items": count})


class PrioritiesView(ApiView):
    @extend_schema(request=PrioritiesInput, responses={200: dict}, operation_id="batches_priorities")
    @idempotent
    def put(self, request: Request, slug: str, number: int) -> Response:
        batch = access_batch(self.user, slug, number, Role.LEAD, token=self.token)
        wanted = checked(PrioritiesInput, request)["items"]
        ids = item_ids(batch, list(wanted))
        unknown = sorted(set(wanted) - set(ids))
        if unknown:
            raise Refused(
                f"There is no item {unknown[0]!r} in this batch.", code="unknown", field=f"items.{unknown[0]}"
            )
        count = set_priorities(
            batch=batch,
            priorities={ids[name]: priority for name, priority in wanted.items()},
            actor=self.user,
            now=timezone.now(),
        )
        return Response({"slots": count})


class QualifyView(ApiView):
    @extend_schema(request=QualifyInput, responses={201: dict}, operation_id="batches_qualify")
    @idempotent
    def post(self, request: Request, slug: str, number: int) -> Response:
        batch = access_batch(self.user, slug, number, Role.LEAD, token=self.token)
        name = checked(QualifyInput, request)["annotator"]
        annotator = known_annotators(batch.project, [name], "annotator")[0]
        qualify(annotator=annotator, batch=batch, actor=self.user, now=timezone.now())
        body = {"annotator": annotator.pseudonym, "batch": batch.number, "passed": True}
        return Response(body, status=201)


class VoidView(ApiView):
    @extend_schema(request=VoidInput, responses={200: dict}, operation_id="judgments_void")
    @idempotent
    def post(self, request: Request, slug: str, pk: int) -> Response:
        judgment = access_judgment_of_other(self.user, slug, pk, Role.LEAD, Role.REVIEWER, token=self.token)
        reason = checked(VoidInput, request)["reason"]
        voided = void_judgment(judgment=judgment, reason=reason, actor=self.user, now=timezone.now())
        body = {"judgment": judgment.pk, "state": "void", "replaced": voided.replacement is not None}
        return Response(body)


BATCH = "projects/<slug:slug>/batches/<int:number>"
urlpatterns = [
    path("projects/<slug:slug>/limits", LimitsView.as_view(), name="api-limits"),
    path(f"{BATCH}/staff", StaffView.as_view(), name="api-batch-staff"),
    path(f"{BATCH}/overlap", OverlapView.as_view(), name="api-batch-overlap"),
    path(f"{BATCH}/priorities", PrioritiesView.as_view(), name="api-batch-priorities"),
    path(f"{BATCH}/qualify", QualifyView.as_view(), name="api-batch-qualify"),
    path("projects/<slug:slug>/judgments/<int:pk>/void", VoidView.as_view(), name="api-judgment-void"),
]
