"""The console's forms about who judges what: what each does, what it refuses, and where it says so."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Assignment, AuditEvent, Batch, Membership, TrainingTry
from annotation.services.batches import close_batch
from tests.annotation.browsing import body, signed_in
from tests.annotation.test_console import ROWS, upload
from tests.annotation.training import held, side, training_batch
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    world = make_world()
    world.now = timezone.now()
    return world


@pytest.fixture
def lead(world: World) -> Client:
    return signed_in(world.lead)


@pytest.fixture
def base(world: World) -> str:
    return f"/projects/{world.project.slug}"


def sent(client: Client, path: str, fields: dict[str, Any]) -> str:
    """Post a form that is taken, and read the page it leads to."""
    response = client.post(path, fields, follow=True)
    assert [status for _, status in response.redirect_chain] == [302]
    assert response.status_code == 200
    return body(response)


def refused(client: Client, path: str, fields: dict[str, Any]) -> str:
    """Post a form that is not taken: the same page again, with 422 and an alert."""
    response = client.post(path, fields)
    assert response.status_code == 422
    assert 'role="alert"' in body(response)
    return body(response)


def beside(page: str, field: str) -> str:
    """What is said in red under the field with this id."""
    after = page[page.index(f'id="{field}"', page.index("</nav>")) :]
    found = re.search(r'<p class="help bad">(.*?)</p>', after, re.DOTALL)
    return "" if found is None else found.group(1)


# Import


def imported(client: Client, base: str, **fields: Any) -> Any:
    form = {"file": upload(ROWS), "format": "jsonl", "overlap": "2"} | fields
    return client.post(f"{base}/batches/new", {k: v for k, v in form.items() if v is not None})


def test_an_import_says_who_and_how(world: World, lead: Client, base: str) -> None:
    response = imported(
        lead,
        base,
        purpose="work",
        overlap_policy="sequential",
        overlap_max="5",
        gold_percent="7.5",
        repeat_percent="5",
        skill="maths",
        cap_per_annotator="40",
        lease_minutes="10",
        priority="-3",
        pass_percent="",
        pay_per_item="0.125",
        pay_currency="gbp",
    )
    assert response.status_code == 302
    batch = Batch.objects.get()
    assert (batch.overlap, batch.overlap_policy, batch.overlap_max) == (2, "sequential", 5)
    assert (batch.gold_share, batch.repeat_share, batch.pass_share) == (0.075, 0.05, 0.8)
    assert (batch.skill, batch.cap_per_annotator, batch.lease_seconds) == ("maths", 40, 600)
    assert (batch.priority, batch.purpose) == (-3, "work")
    assert (str(batch.pay_per_item), batch.pay_currency) == ("0.1250", "GBP")
    Batch.objects.update(state="open")
    page = body(lead.get(f"{base}/batches/1"))
    for words in (
        "£0.125",
        "Until decided, up to 5",
        "with the skill maths",
        "7.5 %",
        "10 min",
        '<dd class="num">40</dd>',
    ):
        assert words in page, words


def test_a_training_is_imported_with_its_pass_mark(world: World, lead: Client, base: str) -> None:
    assert imported(lead, base, purpose="training", pass_percent="65").status_code == 302
    batch = Batch.objects.get()
    assert (batch.purpose, batch.pass_share, batch.lease_seconds) == ("training", 0.65, 1800)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"gold_percent": "100"}, "id_gold_percent"),
        ({"gold_percent": "60", "repeat_percent": "40"}, "id_repeat_percent"),
        ({"pass_percent": "0", "purpose": "training"}, "id_pass_percent"),
        ({"overlap_policy": "sequential"}, "id_overlap_max"),
        ({"overlap_max": "4"}, "id_overlap_max"),
        ({"overlap_policy": "guess"}, "id_overlap_policy"),
        ({"skill": "x" * 41}, "id_skill"),
        ({"cap_per_annotator": "0"}, "id_cap_per_annotator"),
        ({"lease_minutes": "0"}, "id_lease_minutes"),
        ({"priority": "first"}, "id_priority"),
        ({"pay_per_item": "0.5"}, "id_pay_currency"),
        ({"pay_per_item": "0.5", "pay_currency": "G1"}, "id_pay_currency"),
        ({"pay_per_item": "0", "pay_currency": "GBP"}, "id_pay_per_item"),
        ({"pay_per_item": "0.12345", "pay_currency": "GBP"}, "id_pay_per_item"),
        ({"pay_per_item": "1e9", "pay_currency": "GBP"}, "id_pay_per_item"),
        ({"pay_per_item": "NaN", "pay_currency": "GBP"}, "id_pay_per_item"),
        ({"pay_currency": "GBP"}, "id_pay_per_item"),
    ],
)
def test_what_does_not_fit_is_said_beside_its_field(
    lead: Client, base: str, fields: dict[str, str], field: str
) -> None:
    response = imported(lead, base, **fields)
    assert response.status_code == 422
    assert '<details class="more" open>' in body(response)
    assert beside(body(response), field), field
    assert not Batch.objects.exists()


def test_a_rule_is_offered_for_the_judgments_it_understands(lead: Client, base: str) -> None:
    assert 'value="sequential"' in body(lead.get(f"{base}/batches/new"))
    ranking = make_world({"kind": "ranking"})
    page = body(signed_in(ranking.lead).get(f"/projects/{ranking.project.slug}/batches/new"))
    assert "overlap_policy" in page and 'value="sequential"' not in page


# A batch


def test_the_saving_is_a_sentence(world: World, lead: Client, base: str) -> None:
    world.batch(items=2, overlap=2, overlap_policy="sequential", overlap_max=4)
    assert "No item is settled yet" in body(lead.get(f"{base}/batches/1"))
    for _ in range(2):
        shown = world.lease(world.member())
        label = "A" if shown.display_order[0] == 0 else "B"
        world.submit(shown, {"preferred": label, "strength": 2})
    page = re.sub(r"<[^>]+>", "", body(lead.get(f"{base}/batches/1")))
    assert (
        "2 judgments for the 1 of 2 items that need no more; 4 for each would have been 4, so 50 % saved."
        in page
    )


def test_more_judgments_are_asked_for(world: World, lead: Client, base: str) -> None:
    world.batch(items=3, overlap=1)
    path = f"{base}/batches/1/overlap"
    assert "2 items get more judgments." in sent(
        lead, path, {"overlap": "2", "items": "row-1\r\n\r\n row-3 \r\n"}
    )
    assert "1 item gets more judgments." in sent(lead, path, {"overlap": "2", "items": ""})
    assert "Every item has as many" in sent(lead, path, {"overlap": "2", "items": ""})
    assert Assignment.objects.filter(state="open").count() == 6
    page = refused(lead, path, {"overlap": "3", "items": "row-1\nrow-<b>"})
    assert "&#x27;row-&lt;b&gt;&#x27;" in beside(page, "id_items") and "row-<b>" not in page
    assert '<details class="more change" id="overlap" open>' in page
    assert beside(refused(lead, path, {"overlap": "0"}), "id_overlap")
    assert Assignment.objects.filter(state="open").count() == 6


def test_a_closed_batch_has_no_forms_and_takes_none(world: World, lead: Client, base: str) -> None:
    batch = world.batch(items=1, overlap=1)
    assert "batches/1/overlap" in body(lead.get(f"{base}/batches/1"))
    close_batch(batch=batch, actor=world.lead, now=world.now)
    page = body(lead.get(f"{base}/batches/1"))
    assert "batches/1/overlap" not in page and "batches/1/staff" not in page
    lead.post(f"{base}/batches/1/overlap", {"overlap": "2"})
    assert Assignment.objects.count() == 1


def test_people_are_chosen_by_pseudonym(world: World, lead: Client, base: str) -> None:
    batch = world.batch(items=1)
    first, second, reviewer = world.member(), world.member(), world.member("reviewer")
    path = f"{base}/batches/1/staff"
    page = sent(lead, path, {"annotators": [first.pseudonym]})
    assert "Batch 1 is for 1 person." in page and "1 named person" in page
    assert re.search(rf'value="{first.pseudonym}"[^>]*checked', page)
    assert not re.search(rf'value="{second.pseudonym}"[^>]*checked', page)
    assert reviewer.pseudonym not in page
    page = refused(lead, path, {"annotators": [first.pseudonym, reviewer.pseudonym]})
    assert '<details class="more change" id="staff" open>' in page
    assert list(batch.staff.all()) == [first]
    assert "Batch 1 is for everybody." in sent(lead, path, {})
    assert not batch.staff.exists()


def test_only_a_lead_finds_the_forms(world: World, base: str) -> None:
    world.batch(items=1, gold_share=0.1)
    page = body(signed_in(world.member("reviewer").user).get(f"{base}/batches/1"))
    assert "Who and how" in page and "batches/1/overlap" not in page and "batches/1/staff" not in page
    assert "10 %" not in page


def test_gold_is_marked_for_who_does_not_judge(world: World, lead: Client, base: str) -> None:
    batch = world.batch(items=1, gold_share=0.5)
    world.item(batch, 2, ["yes", "no"], target_overlap=0)
    gold = '<span class="subtle">gold</span>'
    assert body(lead.get(f"{base}/batches/1")).count(gold) == 1
    reviewer = world.member("reviewer").user
    assert gold in body(signed_in(reviewer).get(f"{base}/batches/1"))
    reviewer.memberships.create(
        project=world.project, role="annotator", pseudonym="p-both", created_at=world.now
    )
    page = body(signed_in(reviewer).get(f"{base}/batches/1"))
    cells = re.findall(r'<td class="r" data-l="Judged">(.*?)</td>', page, re.DOTALL)
    assert len(cells) == 2 and len(set(cells)) == 1 and gold not in page


def answer_all(world: World, annotator: Membership, items: int, *, is_right: bool) -> None:
    for _ in range(items):
        world.lease(annotator)
        shown = held(annotator)
        label = "A" if side(shown, is_right=is_right) == "-2" else "B"
        world.submit(shown, {"preferred": label, "strength": 2})


def test_a_training_says_who_passed_and_a_lead_lets_others_in(world: World, lead: Client, base: str) -> None:
    training_batch(world, items=1)
    good, bad = world.member(), world.member()
    answer_all(world, good, 1, is_right=True)
    answer_all(world, bad, 2, is_right=False)
    page = re.sub(r"\s+|<[^>]+>", " ", body(lead.get(f"{base}/batches/1")))
    assert re.search(r"Passed +1 +pass mark 80 %", page) and re.search(r"Not passed +1 ", page)
    path = f"{base}/members/{bad.pseudonym}"
    page = body(lead.get(path))
    assert page.count("0 of 1 right") == 2 and "not passed" in page
    page = sent(lead, f"{path}/qualify/1", {})
    assert "let in by a lead" in page and f"{path}/qualify/1" not in page
    assert "passed already" in sent(lead, f"{path}/qualify/1", {})
    world.batch(items=1)
    assert "Only a training batch can be passed." in sent(lead, f"{path}/qualify/2", {})
    assert TrainingTry.objects.filter(annotator=bad).count() == 3
    assert "1 of 1 right" in body(lead.get(f"{base}/members/{good.pseudonym}"))


# Members


def test_an_annotator_is_described(world: World, lead: Client, base: str) -> None:
    annotator = world.member()
    path = f"{base}/members/{annotator.pseudonym}"
    page = sent(lead, path, {"languages": "PT-br, en,", "skills": " maths , <b>law</b>"})
    assert 'value="en, pt-BR"' in page and "&lt;b&gt;law&lt;/b&gt;" in page
    annotator.refresh_from_db()
    assert (annotator.languages, annotator.skills) == (["en", "pt-BR"], ["<b>law</b>", "maths"])
    page = refused(lead, path, {"languages": "klingon!", "skills": "maths"})
    assert "no language tag" in beside(page, "id_languages") and 'value="klingon!"' in page
    assert beside(refused(lead, path, {"skills": "x" * 41}), "id_skills")
    annotator.refresh_from_db()
    assert annotator.languages == ["en", "pt-BR"]
    listed = body(lead.get(f"{base}/members"))
    assert "en, pt-BR" in listed and "<b>law" not in listed and path in listed


def test_an_annotator_is_paused_and_resumed(world: World, lead: Client, base: str) -> None:
    annotator = world.member()
    path = f"{base}/members/{annotator.pseudonym}"
    page = sent(lead, f"{path}/pause", {"reason": "on holiday"})
    assert "Why: on holiday" in page and "Resume" in page
    assert '<span class="pill warn">paused</span>' in body(lead.get(f"{base}/members"))
    assert Membership.objects.get(pk=annotator.pk).paused_at is not None
    page = sent(lead, f"{path}/resume", {})
    assert "They get items again." in page and "on holiday" not in page
    assert Membership.objects.get(pk=annotator.pk).paused_at is None
    assert beside(refused(lead, f"{path}/pause", {"reason": "x" * 201}), "id_reason")
    assert AuditEvent.objects.filter(action__startswith="membership.", object_id=annotator.pk).count() == 3


def test_others_have_nothing_to_set(world: World, lead: Client, base: str) -> None:
    reviewer = world.member("reviewer")
    path = f"{base}/members/{reviewer.pseudonym}"
    assert "nothing to set here" in body(lead.get(path))
    world.batch(items=1, purpose="training")
    for part in ("", "/pause", "/resume", "/qualify/1"):
        assert lead.post(f"{path}{part}", {"skills": "x"}).status_code == 404, part
    reviewer.refresh_from_db()
    assert (reviewer.skills, reviewer.paused_at) == ([], None)
    elsewhere = make_world().member()
    assert lead.get(f"{base}/members/{elsewhere.pseudonym}").status_code == 404


# Limits


def test_limits_are_set_on_a_page_of_their_own(world: World, lead: Client, base: str) -> None:
    assert f'<a href="{base}/limits">' in body(lead.get(base))
    page = sent(
        lead,
        f"{base}/limits",
        {"daily_cap": "40", "exposure": "violence: 20\r\na: b: 0\r\n", "exclusion_limit": "5"},
    )
    assert "a: b: 0\nviolence: 20" in page and 'value="40"' in page and 'aria-current="page"' in page
    world.project.refresh_from_db()
    assert (world.project.daily_cap, world.project.exclusion_limit) == (40, 5)
    assert dict(world.project.exposure_limits.values_list("category", "per_day")) == {
        "violence": 20,
        "a: b": 0,
    }
    sent(lead, f"{base}/limits", {"daily_cap": "", "exposure": "", "exclusion_limit": "3"})
    world.project.refresh_from_db()
    assert world.project.daily_cap is None and not world.project.exposure_limits.exists()


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"daily_cap": "0"}, "id_daily_cap", "greater than or equal to 1"),
        ({"exclusion_limit": ""}, "id_exclusion_limit", "required"),
        ({"exposure": "violence 20"}, "id_exposure", "Line 1: write a category"),
        ({"exposure": "violence: 2\nabuse: many"}, "id_exposure", "Line 2: write a category"),
        ({"exposure": "violence: ²"}, "id_exposure", "Line 1: write a category"),
        ({"exposure": ": 2"}, "id_exposure", "Line 1: write a category"),
        ({"exposure": "violence: 2\nviolence: 3"}, "id_exposure", "Line 2: violence has a limit already"),
        ({"exposure": "x" * 41 + ": 2"}, "id_exposure", "at most 40 characters"),
    ],
)
def test_a_limit_that_does_not_fit_is_said_beside_its_field(
    world: World, lead: Client, base: str, change: dict[str, str], field: str, words: str
) -> None:
    page = refused(
        lead, f"{base}/limits", {"daily_cap": "9", "exposure": "", "exclusion_limit": "3"} | change
    )
    assert words in beside(page, field)
    world.project.refresh_from_db()
    assert world.project.daily_cap is None and not world.project.exposure_limits.exists()


def test_the_pages_carry_no_inline_style_or_script(world: World, lead: Client, base: str) -> None:
    world.batch(items=2)
    annotator = world.member()
    for path in ("/batches/1", "/batches/new", "/members", f"/members/{annotator.pseudonym}", "/limits"):
        response = lead.get(f"{base}{path}")
        assert response.status_code == 200
        assert not re.search(r"<[^>]* (on\w+|style)=", body(response)), path
        assert "<script>" not in body(response)
        assert "no-store" in response.headers["Cache-Control"]
