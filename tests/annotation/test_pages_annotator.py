"""The annotator's pages over HTTP: who may see them, what they do, and what no byte of them may tell."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Assignment, Consent, Exclusion, Judgment, Lease, Membership
from annotation.services.projects import publish_consent_text
from tests.annotation.browsing import signed_in
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    world = make_world()
    world.now = timezone.now()
    world.batch(3)
    return world


@pytest.fixture
def annotator(world: World) -> Membership:
    return world.member()


@pytest.fixture
def client(annotator: Membership) -> Client:
    return signed_in(annotator.user)


def lease(client: Client, world: World) -> str:
    """Press Continue; the address of the judging page."""
    response = client.post(f"/projects/{world.project.slug}/lease")
    assert response.status_code == 303
    return str(response["Location"])


def form_of(page: str) -> dict[str, Any]:
    """The hidden fields of the judging form."""
    return {
        name: re.search(f'name="{name}" value="([^"]*)"', page).group(1)  # type: ignore[union-attr]
        for name in ("submission_id", "attempt")
    }


def filled(client: Client, url: str, **changes: Any) -> dict[str, Any]:
    return form_of(client.get(url).content.decode()) | {"q-overall": "-2", "note": "Why not."} | changes


# Who may see what


PAGES = [
    "/",
    "/projects/{slug}/guide",
    "/projects/{slug}/task",
    "/projects/{slug}/work",
    "/projects/{slug}/done",
]


@pytest.mark.parametrize("path", PAGES)
def test_strangers_are_sent_to_sign_in_and_htmx_is_told(path: str, world: World) -> None:
    path = path.format(slug=world.project.slug)
    response = Client().get(path)
    assert (response.status_code, response["Location"]) == (302, f"/login?next={path}")
    assert Client().get(path, headers={"HX-Request": "true"}).status_code == 401


def test_other_peoples_work_is_not_there(world: World, client: Client) -> None:
    url = lease(client, world)
    client.post(f"{url}/judgments", filled(client, url))
    judgment = Judgment.objects.get()
    for stranger in (signed_in(world.member().user), signed_in(make_world().member().user)):
        assert stranger.get(url).status_code == 404
        assert stranger.post(f"{url}/judgments", {}).status_code == 404
        assert stranger.post(f"{url}/release", {"reason": "language"}).status_code == 404
        assert stranger.post(f"/judgments/{judgment.pk}/undo").status_code == 404
        assert stranger.get(f"/judgments/{judgment.pk}/corrections").status_code == 404
    outsider = signed_in(make_world().member().user)
    for path in PAGES[1:]:
        assert outsider.get(path.format(slug=world.project.slug)).status_code == 404


def test_other_roles_read_the_guide_but_do_not_judge(world: World) -> None:
    lead = signed_in(world.lead)
    slug = world.project.slug
    assert lead.get(f"/projects/{slug}/guide").status_code == 200
    assert lead.post(f"/projects/{slug}/lease").status_code == 403
    assert lead.get(f"/projects/{slug}/task").status_code == 403


def test_no_get_changes_anything(world: World, client: Client) -> None:
    url = lease(client, world)
    before = list(Assignment.objects.order_by("pk").values()), Lease.objects.count()
    for path in (
        *PAGES,
        url,
        f"{url}/judgments",
        f"{url}/release",
        "/projects/{slug}/lease",
        "/logout",
        "/theme",
    ):
        client.get(path.format(slug=world.project.slug))
    assert (list(Assignment.objects.order_by("pk").values()), Lease.objects.count()) == before


# What no page tells (I13)


@pytest.mark.parametrize("purpose", ["work", "gold"])
def test_no_byte_tells_a_model_a_reference_or_a_gold_flag(
    purpose: str, world: World, annotator: Membership, client: Client
) -> None:
    world.project.batches.update(state="closed", closed_at=timezone.now())
    batch = world.batch(int(purpose == "gold"), gold_share=0.999999 if purpose == "gold" else 0)
    item = world.item(
        batch,
        77,
        ["First text", "Second text"],
        reference=1,
        metadata={"source": "secret-source"},
        language="en",
        target_overlap=0 if purpose == "gold" else 3,
    )
    url = lease(client, world)
    held = Assignment.objects.get(state="leased")
    assert (held.item, held.purpose) == (item, purpose)
    page = client.get(url)
    fragment = client.get(url, headers={"HX-Request": "true"})
    client.post(f"{url}/judgments", filled(client, url))
    judgment = Judgment.objects.get()
    correction = client.get(f"/judgments/{judgment.pk}/corrections")
    work = client.get(f"/projects/{world.project.slug}/work")
    for response in (page, fragment, correction, work):
        text = response.content.decode() + str(response.headers)
        assert "First text" in text or response is work
        for secret in ("model-", "row-77", "secret-source", "reference", "gold", "repeat", item.content_hash):
            assert secret not in text.lower(), secret


def test_pages_have_no_inline_style_or_handler_and_are_not_kept(world: World, client: Client) -> None:
    url = lease(client, world)
    for path in ("/login", *PAGES, url, "/nowhere"):
        page = client.get(path.format(slug=world.project.slug), follow=True)
        text = page.content.decode()
        assert not re.search(r"<[^>]*\s(style|on[a-z]+)=", text), path
        assert "<style" not in text and not re.search(r"<script(?![^>]* src=)", text), path
        if path != "/nowhere":
            assert "no-store" in page["Cache-Control"], path
    assert "HX-Request" in client.get(url)["Vary"]


# Judging


def test_continue_leases_once_and_comes_back_to_the_same_item(
    world: World, annotator: Membership, client: Client
) -> None:
    url = lease(client, world)
    assert lease(client, world) == url
    assert client.get(f"/projects/{world.project.slug}/task")["Location"] == url
    assert Assignment.objects.filter(annotator=annotator).count() == 1


def test_an_answer_is_stored_with_its_facts_and_the_next_item_follows(world: World, client: Client) -> None:
    url = lease(client, world)
    form = filled(
        client, url, confidence="3", active_seconds="12", read_to_end=["A", "B"], note="One.\r\nTwo."
    )
    response = client.post(f"{url}/judgments", form)
    assert response.status_code == 303
    assert response["X-Submission-Id"] == form["submission_id"]
    assert response["Location"] != url and client.get(response["Location"]).status_code == 200
    judgment = Judgment.objects.get()
    assert (judgment.confidence, judgment.active_seconds, judgment.note) == (3, 12.0, "One.\nTwo.")
    assert judgment.read_to_end == ["A", "B"]
    assert str(judgment.submission_id) == form["submission_id"]


def test_the_side_chosen_on_the_screen_is_turned_back_for_storage(world: World, client: Client) -> None:
    for _ in range(3):
        url = lease(client, world)
        client.post(f"{url}/judgments", filled(client, url))
    for judgment in Judgment.objects.all():
        expected = -2 if judgment.display_order == [0, 1] else 2
        assert judgment.pairwise_answers.get().preference == expected  # type: ignore[attr-defined]


def test_htmx_gets_the_next_task_with_its_bar(world: World, client: Client) -> None:
    url = lease(client, world)
    response = client.post(f"{url}/judgments", filled(client, url), headers={"HX-Request": "true"})
    text = response.content.decode()
    assert response.status_code == 200
    assert "<html" not in text and "<title>Judge 2 of 3" in text
    assert 'id="bar"' in text and 'id="judge"' in text
    assert response["HX-Replace-Url"].startswith("/assignments/") and response["HX-Replace-Url"] != url


def test_the_last_answer_leads_to_the_end(world: World, client: Client) -> None:
    for _ in range(2):
        url = lease(client, world)
        client.post(f"{url}/judgments", filled(client, url))
    url = lease(client, world)
    response = client.post(f"{url}/judgments", filled(client, url), headers={"HX-Request": "true"})
    assert response["HX-Redirect"] == f"/projects/{world.project.slug}/done"
    page = client.get(response["HX-Redirect"]).content.decode()
    assert "No more items for you" in page  # two other people have not judged them yet


def test_sending_twice_is_once_and_another_answer_is_refused(world: World, client: Client) -> None:
    url = lease(client, world)
    form = filled(client, url)
    first = client.post(f"{url}/judgments", form)
    again = client.post(f"{url}/judgments", form)
    assert (first.status_code, again.status_code) == (303, 303)
    other = client.post(f"{url}/judgments", form | {"q-overall": "3"})
    assert other.status_code == 409
    assert "which is kept" in other.content.decode()
    assert Judgment.objects.get().pairwise_answers.get().preference in (-2, 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"q-overall": ""}, "Please answer Overall"),
        ({"q-overall": "9"}, "Send a whole number from 1 to 3"),
        ({"submission_id": "nonsense"}, "valid UUID"),
        ({"note": "x" * 5001}, "5000 characters"),
        ({"note": "a\x00b"}, "Null characters"),
        ({"read_to_end": ["Z"]}, "Z is not one of the available choices"),
        ({"active_seconds": "nan"}, "Enter a number"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_comes_back_as_typed(
    change: dict[str, Any], words: str, world: World, client: Client
) -> None:
    url = lease(client, world)
    form = filled(client, url, confidence="2") | change
    for headers in ({}, {"HX-Request": "true"}):
        response = client.post(f"{url}/judgments", form, headers=headers)
        text = response.content.decode()
        assert response.status_code == 422
        assert words in text
        assert 'name="confidence" value="2" data-digit="2" checked' in text
        if "note" not in change:
            assert "Why not." in text
    assert not Judgment.objects.exists()


def test_a_late_answer_is_kept_and_says_so(world: World, annotator: Membership, client: Client) -> None:
    url = lease(client, world)
    form = filled(client, url)
    slot = Assignment.objects.get(annotator=annotator)
    Assignment.objects.filter(item=slot.item).exclude(pk=slot.pk).update(state="void", void_reason="test")
    Assignment.objects.filter(pk=slot.pk).update(state="open", annotator=None, expires_at=None)
    other = world.member()
    Assignment.objects.filter(pk=slot.pk).update(
        state="leased", annotator=other, attempt=2, expires_at=timezone.now() + timezone.timedelta(hours=1)
    )
    response = client.post(f"{url}/judgments", form, follow=True)
    assert "Saved. This item had already been completed." in response.content.decode()
    assert Judgment.objects.get().state == "late"


@pytest.mark.parametrize(
    "reason", ["expertise", "broken_prompt", "language", "cut_off", "rather_not", "private_data", "skipped"]
)
def test_cannot_judge_gives_the_item_back(
    reason: str, world: World, annotator: Membership, client: Client
) -> None:
    url = lease(client, world)
    item = Assignment.objects.get(annotator=annotator).item
    assert f'value="{reason}"' in client.get(url).content.decode()
    response = client.post(f"{url}/release", {"reason": reason})
    assert response.status_code == 303 and response["Location"] != url
    assert Exclusion.objects.get(annotator=annotator, item=item).reason == reason
    # The old page leads on, and pressing twice changes nothing more.
    assert client.get(url)["Location"] == f"/projects/{world.project.slug}/task"
    client.post(f"{url}/release", {"reason": reason})
    assert Exclusion.objects.count() == 1


def test_an_unknown_reason_is_refused_in_place(world: World, client: Client) -> None:
    url = lease(client, world)
    response = client.post(f"{url}/release", {"reason": "bored"})
    assert response.status_code == 422 and "The reasons are" in response.content.decode()


def test_undo_shows_the_answer_and_a_correction_replaces_it(world: World, client: Client) -> None:
    url = lease(client, world)
    client.post(f"{url}/judgments", filled(client, url, confidence="1"))
    judgment = Judgment.objects.get()
    opened = client.post(f"/judgments/{judgment.pk}/undo", follow=True)
    text = opened.content.decode()
    assert 'name="q-overall" value="-2" data-digit="2" aria-label="A is better" checked' in text
    assert "Why not." in text and form_of(text)["submission_id"] != str(judgment.submission_id)
    assert Judgment.objects.count() == 1

    form = form_of(text) | {"q-overall": "0", "tie-overall": "both_poor", "note": "Neither runs."}
    assert client.post(f"/judgments/{judgment.pk}/corrections", form).status_code == 303
    correction = Judgment.objects.exclude(pk=judgment.pk).get()
    assert correction.supersedes == judgment
    assert correction.pairwise_answers.get().tie_reason == "both_poor"  # type: ignore[attr-defined]
    # An old page's Undo opens the newest answer.
    again = client.post(f"/judgments/{judgment.pk}/undo")
    assert again["Location"] == f"/judgments/{correction.pk}/corrections"


def test_correcting_to_cannot_judge_voids_the_slot(world: World, client: Client) -> None:
    url = lease(client, world)
    client.post(f"{url}/judgments", filled(client, url))
    judgment = Judgment.objects.get()
    form = form_of(client.get(f"/judgments/{judgment.pk}/corrections").content.decode())
    client.post(f"/judgments/{judgment.pk}/corrections", form | {"reason": "private_data"})
    assert Assignment.objects.get(pk=judgment.assignment_id).state == "void"


def test_after_the_batch_is_closed_undo_explains_itself(world: World, client: Client) -> None:
    url = lease(client, world)
    client.post(f"{url}/judgments", filled(client, url))
    world.project.batches.update(state="closed", closed_at=timezone.now())
    response = client.post(f"/judgments/{Judgment.objects.get().pk}/undo", follow=True)
    text = response.content.decode()
    assert "This batch is closed; a reviewer can still correct it." in text
    assert "Batch closed" in text


def test_consent_comes_first(world: World, annotator: Membership, client: Client) -> None:
    held = lease(client, world)
    publish_consent_text(
        project=world.project, actor=world.lead, text="You will read **odd** text.", now=world.now
    )
    slug = world.project.slug
    guide = f"/projects/{slug}/guide"
    assert client.post(f"/projects/{slug}/lease")["Location"] == guide
    assert client.get(f"/projects/{slug}/task")["Location"] == guide
    assert client.get(held, follow=True).redirect_chain[-1][0] == guide
    assert "<strong>odd</strong>" in client.get(guide).content.decode()
    client.post(guide, {"guideline": "1", "consent": "1"})
    assert Consent.objects.get().annotator == annotator
    assert lease(client, world) == held


def test_a_two_way_scale_and_a_conversation_are_shown_whole(annotator: Membership) -> None:
    world = make_world({"kind": "pairwise", "points": 2, "overlap": 1})
    world.now = timezone.now()
    item = world.item(
        world.batch(0),
        1,
        ["One", "Two"],
        prompt=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "First?"},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": "Second?"},
        ],
        language="ar",
    )
    client = signed_in(world.member().user)
    text = client.get(lease(client, world)).content.decode()
    assert "3 earlier turns" in text and "turn 2" in text and 'lang="ar"' in text
    assert text.count('name="q-overall"') == 2 and "tie-overall" not in text
    assert item.external_id not in text


@pytest.mark.parametrize(
    ("protocol", "answers"),
    [
        (
            {"kind": "ranking"},
            {"rank-overall-A": "2", "rank-overall-B": "1", "rank-overall-C": "2"},
        ),
        (
            {"kind": "rating", "criteria": [{"key": "helpfulness", "name": "Helpfulness"}]},
            {f"rating-{label}-{key}": "3" for label in "ABC" for key in ("helpfulness", "overall")},
        ),
    ],
    ids=["ranking", "rating"],
)
def test_ranking_and_rating_are_judged_in_plain_forms(
    protocol: dict[str, Any], answers: dict[str, str]
) -> None:
    world = make_world(protocol)
    world.now = timezone.now()
    world.batch(2, completions=3)
    client = signed_in(world.member().user)
    url = lease(client, world)
    page = client.get(url).content.decode()
    for name, value in answers.items():
        assert re.search(f'name="{name}" value="{value}"', page), name
    empty = client.post(f"{url}/judgments", form_of(page))
    assert empty.status_code == 422
    assert client.post(f"{url}/judgments", form_of(page) | answers).status_code == 303
    judgment = Judgment.objects.get()
    rows = judgment.ranking_answers if protocol["kind"] == "ranking" else judgment.rating_answers  # type: ignore[attr-defined]
    assert rows.count() == len(answers)


def test_done_is_never_said_while_there_is_work(world: World, annotator: Membership, client: Client) -> None:
    path = f"/projects/{world.project.slug}/done"
    assert client.get(path)["Location"] == f"/projects/{world.project.slug}/task"
    for _ in range(3):
        world.judge(annotator)
    assert client.get(path).status_code == 200
