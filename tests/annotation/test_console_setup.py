"""Setting a project up in the console: what each form stores, what it refuses, and where it says so."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from annotation.kinds import judgment_kinds
from annotation.models import Membership, Project, User
from annotation.services.projects import publish_guideline, publish_protocol
from tests.annotation.browsing import body, signed_in
from tests.annotation.test_console_staffing import beside, refused, sent
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db

NEW = "/projects/new?kind="
ABOUT = {"name": "Summaries, spring", "guideline": "Read.\r\nThen judge.", "overlap": "3"}


def rows(*criteria: dict[str, str], total: int = 3) -> dict[str, str]:
    """The fields of so many rows, of which the first are filled in."""
    told = {"criteria-TOTAL_FORMS": str(total), "criteria-INITIAL_FORMS": str(total)}
    for number, criterion in enumerate(criteria):
        told |= {f"criteria-{number}-{name}": value for name, value in criterion.items()}
    return told


def as_shown(page: str) -> dict[str, str]:
    """What a browser would send of the last form of a page as it stands."""
    form = page[page.rindex("<form", 0, page.rindex("crit-row")) : page.rindex("</form>")]
    found = {}
    for name, value in re.findall(
        r'<input type="(?:text|hidden|number)" name="([^"]+)"(?: value="([^"]*)")?', form
    ):
        found[name] = value
    for name in re.findall(r'<input type="checkbox" name="([^"]+)"[^>]* checked', form):
        found[name] = "on"
    for name, options in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        found[name] = re.findall(r'value="([^"]*)" selected', options)[0]
    for name, text in re.findall(r'<textarea name="([^"]+)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL):
        found[name] = text
    return found


@pytest.fixture
def world() -> World:
    return make_world({"kind": "pairwise", "points": 5, "criteria": [{"name": "Correct"}, {"name": "Clear"}]})


@pytest.fixture
def lead(world: World) -> Client:
    return signed_in(world.lead)


def test_a_kind_is_chosen_first(lead: Client) -> None:
    page = body(lead.get("/projects/new"))
    for key, kind in judgment_kinds:
        assert f'href="?kind={key}"' in page and kind.about in page
    assert 'href="?kind=ranking"' in body(lead.get(NEW + "nonsense"))
    assert 'href="/projects/new"' in body(lead.get("/projects"))


def test_a_project_is_made_as_it_was_filled_in(lead: Client, world: World) -> None:
    fields = ABOUT | rows(
        {"name": "Correct", "question": "Is it true?", "points": "3"}, {}, {"name": "Kind", "points": "5"}
    )
    page = sent(
        lead, NEW + "pairwise", fields | {"points": "8", "per_turn": "on", "ties": "on", "overlap": "4"}
    )
    assert "Summaries, spring is there." in page
    project = Project.objects.get(slug="summaries-spring")
    protocol = project.protocols.get()
    assert (protocol.points, protocol.overlap, protocol.per_turn) == (8, 4, True)
    asked = protocol.criteria.values_list("key", "name", "question", "low", "high", "ties_allowed")
    assert list(asked) == [
        ("correct", "Correct", "Is it true?", -1, 1, True),
        ("kind", "Kind", "Which response is better on kind?", -2, 2, True),
        ("overall", "Overall", "Which response is better overall?", -4, 4, False),
    ]
    assert project.guidelines.get().text == "Read.\nThen judge."
    assert not project.consent_texts.exists()
    assert Membership.objects.get(project=project).user == world.lead


@pytest.mark.parametrize("kind", ["ranking", "rating", "demonstration", "critique"])
def test_every_kind_can_be_set_up(lead: Client, kind: str) -> None:
    row = {"name": "Honest", "question": "Nothing false."} | (
        {"points": "4", "optional": "on"} if kind == "rating" else {}
    )
    row |= {"anchors": "a\r\n\r\nb\r\nc\r\nd"} if kind == "rating" else {}
    fields = ABOUT | {"slug": kind, "consent": "I agree.", "top": "2", "choice": "on", "points": "6"}
    fields |= {} if kind == "demonstration" else rows(row)
    sent(lead, NEW + kind, fields | ({} if kind != "demonstration" else rows(total=0)))
    protocol = Project.objects.get(slug=kind).protocols.get()
    assert protocol.kind == kind
    assert protocol.top == (2 if kind == "ranking" else None)
    assert protocol.has_choice == (kind == "rating")
    assert protocol.ties_allowed == (kind != "ranking")  # its box was not ticked
    assert protocol.criteria.count() == (1 if kind == "demonstration" else 2)
    if kind == "rating":
        honest = protocol.criteria.get(key="honest")
        assert (honest.low, honest.high, honest.anchors, honest.is_optional) == (
            0,
            3,
            ["a", "b", "c", "d"],
            True,
        )


def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_stored(lead: Client) -> None:
    before = Project.objects.count()
    bad = ABOUT | {"name": "", "slug": "Capital", "overlap": "0"}
    page = refused(lead, NEW + "rating", bad | rows({"question": "Of what?"}))
    assert "required" in beside(page, "id_name")
    assert "at least" in beside(page, "id_overlap") or "greater than" in beside(page, "id_overlap")
    assert "Give it a name" in beside(page, "id_criteria-0-name")
    assert 'href="#id_criteria-0-name"' in page
    page = refused(
        lead, NEW + "rating", ABOUT | rows({}, {"name": "Safe", "points": "3", "anchors": "no\nyes"})
    )
    assert "one anchor for each of the 3 points" in beside(page, "id_criteria-1-anchors")
    page = refused(lead, NEW + "rating", ABOUT | {"points": "3", "overall_anchors": "bad\ngood"} | rows())
    assert "one anchor for each of the 3 points" in beside(page, "id_overall_anchors")
    page = refused(lead, NEW + "pairwise", ABOUT | rows({"name": "Same"}, {"name": "Same"}))
    assert "Two criteria have the key same." in beside(page, "id_criteria-1-name")
    page = refused(lead, NEW + "critique", ABOUT | rows())
    assert "Name the principles" in page
    page = refused(lead, NEW + "pairwise", ABOUT | rows(*[{"name": f"N{n}"} for n in range(21)], total=21))
    assert "at most 20" in page
    for slug in ("Capital", "new"):
        assert beside(refused(lead, NEW + "ranking", ABOUT | {"slug": slug} | rows()), "id_slug")
    assert "ManagementForm" in refused(lead, NEW + "ranking", ABOUT)
    assert Project.objects.count() == before


def test_more_rows_keep_what_was_written_and_store_nothing(lead: Client) -> None:
    before = Project.objects.count()
    fields = ABOUT | rows({"name": "<Safe>", "points": "3"}) | {"points": "8", "per_turn": "on", "more": "1"}
    response = lead.post(NEW + "pairwise", fields)
    page = body(response)
    assert response.status_code == 200 and 'role="alert"' not in page
    assert (
        'value="&lt;Safe&gt;"' in page and 'id="id_criteria-5-name"' in page and "id_criteria-6" not in page
    )
    assert re.search(r'name="per_turn"[^>]* checked', page) and not re.search(
        r'name="ties"[^>]* checked', page
    )
    assert '<option value="8" selected>' in page and escape("Summaries, spring") in page
    assert Project.objects.count() == before


def test_who_may_make_no_projects_is_told_so(world: World) -> None:
    User.objects.filter(pk=world.lead.pk).update(can_create_projects=False)
    client = signed_in(world.lead)
    for response in (client.get("/projects/new"), client.post(NEW + "ranking", ABOUT | rows())):
        assert response.status_code == 403 and "ask the operator" in body(response)
    assert "/projects/new" not in body(client.get("/projects"))


def test_the_next_version_starts_from_this_one(lead: Client, world: World) -> None:
    path = f"/projects/{world.project.slug}/protocol"
    page = body(lead.get(path))
    assert "Version 1, Pairwise, 5 points" in page and "Publish version 2" in page
    shown = as_shown(page)
    assert (
        shown["criteria-0-key"] == "correct"
        and shown["criteria-1-question"] == "Which response is better on clear?"
    )
    page = sent(lead, path + "?kind=pairwise", shown | {"criteria-1-name": "Clearness"})
    assert "Version 2 is published." in page
    first, second = world.project.protocols.order_by("number")
    asked = [list(one.criteria.values_list("key", "question", "low", "high")) for one in (first, second)]
    assert asked[0] == asked[1]
    assert second.criteria.get(key="clear").name == "Clearness"
    page = sent(lead, path + "?kind=ranking", {"seen": "2", "overlap": "2", "ties": "on"} | rows())
    assert world.project.protocols.latest("number").kind == "ranking"


def test_a_version_that_came_meanwhile_is_looked_at_first(lead: Client, world: World) -> None:
    path = f"/projects/{world.project.slug}/protocol"
    shown = as_shown(body(lead.get(path)))
    publish_protocol(project=world.project, actor=world.lead, settings={"kind": "ranking"}, now=NOW)
    page = refused(lead, path + "?kind=pairwise", shown)
    assert "Somebody has published version 2 meanwhile." in page
    assert world.project.protocols.count() == 2
    assert 'name="seen" value="2"' in page
    for odd in ("", "1-0", "-1", "9" * 5_000):
        refused(lead, path + "?kind=pairwise", shown | {"seen": odd})
    assert world.project.protocols.count() == 2


def test_guide_and_consent_become_versions_when_they_change(lead: Client, world: World) -> None:
    path = f"/projects/{world.project.slug}/texts"
    old = world.project.guidelines.get().text
    unchanged = {"guideline": old.replace("\n", "\r\n"), "consent": "", "seen": "1-0"}
    assert "Nothing has changed." in sent(lead, path, unchanged)
    assert world.project.guidelines.count() == 1
    assert "Published: consent version 1." in sent(lead, path, unchanged | {"consent": "I agree.\r\nReally."})
    assert world.project.consent_texts.get().text == "I agree.\nReally."
    both: dict[str, Any] = {"guideline": "Other.", "consent": "I agree.", "seen": "1-1"}
    assert "Published: guide version 2 and consent version 2." in sent(lead, path, both)
    assert "there has to be one" in beside(
        refused(lead, path, both | {"consent": " ", "seen": "2-2"}), "id_consent"
    )
    assert "required" in beside(refused(lead, path, both | {"guideline": " ", "seen": "2-2"}), "id_guideline")
    publish_guideline(project=world.project, actor=world.lead, text="Theirs.", now=NOW)
    page = refused(lead, path, both | {"guideline": "Mine.", "seen": "2-2"})
    assert "published other texts meanwhile" in page and "Mine." in page and 'value="3-2"' in page
    assert world.project.guidelines.count() == 3
