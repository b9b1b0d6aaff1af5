"""Critique and revise: which principles a completion breaks, what is wrong with it, and how it should read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from annotation.kinds import AnswerError, FieldError, GoldCheck, ProtocolSpec, Screen
from comparisons.kinds.checks import Problems, dotted, echoed, spoken
from comparisons.kinds.criteria import OVERALL, ScaleRules, fields_of, read_protocol, settings_of
from comparisons.kinds.critique.form import (
    NONE,
    answer_from_form,
    form_context,
    original_text,
    principles_of,
)
from comparisons.kinds.signed import label_at, only_keys, unchanged_lines
from comparisons.kinds.texts import read_text
from comparisons.models import CritiqueAnswer, CritiquePrinciple
from comparisons.models.texts import CRITIQUE_MAX, REVISION_MAX

if TYPE_CHECKING:
    from django.http import QueryDict

    from annotation.models import Criterion, GoldAnswer, Judgment, ProtocolVersion

RULES = ScaleRules(
    points=(),
    overall_points=None,
    criterion_points=None,
    bounds=lambda points, is_overall: (0, points),
    has_ties=False,
    without_tie=(),
    overall_question="Say what is wrong with the response, then mend it.",
    criterion_question="Does the response keep to this: {name}?",
)


@dataclass(frozen=True)
class Critique:
    """`principles` are the broken ones, in the order of the protocol."""

    principles: tuple["Criterion", ...]
    critique: str
    revision: str
    is_changed: bool


class CritiqueKind:
    key = "critique"
    name = "Critique and revise"
    about = "People say which principles a response breaks, and mend it."
    fields = fields_of(
        RULES,
        overlap=1,
        criteria="Principles",
        criterion_help="At least one. The question says what it demands.",
    )
    template_name = "annotation/task_critique.html"
    writes_text = True
    reads_text = True
    completions_min = 1
    completions_max = 1

    def protocol(self, settings: Mapping[str, Any]) -> ProtocolSpec:
        """The criteria are the principles: name, and as question what it demands. At least one; overlap 1."""
        spec = read_protocol({"overlap": self.fields.overlap} | dict(settings), self.key, RULES)
        if len(spec.criteria) < 2:
            detail = "Name the principles as criteria: [{name, question}, …]."
            raise AnswerError([FieldError("criteria", "required", detail)])
        return spec

    def settings(self, protocol: "ProtocolVersion") -> dict[str, Any]:
        return settings_of(protocol, RULES)

    def parse(self, answer: Mapping[str, Any], screen: Screen) -> Critique:
        """`principles` is the list of keys that are broken, empty for none; all three parts are needed."""
        problems = Problems()
        given = problems.mapping(answer, "", ["principles", "critique", "revision"])
        broken = _read_principles(given.get("principles"), screen, problems)
        ask = "Please say in a sentence or more what is wrong, or why nothing is."
        critique = read_text(given.get("critique"), "critique", ask, problems, longest=CRITIQUE_MAX)
        ask = "Please write how the response should read."
        revision = read_text(given.get("revision"), "revision", ask, problems, longest=REVISION_MAX)
        is_changed = revision.strip() != original_text(screen.completions[0]).strip()
        if broken and revision and not is_changed:
            detail = "A principle is broken, so please change the response until it is kept."
            problems.add("revision", "unchanged", detail)
        problems.raise_if_any()
        return Critique(broken, critique, revision, is_changed)

    def from_signed(self, said: Mapping[str, Any], screen: Screen) -> dict[str, Any]:
        problems = Problems()
        given = only_keys(said, "", [OVERALL], problems).get(OVERALL)
        parts = ["completion", "principles", "critique", "revision"]
        answer = only_keys(given, OVERALL, parts, problems)
        if answer:
            label_at(answer["completion"], "overall.completion", screen, problems)
            for name in ("critique", "revision"):
                unchanged_lines(answer[name], dotted(OVERALL, name), problems)
        problems.raise_if_any()
        return {name: answer[name] for name in parts[1:]}

    def answer_from_form(self, form: "QueryDict", screen: Screen) -> dict[str, Any]:
        return answer_from_form(form)

    def store(self, judgment: "Judgment", parsed: Critique, screen: Screen) -> None:
        CritiqueAnswer.objects.create(
            judgment=judgment,
            completion=screen.completions[0],
            critique=parsed.critique,
            revision=parsed.revision,
            is_changed=parsed.is_changed,
        )
        CritiquePrinciple.objects.bulk_create(
            CritiquePrinciple(judgment=judgment, principle=principle) for principle in parsed.principles
        )

    def answer(self, judgment: "Judgment", screen: Screen) -> dict[str, Any]:
        row = CritiqueAnswer.objects.get(judgment=judgment)
        broken = CritiquePrinciple.objects.filter(judgment=judgment).order_by("principle__position")
        return {
            "principles": list(broken.values_list("principle__key", flat=True)),
            "critique": row.critique,
            "revision": row.revision,
        }

    def compare_to_gold(self, parsed: Any, golds: Sequence["GoldAnswer"], screen: Screen) -> GoldCheck:
        raise ValueError("a critique has no gold answers")

    def form_context(self, screen: Screen, answer: Mapping[str, Any] | None) -> dict[str, Any]:
        return form_context(screen, answer)


def _read_principles(value: Any, screen: Screen, problems: Problems) -> tuple["Criterion", ...]:
    if value is None:
        problems.add("principles", "required", "Please pick the principles that are broken, or none.")
        return ()
    if not isinstance(value, list):
        problems.add("principles", "not_a_list", "Send a list of keys; an empty one for none.")
        return ()
    known = {principle.key: principle for principle in principles_of(screen)}
    seen: set[str] = set()
    for at, key in enumerate(value):
        field = dotted("principles", at)
        if key == NONE:
            problems.add(
                field, "contradiction", "Either none is broken or some are; please undo one of the two."
            )
        elif not isinstance(key, str) or key not in known:
            detail = f"{echoed(key)} is no principle here; there are: {spoken(known)}."
            problems.add(field, "not_a_choice", detail)
        elif key in seen:
            problems.add(field, "duplicate", f"{known[key].name} is named already.")
        else:
            seen.add(key)
    return tuple(known[key] for key in known if key in seen)
