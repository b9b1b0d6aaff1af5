"""Background jobs over the API: how far one is, to stop it, to try it again. Tracebacks are never sent."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.access import access_job
from annotation.api_base import ApiView
from annotation.models import Job
from annotation.services.jobs import cancel_job, retry_job


def job_json(job: Job) -> dict[str, Any]:
    return {
        "id": str(job.pk),
        "kind": job.kind,
        "state": job.state,
        "progress": job.progress,
        "result": job.result,
        "error": job.error,
        "created_at": job.created_at,
        "run_after": job.run_after,
        "cancel_wanted_at": job.cancel_wanted_at,
        "can_be_retried": job.is_dead_letter,
        "finished_at": job.finished_at,
    }


class JobView(ApiView):
    @extend_schema(responses={200: dict})
    def get(self, request: Request, job_id: UUID) -> Response:
        return Response(job_json(access_job(self.user, job_id, token=self.token)))


class CancelJobView(ApiView):
    """Asking twice answers twice the same, so it takes no Idempotency-Key."""

    @extend_schema(request=None, responses={200: dict}, operation_id="jobs_cancel")
    def post(self, request: Request, job_id: UUID) -> Response:
        job = access_job(self.user, job_id, token=self.token)
        return Response(job_json(cancel_job(job=job, actor=self.user, now=timezone.now())))


class RetryJobView(ApiView):
    """A job that is queued again already answers 409."""

    @extend_schema(request=None, responses={200: dict}, operation_id="jobs_retry")
    def post(self, request: Request, job_id: UUID) -> Response:
        job = access_job(self.user, job_id, token=self.token)
        return Response(job_json(retry_job(job=job, actor=self.user, now=timezone.now())))
