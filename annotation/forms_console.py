"""Forms of the console. They read and shape; what may be done is decided by the services."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from annotation.errors import Refused
from annotation.importers import importers
from annotation.kinds import FieldError
from annotation.models import ApiToken, Batch, Membership, Project, ProtocolVersion
from annotation.services.overlap import overlap_policies

EXPIRY_DAYS = {"30": _("In 30 days"), "90": _("In 90 days"), "365": _("In a year"), "": _("Never")}


class ConsoleForm(forms.Form):
    """A form that can take the refusal of a service as its own."""

    def refuse(self, refusal: Refused) -> None:
        """Put each error beside its field; what belongs to no field of ours goes on top."""
        placed = [error for error in refusal.errors if error.field in self.fields]
        for error in placed:
            self.add_error(error.field, error.detail)
        if not placed:
            self.add_error(None, refusal.detail)


WHOLE_MAX = 2**31 - 1
STAFFING = (
    "purpose",
    "overlap_policy",
    "overlap_max",
    "skill",
    "cap_per_annotator",
    "priority",
    "pay_per_item",
    "pay_currency",
)
SHARES = {"pass_percent": "pass_share", "gold_percent": "gold_share", "repeat_percent": "repeat_share"}


def percent_field(label: str, most: int, usual: int, help_text: str) -> forms.FloatField:
    return forms.FloatField(
        label=f"{label}, in %",
        required=False,
        initial=usual,
        min_value=0,
        max_value=most,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"class": "field short num", "step": "any"}),
    )


def whole_field(
    label: str, least: int, most: int, help_text: str, usual: int | None = None
) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        initial=usual,
        min_value=least,
        max_value=most,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"class": "field short num"}),
    )


IMPORT_SUFFIXES = ".jsonl,.ndjson,.json,.csv,.tsv,.txt,.parquet,.gz"


class ImportForm(ConsoleForm):
    file = forms.FileField(
        label="File",
        allow_empty_file=True,
        error_messages={"required": "Choose the file to import."},
        help_text="JSON lines or CSV, plain or gzip, or Parquet.",
        widget=forms.ClearableFileInput(attrs={"class": "field", "accept": IMPORT_SUFFIXES}),
    )
    format = forms.ChoiceField(label="Format", widget=forms.RadioSelect)
    name = forms.CharField(
        label="Name",
        required=False,
        max_length=120,
        help_text="Annotators see it. Left empty, it is the name of the file.",
        widget=forms.TextInput(attrs={"class": "field", "autocomplete": "off"}),
    )
    overlap = forms.IntegerField(
        label="Judgments for each item",
        min_value=1,
        max_value=100,
        help_text="By so many different people. Agreement needs two or more. With a rule below, it starts with these.",
        widget=forms.NumberInput(attrs={"class": "field short num"}),
    )
    dry_run = forms.BooleanField(
        label="Only check the file", required=False, help_text="Reports line by line and stores nothing."
    )
    skip_bad_rows = forms.BooleanField(
        label="Leave out bad rows", required=False, help_text="Otherwise one bad row refuses the whole file."
    )

    purpose = forms.ChoiceField(
        label="What it is for",
        required=False,
        choices=[
            (Batch.Purpose.WORK.value, "Work: people judge it"),
            (Batch.Purpose.TRAINING.value, "Training: people pass it before they get work"),
        ],
        initial=Batch.Purpose.WORK.value,
        widget=forms.RadioSelect,
    )
    pass_percent = percent_field(
        "Pass mark of a training", 100, 80, "Of its answers, so many are to be right."
    )
    overlap_policy = forms.ChoiceField(
        label="More judgments", required=False, widget=forms.Select(attrs={"class": "field"})
    )
    overlap_max = whole_field("At most, for an item", 1, 100, "Only with such a rule.")
    gold_percent = percent_field(
        "Gold",
        99,
        0,
        "So much of what a person gets is a check. Rows with gold serve as checks, and nothing else.",
    )
    repeat_percent = percent_field("Repeats", 99, 0, "So much is an own earlier item again, sides swapped.")
    skill = forms.CharField(
        label="Only for people with the skill",
        required=False,
        max_length=40,
        help_text="Left empty, for everybody.",
        widget=forms.TextInput(attrs={"class": "field", "autocomplete": "off"}),
    )
    cap_per_annotator = whole_field("Judgments by one person, at most", 1, WHOLE_MAX, "Left empty, no cap.")
    lease_minutes = whole_field(
        "Minutes to answer an item", 1, 10_080, "After that it goes to somebody else.", 30
    )
    priority = whole_field(
        "Priority", -WHOLE_MAX, WHOLE_MAX, "Of two open batches, the higher comes first.", 0
    )

    pay_per_item = forms.DecimalField(
        label="Pay for an item",
        required=False,
        help_text="Annotators see it with the time an item takes. Left empty, no page shows money.",
        widget=forms.NumberInput(attrs={"class": "field short num", "step": "any"}),
    )
    pay_currency = forms.CharField(
        label="In the currency",
        required=False,
        max_length=3,
        help_text="Three letters, such as GBP.",
        widget=forms.TextInput(attrs={"class": "field short", "autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_pay_currency(self) -> str:
        return str(self.cleaned_data["pay_currency"]).upper()

    def __init__(self, *args: Any, protocol: ProtocolVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["overlap"].initial = protocol.overlap
        rules = [(key, policy.name) for key, policy in overlap_policies if protocol.kind in policy.kinds]
        self.fields["overlap_policy"] = forms.ChoiceField(
            label="More judgments",
            required=False,
            choices=[("", "None: as many as above"), *rules],
            help_text="A rule may ask for more judgments of an item, one at a time.",
            widget=forms.Select(attrs={"class": "field"}),
        )
        choices = [(key, importer.name) for key, importer in importers]
        self.fields["format"] = forms.ChoiceField(
            label="Format", choices=choices, initial="jsonl", widget=forms.RadioSelect
        )

    def upload(self) -> "UploadedFile[bytes]":
        upload: UploadedFile[bytes] = self.cleaned_data["file"]
        return upload

    def staffing(self) -> dict[str, Any]:
        """Arguments of `start_import` for what was filled in; the rest keeps the defaults there."""
        data = self.cleaned_data
        given = {name: data[name] for name in STAFFING if data[name] not in (None, "")}
        shares = {name: data[field] / 100 for field, name in SHARES.items() if data[field] is not None}
        minutes = data["lease_minutes"]
        return given | shares | ({} if minutes is None else {"lease_seconds": 60 * minutes})

    def refuse(self, refusal: Refused) -> None:
        """Shares are asked for as percentages, under names of their own."""
        names = {share: field for field, share in SHARES.items()}
        errors = [FieldError(names.get(e.field, e.field), e.code, e.detail) for e in refusal.errors]
        super().refuse(Refused(refusal.detail, code=refusal.code, status=refusal.status, errors=errors))


class MemberForm(ConsoleForm):
    email = forms.EmailField(
        label="Email",
        max_length=254,
        widget=forms.EmailInput(attrs={"class": "field", "autocomplete": "off", "spellcheck": "false"}),
    )
    role = forms.ChoiceField(
        label="Role",
        choices=[(str(role.value), str(role.label)) for role in Membership.Role],
        initial=Membership.Role.ANNOTATOR.value,
        widget=forms.Select(attrs={"class": "field"}),
    )


class TokenForm(ConsoleForm):
    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        help_text=_("What uses it, such as “laptop” or “nightly export”."),
        widget=forms.TextInput(attrs={"class": "field", "autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("May"),
        choices=[
            (ApiToken.Scope.READ.value, _("Read what I may read")),
            (ApiToken.Scope.ANNOTATE.value, _("Judge as me")),
            (ApiToken.Scope.MANAGE.value, _("Change what I may change")),
        ],
        initial=[ApiToken.Scope.READ.value],
        error_messages={"required": _("Choose at least one.")},
        widget=forms.CheckboxSelectMultiple,
    )
    project = forms.ChoiceField(label=_("In"), required=False, widget=forms.Select(attrs={"class": "field"}))
    expires = forms.ChoiceField(
        label=_("Expires"),
        choices=list(EXPIRY_DAYS.items()),
        initial="90",
        required=False,
        widget=forms.Select(attrs={"class": "field"}),
    )

    def __init__(self, *args: Any, projects: list[Project], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.projects = {project.slug: project for project in projects}
        self.fields["project"] = forms.ChoiceField(
            label=_("In"),
            required=False,
            choices=[("", _("All my projects")), *((p.slug, p.name) for p in projects)],
            widget=forms.Select(attrs={"class": "field"}),
        )

    def limited_to(self) -> list[Project] | None:
        """None: every project of the person."""
        slug = self.cleaned_data["project"]
        return [self.projects[slug]] if slug else None

    def expires_at(self, now: datetime) -> datetime | None:
        days = self.cleaned_data["expires"]
        return now + timedelta(days=int(days)) if days else None
