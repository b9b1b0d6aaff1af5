"""Counts before a cut, over the API and on the form: what the cut then holds, and nothing stored."""

from typing import Any

import pytest

from annotation.models import AuditEvent, IdempotentCall, Job
from exporters import preview as preview_module
from exporters.models import Release
from tests.exporters.releases import cut, judged_world
from tests.exporters.test_api import Api
from tests.exporters.test_near_splits import body, templates
from tests.exporters.test_pages import FORM, address, signed_in, text
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


def stored() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Release, Job, AuditEvent, IdempotentCall))


def test_a_preview_tells_what_the_cut_then_holds_and_stores_nothing() -> None:
    world = judged_world([[-2, 2, 0, 1, 1], [-1, 1, 0, 2, -1]])
    api = Api(world, world.member("engineer"))
    before = stored()
    response = api.post("/releases", {"preview": True, "version": "x"}, **{"Idempotency-Key": "k"})
    assert response.status_code == 200 and stored() == before
    found = response.json()
    assert found["problem"] is None
    assert found["dropped_pairs"] == {"tie": 2}
    assert (found["items"], found["rows"], found["judgments"]) == (3, 3, 6)
    release, _ = cut(world)
    for key in ("items", "rows", "judgments", "splits", "dropped_pairs", "clusters"):
        assert found[key] == release.manifest[key], key
    # The same key cuts: the preview has not used it up.
    assert api.post("/releases", {"version": "x"}, **{"Idempotency-Key": "k"}).status_code == 202


def test_a_preview_says_what_would_stop_the_cut() -> None:
    world = make_world()
    api = Api(world, world.member("engineer"))
    empty = api.post("/releases", {"preview": True}).json()
    assert empty["problem"] == "There is nothing to release: no item passes the filters."
    assert empty["clusters"] == {"count": 0, "largest_items": 0}
    templates(world, 21, 9)
    found = api.post("/releases", body() | {"preview": True}).json()
    assert found["problem"].startswith("21 of the 30 items (70 %)")
    assert found["clusters"] == {"count": 10, "largest_items": 21}


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"preview": "yes"}, "preview"),
        ({"preview": 1}, "preview"),
        ({"preview": True, "filters": {"batches": [7]}}, "filters.batches"),
        ({"preview": True, "split": {"clusters": "none"}}, "split.clusters"),
    ],
)
def test_a_preview_refuses_what_a_cut_would(wanted: Any, field: str) -> None:
    world = make_world()
    response = Api(world, world.member("engineer")).post("/releases", wanted)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert not Release.objects.exists()


def test_preview_false_cuts() -> None:
    world = make_world()
    assert Api(world, world.member("engineer")).post("/releases", {"preview": False}).status_code == 202


def test_a_very_large_project_is_not_counted_while_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_module, "ITEMS_MAX", 1)
    world = judged_world([[-2, 2]])
    response = Api(world, world.member("engineer")).post("/releases", {"preview": True})
    assert response.status_code == 422
    assert response.json()["detail"].startswith("The project has 2 items, and counting is for 1 at most.")
    page = signed_in(world.member("engineer")).post(address(world), FORM | {"preview": "1"})
    assert page.status_code == 422 and "The project has 2 items" in text(page)


@pytest.mark.parametrize(("role", "status"), [("lead", 403), ("annotator", 403), ("reviewer", 403)])
def test_previews_are_for_engineers(role: str, status: int) -> None:
    world = judged_world([[-2]])
    assert Api(world, world.member(role)).post("/releases", {"preview": True}).status_code == status
    elsewhere: World = make_world()
    stranger = Api(world, elsewhere.member("engineer"))
    assert stranger.post("/releases", {"preview": True}).status_code == 404


def test_the_form_counts_first_and_keeps_what_was_chosen() -> None:
    world = judged_world([[-2, 2, 0]])
    browser = signed_in(world.member("engineer"))
    before = stored()
    choice = {"train": "100", "test": "0", "clusters": "exact", "preview": "1", "version": "typed"}
    response = browser.post(address(world), FORM | choice)
    page = text(response)
    assert response.status_code == 200 and stored() == before
    assert "2 rows over 2 items, from 2 judgments" in page
    assert "train: 2 rows of 2 prompts" in page
    assert "2 clusters of prompts that lie on one side together; the largest holds 1 item" in page
    assert "1 pair left out as a tie" in page
    assert 'value="typed"' in page and 'name="clusters" value="exact" checked' in page
    assert "What it would hold" not in text(browser.get(address(world)))


def test_the_form_shows_what_would_stop_the_cut() -> None:
    world = make_world()
    templates(world, 21, 9)
    response = signed_in(world.member("engineer")).post(
        address(world), FORM | {"labels": "reference", "preview": "1"}
    )
    assert response.status_code == 200
    assert "21 of the 30 items (70 %)" in text(response)
