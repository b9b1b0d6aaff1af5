"""What a judgment kind (pairwise, ranking, rating, …) must offer to the workplace.

The workplace knows slots, leases and receipts; a kind knows what an answer is. `comparisons.kinds`
registers one `JudgmentKind` per folder in its `AppConfig.ready()`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from annotation.registry import Registry

if TYPE_CHECKING:
    from django.http import QueryDict

    from annotation.models import Completion, Criterion, GoldAnswer, Judgment, ProtocolVersion


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with an input: a dotted field, a stable code and a sentence that says what to do."""

    field: str
    code: str
    detail: str


class AnswerError(ValueError):
    """The answer does not fit the protocol. `errors` is never empty."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(error.detail for error in errors))
        self.errors = list(errors)


@dataclass(frozen=True)
class Screen:
    """What one annotator is shown: the protocol's criteria and the completions in screen order.

    `completions[0]` carries label "A". `criteria` ends with the criterion `overall`.
    """

    protocol: "ProtocolVersion"
    criteria: Sequence["Criterion"]
    completions: Sequence["Completion"]

    @property
    def labels(self) -> list[str]:
        """Labels in screen order: "A", "B", …"""
        return [chr(ord("A") + index) for index in range(len(self.completions))]

    @property
    def by_label(self) -> dict[str, "Completion"]:
        return dict(zip(self.labels, self.completions, strict=True))


@dataclass(frozen=True)
class CriterionSpec:
    """One criterion as a new protocol asks for it. `low`/`high` bound the stored value; None for rankings."""

    key: str
    name: str
    question: str
    low: int | None
    high: int | None
    ties_allowed: bool
    anchors: Sequence[str] = field(default_factory=tuple)
    is_optional: bool = False
    """Of a rating: whether "not applicable" is an answer."""


@dataclass(frozen=True)
class ProtocolSpec:
    """A protocol with every default filled in; the last criterion is always `overall`."""

    kind: str
    points: int | None
    overlap: int
    ties_allowed: bool
    criteria: Sequence[CriterionSpec]
    top: int | None = None
    """Of a ranking: how many completions have to be placed; None: all."""
    per_turn: bool = False
    """Of pairwise: whether conversations are compared turn by turn too."""
    has_choice: bool = False
    """Of a rating: whether people may say at the end which completion they would choose."""


@dataclass(frozen=True)
class GoldCheck:
    """Whether an answer is right within the gold answers' tolerance, and one that would be, in screen labels."""

    is_right: bool
    expected: dict[str, Any]


CRITERIA_MAX = 20
"""Of a protocol, `overall` not counted."""


@dataclass(frozen=True)
class ProtocolFields:
    """Which settings of a protocol mean something under a kind: what a lead is asked who sets one up."""

    overlap: int
    """Usual number of judgments for an item."""
    points: Sequence[int] = ()
    """Of a scale; empty where there is none."""
    usual_points: int | None = None
    usual_criterion_points: int | None = None
    has_ties: bool = False
    top_max: int | None = None
    """Of a ranking of only the best: at most so many."""
    switches: Mapping[str, str] = field(default_factory=dict)
    """Settings that are on or off → what they do, said to a lead."""
    criteria: str = "Criteria"
    """What its criteria are called; "" where it has none."""
    criterion_help: str = ""
    has_anchors: bool = False
    has_optional: bool = False


class JudgmentKind(Protocol):
    """A kind is stateless; `parsed` is a value of its own that only it reads."""

    key: str
    name: str
    about: str
    """What people do, in a sentence for whoever chooses a kind."""
    fields: ProtocolFields
    template_name: str
    """The full judging page, e.g. ``annotation/task_pairwise.html``."""
    writes_text: bool
    """Whether people write at length: then the server keeps their drafts, and the browser none (ui-spec 8)."""
    reads_text: bool
    """Whether `parse` or `store` look at what the completions say; if not, their text is not fetched for them."""
    completions_min: int
    completions_max: int

    def protocol(self, settings: Mapping[str, Any]) -> ProtocolSpec:
        """Fill defaults into `{"points"?, "criteria"?, "overlap"?, "ties"?}`; raises AnswerError."""

    def settings(self, protocol: "ProtocolVersion") -> dict[str, Any]:
        """The settings that give this protocol again: the inverse of `protocol`, for the form of its next version."""

    def parse(self, answer: Mapping[str, Any], screen: Screen) -> Any:
        """Check an API answer (labels as shown, see api.md "Answers on a lease"). Raises AnswerError."""

    def from_signed(self, said: Mapping[str, Any], screen: Screen) -> dict[str, Any]:
        """What an export says of an answer (signed, by position of import) as an API answer, which `parse` then checks.

        `screen` shows the completions in the order of import. Raises AnswerError for what no export says.
        """

    def answer_from_form(self, form: "QueryDict", screen: Screen) -> dict[str, Any]:
        """Turn the fields of the plain HTML form into an API answer; judges nothing."""

    def store(self, judgment: "Judgment", parsed: Any, screen: Screen) -> None:
        """Insert the typed answer rows, with screen order undone, in the caller's transaction."""

    def answer(self, judgment: "Judgment", screen: Screen) -> dict[str, Any]:
        """The stored answer in the labels of `screen`: the inverse of parse + store."""

    def compare_to_gold(self, parsed: Any, golds: Sequence["GoldAnswer"], screen: Screen) -> GoldCheck:
        """Compare a parsed answer to gold answers. Raises ValueError when the kind takes none."""

    def form_context(self, screen: Screen, answer: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the template needs to draw the questions, with `answer` chosen when there is one."""


judgment_kinds: Registry[JudgmentKind] = Registry("judgment kind")
