"""Rating: a value for each completion on each criterion, and problems marked in the text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from annotation.kinds import GoldCheck, ProtocolSpec, Screen
from comparisons.kinds.checks import Problems, dotted, spoken
from comparisons.kinds.criteria import CHOICE, ScaleRules, fields_of, read_protocol, settings_of
from comparisons.kinds.rating.form import answer_from_form, asks_choice, form_context, span_text
from comparisons.kinds.signed import label_at, one_for_each, only_keys
from comparisons.models import RatingAnswer, RatingChoice, SpanMark

if TYPE_CHECKING:
    from django.http import QueryDict

    from annotation.models import GoldAnswer, Judgment, ProtocolVersion

MAX_SPANS = 200

RULES = ScaleRules(
    points=(2, 3, 4, 5, 6, 7, 8, 9, 10),
    overall_points=7,
    criterion_points=5,
    # Helpfulness and its kind count from 0 (0–4), the overall mark from 1 (1–7), as in the data sets
    # that people compare with.
    bounds=lambda points, is_overall: (1, points) if is_overall else (0, points - 1),
    has_ties=False,
    without_tie=(),
    overall_question="How good is this response overall?",
    criterion_question="How good is this response on {name}?",
    has_optional=True,
)


@dataclass(frozen=True)
class Span:
    label: str
    start: int
    end: int
    type: str


@dataclass(frozen=True)
class Ratings:
    """`values`: label as shown → criterion key → value, None: not applicable. `choice`: a label, None: no choice."""

    values: dict[str, dict[str, int | None]]
    spans: tuple[Span, ...]
    choice: str | None = None


class RatingKind:
    key = "rating"
    name = "Rating"
    about = "People rate each response on criteria, and may mark what is wrong in its text."
    fields = fields_of(
        RULES,
        switches={"choice": "Of several responses, ask at the end which one they would choose"},
        has_anchors=True,
    )
    template_name = "annotation/task_rating.html"
    writes_text = False
    reads_text = True
    completions_min = 1
    completions_max = 8

    def protocol(self, settings: Mapping[str, Any]) -> ProtocolSpec:
        """Besides what all kinds share: `choice`, whether an overall choice is asked for. Its key is no criterion's."""
        problems = Problems()
        choice = settings.get("choice")
        if choice is not None and not isinstance(choice, bool):
            problems.add("choice", "not_a_boolean", "Send true or false.")
        problems.raise_if_any()
        shared = {key: value for key, value in settings.items() if key != "choice"}
        spec = read_protocol(shared, self.key, RULES)
        for index, criterion in enumerate(spec.criteria):
            if criterion.key == CHOICE:
                problems.add(
                    dotted("criteria", index, "key"), "reserved", "Give another key: choice is taken."
                )
        problems.raise_if_any()
        return replace(spec, has_choice=choice is True)

    def settings(self, protocol: "ProtocolVersion") -> dict[str, Any]:
        return settings_of(protocol, RULES) | ({"choice": True} if protocol.has_choice else {})

    def parse(self, answer: Mapping[str, Any], screen: Screen) -> Ratings:
        """Every criterion for every label; `spans` and `choice` may be left out."""
        problems = Problems()
        names = ["ratings", "spans", *([CHOICE] if asks_choice(screen) else [])]
        given = problems.mapping(answer, "", names)
        if "ratings" not in given:
            problems.add("ratings", "required", f"Please rate {spoken(screen.labels)}.")
        ratings = problems.mapping(given.get("ratings", {}), "ratings", screen.labels)
        values = {
            label: _read_values(ratings[label], dotted("ratings", label), screen, problems)
            for label in screen.labels
            if label in ratings
        }
        if "ratings" in given:
            for label in screen.labels:
                if label not in ratings:
                    problems.add(dotted("ratings", label), "required", f"Please rate {label}.")
        spans = _read_spans(given.get("spans", []), screen, problems)
        choice = given.get(CHOICE) if CHOICE in names else None
        if choice is not None and choice not in screen.labels:
            problems.add(CHOICE, "not_a_choice", f"Choose from {spoken(screen.labels)}, or leave it out.")
        problems.raise_if_any()
        return Ratings(values, spans, choice)

    def from_signed(self, said: Mapping[str, Any], screen: Screen) -> dict[str, Any]:
        problems = Problems()
        rest = dict(said)
        spans, choice = rest.pop("spans", []), rest.pop(CHOICE, None)
        ratings: dict[str, dict[str, Any]] = {label: {} for label in screen.labels}
        for key, values in rest.items():
            found = one_for_each(values, key, screen, problems)
            for label, value in zip(screen.labels, found, strict=False):
                ratings[label][key] = value
        answer: dict[str, Any] = {"ratings": ratings}
        if choice is not None:
            chosen = only_keys(choice, CHOICE, ["completion"], problems)
            answer[CHOICE] = label_at(chosen.get("completion"), "choice.completion", screen, problems)
        if not isinstance(spans, list):
            problems.add("spans", "not_a_list", "Send a list of marks.")
            spans = []
        marks = []
        for at, entry in enumerate(spans):
            field = f"spans[{at}]"
            mark = only_keys(entry, field, ["completion", "start", "end", "type"], problems)
            if mark:
                label = label_at(mark["completion"], dotted(field, "completion"), screen, problems)
                marks.append({"label": label} | {key: mark[key] for key in ("start", "end", "type")})
        problems.raise_if_any()
        return answer | ({"spans": marks} if marks else {})

    def answer_from_form(self, form: "QueryDict", screen: Screen) -> dict[str, Any]:
        return answer_from_form(form, screen)

    def store(self, judgment: "Judgment", parsed: Ratings, screen: Screen) -> None:
        RatingAnswer.objects.bulk_create(
            RatingAnswer(
                judgment=judgment,
                criterion=criterion,
                completion=completion,
                value=parsed.values[label][criterion.key],
                is_applicable=parsed.values[label][criterion.key] is not None,
            )
            for label, completion in screen.by_label.items()
            for criterion in screen.criteria
        )
        if parsed.choice is not None:
            RatingChoice.objects.create(judgment=judgment, completion=screen.by_label[parsed.choice])
        SpanMark.objects.bulk_create(
            SpanMark(
                judgment=judgment,
                completion=screen.by_label[span.label],
                start=span.start,
                end=span.end,
                type=span.type,
            )
            for span in parsed.spans
        )

    def answer(self, judgment: "Judgment", screen: Screen) -> dict[str, Any]:
        labels = {completion.pk: label for label, completion in screen.by_label.items()}
        keys = {criterion.pk: criterion.key for criterion in screen.criteria}
        ratings: dict[str, dict[str, int | None]] = {label: {} for label in screen.labels}
        for row in judgment.rating_answers.order_by("criterion__position"):
            ratings[labels[row.completion_id]][keys[row.criterion_id]] = row.value
        answer: dict[str, Any] = {"ratings": ratings}
        spans = [
            {
                "label": labels[mark.completion_id],
                "start": mark.start,
                "end": mark.end,
                "type": mark.type,
            }
            for mark in judgment.span_marks.order_by("id")
        ]
        if spans:
            answer["spans"] = spans
        if asks_choice(screen):
            chosen = RatingChoice.objects.filter(judgment=judgment).first()
            if chosen is not None:
                answer[CHOICE] = labels[chosen.completion_id]
        return answer

    def compare_to_gold(self, parsed: Any, golds: Sequence["GoldAnswer"], screen: Screen) -> GoldCheck:
        raise ValueError("a rating has no gold answers")

    def form_context(self, screen: Screen, answer: Mapping[str, Any] | None) -> dict[str, Any]:
        return form_context(screen, answer or {})


