"""Pairwise: which of two completions is better, and by how much, on each criterion.

A protocol with `per_turn` asks the overall question of each turn of two conversations too (`turns.py`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from annotation.kinds import GoldCheck, ProtocolSpec, Screen
from annotation.statements import Statement
from comparisons.kinds.checks import Problems, dotted, spoken
from comparisons.kinds.criteria import OVERALL, ScaleRules, fields_of, read_protocol, settings_of
from comparisons.kinds.pairwise.form import answer_from_form, form_context
from comparisons.kinds.pairwise.turns import turns_asked
from comparisons.models import PairwiseAnswer

if TYPE_CHECKING:
    from django.http import QueryDict

    from annotation.models import Criterion, GoldAnswer, Judgment, ProtocolVersion

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
        "smallint[]",
    ],  # judgment; criteria, preferences, tie reasons, turns (0: the whole) alike in order
    """
    INSERT INTO comparisons_pairwiseanswer (judgment_id, criterion_id, preference, tie_reason, turn)
    SELECT $1, t.criterion, t.preference, t.reason, nullif(t.turn, 0)
    FROM unnest($2, $3, $4, $5) AS t (criterion, preference, reason, turn) RETURNING id
    """,
)

TAKEN_FIELD = re.compile(r"overall-t\d+")
"""The form asks for turn 2 in the field `q-overall-t2`: no criterion may have a key like that."""


@dataclass(frozen=True)
class Verdict:
    """One answer as seen on the screen: negative when A is better, 0 when they are about the same."""

    preference: int
    tie_reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """All verdicts of an answer: `whole` by criterion key, `turns` on `overall`, from the first turn on."""

    whole: Mapping[str, Verdict]
    turns: Sequence[Verdict] = ()


class PairwiseKind:
    key = "pairwise"
    name = "Pairwise"
    about = "People compare two responses, on criteria if there are any, and then overall."
    fields = fields_of(RULES, switches={"per_turn": "Compare conversations turn by turn as well"})
    template_name = "annotation/task_pairwise.html"
    writes_text = False
    reads_text = False
    completions_min = 2
    completions_max = 2

    def protocol(self, settings: Mapping[str, Any]) -> ProtocolSpec:
        """Besides what all kinds share: `per_turn`, false unless told."""
        problems = Problems()
        per_turn = settings.get("per_turn")
        if per_turn is not None and not isinstance(per_turn, bool):
            problems.add("per_turn", "not_a_boolean", "Send true or false.")
        problems.raise_if_any()
        shared = {key: value for key, value in settings.items() if key != "per_turn"}
        spec = replace(read_protocol(shared, self.key, RULES), per_turn=bool(per_turn))
        if spec.per_turn and any(TAKEN_FIELD.fullmatch(criterion.key) for criterion in spec.criteria):
            problems.add("criteria", "bad_key", "With per_turn, keys of the form overall-t2 are taken.")
        problems.raise_if_any()
        return spec

    def settings(self, protocol: "ProtocolVersion") -> dict[str, Any]:
        return settings_of(protocol, RULES) | ({"per_turn": True} if protocol.per_turn else {})

    def parse(self, answer: Mapping[str, Any], screen: Screen) -> Comparison:
        """Fields of errors are relative to the answer."""
        problems = Problems()
        asked = turns_asked(screen)
        others = [criterion for criterion in screen.criteria if criterion.key != OVERALL]
        verdicts: dict[str, Verdict] = {}
        allowed = ["preferred", "strength", "tie", "criteria"]
        allowed += ["turns"] if screen.protocol.per_turn else []
        given = problems.mapping(answer, "", allowed)
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
        turns = _read_turns(given, asked, screen, problems) if screen.protocol.per_turn else []
        problems.raise_if_any()
        return Comparison(verdicts, turns)

    def from_signed(self, said: Mapping[str, Any], screen: Screen) -> dict[str, Any]:
        problems = Problems()
        rest = dict(said)
        turns = rest.pop("turns", []) if screen.protocol.per_turn else []
        if not isinstance(turns, list):
            problems.add("turns", "not_a_list", "Send a list with one entry for each turn.")
            turns = []
        whole = {key: _from_signed(entry, key, problems) for key, entry in rest.items()}
        answer = whole.pop(OVERALL, {})
        if whole:
            answer["criteria"] = whole
        if screen.protocol.per_turn:
            answer["turns"] = [
                _from_signed(entry, f"turns[{at}]", problems) for at, entry in enumerate(turns)
            ]
        problems.raise_if_any()
        return answer

    def answer_from_form(self, form: "QueryDict", screen: Screen) -> dict[str, Any]:
        return answer_from_form(form, screen)

    def store(self, judgment: "Judgment", parsed: Comparison, screen: Screen) -> None:
        side = _stored_side(screen)
        verdicts = [*(parsed.whole[criterion.key] for criterion in screen.criteria), *parsed.turns]
        overall = screen.criteria[-1]
        STORE.rows(
            judgment.pk,
            [criterion.pk for criterion in screen.criteria] + [overall.pk] * len(parsed.turns),
            [side * verdict.preference for verdict in verdicts],
            [verdict.tie_reason for verdict in verdicts],
            [0] * len(screen.criteria) + list(range(1, len(parsed.turns) + 1)),
        )

    def answer(self, judgment: "Judgment", screen: Screen) -> dict[str, Any]:
        side = _stored_side(screen)
        stored = list(judgment.pairwise_answers.all())
        rows = {row.criterion_id: row for row in stored if row.turn is None}
        shown: dict[str, dict[str, Any]] = {}
        for criterion in screen.criteria:
            row = rows[criterion.pk]
            shown[criterion.key] = _show(side * row.preference, row.tie_reason)
        answer = shown.pop(OVERALL)
        if shown:
            answer["criteria"] = shown
        turns = {row.turn: _show(side * row.preference, row.tie_reason) for row in stored if row.turn}
        if turns:
            answer["turns"] = [turns[number] for number in sorted(turns)]
        return answer

    def compare_to_gold(self, parsed: Comparison, golds: Sequence["GoldAnswer"], screen: Screen) -> GoldCheck:
        """Gold is about the whole; what was said of the turns is neither right nor wrong."""
        side = _stored_side(screen)
        keys = {criterion.pk: criterion.key for criterion in screen.criteria}
        is_right = True
        expected: dict[str, Any] = {}
        for gold in golds:
            key = keys[gold.criterion_id]
            is_right &= abs(side * parsed.whole[key].preference - gold.preference) <= gold.tolerance
            shown = _show(side * gold.preference, "")
            expected |= shown if key == OVERALL else {"criteria": expected.get("criteria", {}) | {key: shown}}
        return GoldCheck(is_right=is_right, expected=expected)

    def form_context(self, screen: Screen, answer: Mapping[str, Any] | None) -> dict[str, Any]:
        return form_context(screen, answer or {})


def _stored_side(screen: Screen) -> int:
    """+1 when screen A is the first completion as imported, −1 when the sides were swapped."""
    return 1 if screen.completions[0].position < screen.completions[1].position else -1


def _from_signed(entry: Any, field: str, problems: Problems) -> dict[str, Any]:
    """{"preference", "tie_reason"?} with the first completion as A."""
    given = problems.mapping(entry, field, ["preference", "tie_reason"])
    preference = problems.integer(given.get("preference"), dotted(field, "preference"), -4, 4)
    if preference and "tie_reason" in given:
        problems.add(dotted(field, "tie_reason"), "contradiction", "Only a preference of 0 has a reason.")
    return {} if preference is None else _show(preference, given.get("tie_reason", ""))


def _show(preference: int, tie_reason: str) -> dict[str, Any]:
    if preference == 0:
        return {"tie": tie_reason}
    return {"preferred": "A" if preference < 0 else "B", "strength": abs(preference)}


def _read_turns(given: Mapping[str, Any], asked: int, screen: Screen, problems: Problems) -> list[Verdict]:
    """The verdicts on the `asked` turns; short of some when there were problems."""
    entries = given.get("turns", [])
    if not isinstance(entries, list | tuple):
        problems.add("turns", "not_a_list", "Send a list with one entry for each turn.")
        return []
    if len(entries) != asked:
        problems.add(
            "turns",
            "wrong_length" if "turns" in given else "required",
            f"Give one entry for each of the {asked} turns that both responses have; these are {len(entries)}.",
        )
        return []
    overall = screen.criteria[-1]
    verdicts = []
    for number, entry in enumerate(entries, start=1):
        field = f"turns[{number - 1}]"
        read = problems.mapping(entry, field, ["preferred", "strength", "tie"])
        if not read:
            if isinstance(entry, Mapping):
                problems.add(dotted(field, "preferred"), "required", f"Please answer turn {number}.")
            continue
        verdict = _read_verdict(read, field, overall, screen, problems)
        if verdict is not None:
            verdicts.append(verdict)
    return verdicts


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
