"""The page and the API: which items people disagree on, what more items and judgments bring, and what they cost."""

import re
from base64 import b64encode
from datetime import datetime
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.test import Client

from annotation.models import Batch, Item
from annotation.services.batches import close_batch
from annotation.services.people import add_member
from comparisons.models import AgreementReport, Statistic
from comparisons.selectors_items import gains_of, price_of_item
from tests.annotation.browsing import body, signed_in
from tests.comparisons.contested import AGREED, CONTESTED, NOISY, SPLIT, compute, judged
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db

PAID = {"pay_per_item": Decimal("0.5"), "pay_currency": "GBP"}


def page_of(world: World, user: Any = None) -> str:
    return body(signed_in(user or world.lead).get(f"/projects/{world.project.slug}/statistics"))


def section(page: str, name: str) -> str:
    """The text of one section, without its mark-up."""
    start = page.index(f'id="{name}-h"')
    return words(page[start : page.index("</section>", start)])


def words(html: str) -> str:
    return re.sub(r"[ \n]+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def report(world: World, low: float | None = 0.4, high: float | None = 0.8) -> AgreementReport:
    """An interval of ordinal α from 50 items, 0.4 wide."""
    return AgreementReport.objects.create(
        project=world.project, job=compute(world), computed_at=NOW, criterion="overall", kind="pairwise",
        scale_low=-1, scale_high=1, coefficient="krippendorff_alpha", level="ordinal",
        value=None if low is None else 0.6, low=low, high=high, items=50, judgments=200, annotators=4,
        reason="" if low is not None else "Needs 30 shared items, has 12.", confidence=0.95, n_resamples=1000,
        seed=0,
    )  # fmt: skip


def test_the_page_names_the_contested_items_in_order_and_leads_to_them() -> None:
    world, _ = judged()
    compute(world)
    page = page_of(world)
    numbers = [
        int(n) for n in re.findall(rf'href="/projects/{world.project.slug}/batches/1/items/(\d+)"', page)
    ]
    assert [f"row-{n}" for n in numbers] == CONTESTED
    said = section(page, "contested")
    assert "4 of 12 items with 3 judgments or more are contested: it is not 85 % certain" in said
    assert "That is 33.3\u202f% [13.8\u202f%, 60.9\u202f%]." in said
    assert "row-1 Batch 1 3 0 1 81.2\u202f%" in said and "row-2 Batch 1 1 0 3 81.2\u202f%" in said
    engineer = page_of(world, world.member("engineer").user)
    assert "row-1 Batch 1 3 0 1" in section(engineer, "contested") and "/items/" not in engineer


def test_where_all_agree_the_page_names_no_item() -> None:
    world, _ = judged(AGREED)
    compute(world)
    page = page_of(world)
    assert "0 of 12 items with 3 judgments or more are contested" in section(page, "contested")
    assert "row-" not in section(page, "contested") and "Ask for them" not in page


def test_a_lead_asks_for_more_judgments_of_those_items_alone() -> None:
    world, _ = judged()
    compute(world)
    page = page_of(world)
    hidden = re.search(r'<input type="hidden" name="items" value="([^"]*)"', page)
    assert hidden and 'name="overlap" value="6"' in page
    names = unescape(hidden[1])
    assert sorted(names.split()) == sorted(CONTESTED)
    address = f"/projects/{world.project.slug}/batches/1/overlap"
    assert f'action="{address}"' in page
    sent = signed_in(world.lead).post(address, {"overlap": "6", "items": names.replace("\n", "\r\n")})
    assert sent.status_code == 302
    wanted = dict(Item.objects.values_list("external_id", "target_overlap"))
    assert {name for name, overlap in wanted.items() if overlap == 6} == set(CONTESTED)
    assert f'action="{address}"' not in page_of(world), "more is asked for already"
    assert f'action="{address}"' not in page_of(world, world.member("reviewer").user)


def test_who_may_yet_judge_here_sees_no_item() -> None:
    world, _ = judged()
    compute(world)
    reviewer = world.member("reviewer").user
    add_member(project=world.project, actor=world.lead, email=reviewer.email, role="annotator", now=NOW)
    assert "row-1" in page_of(world, reviewer), "nothing is open"
    world.batch(items=1)
    said = section(page_of(world, reviewer), "contested")
    assert "4 of 12" in said and "row-" not in said and "once nothing is left for you" in said
    assert api(world, reviewer, "/items").status_code == 403
    assert api(world, reviewer, "").status_code == 200


def test_narrower_intervals_take_so_many_items_and_cost_so_much() -> None:
    """50 items give 0.4: four times as narrow takes 16 times as many. Each takes 4 judgments at £0.50."""
    world, _ = judged(**PAID)
    report(world)
    said = section(page_of(world), "stopping")
    assert "from 50 shared items" in said
    assert "0.10 wide 750 800 £1,500.00" in said and "0.05 wide 3150 3200 £6,300.00" in said
    assert "costs £2.00 on average" in said


def test_the_price_is_the_mean_over_the_items_of_open_batches() -> None:
    world = make_world()
    batch = world.batch(items=3, overlap=2, **PAID)
    closed = world.batch(items=5, overlap=9, **PAID)
    close_batch(batch=closed, actor=world.lead, now=NOW)
    world.batch(items=4, overlap=7, purpose=Batch.Purpose.TRAINING, **PAID)
    world.item(batch, 4, ["One", "Two"], target_overlap=4)
    world.item(batch, 5, ["A check", "of people"], target_overlap=0)
    price = price_of_item(world.project)
    assert (price.amount, price.currency) == (Decimal("1.25"), "GBP")  # 0.5 · (2 + 2 + 2 + 4) / 4


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ({}, {}, ""),
        (PAID, {}, "Some open batches name no pay, so no cost is said."),
        (PAID, PAID | {"pay_currency": "EUR"}, "Open batches pay in EUR and GBP, so no cost is said."),
    ],
)
def test_without_one_price_there_is_no_money(first: Any, second: Any, sentence: str) -> None:
    world, _ = judged("1221", **first)
    world.batch(items=1, **second)
    report(world)
    said = section(page_of(world), "stopping")
    assert "0.10 wide 750 800" in said and sentence in said
    assert "£" not in said and "Cost" not in said and ("no cost is said" in said) == bool(sentence)


