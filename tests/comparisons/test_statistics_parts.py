"""Figures of parts of the answers, of models by the reliability of people, and when all figures are renewed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from annotation.jobs import run_claimed
from annotation.models import Completion, Job, Membership
from comparisons.aggregation import fit_crowd_bt, tabulate_comparisons
from comparisons.agreement import Bootstrap, cohen_kappa, index_ratings, krippendorff_alpha, tabulate_ratings
from comparisons.selectors import work_judgments
from comparisons.services.statistics import enqueue_statistics_of_hundreds
from comparisons.studies.board import reliable_strengths
from comparisons.studies.columns import SPACE
from comparisons.studies.data import choices_of, texts_of_items
from comparisons.studies.shown import shown_in
from tests.comparisons.test_statistics import answered, computed
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db

ITEMS = 70


def judged(
    preference: Callable[[int, int], int], *, items: int = ITEMS, skills: tuple[list[str], ...] = ([], [])
) -> tuple[World, list[Membership], dict[tuple[int, int], int]]:
    """Everybody judges every item; `preference` of (item number, number of the person) is −3…3 and never 0."""
    world = make_world({"kind": "pairwise", "points": 7, "overlap": len(skills)})
    world.batch(items=items)
    members = [world.member() for _ in skills]
    found = {}
    for index, (member, own) in enumerate(zip(members, skills, strict=True)):
        Membership.objects.filter(pk=member.pk).update(skills=own)
        for _ in range(items):
            lease = world.lease(member)
            number = lease.assignment.item.number
            signed = found[number, member.pk] = preference(number, index)
            world.submit(lease, answered(lease, int(signed > 0), strength=abs(signed)))
    return world, members, found


def uneven(number: int, person: int) -> int:
    """Strong and alike on 33 of 70 items, faint and mostly apart on the others; the third person errs throughout."""
    if number % 2 and number > 4:
        strong = 3 if number % 3 else -2
        return -strong if person == 2 and number % 5 == 0 else strong
    return (1 if (number // 2 + person) % 3 else -1) * (2 if person == 2 and number % 4 == 0 else 1)


def alpha_of(rows: dict[tuple[int, int], int]) -> tuple[float | None, int]:
    units, people = zip(*rows, strict=True)
    table = tabulate_ratings(units, people, list(rows.values()), domain=range(-3, 4))
    result = krippendorff_alpha(table, level="ordinal", seed=0)
    assert result.reason is None
    return result.value, result.items


def test_strength_splits_the_items_and_groups_split_the_people() -> None:
    world, people, found = judged(uneven, skills=(["law"], ["law", "code"], ["code"]))
    figures = computed(world)
    mean = {number: np.mean([abs(found[number, p.pk]) for p in people]) for number in range(1, ITEMS + 1)}
    middle = np.median(list(mean.values()))
    upper = {key: value for key, value in found.items() if mean[key[0]] > middle}
    lower = {key: value for key, value in found.items() if mean[key[0]] <= middle}
    assert 30 <= len(upper) // 3 < len(lower) // 3
    for half, rows in (("upper half", upper), ("lower half", lower)):
        figure = figures["krippendorff_alpha", "overall", half, None]
        assert (figure.slice_by, figure.value, figure.n) == ("strength", *alpha_of(rows))
    for skill, group in (("law", people[:2]), ("code", people[1:])):
        ids = {person.pk for person in group}
        figure = figures["krippendorff_alpha", "overall", skill, None]
        expected = alpha_of({key: value for key, value in found.items() if key[1] in ids})
        assert (figure.slice_by, figure.value, figure.n) == ("annotator group", *expected)
    strong, faint = (
        figures["krippendorff_alpha", "overall", half, None].value for half in ("upper half", "lower half")
    )
    assert strong is not None and faint is not None and strong > faint + 0.2


def test_a_skill_that_all_or_none_have_is_no_group() -> None:
    world, _, _ = judged(uneven, skills=(["law"], ["law"]), items=3)
    assert {figure.slice_by for figure in computed(world).values()} <= {"", "strength", "model"}


def test_who_contradicts_the_others_counts_for_less_in_crowd_bt() -> None:
    """model-1 is better to four people in two of three items; the fifth always says the opposite."""

    def preference(number: int, person: int) -> int:
        better = 1 if number % 3 else -1
        return -better if person == 4 else better

    world, people, found = judged(preference, items=30, skills=([],) * 5)
    figures = computed(world)
    place = {person.pk: index for index, person in enumerate(people)}
    signs = np.sign(list(found.values()))
    zero = np.zeros(len(signs), dtype=int)
    fit = fit_crowd_bt(tabulate_comparisons(zero, zero + 1, signs), [place[who] for _, who in found])
    assert fit.strengths is not None
    for model in (0, 1):
        figure = figures["crowd_strength", "overall", f"model-{model}", None]
        assert figure.value == pytest.approx(fit.strengths[model], abs=1e-3) and figure.n == 150
    crowd, plain = (
        figures[name, "overall", "model-1", None].value for name in ("crowd_strength", "strength")
    )
    assert crowd is not None and plain is not None and crowd > plain > 0
    # Which of two models was imported first is no matter.
    choices, shown = choices_of(work_judgments(world.project)), shown_in(world.project)
    turned = np.arange(len(shown.items)) % 3 == 0
    models = np.where(turned[:, np.newaxis], shown.models[:, ::-1], shown.models)
    signs = np.where(turned[shown.rows(choices.items)], -1, 1)
    again = reliable_strengths(
        replace(choices, preference=choices.preference * signs), replace(shown, models=models)
    )
    assert [(f.slice_value, f.value) for f in again] == [
        ("model-1", pytest.approx(crowd)), ("model-0", pytest.approx(-crowd))
    ]  # fmt: skip


def test_of_many_pairs_of_people_those_who_share_most_count() -> None:
    units = [*range(40), *range(40), *range(35), *range(33)]
    people = [0] * 40 + [1] * 40 + [2] * 35 + [3] * 33
    values = [(u * 7 + p * p) % 3 for u, p in zip(units, people, strict=True)]
    ratings = index_ratings(units, people, values)
    every = cohen_kappa(ratings, Bootstrap(0))
    some = cohen_kappa(ratings, Bootstrap(0), most=2)
    assert [(p.first, p.second) for p in some.pairs] == [(0, 1), (0, 2)]
    assert some.pairs == (every.pairs[0], every.pairs[1]) and len(every.pairs) == 6
    weights = [40, 35]
    assert some.value == pytest.approx(np.average([p.value for p in some.pairs], weights=weights))


def test_columns_are_what_the_rows_say() -> None:
    """Texts are counted without the space around them, as the traits of texts are; sides are those of the import."""
    world = make_world({"kind": "pairwise", "points": 7, "overlap": 1})
    batch = world.batch(items=0)
    world.item(batch, 1, [f" {SPACE}längst\n\tda {SPACE}", "日本語"], language="de")
    talk = world.item(batch, 2, [""], language="ar")
    said = [("assistant", " one"), ("user", "and?"), ("assistant", "two\n")]
    Completion.objects.create(
        item=talk, position=1, messages=[{"role": role, "content": text} for role, text in said],
        model="model-1", content_hash="0" * 64, source_line=2,
    )  # fmt: skip
    person = world.member()
    for _ in range(2):
        lease = world.lease(person)
        seconds = None if lease.assignment.item.number == 1 else 12.5
        world.submit(lease, answered(lease, 1, strength=3), active_seconds=seconds)
    choices = choices_of(work_judgments(world.project))
    shown = shown_in(world.project)
    texts = texts_of_items(choices.items.tolist())
    for row, item in zip(shown.rows(choices.items), choices.items.tolist(), strict=True):
        assert shown.characters[row].tolist() == [len(text.strip()) for text in texts[item]]
        assert [shown.names[m] for m in shown.models[row]] == ["model-0", "model-1"]
    assert dict(zip(choices.languages.tolist(), np.isnan(choices.seconds).tolist(), strict=True)) == {
        "de": True,
        "ar": False,
    }
    assert choices.preference.tolist() == [3, 3] and choices.bound == 3
    orders = dict(work_judgments(world.project).values_list("pk", "display_order"))
    assert choices.is_swapped.tolist() == [orders[pk][0] == 1 for pk in choices.judgments.tolist()]


# When figures are renewed


def test_a_hundred_new_judgments_start_one_run_after_a_rest() -> None:
    world, _, _ = judged(uneven, items=50)
    idle = make_world()

    def queued(now_after: float) -> int:
        enqueue_statistics_of_hundreds(NOW + timedelta(seconds=now_after))
        assert not Job.objects.filter(project=idle.project, kind="compute_statistics").exists()
        return Job.objects.filter(project=world.project, kind="compute_statistics").count()

    assert queued(0) == 1, "a hundred that no figure has seen"
    assert queued(1) == 1, "one is on its way"
    job = Job.objects.get(kind="compute_statistics")
    run_claimed(str(job.pk), NOW)
    Job.objects.filter(pk=job.pk).update(created_at=NOW, finished_at=NOW + timedelta(seconds=60))
    assert queued(10_000) == 1, "nothing new"
    batch = world.batch(items=100, overlap=1)
    member = world.member()
    for number in range(100):
        assert queued(10_000) == 1, f"{number} new"
        world.judge(member)
    assert batch.items.count() == 100
    Job.objects.filter(pk=job.pk).update(finished_at=NOW + timedelta(seconds=1))
    assert queued(1 + 5 * 60 - 1) == 1, "the last run took a second"
    Job.objects.filter(pk=job.pk).update(finished_at=NOW + timedelta(seconds=60))
    assert queued(60 + 9 * 60 - 1) == 1, "the last run took a minute"
    assert queued(60 + 9 * 60) == 2
