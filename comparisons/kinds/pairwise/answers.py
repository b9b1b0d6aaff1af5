"""Pairwise: which of two completions is better, and by how much, on each criterion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from annotation.kinds import GoldCheck, ProtocolSpec, Screen
from annotation.statements import Statement
from comparisons.kinds.checks import Problems, dotted, spoken
from comparisons.kinds.criteria import OVERALL, ScaleRules, read_protocol
from comparisons.kinds.pairwise.form import answer_from_form, form_context
from comparisons.models import PairwiseAnswer

if TYPE_CHECKING:
    from django.http import QueryDict

    from annotation.models import Criterion, GoldAnswer, Judgment

STRENGTHS = {2: 1, 3: 1, 5: 2, 7: 3, 8: 4}
"""Points of a scale → the strongest preference n; the stored value lies in −n…n."""

RULES = ScaleRules(
    points=tuple(STRENGTHS),
    overall_points=7,
    criterion_points=5,
    bounds=lambda points, is_overall: (-STRENGTHS[points], STRENGTHS[points]),
    has_ties=True,
    without_tie=(2, 8),
    overall_question="Which response is better overall?",
    criterion_question="Which response is better on {name}?",
)


STORE = Statement(
    "store_pairwise",
    [
        "bigint",
        "bigint[]",
        "smallint[]",
        "text[]",
    ],  # judgment; criteria, preferences, tie reasons alike in order
    """
    INSERT INTO comparisons_pairwiseanswer (judgment_id, criterion_id, preference, tie_reason)
    SELECT $1, t.* FROM unnest($2, $3, $4) AS t RETURNING id
    """,
)


@dataclass(frozen=True)
class Verdict:
    """One answer as seen on the screen: negative when A is better, 0 when they are about the same."""

    preference: int
    tie_reason: str = ""


class PairwiseKind:
    key = "pairwise"
    name = "Pairwise"
    template_name = "annotation/task_pairwise.html"
    writes_text = False
    reads_text = False
    completions_min = 2
    completions_max = 2

    def protocol(self, settings: Mapping[str, Any]) -> ProtocolSpec:
        return read_protocol(settings, self.key, RULES)

    def parse(self, answer: Mapping[str, Any], screen: Screen) -> dict[str, Verdict]:
        """Criterion key → verdict. Fields of errors are relative to the answer."""
        problems = Problems()
        others = [criterion for criterion in screen.criteria if criterion.key != OVERALL]
        verdicts: dict[str, Verdict] = {}
        given = problems.mapping(answer, "", ["preferred", "strength", "tie", "criteria"])
        criteria = problems.mapping(
            given.get("criteria", {}),
            "criteria",
            [criterion.key for criterion in others],
        )
        for criterion in screen.criteria:
            is_overall = criterion.key == OVERALL
            prefix = "" if is_overall else dotted("criteria", criterion.key)
            if is_overall:
                entry: Any = given
            elif criterion.key in criteria:
                entry = problems.mapping(criteria[criterion.key], prefix, ["preferred", "strength", "tie"])
            else:
                problems.add(prefix, "required", f"Please answer {criterion.name}.")
                continue
            verdict = _read_verdict(entry, prefix, criterion, screen, problems)
            if verdict is not None:
                verdicts[criterion.key] = verdict
        problems.raise_if_any()
        return verdicts

    def answer_from_form(self, form: "QueryDict", screen: Screen) -> dict[str, Any]:
        return answer_from_form(form, screen)

    def store(self, judgment: "Judgment", parsed: dict[str, Verdict], screen: Screen) -> None:
        side = _stored_side(screen)
        verdicts = [parsed[criterion.key] for criterion in screen.criteria]
        STORE.rows(
            judgment.pk,
            [criterion.pk for criterion in screen.criteria],
            [side * verdict.preference for verdict in verdicts],
            [verdict.tie_reason for verdict in verdicts],
        )

    def answer(self, judgment: "Judgment", screen: Screen) -> dict[str, Any]:
        side = _stored_side(screen)
        rows = {row.criterion_id: row for row in judgment.pairwise_answers.all()}
        shown: dict[str, dict[str, Any]] = {}
        for criterion in screen.criteria:
            row = rows[criterion.pk]
            shown[criterion.key] = _show(side * row.preference, row.tie_reason)
        answer = shown.pop(OVERALL)
        if shown:
            answer["criteria"] = shown
        return answer

    def compare_to_gold(
        self, parsed: dict[str, Verdict], golds: Sequence["GoldAnswer"], screen: Screen
    ) -> GoldCheck:
        side = _stored_side(screen)
        keys = {criterion.pk: criterion.key for criterion in screen.criteria}
        is_right = True
        expected: dict[str, Any] = {}
        for gold in golds:
            key = keys[gold.criterion_id]
            is_right &= abs(side * parsed[key].preference - gold.preference) <= gold.tolerance
            shown = _show(side * gold.preference, "")
            expected |= shown if key == OVERALL else {"criteria": expected.get("criteria", {}) | {key: shown}}
        return GoldCheck(is_right=is_right, expected=expected)

    def form_context(self, screen: Screen, answer: Mapping[str, Any] | None) -> dict[str, Any]:
        return form_context(screen, answer or {})


def _stored_side(screen: Screen) -> int:
    """+1 when screen A is the first completion as imported, −1 when the sides were swapped."""
    return 1 if screen.completions[0].position < screen.completions[1].position else -1


def _show(preference: int, tie_reason: str) -> dict[str, Any]:
    if preference == 0:
        return {"tie": tie_reason}
    return {"preferred": "A" if preference < 0 else "B", "strength": abs(preference)}


def _read_verdict(
    entry: Mapping[str, Any],
    prefix: str,
    criterion: "Criterion",
    screen: Screen,
    problems: Problems,
) -> Verdict | None:
    if "tie" in entry:
        return _read_tie(entry, prefix, criterion, problems)
    if "preferred" not in entry:
        problems.add(dotted(prefix, "preferred"), "required", f"Please answer {criterion.name}.")
        return None
    if criterion.high is None:
        raise ValueError(f"the pairwise criterion {criterion.key} has no scale")
    preferred = entry["preferred"]
    if preferred not in screen.labels:
        problems.add(
            dotted(prefix, "preferred"),
            "not_a_choice",
            f"Name one of {spoken(screen.labels)}, as shown.",
        )
    if "strength" not in entry:
        problems.add(
            dotted(prefix, "strength"),
            "required",
            f"Say how much better: 1 to {criterion.high}.",
        )
        return None
    strength = problems.integer(entry["strength"], dotted(prefix, "strength"), 1, criterion.high)
    if strength is None:
        return None
    return Verdict(-strength if preferred == "A" else strength)


def _read_tie(
    entry: Mapping[str, Any], prefix: str, criterion: "Criterion", problems: Problems
) -> Verdict | None:
    field = dotted(prefix, "tie")
    reasons = PairwiseAnswer.TieReason.values
    if "preferred" in entry or "strength" in entry:
        problems.add(field, "contradiction", "Send either tie, or preferred and strength.")
    elif not criterion.ties_allowed:
        problems.add(
            field,
            "tie_not_allowed",
            f"{criterion.name} asks for a choice; a tie is not possible.",
        )
    elif entry["tie"] not in ("", *reasons):
        problems.add(
            field,
            "not_a_choice",
            f'Give one of {spoken(reasons)}, or "" for no reason.',
        )
    else:
        return Verdict(0, entry["tie"])
    return None
