"""Forms in which a lead sets a project up: its name, what is asked, the guide. The services decide what is right."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.formsets import BaseFormSet, formset_factory
from django.utils.text import slugify

from annotation.errors import Refused
from annotation.forms_console import ConsoleForm, whole_field
from annotation.forms_staffing import text_lines
from annotation.kinds import CRITERIA_MAX, FieldError, JudgmentKind
from annotation.models import Criterion
from annotation.services.projects import DEFAULT_GUIDELINE

ROWS_AT_FIRST, ROWS_MORE = 3, 3
LISTED = re.compile(r"criteria\.(\d+)(?:\.(\w+))?.*")
LINE = {"class": "field", "autocomplete": "off"}


def line_field(label: str, longest: int, help_text: str = "", **attributes: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=longest,
        help_text=help_text,
        widget=forms.TextInput(attrs=LINE | attributes),
    )


def text_field(
    label: str, rows: int, help_text: str, *, is_required: bool = False, usual: str = ""
) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=is_required,
        initial=usual,
        help_text=help_text,
        widget=forms.Textarea(attrs={"class": "field", "rows": str(rows)}),
    )


def points_field(points: Sequence[int], usual: int | None) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label="Points",
        required=False,
        choices=[(number, str(number)) for number in points],
        coerce=int,
        empty_value=None,
        initial=usual,
        widget=forms.Select(attrs={"class": "field short"}),
    )


def anchors_field() -> forms.CharField:
    return text_field("Wording of the points", 3, "One a line, from the lowest up. Left empty, none.")


def as_sent(form: forms.BaseForm) -> dict[str, Any]:
    """What stands in the fields, unchecked."""
    return {name: form[name].value() for name in form.fields}


class UnixLines(ConsoleForm):
    """Browsers send the lines of a text with CR LF, whatever they were before."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        return {
            name: value.replace("\r\n", "\n") if isinstance(value, str) else value
            for name, value in data.items()
        }


