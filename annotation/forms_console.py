"""Forms of the console. They read and shape; what may be done is decided by the services."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from annotation.errors import Refused
from annotation.importers import importers
from annotation.models import ApiToken, Membership, Project, ProtocolVersion

EXPIRY_DAYS = {"30": "In 30 days", "90": "In 90 days", "365": "In a year", "": "Never"}


class ConsoleForm(forms.Form):
    """A form that can take the refusal of a service as its own."""

    def refuse(self, refusal: Refused) -> None:
        """Put each error beside its field; what belongs to no field of ours goes on top."""
        placed = [error for error in refusal.errors if error.field in self.fields]
        for error in placed:
            self.add_error(error.field, error.detail)
        if not placed:
            self.add_error(None, refusal.detail)


class ImportForm(ConsoleForm):
    file = forms.FileField(
        label="File",
        allow_empty_file=True,
        error_messages={"required": "Choose the file to import."},
        widget=forms.ClearableFileInput(attrs={"class": "field"}),
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
        help_text="By so many different people. Agreement needs two or more.",
        widget=forms.NumberInput(attrs={"class": "field short num"}),
    )
    dry_run = forms.BooleanField(
        label="Only check the file", required=False, help_text="Reports line by line and stores nothing."
    )
    skip_bad_rows = forms.BooleanField(
        label="Leave out bad rows", required=False, help_text="Otherwise one bad row refuses the whole file."
    )

    def __init__(self, *args: Any, protocol: ProtocolVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["overlap"].initial = protocol.overlap
        choices = [(key, importer.name) for key, importer in importers]
        self.fields["format"] = forms.ChoiceField(
            label="Format", choices=choices, initial="jsonl", widget=forms.RadioSelect
        )

    def upload(self) -> "UploadedFile[bytes]":
        upload: UploadedFile[bytes] = self.cleaned_data["file"]
        return upload


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
        label="Name",
        max_length=80,
        help_text="What uses it, such as “laptop” or “nightly export”.",
        widget=forms.TextInput(attrs={"class": "field", "autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="May",
        choices=[
            (ApiToken.Scope.READ.value, "Read what I may read"),
            (ApiToken.Scope.ANNOTATE.value, "Judge as me"),
            (ApiToken.Scope.MANAGE.value, "Change what I may change"),
        ],
        initial=[ApiToken.Scope.READ.value],
        error_messages={"required": "Choose at least one."},
        widget=forms.CheckboxSelectMultiple,
    )
    project = forms.ChoiceField(label="In", required=False, widget=forms.Select(attrs={"class": "field"}))
    expires = forms.ChoiceField(
        label="Expires",
        choices=list(EXPIRY_DAYS.items()),
        initial="90",
        required=False,
        widget=forms.Select(attrs={"class": "field"}),
    )

    def __init__(self, *args: Any, projects: list[Project], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.projects = {project.slug: project for project in projects}
        self.fields["project"] = forms.ChoiceField(
            label="In",
            required=False,
            choices=[("", "All my projects"), *((p.slug, p.name) for p in projects)],
            widget=forms.Select(attrs={"class": "field"}),
        )

    def limited_to(self) -> list[Project] | None:
        """None: every project of the person."""
        slug = self.cleaned_data["project"]
        return [self.projects[slug]] if slug else None

    def expires_at(self, now: datetime) -> datetime | None:
        days = self.cleaned_data["expires"]
        return now + timedelta(days=int(days)) if days else None
