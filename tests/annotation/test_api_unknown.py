"""An address that the API does not have is answered as the API answers: 404, as a problem in JSON, to anybody."""

import pytest
from django.test import Client

from tests.factories import make_world

pytestmark = pytest.mark.django_db
UNKNOWN = ["/api/v1/nowhere", "/api/v1/projects/x/nowhere", "/api/v1/", "/api/v1/jobs/1", "/api/"]


@pytest.mark.parametrize("has_token", [False, True], ids=["stranger", "lead"])
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_address_of_the_api_is_a_404_problem(path: str, method: str, has_token: bool) -> None:
    client = Client(raise_request_exception=False)
    world = make_world()
    headers = {"Authorization": f"Bearer {world.token(world.lead)}"} if has_token else {}
    answer = getattr(client, method)(path, headers=headers)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 404
    assert answer.json()["title"] == "Not Found"
    assert answer.json()["detail"]


def test_an_unknown_page_is_a_page(client: Client) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "<h1>Nothing here</h1>" in answer.content.decode()
