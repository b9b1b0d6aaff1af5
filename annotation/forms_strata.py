"""Forms of the questions about annotators themselves: a lead's, and the annotator's own answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django import forms
from django.forms import BoundField
from django.utils.translation import gettext

from annotation.forms_console import ConsoleForm
from annotation.forms_setup import LINE
from annotation.forms_staffing import text_lines
from annotation.models import StratumQuestion
from annotation.services.strata import NAME_LENGTH, TEXT_LENGTH


class StratumForm(ConsoleForm):
    name = forms.CharField(
        label="Name",
        max_length=NAME_LENGTH,
        help_text="Short, for the tables, as in “Age”.",
        widget=forms.TextInput(attrs=LINE),
    )
    text = forms.CharField(
        label="Question",
        max_length=TEXT_LENGTH,
        help_text="As annotators read it.",
        widget=forms.TextInput(attrs=LINE),
    )
    options = forms.CharField(
        label="Answers",
        help_text="One a line. “Prefer not to say” is always offered beside them.",
        widget=forms.Textarea(attrs={"class": "field", "rows": "5"}),
    )

    def clean_options(self) -> list[str]:
        return text_lines(self.cleaned_data["options"])


class AboutYouForm(ConsoleForm):
    """One choice for each question, with the person's own answers as they are."""

    def __init__(
        self, data: Any = None, *, questions: Sequence[StratumQuestion], own: Mapping[int, int]
    ) -> None:
        super().__init__(data)
        self.questions = {f"question_{question.pk}": question.pk for question in questions}
        for (name, pk), question in zip(self.questions.items(), questions, strict=True):
            offered = [(str(number), option) for number, option in enumerate(question.options)]
            self.fields[name] = forms.ChoiceField(
                label=question.text,
                choices=[*offered, ("", gettext("Prefer not to say"))],
                initial=str(own.get(pk, "")),
                required=False,
                widget=forms.RadioSelect,
            )

    def asked(self) -> Iterator[BoundField]:
        return (self[name] for name in self.questions)

    def options(self) -> dict[int, int | None]:
        """For `answer_strata`. A question that was not on the page that was sent is left as it is."""
        sent = {name: pk for name, pk in self.questions.items() if name in self.data}
        return {pk: int(value) if (value := self.cleaned_data[name]) else None for name, pk in sent.items()}
