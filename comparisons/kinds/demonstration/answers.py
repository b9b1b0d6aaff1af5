"""Demonstration: the annotator writes the assistant's next message themself."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from annotation.kinds import AnswerError, FieldError, GoldCheck, ProtocolSpec, Screen
from comparisons.kinds.checks import Problems
from comparisons.kinds.criteria import OVERALL, ScaleRules, fields_of, read_protocol, settings_of
from comparisons.kinds.demonstration.form import answer_from_form, form_context
from comparisons.kinds.signed import only_keys, unchanged_lines
from comparisons.kinds.texts import read_text
from comparisons.models import DemonstrationAnswer
from comparisons.models.texts import TEXT_MAX

if TYPE_CHECKING:
    from django.http import QueryDict

    from annotation.models import GoldAnswer, Judgment, ProtocolVersion

RULES = ScaleRules(
    points=(),
    overall_points=None,
    criterion_points=None,
    bounds=lambda points, is_overall: (0, points),
    has_ties=False,
    without_tie=(),
    overall_question="Write the assistant’s next message.",
    criterion_question="{name}",
)


class DemonstrationKind:
    key = "demonstration"
    name = "Demonstration"
    about = "People write the assistant’s next message."
    fields = fields_of(RULES, overlap=1, criteria="")
    template_name = "annotation/task_demonstration.html"
    writes_text = True
    reads_text = True
    completions_min = 0
    completions_max = 0
    """Nothing to read but the prompt: an answer beside it would be copied, and one that is hidden reaches the API."""

    def protocol(self, settings: Mapping[str, Any]) -> ProtocolSpec:
        """Overlap 1 unless another is asked for: two people write two texts, not one that is surer."""
        spec = read_protocol({"overlap": self.fields.overlap} | dict(settings), self.key, RULES)
        if len(spec.criteria) > 1:
            detail = "A demonstration is one text and has no criteria; say in the guide what makes it good."
            raise AnswerError([FieldError("criteria", "not_possible", detail)])
        return spec

    def settings(self, protocol: "ProtocolVersion") -> dict[str, Any]:
        return settings_of(protocol, RULES)

    def parse(self, answer: Mapping[str, Any], screen: Screen) -> str:
        """The text, its line ends as newlines."""
        problems = Problems()
        given = problems.mapping(answer, "", ["text"])
        ask = "Please write the assistant’s next message."
        text = read_text(given.get("text"), "text", ask, problems, longest=TEXT_MAX)
        problems.raise_if_any()
        return text

    def from_signed(self, said: Mapping[str, Any], screen: Screen) -> dict[str, Any]:
        problems = Problems()
        given = only_keys(said, "", [OVERALL], problems).get(OVERALL)
        text = unchanged_lines(
            only_keys(given, OVERALL, ["text"], problems).get("text"), "overall.text", problems
        )
        problems.raise_if_any()
        return {"text": text}

    def answer_from_form(self, form: "QueryDict", screen: Screen) -> dict[str, Any]:
        return answer_from_form(form)

    def store(self, judgment: "Judgment", parsed: str, screen: Screen) -> None:
        DemonstrationAnswer.objects.create(judgment=judgment, text=parsed)

    def answer(self, judgment: "Judgment", screen: Screen) -> dict[str, Any]:
        return {"text": DemonstrationAnswer.objects.get(judgment=judgment).text}

    def compare_to_gold(self, parsed: Any, golds: Sequence["GoldAnswer"], screen: Screen) -> GoldCheck:
        raise ValueError("a demonstration has no gold answers")

    def form_context(self, screen: Screen, answer: Mapping[str, Any] | None) -> dict[str, Any]:
        return form_context(answer or {})
