"""Releases over the API: cut one, list them, read a manifest, fetch a file."""

from collections.abc import Mapping
from typing import Any

import structlog
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.access import Role, access_project
from annotation.api_base import ApiView, Pages, idempotent, problem
from annotation.errors import Refused
from exporters.access import access_comparison, access_release, access_release_file
from exporters.compare import comparison
from exporters.models import Release
from exporters.preview import preview_release
from exporters.selectors import manifest_json, release_json, releases_of
from exporters.sending import file_response
from exporters.services.releases import start_release
from exporters.settings import release_settings

log = structlog.get_logger()


class FiltersInput(serializers.Serializer[Any]):
    batches = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False)
    languages = serializers.ListField(child=serializers.CharField(), required=False)
    guideline_versions = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False)
    since = serializers.CharField(
        required=False, allow_blank=True, help_text="Judgments from this date or time on (ISO 8601)."
    )
    before = serializers.CharField(required=False, allow_blank=True, help_text="Judgments before it.")
    min_judgments = serializers.IntegerField(required=False, min_value=0, max_value=1000)
    min_agreement = serializers.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        help_text="The largest share of a pair's judgments that say the same must be so much.",
    )
    paused = serializers.CharField(
        required=False, help_text="include or exclude: judgments of people who are paused now."
    )


class DebiasInput(serializers.Serializer[Any]):
    max_lean = serializers.FloatField(
        required=False,
        allow_null=True,
        help_text="Leave out people who surely lean to a place by more than this share, below 0.5.",
    )
    both_orders = serializers.BooleanField(
        required=False, help_text="Only pairs whose label holds in both orders of showing."
    )
    length_balanced = serializers.BooleanField(
        required=False, help_text="As many rows with the longer completion chosen as with the shorter."
    )


class SplitInput(serializers.Serializer[Any]):
    train = serializers.FloatField(required=False, min_value=0, max_value=1)
    validation = serializers.FloatField(required=False, min_value=0, max_value=1)
    test = serializers.FloatField(required=False, min_value=0, max_value=1)
    seed = serializers.IntegerField(required=False, min_value=0)
    clusters = serializers.CharField(
        required=False,
        help_text="near: prompts that are nearly the same lie on one side; exact: only equal ones.",
    )


class ReleaseInput(serializers.Serializer[Any]):
    """Describes the body for the schema; `release_settings` reads it and names what is wrong."""

    version = serializers.CharField(required=False, max_length=32)
    filters = FiltersInput(required=False)
    labels = serializers.CharField(
        required=False, help_text="majority, every, mean_strength, dawid_skene, adjudicated or reference."
    )
    criterion = serializers.CharField(required=False, help_text="Key of a criterion; overall by default.")
    ranking_pairs = serializers.CharField(
        required=False, help_text="all, adjacent or best_worst: which pairs of a ranking make rows."
    )
    ties = serializers.CharField(required=False, help_text="drop, soft or both.")
    debias = DebiasInput(required=False)
    split = SplitInput(required=False)
    formats = serializers.ListField(child=serializers.CharField(), required=False)
    chat_template = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="Jinja, as a tokenizer has it: every row is rendered, and what that loses is told in the warnings.",
    )
    license = serializers.CharField(
        required=False, allow_blank=True, help_text="Identifier of a licence for the card, such as cc-by-4.0."
    )
    preview = serializers.BooleanField(
        required=False, help_text="Count what the release would hold and store nothing."
    )


class ReleasePages(Pages):
    ordering = "-number"


class ReleasesView(ApiView):
    @extend_schema(responses={200: dict}, operation_id="releases_list")
    def get(self, request: Request, slug: str) -> Response:
        """All releases of the project, newest first."""
        project = access_project(self.user, slug, Role.ENGINEER, token=self.token)
        pages = ReleasePages()
        page: list[Release] = pages.paginate_queryset(releases_of(project), request, view=self) or []
        return pages.get_paginated_response([release_json(release) for release in page])

    @extend_schema(request=ReleaseInput, responses={200: dict, 202: dict})
    def post(self, request: Request, slug: str) -> Response:
        """Cut a release: a job that takes a snapshot and writes its files. With `preview`, only its counts."""
        body = request.data
        if isinstance(body, Mapping) and body.get("preview", False) is not False:
            # Nothing is stored, so there is nothing to repeat; and it reads in a transaction of its own.
            return self.preview(body, slug)
        return self.cut(request, slug)

    def preview(self, body: Mapping[str, Any], slug: str) -> Response:
        project = access_project(self.user, slug, Role.ENGINEER, token=self.token)
        if body["preview"] is not True:
            raise Refused("Send true or false.", field="preview")
        settings = {key: value for key, value in body.items() if key not in ("preview", "version")}
        return Response(preview_release(project, release_settings(settings)))

    @idempotent
    def cut(self, request: Request, slug: str) -> Response:
        project = access_project(self.user, slug, Role.ENGINEER, token=self.token)
        if not isinstance(request.data, Mapping):
            raise Refused("Send a JSON object.", field="body")
        body = dict(request.data)
        body.pop("preview", None)
        version = body.pop("version", None)
        if version is not None and not isinstance(version, str):
            raise Refused("A version is a text.", field="version")
        release, job = start_release(
            project=project,
            actor=self.user,
            settings=release_settings(body),
            version=version,
            now=timezone.now(),
        )
        return Response({"release": release.version, "job": str(job.pk)}, status=202)


class ReleaseView(ApiView):
    @extend_schema(responses={200: dict}, operation_id="releases_retrieve")
    def get(self, request: Request, slug: str, version: str) -> Response:
        """The manifest: files with their hashes, rows, card, head of the audit log. `latest` works."""
        release = access_release(self.user, slug, version, token=self.token)
        where = reverse("api-release", args=[slug, release.version])
        return Response(manifest_json(release, request.build_absolute_uri(f"{where}/files/")))


class CompareView(ApiView):
    @extend_schema(responses={200: dict})
    def get(self, request: Request, slug: str, version: str, other: str) -> Response:
        """What changed from the earlier of two releases to the later: rows added, gone, labelled anew, moved."""
        return Response(comparison(*access_comparison(self.user, slug, version, other, token=self.token)))


class AnyContent(BaseContentNegotiation):
    """A file is sent as it is, whatever the client says it accepts; only errors are rendered."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ReleaseFileView(ApiView):
    content_negotiation_class = AnyContent

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, version: str, name: str) -> HttpResponseBase:
        """The bytes of a file; `Range` with `If-Range` resumes, `ETag` and `Digest` are its SHA-256."""
        file = access_release_file(self.user, slug, version, name, token=self.token)
        if file.erased_at is not None:
            successor = f" Release {file.successor.version} takes its place." if file.successor else ""
            response = problem(410, f"The bytes of this file were erased.{successor}", code="erased")
            if file.successor:
                address = reverse("api-release", args=[slug, file.successor.version])
                response["Link"] = f'<{request.build_absolute_uri(address)}>; rel="successor-version"'
            return response
        log.info("release_file_sent", release=file.release_id, file=file.name, user=self.user.pk)
        return file_response(request, file)