def _read_values(value: Any, field: str, screen: Screen, problems: Problems) -> dict[str, int | None]:
    given = problems.mapping(value, field, [criterion.key for criterion in screen.criteria])
    values: dict[str, int | None] = {}
    for criterion in screen.criteria:
        if criterion.low is None or criterion.high is None:
            raise ValueError(f"the rating criterion {criterion.key} has no scale")
        at = dotted(field, criterion.key)
        if criterion.key not in given:
            problems.add(at, "required", f"Please answer {criterion.name}.")
            continue
        if given[criterion.key] is None and criterion.is_optional:
            values[criterion.key] = None
            continue
        number = problems.integer(given[criterion.key], at, criterion.low, criterion.high)
        if number is not None:
            values[criterion.key] = number
    return values


def _read_spans(value: Any, screen: Screen, problems: Problems) -> tuple[Span, ...]:
    if not isinstance(value, list):
        problems.add("spans", "not_a_list", "Send a list of marks.")
        return ()
    if len(value) > MAX_SPANS:
        problems.add("spans", "too_many", f"Use at most {MAX_SPANS} marks.")
        return ()
    spans: list[Span] = []
    for index, entry in enumerate(value):
        span = _read_span(entry, dotted("spans", index), screen, problems)
        if span in spans:
            problems.add(dotted("spans", index), "duplicate", "This mark is there already.")
        elif span is not None:
            spans.append(span)
    return tuple(spans)


def _read_span(entry: Any, field: str, screen: Screen, problems: Problems) -> Span | None:
    names = ["label", "start", "end", "type"]
    given = problems.mapping(entry, field, names)
    missing = [name for name in names if name not in given]
    for name in missing:
        problems.add(dotted(field, name), "required", "A mark needs label, start, end and type.")
    if missing:
        return None
    label, kind = given["label"], given["type"]
    if kind not in SpanMark.Type.values:
        problems.add(
            dotted(field, "type"),
            "not_a_choice",
            f"Choose from {spoken(SpanMark.Type.values)}.",
        )
    if label not in screen.labels:
        problems.add(
            dotted(field, "label"),
            "not_a_choice",
            f"Choose from {spoken(screen.labels)}.",
        )
        return None
    length = len(span_text(screen.by_label[label]))
    start = problems.integer(given["start"], dotted(field, "start"), 0, length)
    end = problems.integer(given["end"], dotted(field, "end"), 0, length)
    if start is None or end is None:
        return None
    if start >= end:
        problems.add(dotted(field, "end"), "out_of_range", "The end must lie behind the start.")
        return None
    return Span(label, start, end, kind)
