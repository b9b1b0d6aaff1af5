"""Forms of the console about who judges what. They read and shape; the services decide."""

from typing import Any

from django import forms

from annotation.forms_console import WHOLE_MAX, ConsoleForm, whole_field
from annotation.models import Batch, Membership
from annotation.selectors_staffing import active_annotators

TEXT = {"class": "field", "autocomplete": "off", "spellcheck": "false"}


def text_lines(text: str) -> list[str]:
    """Lines that hold something, without blanks around them."""
    return [line.strip() for line in text.splitlines() if line.strip()]


class OverlapForm(ConsoleForm):
    overlap = forms.IntegerField(
        label="Judgments for each item",
        min_value=1,
        max_value=100,
        help_text="An item that has as many already stays as it is.",
        widget=forms.NumberInput(attrs={"class": "field short num"}),
    )
    items = forms.CharField(
        label="Only these items",
        required=False,
        help_text="Ids of the file, one a line. Left empty, all of them.",
        widget=forms.Textarea(attrs=TEXT | {"rows": "3"}),
    )

    def item_names(self) -> list[str] | None:
        """None: every item."""
        return text_lines(self.cleaned_data["items"]) or None


class StaffForm(ConsoleForm):
    """Names go by pseudonym, so that an address never stands in a form."""

    annotators = forms.MultipleChoiceField(
        label="Only these people", required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, batch: Batch, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = list(batch.staff.select_related("user"))
        others = [one for one in active_annotators(batch.project) if one not in named]
        self.people = {one.pseudonym: one for one in [*named, *others]}
        self.fields["annotators"] = forms.MultipleChoiceField(
            label="Only these people",
            required=False,
            choices=[(pseudonym, one.user.email) for pseudonym, one in self.people.items()],
            initial=[one.pseudonym for one in named],
            help_text="With nobody chosen, it is for everybody.",
            widget=forms.CheckboxSelectMultiple,
        )

    def chosen(self) -> list[Membership]:
        return [self.people[pseudonym] for pseudonym in self.cleaned_data["annotators"]]


class AnnotatorForm(ConsoleForm):
    languages = forms.CharField(
        label="Languages",
        required=False,
        max_length=2000,
        help_text="Tags such as en or pt-BR, with commas between. Left empty, every language.",
        widget=forms.TextInput(attrs=TEXT),
    )
    skills = forms.CharField(
        label="Skills",
        required=False,
        max_length=2000,
        help_text="With commas between. They open the batches that ask for them.",
        widget=forms.TextInput(attrs=TEXT),
    )

    @classmethod
    def of(cls, annotator: Membership) -> "AnnotatorForm":
        return cls(
            initial={"languages": ", ".join(annotator.languages), "skills": ", ".join(annotator.skills)}
        )

    def listed(self, name: str) -> list[str]:
        return [part.strip() for part in self.cleaned_data[name].split(",") if part.strip()]


class PauseForm(ConsoleForm):
    reason = forms.CharField(
        label="Why",
        required=False,
        max_length=200,
        help_text="For you and the other leads; the person does not see it.",
        widget=forms.TextInput(attrs={"class": "field", "autocomplete": "off"}),
    )


class LimitsForm(ConsoleForm):
    daily_cap = whole_field("Judgments by one person in a day", 1, WHOLE_MAX, "Left empty, no cap.")
    exposure = forms.CharField(
        label="Items of a harmful category in a day",
        required=False,
        help_text="One category a line, as in “violence: 20”. For one person; 0 keeps a category from everybody.",
        widget=forms.Textarea(attrs=TEXT | {"rows": "4"}),
    )
    exclusion_limit = forms.IntegerField(
        label="Refusals before review",
        min_value=1,
        max_value=100,
        help_text="After so many people skipped an item or could not judge it, nobody is offered it.",
        widget=forms.NumberInput(attrs={"class": "field short num"}),
    )

    def clean_exposure(self) -> dict[str, int]:
        limits: dict[str, int] = {}
        for number, line in enumerate(text_lines(self.cleaned_data["exposure"]), start=1):
            category, colon, most = (part.strip() for part in line.rpartition(":"))
            if not (colon and category and most.isascii() and most.isdigit() and len(most) < 10):
                raise forms.ValidationError(f"Line {number}: write a category, a colon and a number.")
            if category in limits:
                raise forms.ValidationError(f"Line {number}: {category} has a limit already.")
            limits[category] = int(most)
        return limits
