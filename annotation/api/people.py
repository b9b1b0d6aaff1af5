"""Members of a project: who they are, what they read and know, whether they get items."""

from typing import Any

from django.db import transaction
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.access import Role, access_member, access_project
from annotation.api_base import ApiView, Pages, checked, idempotent
from annotation.errors import Refused
from annotation.models import Membership
from annotation.services.people import add_member, describe_annotator, pause_annotator, resume_annotator


class MemberInput(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=254)
    role = serializers.CharField(max_length=20)


class MemberChange(serializers.Serializer[Any]):
    languages = serializers.ListField(
        child=serializers.CharField(max_length=35), required=False, max_length=50
    )
    skills = serializers.ListField(child=serializers.CharField(max_length=40), required=False, max_length=50)
    paused = serializers.BooleanField(required=False)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=200)


def member_json(member: Membership) -> dict[str, Any]:
    return {
        "email": member.user.email,
        "role": member.role,
        "pseudonym": member.pseudonym,
        "languages": member.languages,
        "skills": member.skills,
        "paused": member.paused_at is not None,
        "active": member.is_active,
    }


class MembersView(ApiView):
    @extend_schema(responses={200: dict}, operation_id="members_list")
    def get(self, request: Request, slug: str) -> Response:
        project = access_project(self.user, slug, Role.LEAD, token=self.token)
        pages = Pages()
        pages.ordering = "id"
        members = pages.paginate_queryset(project.memberships.select_related("user"), request, view=self)
        return pages.get_paginated_response([member_json(member) for member in members or []])

    @extend_schema(request=MemberInput, responses={201: dict}, operation_id="members_add")
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        project = access_project(self.user, slug, Role.LEAD, token=self.token)
        data = checked(MemberInput, request)
        membership, password = add_member(
            project=project, actor=self.user, email=data["email"], role=data["role"], now=timezone.now()
        )
        body = {"email": membership.user.email, "role": membership.role, "pseudonym": membership.pseudonym}
        if password is not None:
            body["one_time_password"] = password
        return Response(body, status=201)


class MemberView(ApiView):
    @extend_schema(request=MemberChange, responses={200: dict}, operation_id="members_change")
    @idempotent
    def patch(self, request: Request, slug: str, pseudonym: str) -> Response:
        member = access_member(self.user, slug, pseudonym, Role.LEAD, token=self.token)
        data = checked(MemberChange, request)
        if member.role != Role.ANNOTATOR:
            raise Refused("Only annotators have languages and skills, and can be paused.", field="role")
        if data.get("reason") and data.get("paused") is not True:
            raise Refused("A reason belongs to a pause.", field="reason")
        now = timezone.now()
        # One call, one change: all of it or nothing.
        with transaction.atomic():
            if "languages" in data or "skills" in data:
                describe_annotator(
                    annotator=member,
                    languages=data.get("languages", member.languages),
                    skills=data.get("skills", member.skills),
                    actor=self.user,
                    now=now,
                )
            if data.get("paused") is True:
                pause_annotator(annotator=member, reason=data.get("reason", ""), actor=self.user, now=now)
            elif data.get("paused") is False:
                resume_annotator(annotator=member, actor=self.user, now=now)
        member.refresh_from_db(fields=["languages", "skills", "paused_at"])
        return Response(member_json(member))


urlpatterns = [
    path("projects/<slug:slug>/members", MembersView.as_view(), name="api-members"),
    path("projects/<slug:slug>/members/<slug:pseudonym>", MemberView.as_view(), name="api-member"),
]
