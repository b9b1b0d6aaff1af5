"""What the judgments of each item say together: from judgments to rows, and what the table refuses."""

from typing import Any

import numpy as np
import pytest
from django.db import DatabaseError, IntegrityError, transaction

from annotation.jobs import run_claimed
from annotation.models import Job
from comparisons.aggregation import fit_dawid_skene, tabulate_judgments
from comparisons.models import Aggregate, Statistic
from comparisons.selectors_items import contested_items, items_with_enough
from comparisons.stopping import certainty, tie_probability
from tests.comparisons.contested import AGREED, CONTESTED, NOISY, SPLIT, compute, judged
from tests.factories import NOW, make_world

pytestmark = pytest.mark.django_db


def rows_of(job: Job) -> dict[str, Aggregate]:
    return {row.item.external_id: row for row in Aggregate.objects.filter(job=job).select_related("item")}


def test_each_item_has_its_counts_and_what_is_certain_of_them() -> None:
    job = compute(judged()[0])
    rows = rows_of(job)
    assert len(rows) == len(SPLIT)
    for number, said in enumerate(SPLIT, 1):
        row = rows[f"row-{number}"]
        assert (row.n_first, row.n_same, row.n_second) == tuple(said.count(one) for one in "1=2")
        assert row.judgments == 4 and row.reason == ""
    assert [rows[f"row-{n}"].leading for n in (1, 2, 3, 4, 5, 12)] == [
        *("first", "second", "", "second", "first", "second")
    ]  # fmt: skip
    # Beta posteriors of three of four, two of four and four of four, in closed form.
    assert rows["row-1"].certainty == rows["row-2"].certainty == pytest.approx(0.8125)
    assert rows["row-3"].certainty == pytest.approx(0.5)
    assert rows["row-5"].certainty == rows["row-12"].certainty == pytest.approx(0.96875)


def test_contested_items_are_found_the_most_contested_first() -> None:
    job = compute(judged()[0])
    assert [row.item.external_id for row in contested_items(job.pk)] == CONTESTED
    figure = Statistic.objects.get(job=job, name="contested_items")
    assert (figure.value, figure.n, figure.criterion) == (pytest.approx(4 / 12), 12, "overall")
    # Wilson's score interval for 4 of 12, worked out by hand.
    assert (figure.low, figure.high) == (pytest.approx(0.13812, abs=1e-5), pytest.approx(0.60938, abs=1e-5))


def test_where_all_agree_nothing_is_contested() -> None:
    job = compute(judged(AGREED)[0])
    assert list(contested_items(job.pk)) == [] and items_with_enough(job.pk) == len(AGREED)
    assert Statistic.objects.get(job=job, name="contested_items").value == 0


def test_who_all_see_no_difference_agree() -> None:
    job = compute(judged(["====", "1===", *AGREED])[0])
    rows = rows_of(job)
    assert rows["row-1"].certainty == pytest.approx(0.5) and rows["row-1"].leading == ""
    assert rows["row-1"].tie_probability == pytest.approx(0.96875)
    assert rows["row-2"].tie_probability == pytest.approx(0.8125)
    assert [row.item.external_id for row in contested_items(job.pk)] == ["row-2"]
    assert Statistic.objects.get(job=job, name="contested_items").value == pytest.approx(1 / 14)


def test_two_that_differ_are_few_and_not_contested() -> None:
    job = compute(judged(["12", "11", "22"] * 4)[0])
    assert rows_of(job)["row-1"].certainty == pytest.approx(0.5)
    assert list(contested_items(job.pk)) == []
    figure = Statistic.objects.get(job=job, name="contested_items")
    assert (figure.value, figure.reason) == (None, "Needs 10 items with 3 judgments, has 0.")


def test_certainty_has_its_closed_values_item_by_item() -> None:
    found = certainty([2, 3, 1, 0, 0, 2], [0, 1, 4, 0, 0, 0], [0, 0, 0, 0, 2, 2])
    assert found == pytest.approx(np.array([0.875, 0.8125, 0.890625, 0.5, 0.5, 0.8125]))
    found = tie_probability([0, 1, 0], [0, 0, 1], [2, 3, 0])
    assert found == pytest.approx(np.array([0.875, 0.8125, 0.25]))
    with pytest.raises(ValueError, match="0 or more"):
        certainty([1, -1], [0, 0])


