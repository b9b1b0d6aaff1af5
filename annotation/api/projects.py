"""Projects, their protocols and guidelines."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.access import Role, access_project, reachable_projects, roles_in
from annotation.api_base import ApiView, Pages, checked, idempotent
from annotation.errors import Refused
from annotation.models import Project
from annotation.selectors import batch_counts, current_guideline
from annotation.selectors_staffing import items_to_judge
from annotation.services.projects import create_project, publish_guideline, publish_protocol


class ProtocolInput(serializers.Serializer[Any]):
    kind = serializers.CharField()
    points = serializers.IntegerField(required=False, min_value=2, max_value=8)
    criteria = serializers.ListField(required=False, max_length=20)
    overlap = serializers.IntegerField(required=False, min_value=1, max_value=100)
    ties = serializers.BooleanField(required=False)
    top = serializers.IntegerField(required=False, min_value=1, max_value=7)
    per_turn = serializers.BooleanField(required=False)
    choice = serializers.BooleanField(required=False)


class ProjectInput(serializers.Serializer[Any]):
    slug = serializers.CharField(max_length=60)
    name = serializers.CharField(max_length=120)
    description = serializers.CharField(required=False, allow_blank=True, max_length=5000)
    protocol = serializers.DictField()


class GuidelineInput(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=200_000)


def project_json(project: Project, roles: set[str]) -> dict[str, Any]:
    """What `roles` may know of a project: its progress (counted now), protocol and guideline version."""
    protocol = project.protocols.latest("number")
    batches = list(project.batches.exclude(state="failed"))
    counts = batch_counts(batches).values()
    items = sum(c.items for c in counts)
    if roles == {Role.ANNOTATOR}:
        items = sum(items_to_judge(batches).values())
    return {
        "slug": project.slug,
        "name": project.name,
        "description": project.description,
        "protocol": {
            "version": protocol.number,
            "kind": protocol.kind,
            "points": protocol.points,
            "overlap": protocol.overlap,
            "ties": protocol.ties_allowed,
            "top": protocol.top,
            "per_turn": protocol.per_turn,
            "choice": protocol.has_choice,
            "criteria": [
                {
                    "key": c.key,
                    "name": c.name,
                    "question": c.question,
                    "low": c.low,
                    "high": c.high,
                    "optional": c.is_optional,
                }
                for c in protocol.criteria.order_by("position")
            ],
        },
        "guideline_version": current_guideline(project.pk).number,
        "progress": {
            "items": items,
            "slots": sum(c.slots for c in counts),
            "submitted": sum(c.submitted for c in counts),
        },
        "created_at": project.created_at,
    }


class ProjectsView(ApiView):
    @extend_schema(responses={200: dict}, operation_id="projects_list")
    def get(self, request: Request) -> Response:
        pages = Pages()
        pages.ordering = "slug"
        page = pages.paginate_queryset(reachable_projects(self.user, self.token), request, view=self)
        return pages.get_paginated_response(
            [project_json(project, roles_in(self.user, project)) for project in page or []]
        )

    @extend_schema(request=ProjectInput, responses={201: dict}, operation_id="projects_create")
    @idempotent
    def post(self, request: Request) -> Response:
        if not self.user.can_create_projects:
            raise PermissionDenied("Your account may not create projects; ask the operator.")
        if self.token.is_limited_to_projects:
            raise PermissionDenied("This token is limited to some projects.")
        data = checked(ProjectInput, request)
        protocol = checked_protocol(data["protocol"])
        project = create_project(
            actor=self.user,
            now=timezone.now(),
            slug=data["slug"],
            name=data["name"],
            description=data.get("description", ""),
            protocol=protocol,
        )
        return Response(project_json(project, roles_in(self.user, project)), status=201)


def checked_protocol(settings: dict[str, Any]) -> dict[str, Any]:
    serializer = ProtocolInput(data=settings)
    unknown = sorted(set(settings) - set(serializer.fields))
    if unknown:
        raise Refused(
            f"Unknown field {unknown[0]!r}; there are: {', '.join(sorted(serializer.fields))}.",
            code="unknown",
            field=f"protocol.{unknown[0]}",
        )
    if not serializer.is_valid():
        raise serializers.ValidationError({"protocol": serializer.errors})
    return dict(serializer.validated_data)


class ProjectView(ApiView):
    @extend_schema(responses={200: dict}, operation_id="projects_retrieve")
    def get(self, request: Request, slug: str) -> Response:
        project = access_project(self.user, slug, token=self.token)
        return Response(project_json(project, roles_in(self.user, project)))


class ProtocolsView(ApiView):
    @extend_schema(request=ProtocolInput, responses={201: dict})
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        project = access_project(self.user, slug, Role.LEAD, token=self.token)
        settings = checked(ProtocolInput, request)
        protocol = publish_protocol(project=project, actor=self.user, settings=settings, now=timezone.now())
        return Response({"version": protocol.number, "kind": protocol.kind}, status=201)


class GuidelinesView(ApiView):
    @extend_schema(request=GuidelineInput, responses={201: dict})
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        project = access_project(self.user, slug, Role.LEAD, token=self.token)
        text = checked(GuidelineInput, request)["text"]
        guideline = publish_guideline(project=project, actor=self.user, text=text, now=timezone.now())
        return Response({"version": guideline.number}, status=201)
