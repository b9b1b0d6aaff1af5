"""Reads: the preference pairs of a release, what several people said of them, and the runs of a project."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from annotation.models import Criterion, Judgment, Project
from comparisons.selectors import pairwise_outcomes
from exporters.models import Release, ReleaseRow
from rewards.models import RewardRun
from rewards.pairs import PreferencePair, normalised_prompt, text_of_messages

VOTES_BLOCK = 5_000


@dataclass(frozen=True)
class ReleasePairs:
    """The pairs of a release by side of the split. `votes[i]` are the signed preferences of test pair i,
    above 0 for its chosen completion, one a person."""

    train: list[PreferencePair]
    test: list[PreferencePair]
    votes: list[list[int]]


def release_pairs(release: Release) -> ReleasePairs:
    """The training and test pairs of a frozen release, without ties and without pairs of equal texts.

    A release may split by the exact prompt alone. A training pair whose prompt is in the test part but for white
    space or letter case is left out, so that nothing leaks.
    """
    rows = (
        ReleaseRow.objects.filter(release=release, is_tie=False, split__in=["train", "test"])
        .select_related("item", "chosen", "rejected")
        .order_by("number")
    )
    sides: dict[str, list[PreferencePair]] = {"train": [], "test": []}
    test_rows: list[ReleaseRow] = []
    for row in rows.iterator(chunk_size=2_000):
        pair = PreferencePair(
            prompt=text_of_messages(row.item.prompt),
            chosen=text_of_messages(row.chosen.messages),
            rejected=text_of_messages(row.rejected.messages),
        )
        if pair.chosen == pair.rejected:
            continue
        sides[row.split].append(pair)
        if row.split == "test":
            test_rows.append(row)
    held_out = {normalised_prompt(pair.prompt) for pair in sides["test"]}
    train = [pair for pair in sides["train"] if normalised_prompt(pair.prompt) not in held_out]
    return ReleasePairs(train, sides["test"], _votes(test_rows))


def _votes(rows: list[ReleaseRow]) -> list[list[int]]:
    """For each row the overall preferences of the judgments it rests on, seen from its chosen completion."""
    ids = sorted({judgment for row in rows for judgment in row.judgment_ids})
    said: dict[tuple[int, int, int], dict[int, int]] = defaultdict(dict)
    for start in range(0, len(ids), VOTES_BLOCK):
        judgments = Judgment.objects.filter(pk__in=ids[start : start + VOTES_BLOCK])
        for outcome in pairwise_outcomes(judgments, criterion=Criterion.OVERALL):
            said[outcome.item, outcome.first, outcome.second][outcome.judgment] = -outcome.preference
            said[outcome.item, outcome.second, outcome.first][outcome.judgment] = outcome.preference
    return [list(said[row.item_id, row.chosen_id, row.rejected_id].values()) for row in rows]


def reward_runs(project: Project) -> list[RewardRun]:
    """The project's runs, newest first, with job and release."""
    return list(RewardRun.objects.filter(release__project=project).select_related("job", "release")[:20])
