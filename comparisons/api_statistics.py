"""Statistics over the API: the figures of the newest computation, and what it says of each item."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.access import access_project, refuse_who_still_judges
from annotation.api_base import ApiView, Pages
from annotation.models import Criterion
from comparisons.models import Aggregate, Statistic, StratumFigure
from comparisons.panels import SEES_AGREEMENT
from comparisons.selectors import latest_statistics, latest_strata
from comparisons.selectors_items import latest_aggregates


class StatisticOutput(serializers.Serializer[Any]):
    """`value`, `low` and `high` are null where `reason` says why there is no number. `annotator` is a pseudonym; null:
    the figure is of everybody. A field that is empty narrows nothing down."""

    family = serializers.CharField()
    name = serializers.CharField()
    criterion = serializers.CharField(allow_blank=True)
    slice_by = serializers.CharField(allow_blank=True)
    slice_value = serializers.CharField(allow_blank=True)
    annotator = serializers.CharField(allow_null=True)
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    p_adjusted = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField()
    counted = serializers.CharField()
    method = serializers.CharField()
    confidence = serializers.FloatField()
    reason = serializers.CharField(required=False)


class StratumOutput(serializers.Serializer[Any]):
    """A share of one group of `people` annotators, `rest` that of all others. `measure` is "model" (`subject` preferred
    over other models), "longer" (the longer response preferred) or "pair" (`subject` preferred over `other`, with
    `same` the share of ties). Empty, and `value` null, where `reason` says why the question has no figure."""

    question = serializers.CharField()
    stratum = serializers.CharField(allow_blank=True)
    measure = serializers.ChoiceField(choices=["model", "longer", "pair", ""])
    subject = serializers.CharField(allow_blank=True)
    other = serializers.CharField(allow_blank=True)
    people = serializers.IntegerField()
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    same = serializers.FloatField(allow_null=True)
    rest = serializers.FloatField(allow_null=True)
    everybody = serializers.FloatField(allow_null=True)
    p_adjusted = serializers.FloatField(allow_null=True)
    method = serializers.CharField()
    confidence = serializers.FloatField()
    reason = serializers.CharField(required=False)


class StatisticsOutput(serializers.Serializer[Any]):
    """`computed_at` is null before the first computation; `last_judgment` is the newest that it has seen."""

    computed_at = serializers.DateTimeField(allow_null=True)
    last_judgment = serializers.IntegerField(allow_null=True)
    results = StatisticOutput(many=True)
    strata = StratumOutput(many=True)


class CountsOutput(serializers.Serializer[Any]):
    first = serializers.IntegerField()
    same = serializers.IntegerField()
    second = serializers.IntegerField()


class PosteriorOutput(serializers.Serializer[Any]):
    first = serializers.FloatField()
    same = serializers.FloatField()
    second = serializers.FloatField()


class AggregateOutput(serializers.Serializer[Any]):
    """First and second are the completions in the order of import. `certainty` (that most people prefer the one that
    leads) and `tie_probability` (that most see both about the same) rest on the counts alone; `posterior` and
    `expected_gain` are the people model's, null where `reason` says why it has nothing to say."""

    batch = serializers.IntegerField()
    item = serializers.CharField()
    criterion = serializers.CharField()
    judgments = CountsOutput()
    leading = serializers.ChoiceField(choices=["first", "second"], allow_null=True)
    certainty = serializers.FloatField()
    tie_probability = serializers.FloatField()
    posterior = PosteriorOutput(allow_null=True)
    expected_gain = serializers.FloatField(allow_null=True)
    computed_at = serializers.DateTimeField()
    reason = serializers.CharField(required=False)


class AggregatesOutput(serializers.Serializer[Any]):
    results = AggregateOutput(many=True)
    next = serializers.URLField(allow_null=True)


def statistic_json(figure: Statistic) -> dict[str, Any]:
    plain = ("family", "name", "criterion", "slice_by", "slice_value")
    numbers = ("value", "low", "high", "p_adjusted", "n", "counted", "method", "confidence")
    found: dict[str, Any] = {
        **{name: getattr(figure, name) for name in plain},
        "annotator": figure.annotator.pseudonym if figure.annotator else None,
        **{name: getattr(figure, name) for name in numbers},
    }
    return found | ({"reason": figure.reason} if figure.reason else {})


def stratum_json(figure: StratumFigure) -> dict[str, Any]:
    plain = ("stratum", "measure", "subject", "other", "people", "value", "low", "high", "same", "rest")
    found: dict[str, Any] = {
        "question": figure.question.name,
        **{
            name: getattr(figure, name)
            for name in (*plain, "everybody", "p_adjusted", "method", "confidence")
        },
    }
    return found | ({"reason": figure.reason} if figure.reason else {})


def aggregate_json(row: Aggregate) -> dict[str, Any]:
    posterior = {
        "first": row.posterior_first,
        "same": row.posterior_same,
        "second": row.posterior_second,
    }
    found: dict[str, Any] = {
        "batch": row.item.batch.number,
        "item": row.item.external_id,
        "criterion": Criterion.OVERALL,
        "judgments": {"first": row.n_first, "same": row.n_same, "second": row.n_second},
        "leading": row.leading or None,
        "certainty": row.certainty,
        "tie_probability": row.tie_probability,
        "posterior": None if row.reason else posterior,
        "expected_gain": row.expected_gain,
        "computed_at": row.computed_at,
    }
    return found | ({"reason": row.reason} if row.reason else {})


class StatisticsView(ApiView):
    @extend_schema(responses={200: StatisticsOutput}, operation_id="statistics_retrieve")
    def get(self, request: Request, slug: str) -> Response:
        """Every figure of the newest computation, in the order in which it was found, and what groups of annotators
        prefer who said something of themselves: never fewer than ten people together."""
        project = access_project(self.user, slug, *SEES_AGREEMENT, token=self.token)
        figures = latest_statistics(project)
        return Response(
            {
                "computed_at": figures[0].computed_at if figures else None,
                "last_judgment": figures[0].last_judgment_id if figures else None,
                "results": [statistic_json(figure) for figure in figures],
                "strata": [stratum_json(figure) for figure in latest_strata(project)],
            }
        )


class ItemPages(Pages):
    """In order of item, so that a computation that ends between two pages neither repeats one nor leaves one out."""

    ordering = "item_id"


class ItemStatisticsView(ApiView):
    @extend_schema(
        responses={200: AggregatesOutput},
        operation_id="statistics_items_list",
        parameters=[
            OpenApiParameter("cursor", str, description="As in `next`; leave it out to start."),
            OpenApiParameter(
                "limit", int, description=f"At most {Pages.max_page_size}; {Pages.page_size} by default."
            ),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """What the judgments of each pairwise item say together on the overall question, by the newest computation.

        Who also judges in the project gets it once nothing is left for them.
        """
        project = access_project(self.user, slug, *SEES_AGREEMENT, token=self.token)
        refuse_who_still_judges(self.user, project)
        pages = ItemPages()
        rows = latest_aggregates(project).select_related("item__batch")
        page: list[Aggregate] = pages.paginate_queryset(rows, request, view=self) or []
        return pages.get_paginated_response([aggregate_json(row) for row in page])