def test_items_that_one_more_judgment_could_settle_are_counted() -> None:
    world, _ = judged(NOISY)
    job = compute(world)
    gains = gains_of(job.pk)
    assert (gains.items, gains.worth, gains.reason) == (12, 2, "")
    said = section(page_of(world), "stopping")
    assert "2 of 12 judged items in open batches would still gain more than 1 % from" in said
    close_batch(batch=world.project.batches.get(), actor=world.lead, now=NOW)
    assert "No open batch has a judged item" in section(page_of(world), "stopping")


def test_with_too_few_data_the_page_says_so() -> None:
    world, _ = judged("1221", **PAID)
    compute(world)
    page = page_of(world)
    assert "No item has 3 judgments yet." in section(page, "contested")
    said = section(page, "stopping")
    assert "There is no interval yet." in said and "£" not in said
    assert "not known. All judgments are one person's, so errors cannot be told from answers." in said
    report(world, None, None)
    assert "There is no interval yet. Needs 30 shared items, has 12." in section(page_of(world), "stopping")
    empty = make_world()
    assert 'id="stopping-h"' not in page_of(empty)
    compute(empty)
    assert "No open batch has a judged item" in section(page_of(empty), "stopping")


# The API


def api(world: World, user: Any, path: str, **query: Any) -> Any:
    client = Client(headers={"authorization": f"Bearer {world.token(user)}"})
    return client.get(f"/api/v1/projects/{world.project.slug}/statistics{path}", query)


def test_the_figures_come_as_they_are_stored_and_under_pseudonyms() -> None:
    world, people = judged()
    assert api(world, world.lead, "").json() == {
        "computed_at": None,
        "last_judgment": None,
        "results": [],
        "strata": [],
    }
    job = compute(world)
    found = api(world, world.member("engineer").user, "").json()
    stored = list(Statistic.objects.filter(job=job).order_by("id"))
    assert found["last_judgment"] == stored[0].last_judgment_id
    assert datetime.fromisoformat(found["computed_at"]) == stored[0].computed_at
    assert [one["name"] for one in found["results"]] == [one.name for one in stored]
    contested = next(one for one in found["results"] if one["name"] == "contested_items")
    assert contested == {
        "family": "agreement", "name": "contested_items", "criterion": "overall", "slice_by": "",
        "slice_value": "", "annotator": None, "value": 4 / 12, "low": pytest.approx(0.13812, abs=1e-5),
        "high": pytest.approx(0.60938, abs=1e-5), "p_adjusted": None, "n": 12,
        "counted": "items with 3 judgments",
        "method": "Beta posterior of the majority below 85%; Wilson", "confidence": 0.95,
    }  # fmt: skip
    gold = [one for one in found["results"] if one["name"] == "gold_accuracy"]
    assert {one["annotator"] for one in gold} == {person.pseudonym for person in people}
    assert {(one["value"], one["reason"]) for one in gold} == {(None, "Needs 10 gold answers, has 0.")}
    assert "@" not in str(found)
    assert api(world, people[0].user, "").status_code == 403


def test_items_come_in_pages_by_the_id_of_the_file() -> None:
    world, people = judged()
    assert api(world, world.lead, "/items").json() == {"results": [], "next": None}
    compute(world)
    other, _ = judged("1221")
    compute(other)
    client = Client(headers={"authorization": f"Bearer {world.token(world.member('reviewer').user)}"})
    address, found = f"/api/v1/projects/{world.project.slug}/statistics/items?limit=5", []
    for left in (5, 5, 2):
        page = client.get(address).json()
        assert len(page["results"]) == left
        found += page["results"]
        # A computation between two pages neither repeats an item nor leaves one out.
        compute(world)
        address = page["next"]
    assert address is None
    assert [one["item"] for one in found] == [f"row-{n}" for n in range(1, len(SPLIT) + 1)]
    first = found[0]
    assert (first["batch"], first["criterion"], first["leading"]) == (1, "overall", "first")
    assert first["judgments"] == {"first": 3, "same": 0, "second": 1}
    assert first["certainty"] == pytest.approx(0.8125) and sum(first["posterior"].values()) == pytest.approx(
        1
    )
    assert found[2]["leading"] is None and "reason" not in first
    assert api(world, people[0].user, "/items").status_code == 403
    assert api(make_world(), world.lead, "/items").status_code == 404


def test_where_the_people_model_is_silent_the_api_says_why() -> None:
    world, _ = judged("1221")
    compute(world)
    one = api(world, world.lead, "/items").json()["results"][0]
    assert (one["posterior"], one["expected_gain"]) == (None, None)
    assert one["reason"] == "All judgments are one person's, so errors cannot be told from answers."
    assert one["leading"] == "first" and one["certainty"] == pytest.approx(0.75)


@pytest.mark.parametrize("cursor", ["p=abc", "p=99999999999999999999", "p=1&o=x", "p=\x00"])
def test_a_cursor_of_ones_own_making_finds_nothing(cursor: str) -> None:
    world, _ = judged("1221")
    compute(world)
    made = b64encode(cursor.encode()).decode()
    assert api(world, world.lead, "/items", cursor=made).status_code in (200, 404)
