"""The judgment stream: GET …/judgments?after=."""

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.access import Role, access_project, refuse_who_still_judges
from annotation.api_base import ApiView
from annotation.errors import Refused
from exporters.stream import Cursor, judgments_after, judgments_json

LIMIT = 500
LIMIT_MAX = 2000


class JudgmentStreamView(ApiView):
    @extend_schema(
        responses={200: dict},
        parameters=[
            OpenApiParameter("after", str, description="`after` of an earlier answer; leave out to start."),
            OpenApiParameter("limit", int, description=f"At most {LIMIT_MAX}; {LIMIT} by default."),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Judgments in the order in which they became final, pseudonymous.

        Keep `after` and send it with the next visit: nothing is missed and nothing comes twice. `next` is null
        when there is nothing more for now.
        """
        project = access_project(self.user, slug, Role.REVIEWER, Role.ENGINEER, token=self.token)
        refuse_who_still_judges(self.user, project)
        cursor = cursor_of(request)
        limit = limit_of(request)
        found = judgments_after(project, cursor, limit)
        if found:
            cursor = Cursor(found[-1].transaction_id, found[-1].pk)
        address = request.build_absolute_uri(reverse("api-judgment-stream", args=[slug]))
        is_more = len(found) == limit
        return Response(
            {
                "results": judgments_json(found),
                "after": str(cursor),
                "next": f"{address}?after={cursor}&limit={limit}" if is_more else None,
            }
        )


def cursor_of(request: Request) -> Cursor:
    text = request.query_params.get("after", "")
    try:
        return Cursor.parse(text) if text else Cursor()
    except ValueError:
        raise Refused("Send `after` as an earlier answer gave it, or leave it out.", field="after") from None


def limit_of(request: Request) -> int:
    text = request.query_params.get("limit", str(LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= LIMIT_MAX):
        raise Refused(f"Use a whole number between 1 and {LIMIT_MAX}.", field="limit")
    return int(text)
