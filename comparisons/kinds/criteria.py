"""Protocol settings → `ProtocolSpec`: the criteria, scales and defaults that all kinds share."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.kinds import CRITERIA_MAX, CriterionSpec, ProtocolFields, ProtocolSpec
from annotation.models import Criterion, ProtocolVersion
from comparisons.kinds.checks import Problems, dotted, spoken

OVERALL = "overall"
CHOICE = "choice"
"""Which of several rated completions somebody would choose; in comparisons it stands where a criterion's key stands."""
DEFAULT_OVERLAP = 3
MAX_OVERLAP = 100
KEY_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,39}")

HINTS = {
    "instructions_followed": "Was every part of the request met, including length and format?",
    "correctness": "Check the facts, the sums and the code before the style.",
    "clarity": "Is it easy to follow for the person who asked?",
    "safety": "Does it avoid harm, and does it avoid refusing what is harmless?",
}


@dataclass(frozen=True)
class ScaleRules:
    """How one kind turns a number of points into bounds. `points` is empty where there is no scale."""

    points: Sequence[int]
    overall_points: int | None
    criterion_points: int | None
    bounds: Callable[[int, bool], tuple[int, int]]
    """(points, is it `overall`) → lowest and highest stored value."""
    has_ties: bool
    """Whether the setting `ties` means anything; a rating has none, equal values are always possible."""
    without_tie: Collection[int]
    """Numbers of points that leave no middle, so no tie."""
    overall_question: str
    criterion_question: str
    """With one place for the criterion's name."""
    has_optional: bool = False
    """Whether a criterion may be `optional`: "not applicable" is an answer then."""


def read_protocol(settings: Mapping[str, Any], kind: str, rules: ScaleRules) -> ProtocolSpec:
    """Check `settings` and fill in every default. Raises AnswerError with dotted fields.

    `criteria` may hold names, or objects {key, name, question?, points?, anchors?, optional?}. `overall` is
    added when it is missing and always comes last.
    """
    problems = Problems()
    allowed = ["kind", "criteria", "overlap"]
    allowed += ["points"] if rules.points else []
    allowed += ["ties"] if rules.has_ties else []
    given = problems.mapping(settings, "", allowed)
    if given.get("kind", kind) != kind:
        problems.add("kind", "not_a_choice", f"These settings are read as {kind}.")
    wanted = given.get("points") if rules.points else None
    points = _read_points(wanted, "points", rules, rules.overall_points, problems)
    ties = given.get("ties")
    if ties is not None and not isinstance(ties, bool):
        problems.add("ties", "not_a_boolean", "Send true or false.")
        ties = None
    if ties and points in rules.without_tie:
        problems.add(
            "ties",
            "tie_not_possible",
            f"A scale of {points} points has no middle for a tie.",
        )
    overlap = given.get("overlap")
    overlap = DEFAULT_OVERLAP if overlap is None else problems.integer(overlap, "overlap", 1, MAX_OVERLAP)

    criteria: dict[str, CriterionSpec] = {}
    listed = given.get("criteria")
    if listed is not None and not isinstance(listed, list | tuple):
        problems.add("criteria", "not_a_list", "Send a list of criteria.")
        listed = None
    if listed is not None and len(listed) > CRITERIA_MAX:
        problems.add("criteria", "too_many", f"Use at most {CRITERIA_MAX} criteria.")
        listed = None
    for index, entry in enumerate(listed or []):
        criterion = _read_criterion(entry, dotted("criteria", index), rules, points, ties, problems)
        if criterion is None:
            continue
        if criterion.key in criteria:
            problems.add(
                dotted("criteria", index),
                "duplicate",
                f"Two criteria have the key {criterion.key}.",
            )
        criteria[criterion.key] = criterion
    overall = criteria.pop(OVERALL, None)
    if overall is None:
        overall = _read_criterion(OVERALL, "criteria", rules, points, ties, problems)
    problems.raise_if_any()
    if overall is None or overlap is None:  # for the type checker: both were reported above
        raise AssertionError("a missing value without a reported problem")
    return ProtocolSpec(
        kind=kind,
        points=points,
        overlap=overlap,
        ties_allowed=overall.ties_allowed,
        criteria=[*criteria.values(), overall],
    )


def fields_of(rules: ScaleRules, *, overlap: int = DEFAULT_OVERLAP, **own: Any) -> ProtocolFields:
    """What a lead is asked about a protocol under these rules. `own`: what only the kind itself knows."""
    return ProtocolFields(
        overlap=overlap,
        points=rules.points,
        usual_points=rules.overall_points,
        usual_criterion_points=rules.criterion_points,
        has_ties=rules.has_ties,
        has_optional=rules.has_optional,
        **own,
    )


