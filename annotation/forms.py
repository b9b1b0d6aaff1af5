"""Forms of the annotator's pages. What the answer itself means is read by the judgment kind."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.services.judgments import NOTE_MAX, Submission
from annotation.services.leases import PUBLIC_ATTEMPT


class SubmissionForm(forms.Form):
    """The facts beside an answer, as the judging page sends them; `labels` are those on the screen."""

    submission_id = forms.UUIDField()
    attempt = forms.IntegerField(min_value=PUBLIC_ATTEMPT, max_value=PUBLIC_ATTEMPT)
    active_seconds = forms.FloatField(required=False, min_value=0)
    confidence = forms.TypedChoiceField(
        choices=[("1", _("Guess")), ("2", _("Fairly")), ("3", _("Sure"))],
        coerce=int,
        required=False,
        empty_value=None,
    )
    note = forms.CharField(required=False, max_length=NOTE_MAX)
    read_to_end = forms.MultipleChoiceField(required=False)

    def __init__(self, *args: Any, labels: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["read_to_end"] = forms.MultipleChoiceField(
            required=False, choices=[(label, label) for label in labels]
        )

    def clean_note(self) -> str:
        """With plain line ends: forms send CRLF, scripts send LF, and both are the same note."""
        return str(self.cleaned_data["note"]).replace("\r\n", "\n")

    def submission(self, answer: Mapping[str, Any], attempt: int) -> Submission:
        """What the services take; `attempt` is the slot's own. Call it on a valid form only."""
        data = self.cleaned_data
        return Submission(
            submission_id=data["submission_id"],
            attempt=attempt,
            answer=answer,
            active_seconds=data["active_seconds"],
            confidence=data["confidence"],
            note=data["note"],
            read_to_end=tuple(data["read_to_end"]),
        )
