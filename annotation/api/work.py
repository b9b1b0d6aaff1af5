"""Judging over the API: lease, extend, release, submit, undo, correct."""

import re
import secrets
from functools import lru_cache
from types import NoneType
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.access import access_annotator, access_batch, access_judgment, access_lease
from annotation.api_base import ApiView, checked, idempotent
from annotation.authentication import AnnotatorAuthentication, LeaseAuthentication
from annotation.errors import Refused
from annotation.metrics import count_lease, count_submit
from annotation.models import Completion, Lease
from annotation.selectors import criteria_of, protocol_of
from annotation.services.judgments import (
    Outcome,
    Submission,
    correct_judgment,
    submit_judgment,
    undo_judgment,
)
from annotation.services.leases import PUBLIC_ATTEMPT, Shown, lease_next
from annotation.services.returning import extend_lease, release_assignment

UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


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


def lease_json(lease: Lease, shown: Shown) -> dict[str, Any]:
    """What an annotator is sent. Nothing here tells gold, repeat, model or item (I13)."""
    return {
        "assignment": lease.public_id,
        "attempt": PUBLIC_ATTEMPT,
        "submission_id": str(lease.submission_id),
        "expires_at": lease.assignment.expires_at,
        "protocol": protocol_json(shown.screen.protocol.pk),
        "item": {
            "prompt": shown.prompt,
            "language": shown.language,
            "completions": [
                {"label": label, "content": completion_content(completion)}
                for label, completion in shown.screen.by_label.items()
            ],
        },
    }


@lru_cache(maxsize=1000)
def protocol_json(protocol_id: int) -> dict[str, Any]:
    """What is asked. A protocol version never changes, so a process writes it once."""
    protocol = protocol_of(protocol_id)
    return {
        "kind": protocol.kind,
        "points": protocol.points,
        "ties": protocol.ties_allowed,
        "per_turn": protocol.per_turn,
        "choice": protocol.has_choice,
        "criteria": [
            {
                "key": c.key,
                "name": c.name,
                "question": c.question,
                "low": c.low,
                "high": c.high,
                "ties": c.ties_allowed,
                "anchors": c.anchors,
                "optional": c.is_optional,
            }
            for c in criteria_of(protocol_id)
        ],
    }


class LeaseView(ApiView):
    authentication_classes = [AnnotatorAuthentication]
    scopes = {"POST": "annotate"}

    @extend_schema(request=LeaseInput, responses={200: dict, 204: None})
    def post(self, request: Request, slug: str) -> Response:
        annotator = access_annotator(self.user, slug, token=self.token)
        number = checked(LeaseInput, request).get("batch") if request.data else None
        batch = access_batch(self.user, slug, number, token=self.token) if number else None
        result = lease_next(annotator=annotator, now=timezone.now(), seed=secrets.randbits(62), batch=batch)
        count_lease("leased" if result.lease else result.reason or "none")
        if result.lease is None or result.shown is None:
            return Response(status=204, headers={"X-Reason": result.reason or ""})
        return Response(lease_json(result.lease, result.shown))


SUBMISSION_KEYS = frozenset(SubmissionInput().fields)


def is_usual(data: Any) -> bool:
    """Whether a body has the form that clients send all day, with every value of the right type already.

    Looking costs a fortieth of what the serializer takes. Whatever is not usual goes through it and gets its errors.
    """
    return (
        isinstance(data, dict)
        and data.keys() <= SUBMISSION_KEYS
        and isinstance(data.get("submission_id"), str)
        and UUID_FORM.fullmatch(data["submission_id"]) is not None
        and type(data.get("attempt")) is int
        and 1 <= data["attempt"] < 2**31
        and isinstance(data.get("answer"), dict)
        and type(data.get("active_seconds")) in (float, int, NoneType)
        and type(data.get("confidence")) in (int, NoneType)
        and isinstance(data.get("note", ""), str)
        and are_labels(data.get("read_to_end", []))
    )


def are_labels(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 26 and all(type(v) is str and len(v) == 1 for v in value)


def submission(request: Request, attempt: int) -> Submission:
    """The submission in the body; `attempt` is the slot's own number, which people are not told."""
    data: Any = request.data
    if is_usual(data):
        data = data | {"submission_id": UUID(data["submission_id"])}
    else:
        data = checked(SubmissionInput, request)
    if data["attempt"] != PUBLIC_ATTEMPT:
        raise Refused(f"This lease has attempt {PUBLIC_ATTEMPT}.", code="unknown", field="attempt")
    return Submission(
        submission_id=data["submission_id"],
        attempt=attempt,
        answer=data["answer"],
        active_seconds=data.get("active_seconds"),
        confidence=data.get("confidence"),
        note=data.get("note") or "",
        read_to_end=tuple(data.get("read_to_end") or ()),
    )


def outcome_response(outcome: Outcome) -> Response:
    count_submit(outcome.body["state"], is_replay=outcome.is_replay)
    headers = {"X-Submission-Id": outcome.body["submission_id"]}
    return Response(outcome.body, status=200 if outcome.is_replay else 201, headers=headers)


class JudgmentsView(ApiView):
    authentication_classes = [LeaseAuthentication]
    scopes = {"POST": "annotate"}

    @extend_schema(request=SubmissionInput, responses={201: dict, 200: dict})
    def post(self, request: Request, pk: int) -> Response:
        lease = access_lease(self.user, pk, token=self.token)
        outcome = submit_judgment(
            annotator=lease.annotator,
            assignment=lease.assignment,
            submission=submission(request, lease.attempt),
            now=timezone.now(),
        )
        return outcome_response(outcome)


class ExtendView(ApiView):
    scopes = {"POST": "annotate"}

    @extend_schema(request=None, responses={200: dict})
    def post(self, request: Request, pk: int) -> Response:
        lease = access_lease(self.user, pk, token=self.token)
        expires_at = extend_lease(annotator=lease.annotator, assignment=lease.assignment, now=timezone.now())
        return Response({"expires_at": expires_at})


class ReleaseAssignmentView(ApiView):
    scopes = {"POST": "annotate"}

    @extend_schema(request=ReleaseInput, responses={204: None})
    def post(self, request: Request, pk: int) -> Response:
        lease = access_lease(self.user, pk, token=self.token)
        reason = checked(ReleaseInput, request)["reason"]
        release_assignment(
            annotator=lease.annotator, assignment=lease.assignment, reason=reason, now=timezone.now()
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
                "attempt": PUBLIC_ATTEMPT,
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
            submission=submission(request, judgment.attempt),
            now=timezone.now(),
        )
        return outcome_response(outcome)
