"""Reward runs over the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.access import access_project
from annotation.api_base import ApiView, Pages, checked, idempotent
from rewards.access import SEES_RUNS, STARTS_RUNS, access_reward_run
from rewards.evaluation import CHANCE
from rewards.models import RewardRun
from rewards.services import start_reward_run

FIGURES = ("longer_wins", "shorter_wins", "human_ceiling")


class RewardRunInput(serializers.Serializer[Any]):
    release = serializers.CharField(required=False, default="latest", max_length=32)
    model = serializers.CharField(required=False, default="surface", max_length=20)
    loss = serializers.CharField(required=False, default="bradley_terry", max_length=20)
    seed = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**31 - 1)


class RewardRunStarted(serializers.Serializer[Any]):
    run = serializers.IntegerField()
    job = serializers.UUIDField()


class AccuracyOutput(serializers.Serializer[Any]):
    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    n_pairs = serializers.IntegerField()
    n_prompts = serializers.IntegerField()


class RewardRunOutput(serializers.Serializer[Any]):
    """`accuracy` and `baselines` are null until `state` is succeeded; `error` says why a run failed."""

    id = serializers.IntegerField()
    state = serializers.CharField()
    release = serializers.CharField()
    model = serializers.CharField()
    loss = serializers.CharField()
    seed = serializers.IntegerField()
    job = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    accuracy = AccuracyOutput(allow_null=True)
    baselines = serializers.DictField(child=serializers.FloatField(), allow_null=True)
    baseline_intervals = serializers.DictField(
        child=serializers.ListField(child=serializers.FloatField()), allow_null=True
    )
    training = serializers.DictField(allow_null=True)
    reward_model = serializers.DictField(allow_null=True)
    error = serializers.CharField(required=False)


def run_json(run: RewardRun) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": run.pk,
        "state": run.job.state,
        "release": run.release.version,
        "model": run.model,
        "loss": run.loss,
        "seed": run.seed,
        "job": str(run.job_id),
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "accuracy": None,
        "baselines": None,
        "baseline_intervals": None,
        "training": None,
        "reward_model": None,
    }
    if run.finished_at is not None:
        body |= figures_json(run)
    elif run.job.state == run.job.State.FAILED:
        body["error"] = (run.job.error or {}).get("detail", "The run failed.")
    return body


def figures_json(run: RewardRun) -> dict[str, Any]:
    known = [name for name in FIGURES if getattr(run, name) is not None]
    return {
        "accuracy": {
            "value": run.accuracy,
            "low": run.accuracy_low,
            "high": run.accuracy_high,
            "n_pairs": run.n_pairs,
            "n_prompts": run.n_prompts,
        },
        "baselines": {"chance": CHANCE} | {name: getattr(run, name) for name in known},
        "baseline_intervals": {
            name: [getattr(run, f"{name}_low"), getattr(run, f"{name}_high")] for name in known
        },
        "training": {
            "n_pairs": run.train_pairs,
            "n_prompts": run.train_prompts,
            "c": run.c,
            "converged": run.has_converged,
        },
        "reward_model": {
            "id": run.reward_model.pk,
            "columns": run.reward_model.n_columns,
            "sha256": run.reward_model.sha256,
        },
    }


class RewardRunsView(ApiView):
    @extend_schema(responses={200: RewardRunOutput(many=True)}, operation_id="reward_runs_list")
    def get(self, request: Request, slug: str) -> Response:
        project = access_project(self.user, slug, *SEES_RUNS, token=self.token)
        pages = Pages()
        pages.ordering = "-id"
        runs = RewardRun.objects.filter(release__project=project)
        found = runs.select_related("release", "job", "reward_model")
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response([run_json(run) for run in page or []])

    @extend_schema(
        request=RewardRunInput, responses={202: RewardRunStarted}, operation_id="reward_runs_create"
    )
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        project = access_project(self.user, slug, *STARTS_RUNS, token=self.token)
        settings = checked(RewardRunInput, request)
        run = start_reward_run(project=project, actor=self.user, now=timezone.now(), **settings)
        return Response({"run": run.pk, "job": str(run.job_id)}, status=202)


class RewardRunView(ApiView):
    @extend_schema(responses={200: RewardRunOutput}, operation_id="reward_runs_retrieve")
    def get(self, request: Request, slug: str, run: int) -> Response:
        return Response(run_json(access_reward_run(self.user, slug, run, token=self.token)))
