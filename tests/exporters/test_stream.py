"""The judgment stream: everything once, in order, never past a transaction that still runs."""

import threading
import time
from typing import Any

import pytest
from django.db import connection, transaction

from annotation.models import Judgment
from annotation.services.batches import close_batch
from exporters.stream import Cursor
from tests.exporters.releases import judge_item, judged_world
from tests.exporters.test_api import Api
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


def follow(api: Api, after: str = "", limit: int = 500) -> tuple[list[dict[str, Any]], str]:
    """All results from `after` on, and the last cursor."""
    found: list[dict[str, Any]] = []
    while True:
        page = api.get(f"/judgments?after={after}&limit={limit}").json()
        found += page["results"]
        after = page["after"]
        if page["next"] is None:
            return found, after


@pytest.fixture
def world() -> World:
    world = judged_world([[-2, 2, 0], [-1, 1, 0]])
    wait_for_older_transactions()
    return world


def wait_for_older_transactions() -> None:
    """The server's other databases have transactions too (other tests), and the stream ends below the oldest."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(transaction_id) FROM annotation_judgment")
        newest = cursor.fetchone()[0]
        for _ in range(1_200):
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            if cursor.fetchone()[0] > newest:
                return
            time.sleep(0.1)
    pytest.fail("another transaction has been running for two minutes")


@pytest.fixture
def api(world: World) -> Api:
    return Api(world, world.member("engineer"))


def test_pages_of_any_size_give_every_judgment_once(world: World, api: Api) -> None:
    expected = list(Judgment.objects.order_by("transaction_id", "pk").values_list("pk", flat=True))
    for limit in (1, 2, 5, 6, 500):
        found, after = follow(api, limit=limit)
        assert [judgment["id"] for judgment in found] == expected
        assert follow(api, after) == ([], after)


def test_a_later_visit_gets_only_what_is_new(world: World, api: Api) -> None:
    _, after = follow(api)
    world.batch(items=1, overlap=1)
    judge_item(world, world.member(), 3)
    wait_for_older_transactions()
    found, _ = follow(api, after)
    assert [judgment["answers"]["overall"] for judgment in found] == [{"preference": 3}]


def test_answers_come_in_stored_order_under_pseudonyms(world: World, api: Api) -> None:
    found, _ = follow(api)
    assert [judgment["answers"]["overall"] for judgment in found] == [
        {"preference": -2},
        {"preference": 2},
        {"preference": 0, "tie_reason": "both_good"},
        {"preference": -1},
        {"preference": 1},
        {"preference": 0, "tie_reason": "both_good"},
    ]
    names = set(Judgment.objects.values_list("annotator__pseudonym", flat=True))
    assert {judgment["annotator"] for judgment in found} == names
    text = api.get("/judgments").content.decode()
    for email in Judgment.objects.values_list("annotator__user__email", flat=True):
        assert email not in text


def test_rankings_and_ratings_are_lists_by_completion(world: World) -> None:
    ranking = make_world({"kind": "ranking", "overlap": 1})
    ranking.batch(items=1, completions=3)
    lease = ranking.lease(ranking.member())
    label = {position: "ABC"[place] for place, position in enumerate(lease.display_order)}
    ranking.submit(lease, {"ranking": [[label[2]], [label[0], label[1]]]})
    wait_for_older_transactions()
    found, _ = follow(Api(ranking, ranking.member("reviewer")))
    assert found[0]["answers"]["overall"] == [2, 2, 1]


def test_nothing_is_skipped_while_an_earlier_transaction_still_runs(world: World, api: Api) -> None:
    """A slow submit began first and commits last; the stream must not run ahead of it."""
    _, after = follow(api)
    world.batch(items=2, overlap=1)
    slow, quick = world.member(), world.member()
    has_written, may_commit = threading.Event(), threading.Event()

    def submit_slowly() -> None:
        try:
            with transaction.atomic():
                judge_item(world, slow, 1)
                has_written.set()
                assert may_commit.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=submit_slowly)
    thread.start()
    assert has_written.wait(20)
    judge_item(world, quick, 2)
    assert Judgment.objects.filter(annotator=quick).exists()
    early, after = follow(api, after)
    may_commit.set()
    thread.join()
    wait_for_older_transactions()
    late, _ = follow(api, after)
    assert early == []
    assert sorted(judgment["answers"]["overall"]["preference"] for judgment in late) == [1, 2]


@pytest.mark.parametrize(
    "query", ["after=x", "after=1", "after=1-", "after=-1-2", f"after={2**63}-1", "after=1-2-3"]
)
def test_a_cursor_that_is_none_answers_422(api: Api, query: str) -> None:
    response = api.get(f"/judgments?{query}")
    assert response.status_code == 422 and response.json()["errors"][0]["field"] == "after"


@pytest.mark.parametrize("limit", ["0", "-1", "x", "2001", "99999999999999999999"])
def test_limits_are_bounded(api: Api, limit: str) -> None:
    assert api.get(f"/judgments?limit={limit}").status_code == 422


def test_cursors_are_their_own_text() -> None:
    assert Cursor.parse(str(Cursor(12, 34))) == Cursor(12, 34)


def test_the_stream_is_for_reviewers_and_engineers(world: World) -> None:
    assert Api(world, world.member("reviewer")).get("/judgments").status_code == 200
    assert Api(world, world.member("annotator")).get("/judgments").status_code == 403
    assert Api(world, make_world().member("engineer")).get("/judgments").status_code == 404


def test_who_still_judges_does_not_see_the_answers_of_others(world: World) -> None:
    """I13: somebody with several roles sees nothing before their own answer is in."""
    world.batch(items=1, overlap=2)
    both = world.member("annotator")
    both.user.memberships.create(
        project=world.project, role="engineer", pseudonym="p-both", created_at=world.now
    )
    api = Api(world, both)
    assert api.get("/judgments").status_code == 403
    judge_item(world, both, 1)
    assert api.get("/judgments").status_code == 200


def test_who_still_holds_an_item_of_a_closed_batch_sees_no_answers_either(world: World) -> None:
    """I13: the lease outlives the batch, and so does the right to answer."""
    batch = world.batch(items=1, overlap=2)
    both = world.member("annotator")
    both.user.memberships.create(
        project=world.project, role="reviewer", pseudonym="p-both", created_at=world.now
    )
    lease = world.lease(both)
    close_batch(batch=batch, actor=world.lead, now=world.now)
    api = Api(world, both)
    assert api.get("/judgments").status_code == 403
    world.submit(lease)
    assert api.get("/judgments").status_code == 200
