"""Ranking: the completions from best to worst on each criterion; ties share a place.

A protocol with `top` asks for the best few only. Whatever was not placed is below everything placed and equal
among itself: it is stored so, at the rank after the placed ones, and outcomes, agreement and exports read it so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from annotation.kinds import GoldCheck, ProtocolSpec, Screen
from comparisons.kinds.checks import Problems, dotted, echoed, spoken
from comparisons.kinds.criteria import OVERALL, ScaleRules, fields_of, read_protocol, settings_of
from comparisons.kinds.ranking.form import answer_from_form, form_context, wanted
from comparisons.kinds.signed import one_for_each
from comparisons.models import RankingAnswer

if TYPE_CHECKING:
    from django.http import QueryDict

    from annotation.models import Criterion, GoldAnswer, Judgment, ProtocolVersion

RULES = ScaleRules(
    points=(),
    overall_points=None,
    criterion_points=None,
    bounds=lambda points, is_overall: (0, points),
    has_ties=True,
    without_tie=(),
    overall_question="Put the responses in order, best first.",
    criterion_question="Put the responses in order on {name}, best first.",
)

Tiers = list[list[str]]
"""Labels as shown, best first; a tie shares a list."""


class RankingKind:
    key = "ranking"
    name = "Ranking"
    about = "People put two to eight responses in order."
    fields = fields_of(RULES, top_max=7)
    template_name = "annotation/task_ranking.html"
    writes_text = False
    reads_text = False
    completions_min = 2
    completions_max = 8

    def protocol(self, settings: Mapping[str, Any]) -> ProtocolSpec:
        """Besides what all kinds share: `top`, 1…7, or None when every completion has to be placed."""
        problems = Problems()
        top = settings.get("top")
        if top is not None:
            top = problems.integer(top, "top", 1, self.completions_max - 1)
        problems.raise_if_any()
        shared = {key: value for key, value in settings.items() if key != "top"}
        return replace(read_protocol(shared, self.key, RULES), top=top)

    def settings(self, protocol: "ProtocolVersion") -> dict[str, Any]:
        return settings_of(protocol, RULES) | ({"top": protocol.top} if protocol.top else {})

    def parse(self, answer: Mapping[str, Any], screen: Screen) -> dict[str, Tiers]:
        """Criterion key → tiers. Criteria other than overall come as `criteria.<key>.ranking`."""
        problems = Problems()
        others = [criterion.key for criterion in screen.criteria if criterion.key != OVERALL]
        given = problems.mapping(answer, "", ["ranking", "criteria"])
        criteria = problems.mapping(given.get("criteria", {}), "criteria", others)
        rankings: dict[str, Tiers] = {}
        for criterion in screen.criteria:
            if criterion.key == OVERALL:
                entry, prefix = given, ""
            elif criterion.key in criteria:
                prefix = dotted("criteria", criterion.key)
                entry = problems.mapping(criteria[criterion.key], prefix, ["ranking"])
            else:
                problems.add(
                    dotted("criteria", criterion.key),
                    "required",
                    f"Please answer {criterion.name}.",
                )
                continue
            field = dotted(prefix, "ranking")
            if "ranking" in entry:
                rankings[criterion.key] = _read_tiers(entry["ranking"], field, criterion, screen, problems)
            else:
                problems.add(field, "required", f"Please answer {criterion.name}.")
        problems.raise_if_any()
        return rankings

    def from_signed(self, said: Mapping[str, Any], screen: Screen) -> dict[str, Any]:
        """A rank for each completion. Past the places that were asked for it says "not placed", as in `answer`."""
        problems = Problems()
        rankings = {key: {"ranking": _tiers_of(ranks, key, screen, problems)} for key, ranks in said.items()}
        problems.raise_if_any()
        answer: dict[str, Any] = dict(rankings.pop(OVERALL, {}))
        return answer | ({"criteria": rankings} if rankings else {})

    def answer_from_form(self, form: "QueryDict", screen: Screen) -> dict[str, Any]:
        return answer_from_form(form, screen)

    def store(self, judgment: "Judgment", parsed: dict[str, Tiers], screen: Screen) -> None:
        RankingAnswer.objects.bulk_create(
            RankingAnswer(
                judgment=judgment,
                criterion=criterion,
                completion=screen.by_label[label],
                rank=rank,
            )
            for criterion in screen.criteria
            for label, rank in all_ranks(parsed[criterion.key], screen.labels).items()
        )

    def answer(self, judgment: "Judgment", screen: Screen) -> dict[str, Any]:
        labels = {completion.pk: label for label, completion in screen.by_label.items()}
        tiers: dict[int, dict[int, list[str]]] = {criterion.pk: {} for criterion in screen.criteria}
        asked = wanted(screen)
        for row in judgment.ranking_answers.all():
            tiers[row.criterion_id].setdefault(row.rank, []).append(labels[row.completion_id])
        for ranked in tiers.values():
            # Past the places that were asked for the last tier says no more than "not placed".
            if ranked and max(ranked) > asked:
                del ranked[max(ranked)]
        shown: dict[str, dict[str, Any]] = {
            criterion.key: {
                "ranking": [sorted(tiers[criterion.pk][rank]) for rank in sorted(tiers[criterion.pk])]
            }
            for criterion in screen.criteria
        }
        answer = shown.pop(OVERALL)
        if shown:
            answer["criteria"] = shown
        return answer

    def compare_to_gold(self, parsed: Any, golds: Sequence["GoldAnswer"], screen: Screen) -> GoldCheck:
        raise ValueError("a ranking has no gold answers")

    def form_context(self, screen: Screen, answer: Mapping[str, Any] | None) -> dict[str, Any]:
        return form_context(screen, answer or {})


def _tiers_of(value: Any, field: str, screen: Screen, problems: Problems) -> Tiers:
    """The tiers that give these ranks. Ranks that no tiers give are reported."""
    ranks = one_for_each(value, field, screen, problems)
    numbers = [problems.integer(rank, field, 1, len(screen.labels)) for rank in ranks]
    tiers: dict[int, list[str]] = {}
    for label, rank in zip(screen.labels, numbers, strict=False):
        tiers.setdefault(rank or 0, []).append(label)
    if tiers and max(tiers) > wanted(screen):
        del tiers[max(tiers)]
    found = [tiers[rank] for rank in sorted(tiers)]
    if (
        ranks
        and None not in numbers
        and [all_ranks(found, screen.labels)[label] for label in screen.labels] != numbers
    ):
        problems.add(
            field, "not_ranks", "A tie shares the better rank and the next is left out, as in 1, 2, 2, 4."
        )
    return found


def competition_ranks(tiers: Tiers) -> dict[str, int]:
    """Label → rank where a tie takes the better rank and the next place is skipped: 1, 2, 2, 4."""
    ranks: dict[str, int] = {}
    for tier in tiers:
        ranks.update(dict.fromkeys(tier, len(ranks) + 1))
    return ranks


def all_ranks(tiers: Tiers, labels: Sequence[str]) -> dict[str, int]:
    """`competition_ranks`, and one more rank, shared by the `labels` that have no place."""
    placed = competition_ranks(tiers)
    return placed | {label: len(placed) + 1 for label in labels if label not in placed}


def _read_tiers(value: Any, field: str, criterion: "Criterion", screen: Screen, problems: Problems) -> Tiers:
    if not isinstance(value, list) or not all(isinstance(tier, list) for tier in value):
        problems.add(
            field,
            "not_a_list",
            'Send a list of lists, best first: [["C"], ["A", "D"], ["B"]].',
        )
        return []
    seen: set[str] = set()
    for at, tier in enumerate(value):
        if not tier:
            problems.add(dotted(field, at), "empty", "Leave out places that hold nothing.")
        if len(tier) > 1 and not criterion.ties_allowed:
            problems.add(dotted(field, at), "tie_not_allowed", f"{criterion.name} takes no ties.")
        for place, label in enumerate(tier):
            if not isinstance(label, str) or label not in screen.labels:
                detail = f"{echoed(label)} is not shown; the labels are {spoken(screen.labels)}."
                problems.add(dotted(field, at, place), "not_a_choice", detail)
            elif label in seen:
                problems.add(
                    dotted(field, at, place),
                    "duplicate",
                    f"{label} has a place already.",
                )
            else:
                seen.add(label)
    missing = [label for label in screen.labels if label not in seen]
    asked = wanted(screen)
    if missing and asked == len(screen.labels):
        problems.add(field, "required", f"Please place {spoken(missing)}.")
    elif len(seen) < asked:
        problems.add(field, "required", f"Please place at least {asked}, the best first.")
    return value
