"""Agreement over the API."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.access import access_project
from annotation.api_base import ApiView
from comparisons.models import AgreementReport
from comparisons.panels import SEES_AGREEMENT
from comparisons.selectors import latest_agreement


class AgreementResultOutput(serializers.Serializer[Any]):
    """`value`, `low` and `high` are null where `reason` says why there is no number."""

    criterion = serializers.CharField()
    coefficient = serializers.CharField()
    level = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    items = serializers.IntegerField()
    judgments = serializers.IntegerField()
    annotators = serializers.IntegerField()
    raw_agreement = serializers.FloatField(allow_null=True)
    confidence = serializers.FloatField()
    kind = serializers.CharField()
    scale = serializers.ListField(child=serializers.IntegerField(), allow_null=True)
    seed = serializers.IntegerField()
    resamples = serializers.IntegerField()
    reason = serializers.CharField(required=False)


class AgreementOutput(serializers.Serializer[Any]):
    """`computed_at` is null before the first computation."""

    computed_at = serializers.DateTimeField(allow_null=True)
    results = AgreementResultOutput(many=True)


def result_json(report: AgreementReport) -> dict[str, Any]:
    result: dict[str, Any] = {
        "criterion": report.criterion,
        "coefficient": report.coefficient,
        "level": report.level,
        "value": report.value,
        "low": report.low,
        "high": report.high,
        "items": report.items,
        "judgments": report.judgments,
        "annotators": report.annotators,
        "raw_agreement": report.raw_agreement,
        "confidence": report.confidence,
        "kind": report.kind,
        "scale": None if report.scale_low is None else [report.scale_low, report.scale_high],
        "seed": report.seed,
        "resamples": report.n_resamples,
    }
    if report.reason:
        result["reason"] = report.reason
    return result


class AgreementView(ApiView):
    @extend_schema(responses={200: AgreementOutput}, operation_id="agreement_retrieve")
    def get(self, request: Request, slug: str) -> Response:
        project = access_project(self.user, slug, *SEES_AGREEMENT, token=self.token)
        reports = latest_agreement(project)
        return Response(
            {
                "computed_at": reports[0].computed_at if reports else None,
                "results": [result_json(report) for report in reports],
            }
        )