def test_the_people_model_stands_beside_and_believes_whom_the_others_follow() -> None:
    rows = rows_of(compute(judged()[0]))
    for row in rows.values():
        posterior = (row.posterior_first, row.posterior_same, row.posterior_second)
        assert sum(one or 0 for one in posterior) == pytest.approx(1)
        assert row.expected_gain is not None
    one, other = rows["row-5"], rows["row-12"]
    assert one.posterior_first is not None and one.posterior_first > 0.9
    assert other.posterior_second is not None and other.posterior_second > 0.9


def test_the_gain_is_that_of_one_more_answer_by_people_who_err_as_these_do() -> None:
    rows = rows_of(compute(judged(NOISY)[0]))
    cells = [(item, who, "1=2".index(one)) for item, said in enumerate(NOISY) for who, one in enumerate(said)]
    fit = fit_dawid_skene(tabulate_judgments(*zip(*cells, strict=True)))
    assert fit.confusion is not None and fit.posterior is not None
    errs = fit.confusion.mean(axis=0)
    for number, belief in enumerate(fit.posterior, 1):
        row = rows[f"row-{number}"]
        assert (row.posterior_first, row.posterior_same, row.posterior_second) == pytest.approx(tuple(belief))
        after = sum(max(belief[k] * errs[k, answer] for k in range(3)) for answer in range(3))
        assert row.expected_gain == pytest.approx(after - max(belief))
    worth = {name for name, row in rows.items() if (row.expected_gain or 0) > 0.01}
    assert worth == {"row-6", "row-8"}


def test_an_answer_that_nobody_gave_is_not_believed() -> None:
    rows = rows_of(compute(judged([*SPLIT[:3], *SPLIT[4:]])[0]))
    assert {row.posterior_same for row in rows.values()} == {0}


def test_without_a_second_person_the_model_says_why_it_is_silent() -> None:
    rows = rows_of(compute(judged("1221")[0]))
    assert rows["row-1"].reason == "All judgments are one person's, so errors cannot be told from answers."
    assert {(row.posterior_first, row.expected_gain) for row in rows.values()} == {(None, None)}
    assert rows["row-1"].certainty == pytest.approx(0.75)
    assert not Aggregate.objects.filter(job=compute(make_world()))


def test_a_job_that_runs_again_adds_nothing_and_the_next_replaces_its_rows() -> None:
    other = compute(judged("12")[0])
    world, _ = judged("1221")
    job = compute(world)
    Job.objects.filter(pk=job.pk).update(state=Job.State.QUEUED)
    run_claimed(str(job.pk), NOW)
    assert Aggregate.objects.filter(job=job).count() == 4
    later = compute(world)
    assert Aggregate.objects.filter(job=later).count() == 4 and not Aggregate.objects.filter(job=job).exists()
    assert Aggregate.objects.filter(job=other).count() == 2, "those of another project stay"


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"certainty": 0.4}, "aggregate_certainty_in_range"),
        ({"tie_probability": 1.1}, "aggregate_tie_is_share"),
        ({"n_first": 0, "n_same": 0, "n_second": 0}, "aggregate_rests_on_judgments"),
        ({"posterior_first": 0.7, "posterior_same": 0, "posterior_second": 0.7}, "posterior_is_distribution"),
        (
            {"posterior_first": 1.2, "posterior_same": 0, "posterior_second": -0.2},
            "posterior_is_distribution",
        ),
        ({"posterior_first": None}, "aggregate_posterior_or_reason"),
        ({"reason": "There are no judgments."}, "aggregate_posterior_or_reason"),
        ({"expected_gain": -0.1}, "aggregate_gain_is_share"),
        ({}, "aggregate_once_per_job"),
    ],
)
def test_the_table_refuses_what_makes_no_sense(changes: dict[str, Any], constraint: str) -> None:
    world, _ = judged(["12", "11", "22"])
    row = Aggregate.objects.filter(job=compute(world)).first()
    assert row is not None
    row.pk = None
    for name, value in changes.items():
        setattr(row, name, value)
    if changes:
        row.item = world.item(row.item.batch, 99, ["One", "Two"])
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        row.save(force_insert=True)


def test_rows_are_never_changed() -> None:
    compute(judged(["12", "11", "22"])[0])
    with pytest.raises(DatabaseError, match="aggregate_immutable"), transaction.atomic():
        Aggregate.objects.update(certainty=1)
