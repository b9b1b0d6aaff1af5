"""What changed between two releases: the rows, the reasons, the page, the API, and who may look."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from annotation.models import Judgment
from annotation.services.judgments import Submission, correct_judgment, undo_judgment
from annotation.services.people import give_consent
from annotation.services.voiding import void_judgment
from exporters.compare import ERASED, ROWS_SHOWN, Row, changes, comparison, fates, rows_of
from exporters.models import Release
from exporters.settings import release_settings
from exporters.snapshot import select_rows
from tests.exporters.releases import cut, judge_item, judged_world
from tests.exporters.test_api import Api
from tests.exporters.test_clusters import distinct, near
from tests.exporters.test_near_splits import ask, body, sides
from tests.exporters.test_pages import address, signed_in, text
from tests.factories import NOW, World, make_world

LATER = NOW + timedelta(days=2)
ALL_TRAIN = {"split": {"train": 1}}

ROW = Row(
    id="1-1-0-1",
    batch=1,
    item=1,
    external_id="row-1",
    language="",
    chosen=0,
    rejected=1,
    strength=1.0,
    is_tie=False,
    split="train",
    judgments=(1, 2),
)


def by_id(*rows: Row) -> dict[str, Row]:
    return {row.id: row for row in rows}


def test_each_kind_of_change_is_told_apart() -> None:
    swapped = replace(ROW, chosen=1, rejected=0)
    weaker = replace(ROW, id="1-2-0-1", strength=0.5)
    moved = replace(ROW, id="1-3-0-1", split="test")
    both = replace(ROW, id="1-4-0-1", split="test", is_tie=True, strength=0.0)
    backed = replace(ROW, id="1-5-0-1", judgments=(1, 2, 3))
    before = by_id(ROW, *(replace(ROW, id=f"1-{n}-0-1") for n in (2, 3, 4, 5)), replace(ROW, id="gone"))
    after = by_id(replace(ROW, id="added"), swapped, weaker, moved, both, backed)
    found = changes(before, after)
    assert [row.id for row in found.added] == ["added"]
    assert [row.id for row in found.gone] == ["gone"]
    assert [row.id for _, row in found.relabelled] == ["1-1-0-1", "1-2-0-1", "1-4-0-1"]
    assert [row.id for _, row in found.moved] == ["1-3-0-1", "1-4-0-1"]
    assert all(one == before[one.id] and other == after[other.id] for one, other in found.relabelled)
    assert found.same == 1
    assert changes(before, before).same == len(before)


pytestmark = pytest.mark.django_db(transaction=True)


def named(change: dict[str, Any]) -> list[tuple[str, list[str]]]:
    assert change["count"] == len(change["rows"])
    return [(row["id"], row["reasons"]) for row in change["rows"]]


def only(found: dict[str, Any], kind: str) -> list[tuple[str, list[str]]]:
    """The rows of one kind of change, where there is no other."""
    others = {"added", "gone", "relabelled", "moved"} - {kind}
    assert {name: found[name]["count"] for name in others} == dict.fromkeys(others, 0)
    return named(found[kind])


def compared(world: World, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return comparison(cut(world, before)[0], cut(world, after)[0])


@pytest.mark.parametrize("labels", ["majority", "every"])
def test_rows_have_the_names_of_the_files(labels: str) -> None:
    """Whatever a file calls a row, the comparison calls it too."""
    world = judged_world([[-2, 0, 1], [2, 0, 1]])
    settings = ALL_TRAIN | {"labels": labels, "ties": "both"}
    release, _ = cut(world, settings)
    names = [row.id for row in select_rows(world.project, release_settings(settings)).rows]
    assert [row.id for row in rows_of(release)] == names
    assert len(set(names)) == len(names) == {"majority": 5, "every": 8}[labels]


def test_nothing_changed() -> None:
    found = compared(judged_world([[-2, 1]]), {}, {})
    assert found["rows"] == {"before": 2, "after": 2, "same": 2}
    assert found["settings"] == [] and only(found, "added") == []


def test_a_new_batch() -> None:
    world = judged_world([[-2]])
    before, _ = cut(world, ALL_TRAIN)
    world.now = LATER
    world.batch(items=2, overlap=1)
    annotator = world.member()
    for _ in range(2):
        judge_item(world, annotator, 1)
    found = comparison(before, cut(world, ALL_TRAIN)[0])
    assert only(found, "added") == [("2-1-0-1", ["new batch 2"]), ("2-2-0-1", ["new batch 2"])]


def test_more_judgments_swap_add_and_take_away() -> None:
    world = make_world(protocol={"kind": "pairwise", "points": 7, "overlap": 3})
    world.batch(items=3)
    first = world.member()
    for preference in (-1, -1):
        judge_item(world, first, preference)
    before, _ = cut(world, ALL_TRAIN)
    world.now = LATER
    others = [world.member(), world.member()]
    for annotator, preferences in zip(others, [(2, 2, 1), (2, 0, 1)], strict=True):
        for preference in preferences:
            judge_item(world, annotator, preference)
    found = comparison(before, cut(world, ALL_TRAIN)[0])
    assert named(found["relabelled"]) == [("1-1-0-1", ["more judgments"])]
    assert found["relabelled"]["rows"][0]["before"] == {
        "chosen": 0,
        "rejected": 1,
        "is_tie": False,
        "strength": 1.0,
    }
    after = found["relabelled"]["rows"][0]["after"]
    assert (after["chosen"], after["rejected"]) == (1, 0) and after["strength"] == pytest.approx(1 / 3)
    assert named(found["gone"]) == [("1-2-0-1", ["more judgments"])]
    assert named(found["added"]) == [("1-3-0-1", ["more judgments"])]


def test_a_voided_judgment() -> None:
    world = judged_world([[-2, 1], [-1, -1]])
    second = Judgment.objects.filter(item__number=1)
    settings = ALL_TRAIN | {"ties": "both"}
    before, _ = cut(world, settings)
    for judgment in second:
        void_judgment(judgment=judgment, reason="wrong", actor=world.lead, now=LATER)
    found = comparison(before, cut(world, settings)[0])
    assert only(found, "gone") == [("1-1-0-1", ["judgment voided"])]


def test_a_corrected_judgment() -> None:
    world = judged_world([[-2]])
    before, _ = cut(world, ALL_TRAIN)
    judgment = Judgment.objects.get()
    undo = undo_judgment(annotator=judgment.annotator, judgment=judgment)
    better = "AB"[judgment.display_order.index(1)]
    correct_judgment(
        annotator=judgment.annotator,
        judgment=judgment,
        submission=Submission(undo.submission_id, judgment.attempt, {"preferred": better, "strength": 1}),
        now=NOW + timedelta(minutes=5),
    )
    found = comparison(before, cut(world, ALL_TRAIN)[0])
    assert only(found, "relabelled") == [("1-1-0-1", ["judgment corrected"])]


def test_a_judgment_that_is_not_there_any_more_was_erased() -> None:
    assert fates([10**9]) == {10**9: ERASED}


@pytest.mark.parametrize(
    ("chosen", "kind", "name"),
    [
        ({"filters": {"batches": [2]}}, "gone", "filters.batches"),
        ({"filters": {"languages": ["de"]}}, "gone", "filters.languages"),
        ({"filters": {"min_judgments": 2}}, "gone", "filters.min_judgments"),
    ],
)
def test_a_filter_takes_rows_away_and_gives_them_back(chosen: dict[str, Any], kind: str, name: str) -> None:
    """Item 1 of batch 1 fails each filter; item 2, in German and with two judgments, passes."""
    world = make_world(protocol={"kind": "pairwise", "points": 7, "overlap": 2})
    world.item(world.batch(items=0, overlap=1), 1, ["a", "b"], language="en")
    world.item(world.batch(items=0), 1, ["c", "d"], language="de")
    for annotator, answers in ((world.member(), 2), (world.member(), 1)):
        for _ in range(answers):
            judge_item(world, annotator, -1)
    wide, _ = cut(world, ALL_TRAIN)
    narrow, _ = cut(world, ALL_TRAIN | chosen)
    wide_again, _ = cut(world, ALL_TRAIN)
    found = comparison(wide, narrow)
    assert only(found, kind) == [("1-1-0-1", [f"setting {name}"])]
    assert [row["setting"] for row in found["settings"]] == [name]
    assert only(comparison(narrow, wide_again), "added") == [("1-1-0-1", [f"setting {name}"])]


def test_ties_and_labels() -> None:
    world = judged_world([[0, -2], [0, -2]])
    found = compared(world, ALL_TRAIN, ALL_TRAIN | {"ties": "both"})
    assert only(found, "added") == [("1-1-0-1", ["setting ties"]), ("1-1-1-0", ["setting ties"])]
    found = compared(world, ALL_TRAIN, ALL_TRAIN | {"labels": "mean_strength"})
    assert only(found, "relabelled") == [("1-2-0-1", ["setting labels"])]
    assert found["settings"] == [{"setting": "labels", "before": "majority", "after": "mean_strength"}]
    found = compared(world, ALL_TRAIN, ALL_TRAIN | {"labels": "every"})
    assert [reasons for _, reasons in named(found["gone"])] == [["setting labels"]]
    assert [reasons for _, reasons in named(found["added"])] == [["setting labels"]] * 2


def test_another_seed_moves_rows() -> None:
    world = make_world()
    ask(world, *(distinct(number) for number in range(12)))
    found = compared(world, body(0), body(1))
    moved = only(found, "moved")
    expected = [pk for pk, side in sides(world, 0).items() if sides(world, 1)[pk] != side]
    assert len(moved) == len(expected) > 0
    assert {tuple(reasons) for _, reasons in moved} == {("setting split.seed",)}


def test_a_joined_cluster_moves_rows() -> None:
    world = make_world()
    middle = near(distinct(1), "x")
    ask(world, distinct(1), near(middle, "y", 0))
    seed = next(n for n in range(50) if len(set(sides(world, n).values())) == 2)
    before, _ = cut(world, body(seed))
    world.now = LATER
    ask(world, middle)
    found = comparison(before, cut(world, body(seed))[0])
    assert named(found["moved"]) == [("1-2-0-1", ["cluster joined"])]
    assert found["moved"]["rows"][0]["before"] != found["moved"]["rows"][0]["after"]
    assert named(found["added"]) == [("2-1-0-1", ["new batch 2"])]
    assert found["gone"]["count"] == 0


def test_a_release_from_before_there_were_clusters_split_by_the_exact_prompt() -> None:
    world = make_world()
    ask(world, distinct(1), near(distinct(1), "x"))
    seed = next(n for n in range(50) if len(set(sides(world, n, clusters="exact").values())) == 2)
    before, _ = cut(world, body(seed, clusters="exact"))
    after, _ = cut(world, body(seed))
    del before.settings["split"]["clusters"]
    found = comparison(before, after)
    assert found["settings"] == [{"setting": "split.clusters", "before": "exact", "after": "near"}]
    assert only(found, "moved") == [("1-2-0-1", ["setting split.clusters"])]


def test_a_withdrawn_consent_is_a_reason_that_nobody_told() -> None:
    world = make_world(protocol={"kind": "pairwise", "points": 7, "overlap": 1}, consent="Agree?")
    world.batch(items=2)
    people = [world.member(), world.member()]
    for annotator in people:
        give_consent(annotator=annotator, now=NOW)
        judge_item(world, annotator, -1)
    before, _ = cut(world, ALL_TRAIN)
    people[0].consents.all().delete()
    assert only(comparison(before, cut(world, ALL_TRAIN)[0]), "gone") == [("1-1-0-1", [])]


def test_only_the_first_rows_are_shown_and_all_are_counted() -> None:
    world = make_world()
    ask(world, distinct(0))
    before, _ = cut(world, body())
    world.now = LATER
    ask(world, *(distinct(number) for number in range(1, ROWS_SHOWN + 6)))
    after, _ = cut(world, body())
    with CaptureQueriesContext(connection) as many:
        found = comparison(before, after)
    assert found["added"]["count"] == ROWS_SHOWN + 5
    assert [row["item"] for row in found["added"]["rows"]] == [f"row-{n}" for n in range(1, ROWS_SHOWN + 1)]
    assert len(many) == 5, [query["sql"] for query in many]


# Pages and API


@pytest.fixture
def world() -> World:
    world = judged_world([[-2, 2]])
    cut(world, ALL_TRAIN)
    cut(world, ALL_TRAIN | {"labels": "mean_strength"})
    return world


def test_the_api_tells_the_comparison_in_the_order_of_the_cuts(world: World) -> None:
    api = Api(world, world.member("engineer"))
    found = api.get("/releases/2/compare/1").json()
    before, after = world.project.releases.order_by("number")
    assert found == comparison(before, after)
    assert (found["before"], found["after"], found["relabelled"]["count"]) == ("1", "2", 2)
    assert api.get("/releases/1/compare/2").json() == found
    assert api.get("/releases/latest/compare/1").json() == found


def test_the_page_tells_it_too_and_the_list_leads_there(world: World) -> None:
    browser = signed_in(world.member("engineer"))
    listed = text(browser.get(address(world)))
    assert address(world, "/2/compare/1") in listed and "Compare with release 1" in listed
    assert address(world, "/1/compare/") not in listed
    page = text(browser.get(address(world, "/2/compare/1")))
    for words in (
        "From release 1 to 2",
        "2 rows before, 2 after, 0 unchanged",
        "<code>labels</code>",
        "response 1 over 2, strength 1",
        "response 1 over 2, strength 2",
        "response 2 over 1, strength 2",
        "setting labels",
        "No row was added.",
        "No row is gone.",
        "No row moved to another split.",
    ):
        assert words in page, words
    assert "style=" not in page.split("<main", 1)[1]


def test_only_frozen_releases_are_compared(world: World) -> None:
    Release.objects.create(
        project=world.project, number=3, version="3", settings={}, created_at=NOW, created_by=world.lead
    )
    member = world.member("engineer")
    refused = Api(world, member).get("/releases/3/compare/1")
    sentence = "Release 3 is not frozen; only frozen releases can be compared."
    assert refused.status_code == 409 and refused.json()["detail"] == sentence
    page = signed_in(member).get(address(world, "/1/compare/3"))
    assert page.status_code == 409 and sentence in text(page)


PAGE_QUERIES = 13
PATHS = ("/releases/2/compare/1", "/releases/1/compare/2")


@pytest.mark.parametrize("role", ["annotator", "reviewer", "lead"])
def test_comparisons_are_for_engineers(world: World, role: str) -> None:
    other, elsewhere = world.member(role), make_world().member("engineer")
    for path in PATHS:
        page = f"/projects/{world.project.slug}{path}"
        assert Api(world, other).get(path).status_code == 403
        assert signed_in(other).get(page).status_code == 403
        assert Api(world, elsewhere).get(path).status_code == 404
        assert signed_in(elsewhere).get(page).status_code == 404
        assert Client().get(page).status_code == 302


def test_a_release_of_another_project_is_not_there(world: World) -> None:
    elsewhere = judged_world([[-2]])
    cut(elsewhere, version="theirs")
    member = world.member("engineer")
    for path in ("/releases/1/compare/theirs", "/releases/theirs/compare/1", "/releases/1/compare/9"):
        assert Api(world, member).get(path).status_code == 404
        assert signed_in(member).get(f"/projects/{world.project.slug}{path}").status_code == 404


def test_who_still_judges_sees_no_labels(world: World) -> None:
    """I13: the labels are answers of others."""
    world.batch(items=1, overlap=1)
    both = world.member("annotator")
    both.user.memberships.create(
        project=world.project, role="engineer", pseudonym="p-both", created_at=world.now
    )
    for path in PATHS:
        assert Api(world, both).get(path).status_code == 403
        assert signed_in(both).get(f"/projects/{world.project.slug}{path}").status_code == 403
    judge_item(world, both, 1)
    assert Api(world, both).get(PATHS[0]).status_code == 200


@pytest.mark.parametrize("count", [1, 12])
def test_the_page_takes_the_same_queries_for_many_rows(count: int) -> None:
    world = judged_world([[2] * count])
    cut(world, ALL_TRAIN)
    cut(world, ALL_TRAIN | {"labels": "mean_strength"})
    browser = signed_in(world.member("engineer"))
    path = address(world, "/2/compare/1")
    browser.get(path)
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(path).status_code == 200
    print(f"{count} rows: {len(queries)} queries")
    assert len(queries) == PAGE_QUERIES
