"""Figures of rankings: how far people put the completions in the same order, and how the models stand by it."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
from django.db.models import QuerySet

from annotation.models import Judgment, Project
from comparisons.aggregation import RankingTable, fit_plackett_luce, tabulate_rankings
from comparisons.aggregation.plackett_luce import UNRANKED
from comparisons.agreement import (
    Bootstrap,
    RatingTable,
    gwet_ac,
    kendall_tau,
    kendall_w,
    krippendorff_alpha,
    tabulate_ratings,
)
from comparisons.models import RankingAnswer
from comparisons.studies import people
from comparisons.studies.agreeing import METHOD, alphas_of_parts, figure, people_in
from comparisons.studies.board import MODELS_MIN, NOT_CONVERGED, TOO_FEW_MODELS, board
from comparisons.studies.columns import NOTHING
from comparisons.studies.data import OVERALL
from comparisons.studies.figures import Figure, Step
from comparisons.studies.given import Given, ranks_given
from comparisons.studies.parts import Groups, groups_in, parts_of
from comparisons.studies.shown import model_names

BOARD_METHOD = "Plackett–Luce; ties split over their orders, not placed below all placed"


def ranked_agreement(given: Given, criterion: str, bootstrap: Bootstrap) -> list[Figure]:
    """W, τ-b, ordinal α of the ranks, and AC1 of the pairs that the rankings imply."""
    ratings = given.ratings()
    alpha = krippendorff_alpha(
        ratings.table(), level="ordinal", seed=bootstrap.seed, n_resamples=bootstrap.n_resamples
    )
    return [
        figure("kendall_w", kendall_w(ratings, bootstrap), criterion, method=f"mean over items; {METHOD}"),
        figure(
            "kendall_tau_b", kendall_tau(ratings, bootstrap), criterion,
            method=f"mean over pairs of people, then over items; {METHOD}",
        ),
        figure("alpha_ordinal", alpha, criterion),
        figure(
            "gwet_ac1", gwet_ac(implied_pairs(given), bootstrap), criterion,
            method=f"which of two is better, over all pairs; {METHOD}",
        ),
    ]  # fmt: skip


def implied_pairs(given: Given) -> RatingTable:
    """Which of each two completions of an item was ranked higher: −1 the one imported first, 0 tied, 1 the other.

    The unit is a pair of completions, and an item is drawn with all of its pairs. Chance knows ties where the protocol
    does, given or not.
    """
    # Sorted by judgment and completion, so the completions of a judgment are neighbours.
    starts = np.flatnonzero(np.diff(given.judgments, prepend=NOTHING) != 0)
    sizes = np.diff(starts, append=len(given))
    lefts, rights = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for size in np.unique(sizes):
        for a, b in combinations(range(int(size)), 2):
            lefts.append(starts[sizes == size] + a)
            rights.append(starts[sizes == size] + b)
    left, right = np.concatenate(lefts), np.concatenate(rights)
    signs = np.sign(given.values[left] - given.values[right])
    first, second = given.completions[left], given.completions[right]
    _, units = np.unique(first * (given.completions.max(initial=0) + 1) + second, return_inverse=True)
    domain = [-1, 0, 1] if given.can_tie else [-1, 1]
    return tabulate_ratings(units, given.annotators[left], signs, items=given.items[left], domain=domain)


def ranked_parts(given: Given, groups: Groups, criterion: str, bootstrap: Bootstrap) -> list[Figure]:
    return alphas_of_parts(parts_of(given, groups), given.tabler(), "ordinal", criterion, bootstrap)


def ranked_people(given: Given, criterion: str, bootstrap: Bootstrap) -> list[Figure]:
    return people_in(given.ratings(), criterion, bootstrap, weights="ordinal", level="ordinal")


def ranked_habits(project: Project, given: Given) -> list[Figure]:
    """Repeats, pace and straight lines of each person. A repeat is alike where the same completions come first."""
    answers = RankingAnswer.objects.filter(criterion__key=OVERALL)
    repeats = people.repeats_alike(project, answers, "rank", about="completion_id", is_alike=_have_one_best)
    return people.habits(project, given.by_judgment(), repeats, "one order of the places on the screen")


def _have_one_best(before: people.Values, after: people.Values) -> bool:
    return {key for key, rank in before.items() if rank == 1} == {
        key for key, rank in after.items() if rank == 1
    }


def ranked_models(given: Given, criterion: str) -> list[Figure]:
    """Log-strength of each model, mean 0, with its own interval; one figure with a reason where nothing can be said."""
    table = rankings_of_models(given)
    n = len(np.unique(table.judgments))
    result = fit_plackett_luce(table)
    reason = result.reason or (None if result.converged else NOT_CONVERGED)
    if len(table.names) < MODELS_MIN:
        reason = TOO_FEW_MODELS
    elif reason is None and len(np.unique([table.judgments, table.ranks], axis=1).T) == n:
        reason = "Every ranking ties everything, so nothing tells the models apart."
    return board("rank_strength", BOARD_METHOD, result.leaderboard, reason, n, result.confidence, criterion)


def rankings_of_models(given: Given) -> RankingTable:
    """Completions without a named model are left out, which leaves the order of the others as it is; so are judgments
    in which two completions come from one model, for a model is not better than itself."""
    named = np.flatnonzero(given.models != NOTHING)
    both = given.judgments[named] * max(len(given.names), 1) + given.models[named]
    _, index, counts = np.unique(both, return_inverse=True, return_counts=True)
    twice = np.unique(given.judgments[named][counts[index] > 1])
    rows = named[~np.isin(given.judgments[named], twice)]
    used, models = np.unique(given.models[rows], return_inverse=True)
    return tabulate_rankings(
        np.unique(given.judgments[rows], return_inverse=True)[1],
        models,
        np.where(given.is_placed, given.values, UNRANKED)[rows],
        names=[given.names[number] for number in used],
    )


def ranked_steps(
    project: Project, work: QuerySet[Judgment], criteria: list[str], bootstrap: Bootstrap
) -> list[Step]:
    """What is computed of rankings, in order; the answers to each criterion are read once."""
    names, groups = model_names(project), groups_in(project)
    steps: list[Step] = []
    for key in criteria:
        given = ranks_given(work, key, names)
        steps.append(partial(ranked_agreement, given, key, bootstrap))
        if key == OVERALL:
            steps.append(partial(ranked_parts, given, groups, key, bootstrap))
            steps.append(partial(ranked_people, given, key, bootstrap))
            steps.append(partial(ranked_habits, project, given))
        steps.append(partial(ranked_models, given, key))
    return steps
