"""What groups of annotators prefer, from what people said of themselves to rows: found if planted, hidden if small."""

import json
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from annotation.models import Job, StratumAnswer
from annotation.services.strata import answer_strata, drop_stratum
from comparisons.models import StratumFigure
from comparisons.services.statistics import enqueue_nightly_statistics
from comparisons.studies.strata import TOO_FEW
from tests.comparisons.strata import OPTIONS, ask, cells, compute, judged, say
from tests.factories import NOW, make_world

pytestmark = pytest.mark.django_db
UNDER, OVER, NEITHER = OPTIONS


def test_a_planted_difference_is_found_and_is_outside_where_it_is_hidden() -> None:
    """Both groups lean as planted, and the share of all together, which hides them, is in the interval of neither."""
    world, _, _ = judged((10, 10), (1 / 3, 5 / 6), spread=1)
    found = cells(compute(world))
    under, over = found[UNDER], found[OVER]
    assert (under.value, over.value) == (0.33, 0.83)
    assert under.people == over.people == 10
    assert (under.rest, over.rest, under.everybody) == (0.83, 0.33, 0.58)
    assert under.high is not None and over.low is not None and under.high < 0.58 < over.low
    assert under.p_adjusted is not None and under.p_adjusted < 0.001
    assert (
        StratumFigure.objects.filter(measure="pair", stratum=UNDER).get().value == 0.67
    )  # of model-0 over model-1


def test_people_who_differ_within_a_group_widen_its_interval() -> None:
    world, question, groups = judged((10, 10), (1 / 3, 2 / 3))
    for one, other in zip(groups[0][:5], groups[1][:5], strict=True):
        say(one, question, 1, after=90)
        say(other, question, 0, after=90)
    found = cells(compute(world, after=120))
    assert found[UNDER].value == found[OVER].value == 0.5
    # Five shares of 1/3 and five of 2/3: mean 1/2, standard error 0.1757/√10, t(9) = 2.2622.
    assert (found[UNDER].low, found[UNDER].high) == (0.37, 0.63)
    assert found[UNDER].p_adjusted == 1.0


def test_p_values_count_all_groups_and_models() -> None:
    """Shares of 2/6 and 4/6 beside 3/6 and 5/6, five people each: t(18) = 2.1213, so p = 0.0480."""
    world, _, _ = judged((10, 10), (1 / 2, 2 / 3), spread=1)
    job = compute(world)
    for cell in cells(job).values():
        assert cell.p_adjusted == pytest.approx(4 * 0.0480, abs=0.001)  # two models, two groups
    for cell in cells(job, "pair", "model-0").values():
        assert cell.p_adjusted == pytest.approx(2 * 0.0480, abs=0.001)
    # No response is longer than the other.
    assert not cells(job, "longer", "")


def test_a_small_group_is_hidden_and_the_smallest_of_the_others_with_it() -> None:
    """Of three groups one has nine people. With two shown its figure would be the total less theirs."""
    world, _, _ = judged((12, 10, 9), items=2)
    assert list(cells(compute(world))) == [UNDER]
    assert not StratumFigure.objects.exclude(stratum=UNDER).exists()


def test_of_two_groups_with_a_small_one_none_is_shown() -> None:
    world, _, _ = judged((15, 9), items=2, silent=3)
    figure = StratumFigure.objects.get(job=compute(world))
    assert (figure.value, figure.people, figure.stratum, figure.reason) == (None, 0, "", TOO_FEW)


def test_a_group_that_everybody_is_in_is_not_shown() -> None:
    world, _, _ = judged((15,), items=2)
    assert StratumFigure.objects.get(job=compute(world)).reason == TOO_FEW


def test_who_joins_counts_in_fives_and_the_first_to_say_come_first() -> None:
    """Five people who never prefer model-1 join ten who always do, one by one."""
    world, question, groups = judged((10, 10), (0.0, 1.0), silent=5)
    for number, person in enumerate(groups[2], start=1):
        over = cells(compute(world, after=100 * number))[OVER]
        assert (over.people, over.value) == (10, 1.0)
        say(person, question, 1, after=60 + number)
    over = cells(compute(world, after=1000))[OVER]
    assert (over.people, over.value) == (15, 0.67)


def test_who_said_nothing_counts_among_everybody_else() -> None:
    world, _, _ = judged((10, 10), (0.0, 1.0), silent=10)
    found = cells(compute(world))
    # Everybody else than the second group: twenty people who never prefer model-1.
    assert (found[OVER].rest, found[UNDER].rest) == (0.0, 0.5)


def test_where_all_of_a_group_agree_the_interval_is_not_a_point() -> None:
    world, _, _ = judged((10, 10), (0.0, 1.0))
    found = cells(compute(world))
    # Wilson's interval for none of 10, worked out by hand: 1.96² / (10 + 1.96²).
    assert (found[UNDER].low, found[UNDER].high) == (0.0, 0.28)


def test_a_withdrawn_answer_is_out_of_the_next_figures() -> None:
    world, question, groups = judged((10, 10))
    assert cells(compute(world))
    say(groups[0][0], question, None, after=90)
    assert StratumFigure.objects.get(job=compute(world, after=120)).reason == TOO_FEW


def test_a_night_computes_again_where_somebody_withdrew_and_only_there() -> None:
    world, question, groups = judged((10, 10), items=2)
    compute(world)
    night = timezone.now().replace(hour=3) + timedelta(days=2)
    enqueue_nightly_statistics(night)
    assert not Job.objects.filter(created_at=night).exists()
    answer_strata(annotator=groups[0][0], options={question.pk: None}, actor=world.lead, now=timezone.now())
    enqueue_nightly_statistics(night)
    assert Job.objects.get(created_at=night).project == world.project


def test_with_a_question_its_answers_and_figures_go() -> None:
    world, question, _ = judged((10, 10), items=2)
    compute(world)
    drop_stratum(question=question, actor=world.lead, now=NOW)
    assert not StratumAnswer.objects.exists() and not StratumFigure.objects.exists()


def test_without_judgments_and_for_other_kinds_nothing_is_invented() -> None:
    world = make_world()
    ask(world)
    assert StratumFigure.objects.get(job=compute(world)).reason == TOO_FEW
    world = make_world({"kind": "ranking"})
    ask(world)
    assert not StratumFigure.objects.filter(job=compute(world)).exists()


def test_the_table_refuses_a_cell_that_is_too_small() -> None:
    world, _, _ = judged((10, 10), items=2)
    figure = next(iter(cells(compute(world)).values()))
    figure.pk, figure.stratum, figure.people = None, "other", 9
    with pytest.raises(DatabaseError, match="stratumfigure_minimum_cell"), transaction.atomic():
        figure.save(force_insert=True)
    with pytest.raises(DatabaseError, match="stratumfigure_immutable"), transaction.atomic():
        StratumFigure.objects.update(value=0.5)


def test_the_api_has_the_cells_and_no_person() -> None:
    world, _, groups = judged((10, 10), (1 / 3, 5 / 6))
    compute(world)
    token = world.token(world.member("engineer").user)
    path = f"/api/v1/projects/{world.project.slug}/statistics"
    body = Client().get(path, headers={"Authorization": f"Bearer {token}"}).json()
    [one] = [
        row
        for row in body["strata"]
        if (row["subject"], row["other"], row["stratum"]) == ("model-1", "", OVER)
    ]
    assert (one["question"], one["value"], one["people"], one["measure"]) == ("Zyxage", 0.83, 10, "model")
    told = json.dumps(body["strata"])
    assert not any(person.pseudonym in told for group in groups for person in group)
    assert "annotator" not in told