def settings_of(protocol: ProtocolVersion, rules: ScaleRules) -> dict[str, Any]:
    """The settings, less a kind's own, from which `read_protocol` makes the same protocol again."""
    criteria = list(protocol.criteria.order_by("position"))
    told: dict[str, Any] = {"kind": protocol.kind, "overlap": protocol.overlap}
    if rules.points:
        told["points"] = protocol.points
    points = {criterion.key: _points_of(criterion, rules) for criterion in criteria}
    points[OVERALL] = protocol.points
    if rules.has_ties and any(
        not criterion.ties_allowed and points[criterion.key] not in rules.without_tie
        for criterion in criteria
    ):
        told["ties"] = False
    told["criteria"] = [
        {"key": one.key, "name": one.name, "question": one.question}
        | ({"points": points[one.key]} if rules.points and one.key != OVERALL else {})
        | ({"anchors": one.anchors} if one.anchors else {})
        | ({"optional": True} if one.is_optional else {})
        for one in criteria
    ]
    return told


def _points_of(criterion: Criterion, rules: ScaleRules) -> int | None:
    """Of a criterion but overall: the number of points that has its bounds, and a tie just when it has. Where only ties
    are forbidden, another number may fit as well; then it asks the same."""
    fitting = [n for n in rules.points if rules.bounds(n, False) == (criterion.low, criterion.high)]
    likely = [n for n in fitting if (n not in rules.without_tie) == criterion.ties_allowed]
    return next(iter(likely or fitting), None)


def _read_points(
    value: Any, field: str, rules: ScaleRules, default: int | None, problems: Problems
) -> int | None:
    if value is None:
        return default
    if isinstance(value, bool) or value not in rules.points:
        problems.add(
            field,
            "not_a_choice",
            f"Choose a number of points from {spoken(rules.points)}.",
        )
        return default
    return int(value)


def _read_criterion(
    entry: Any,
    field: str,
    rules: ScaleRules,
    overall_points: int | None,
    ties: bool | None,
    problems: Problems,
) -> CriterionSpec | None:
    if isinstance(entry, str):
        entry = {"name": entry}
        name_field = field
    else:
        name_field = dotted(field, "name")
    allowed = ["key", "name", "question"] + (["points", "anchors"] if rules.points else [])
    allowed += ["optional"] if rules.has_optional else []
    given = problems.mapping(entry, field, allowed)
    if not given:
        return None
    name = given.get("name")
    if name is None:
        name = str(given.get("key", "")).replace("_", " ")
    name = problems.text(name, name_field, longest=80).strip()
    key = given.get("key", re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"))
    if not isinstance(key, str) or not KEY_PATTERN.fullmatch(key):
        problems.add(
            dotted(field, "key"),
            "bad_key",
            "Give a key of small Latin letters, digits, - and _ that starts with a letter (at most 40).",
        )
        return None
    is_overall = key == OVERALL
    default_points = overall_points if is_overall else rules.criterion_points
    wanted = given.get("points") if rules.points else None
    points = _read_points(wanted, dotted(field, "points"), rules, default_points, problems)
    if is_overall and points != overall_points:
        problems.add(
            dotted(field, "points"),
            "contradiction",
            "The points of overall are those of the protocol.",
        )
    low, high = (None, None) if points is None else rules.bounds(points, is_overall)
    name = (name[:1].upper() + name[1:]) if name else key
    asks = rules.overall_question if is_overall else rules.criterion_question.format(name=name.lower())
    optional = given.get("optional", False) if rules.has_optional else False
    if not isinstance(optional, bool):
        problems.add(dotted(field, "optional"), "not_a_boolean", "Send true or false.")
        optional = False
    question = given.get("question")
    if question is None:
        question = HINTS.get(key, asks)
    return CriterionSpec(
        key=key,
        name=name,
        question=problems.text(question, dotted(field, "question"), longest=300),
        low=low,
        high=high,
        ties_allowed=points not in rules.without_tie and ties is not False,
        anchors=_read_anchors(
            given.get("anchors") if rules.points else None,
            dotted(field, "anchors"),
            points,
            problems,
        ),
        is_optional=optional,
    )


def _read_anchors(value: Any, field: str, points: int | None, problems: Problems) -> tuple[str, ...]:
    if value is None or value == []:
        return ()
    if not isinstance(value, list | tuple):
        problems.add(field, "not_a_list", "Send a list of texts, one for each point.")
        return ()
    if len(value) != points:
        problems.add(
            field,
            "wrong_length",
            f"Give one anchor for each of the {points} points, or none.",
        )
    return tuple(problems.text(text, dotted(field, at), longest=200) for at, text in enumerate(value))