class ProjectForm(UnixLines):
    name = forms.CharField(
        label="Name",
        max_length=120,
        help_text="Annotators see it.",
        widget=forms.TextInput(attrs=LINE),
    )
    slug = line_field(
        "Address",
        60,
        "Small letters, digits and hyphens; it stays for good. Left empty, it is made from the name.",
        spellcheck="false",
    )
    description = line_field("What it is for", 2000)
    guideline = text_field(
        "Guide",
        10,
        "What annotators read first and can always open, in markdown.",
        is_required=True,
        usual=DEFAULT_GUIDELINE,
    )
    consent = text_field(
        "Consent", 4, "Annotators agree to it before their first item. Left empty, they are not asked."
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        data["slug"] = data.get("slug") or slugify(data.get("name", ""))[:60].strip("-")
        return data


class TextsForm(UnixLines):
    """Guide and consent."""

    guideline = text_field("Guide", 16, "In markdown. People are shown what has changed.", is_required=True)
    consent = text_field("Consent", 6, "When it changes, everybody is asked again before their next item.")


class ProtocolForm(ConsoleForm):
    """The settings of one kind, but for its criteria."""

    def __init__(self, *args: Any, kind: JudgmentKind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asked, fields = kind.fields, self.fields
        if asked.points:
            fields["points"] = points_field(asked.points, asked.usual_points)
        fields["overall_question"] = line_field(
            "Question", 300, "Of the judgment as a whole. Left empty, it is the usual one."
        )
        if asked.has_anchors:
            fields["overall_anchors"] = anchors_field()
        fields["overlap"] = whole_field(
            "Judgments for each item", 1, 100, "By so many people. A batch may have its own.", asked.overlap
        )
        if asked.top_max:
            fields["top"] = whole_field(
                "Only the best", 1, asked.top_max, "So many have to be placed. Left empty, all of them."
            )
        switches = {"ties": "People may say that responses are about the same"} if asked.has_ties else {}
        for name, label in (switches | dict(asked.switches)).items():
            fields[name] = forms.BooleanField(label=label, required=False, initial=name == "ties")
        self.switches = [*switches, *asked.switches]


class CriterionForm(ConsoleForm):
    """One criterion; a row in which nothing is written is none."""

    key = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, kind: JudgmentKind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asked, fields = kind.fields, self.fields
        fields["name"] = line_field("Name", 80)
        fields["question"] = line_field("Question", 300)
        if asked.points:
            fields["points"] = points_field(asked.points, asked.usual_criterion_points)
        if asked.has_anchors:
            fields["anchors"] = anchors_field()
        if asked.has_optional:
            fields["optional"] = forms.BooleanField(label="May be “not applicable”", required=False)

    @property
    def is_blank(self) -> bool:
        return not any(self[name].value() for name in ("name", "question", "anchors") if name in self.fields)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.is_blank and not data.get("name"):
            self.add_error("name", "Give it a name, or empty the row.")
        return data

    def settings(self) -> dict[str, Any]:
        data = self.cleaned_data
        told = {name: data[name] for name in ("key", "name", "question", "points") if data.get(name)}
        anchors = {"anchors": text_lines(data["anchors"])} if data.get("anchors") else {}
        return told | anchors | ({"optional": True} if data.get("optional") else {})


CriterionForms = formset_factory(CriterionForm, extra=0, max_num=CRITERIA_MAX, validate_max=True)


@dataclass
class ProtocolSetup:
    """What is asked of people, as a form: the settings of a kind and a row for each criterion."""

    kind: JudgmentKind
    form: ProtocolForm
    rows: "BaseFormSet[CriterionForm]"

    @classmethod
    def of(cls, kind: JudgmentKind, settings: Mapping[str, Any] | None = None) -> "ProtocolSetup":
        """With `settings` of the kind filled in, or what is usual."""
        told = settings or {}
        listed = [dict(one) for one in told.get("criteria", [])]
        overall = next((one for one in listed if one["key"] == Criterion.OVERALL), {})
        for one in listed:
            one["anchors"] = "\n".join(one.get("anchors", []))
        shared: dict[str, Any] = {name: value for name, value in told.items() if name != "criteria"}
        if settings:
            shared |= {"ties": told.get("ties", True), "overall_question": overall.get("question", "")}
            shared |= {"overall_anchors": overall.get("anchors", "")}
        rows: list[dict[str, Any]] = [one for one in listed if one["key"] != Criterion.OVERALL]
        blank = max(ROWS_AT_FIRST - len(rows), 1)
        return cls.filled(kind, shared, [*rows, *({} for _ in range(blank))])

    @classmethod
    def filled(
        cls, kind: JudgmentKind, shared: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
    ) -> "ProtocolSetup":
        initial = [dict(row) for row in rows[:CRITERIA_MAX]] if kind.fields.criteria else []
        form = ProtocolForm(kind=kind, initial=dict(shared))
        return cls(kind, form, CriterionForms(initial=initial, prefix="criteria", form_kwargs={"kind": kind}))

    @classmethod
    def sent(cls, kind: JudgmentKind, data: Any) -> "ProtocolSetup":
        rows = CriterionForms(data, prefix="criteria", form_kwargs={"kind": kind})
        return cls(kind, ProtocolForm(data, kind=kind), rows)

    def with_more_rows(self) -> "ProtocolSetup":
        """The same, unchecked, with room for more criteria."""
        rows = [as_sent(row) for row in self.rows.forms]
        return self.filled(self.kind, as_sent(self.form), [*rows, *({} for _ in range(ROWS_MORE))])

    def is_valid(self) -> bool:
        is_form_valid = self.form.is_valid()
        return self.rows.is_valid() and is_form_valid

    @property
    def criteria(self) -> list[CriterionForm]:
        return [row for row in self.rows.forms if not row.is_blank]

    def settings(self) -> dict[str, Any]:
        """For `publish_protocol`."""
        data = self.form.cleaned_data
        told: dict[str, Any] = {
            name: data[name] for name in ("points", "overlap", "top") if data.get(name) is not None
        }
        told |= {name: True for name in self.kind.fields.switches if data[name]}
        if self.kind.fields.has_ties and not data["ties"]:
            told["ties"] = False
        overall: dict[str, Any] = {"key": Criterion.OVERALL}
        if data["overall_question"]:
            overall["question"] = data["overall_question"]
        if data.get("overall_anchors"):
            overall["anchors"] = text_lines(data["overall_anchors"])
        criteria = [row.settings() for row in self.criteria] if self.kind.fields.criteria else []
        return told | {"kind": self.kind.key, "criteria": [*criteria, overall]}

    def refuse(self, refusal: Refused) -> None:
        """Put each error beside the field it is about; what has none goes on top."""
        rows = self.criteria
        for error in refusal.errors or [FieldError("", refusal.code, refusal.detail)]:
            name = error.field.removeprefix("protocol.")
            found = LISTED.fullmatch(name)
            number, name = (int(found[1]), found[2] or "name") if found else (len(rows), name)
            if number < len(rows):
                rows[number].add_error(name if name in rows[number].fields else None, error.detail)
                continue
            if found and f"overall_{name}" in self.form.fields:
                name = f"overall_{name}"
            self.form.add_error(name if name in self.form.fields else None, error.detail)

    def errors(self) -> list[tuple[str, str, str]]:
        """Of the rows: id of the field, its words, what is wrong. Those of `form` are told as for every form."""
        if not self.rows.is_bound:
            return []
        told = [("", "", str(error)) for error in self.rows.non_form_errors()]
        for number, row in enumerate(self.rows.forms, start=1):
            for name, errors in row.errors.items():
                label = str(row.fields[name].label) if name in row.fields else ""
                where = row[name].id_for_label if name in row.fields else ""
                told += [(where, f"Row {number}, {label}".rstrip(", "), str(error)) for error in errors]
        return told
