"""Judging over the API: lease, extend, release, submit, undo, correct."""

import secrets
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.access import access_annotator, access_assignment, access_batch, access_judgment
from annotation.api_base import ApiView, checked, idempotent
from annotation.models import Assignment, Completion, Lease, Membership
from annotation.selectors import screen_of
from annotation.services.judgments import (
    Outcome,
    Submission,
    correct_judgment,
    submit_judgment,
    undo_judgment,
)
from annotation.services.leases import extend_lease, lease_next, release_assignment


class LeaseInput(serializers.Serializer[Any]):
    batch = serializers.IntegerField(required=False, min_value=1)


class ReleaseInput(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=40)


class SubmissionInput(serializers.Serializer[Any]):
    submission_id = serializers.UUIDField()
    attempt = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    answer = serializers.DictField()
    active_seconds = serializers.FloatField(required=False, allow_null=True)
    confidence = serializers.IntegerField(required=False, allow_null=True)
    note = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    read_to_end = serializers.ListField(
        child=serializers.CharField(max_length=1), required=False, max_length=26
    )


def completion_content(completion: Completion) -> Any:
    """Text for a single assistant message, else the messages."""
    messages = completion.messages
    if len(messages) == 1 and messages[0]["role"] == "assistant":
        return messages[0]["content"]
    return messages


def lease_json(lease: Lease) -> dict[str, Any]:
    """What an annotator is sent. Nothing here tells gold, repeat, model or item (I13)."""
    assignment = lease.assignment
    screen = screen_of(assignment, lease.display_order)
    protocol = screen.protocol
    return {
        "assignment": assignment.pk,
        "attempt": lease.attempt,
        "submission_id": str(lease.submission_id),
        "expires_at": assignment.expires_at,
        "protocol": {
            "kind": protocol.kind,
            "points": protocol.points,
            "ties": protocol.ties_allowed,
            "criteria": [
                {
                    "key": c.key,
                    "name": c.name,
                    "question": c.question,
                    "low": c.low,
                    "high": c.high,
                    "ties": c.ties_allowed,
                    "anchors": c.anchors,
                }
                for c in screen.criteria
            ],
        },
        "item": {
            "prompt": assignment.item.prompt,
            "language": assignment.item.language,
            "completions": [
                {"label": label, "content": completion_content(completion)}
                for label, completion in screen.by_label.items()
            ],
        },
    }


class LeaseView(ApiView):
    scopes = {"POST": "annotate"}

    @extend_schema(request=LeaseInput, responses={200: dict, 204: None})
    def post(self, request: Request, slug: str) -> Response:
        annotator = access_annotator(self.user, slug, token=self.token)
        number = checked(LeaseInput, request).get("batch")
        batch = access_batch(self.user, slug, number, token=self.token) if number else None
        result = lease_next(annotator=annotator, now=timezone.now(), seed=secrets.randbits(62), batch=batch)
        if result.lease is None:
            return Response(status=204, headers={"X-Reason": result.reason or ""})
        return Response(lease_json(result.lease))


def holder(view: ApiView, assignment: Assignment) -> Membership:
    """The person who asks, in the project of an assignment they hold or held."""
    return access_annotator(view.user, assignment.batch.project.slug, token=view.token)


def submission(request: Request) -> Submission:
    data = checked(SubmissionInput, request)
    return Submission(
        submission_id=data["submission_id"],
        attempt=data["attempt"],
        answer=data["answer"],
        active_seconds=data.get("active_seconds"),
        confidence=data.get("confidence"),
        note=data.get("note") or "",
        read_to_end=tuple(data.get("read_to_end") or ()),
    )


def outcome_response(outcome: Outcome) -> Response:
    headers = {"X-Submission-Id": outcome.body["submission_id"]}
    return Response(outcome.body, status=200 if outcome.is_replay else 201, headers=headers)


class JudgmentsView(ApiView):
    scopes = {"POST": "annotate"}

    @extend_schema(request=SubmissionInput, responses={201: dict, 200: dict})
    def post(self, request: Request, pk: int) -> Response:
        assignment = access_assignment(self.user, pk, token=self.token)
        outcome = submit_judgment(
            annotator=holder(self, assignment),
            assignment=assignment,
            submission=submission(request),
            now=timezone.now(),
        )
        return outcome_response(outcome)


class ExtendView(ApiView):
    scopes = {"POST": "annotate"}

    @extend_schema(request=None, responses={200: dict})
    def post(self, request: Request, pk: int) -> Response:
        assignment = access_assignment(self.user, pk, token=self.token)
        expires_at = extend_lease(
            annotator=holder(self, assignment), assignment=assignment, now=timezone.now()
        )
        return Response({"expires_at": expires_at})


class ReleaseAssignmentView(ApiView):
    scopes = {"POST": "annotate"}

    @extend_schema(request=ReleaseInput, responses={204: None})
    def post(self, request: Request, pk: int) -> Response:
        assignment = access_assignment(self.user, pk, token=self.token)
        reason = checked(ReleaseInput, request)["reason"]
        release_assignment(
            annotator=holder(self, assignment), assignment=assignment, reason=reason, now=timezone.now()
        )
        return Response(status=204)


class UndoView(ApiView):
    scopes = {"POST": "annotate"}

    @extend_schema(request=None, responses={200: dict})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        judgment = access_judgment(self.user, pk, token=self.token)
        undo = undo_judgment(annotator=judgment.annotator, judgment=judgment)
        return Response(
            {
                "judgment": judgment.pk,
                "submission_id": str(undo.submission_id),
                "attempt": judgment.attempt,
                "answer": undo.answer,
                "confidence": judgment.confidence,
                "note": judgment.note,
            }
        )


class CorrectionsView(ApiView):
    scopes = {"POST": "annotate"}

    @extend_schema(request=SubmissionInput, responses={201: dict, 200: dict})
    def post(self, request: Request, pk: int) -> Response:
        judgment = access_judgment(self.user, pk, token=self.token)
        outcome = correct_judgment(
            annotator=judgment.annotator,
            judgment=judgment,
            submission=submission(request),
            now=timezone.now(),
        )
        return outcome_response(outcome)
