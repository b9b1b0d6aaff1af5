"""The form for a new release; what the settings mean is decided in `exporters.settings`."""

from typing import Any

from django import forms

from annotation.errors import Refused
from annotation.models import Batch, Criterion, Project
from exporters.chat_template import TEMPLATE_MAX
from exporters.formats import export_formats
from exporters.settings import JUDGMENTS_MAX, OVERALL, SPLITS, ReleaseSettings, release_settings

LABEL_CHOICES = [
    ("majority", "Majority of the judgments"),
    ("mean_strength", "Mean of the signed strengths"),
    ("dawid_skene", "Dawid–Skene: people weighed by the errors they make"),
    ("adjudicated", "What reviewers decided, else the majority"),
    ("every", "Every judgment, a row each"),
    ("reference", "The label that came with the data"),
]
CLUSTER_CHOICES = [
    ("near", "Prompts that are nearly the same"),
    ("exact", "Only prompts that are equal"),
]
TIE_CHOICES = [
    ("drop", "Leave them out"),
    ("soft", "Keep each with a soft label of one half"),
    ("both", "Keep them in both orders"),
]
RANKING_CHOICES = [
    ("all", "Every two completions"),
    ("adjacent", "Neighbours in the order"),
    ("best_worst", "The best and the worst"),
]


def criteria_of(project: Project) -> list[tuple[str, str]]:
    """(key, name) of what the project's protocols ask, overall first; of a name that changed the newest."""
    asked = Criterion.objects.filter(protocol__project=project).order_by("protocol__number", "position")
    return list(({OVERALL: "Overall"} | dict(asked.values_list("key", "name"))).items())


class ReleaseForm(forms.Form):
    """Shares are asked in whole percent. `settings()` reads a valid form; `refuse()` puts a refusal in place."""

    version = forms.CharField(required=False, max_length=32)
    batches = forms.MultipleChoiceField(required=False)
    min_judgments = forms.IntegerField(required=False, min_value=1, max_value=JUDGMENTS_MAX)
    min_agreement = forms.IntegerField(required=False, min_value=0, max_value=100)
    since = forms.CharField(required=False, max_length=32)
    before = forms.CharField(required=False, max_length=32)
    guideline_versions = forms.MultipleChoiceField(required=False)
    without_paused = forms.BooleanField(required=False)
    labels = forms.ChoiceField(choices=LABEL_CHOICES)
    criterion = forms.ChoiceField()
    ranking_pairs = forms.ChoiceField(choices=RANKING_CHOICES)
    max_lean = forms.IntegerField(required=False, min_value=1, max_value=49)
    both_orders = forms.BooleanField(required=False)
    length_balanced = forms.BooleanField(required=False)
    ties = forms.ChoiceField(choices=TIE_CHOICES)
    train = forms.IntegerField(min_value=0, max_value=100)
    validation = forms.IntegerField(min_value=0, max_value=100)
    test = forms.IntegerField(min_value=0, max_value=100)
    seed = forms.IntegerField(min_value=0)
    clusters = forms.ChoiceField(choices=CLUSTER_CHOICES)
    formats = forms.MultipleChoiceField()
    license = forms.CharField(required=False, max_length=40)
    chat_template = forms.CharField(required=False, strip=False, max_length=2 * TEMPLATE_MAX)

    START: dict[str, Any] = {
        "min_judgments": 1,
        "labels": "majority",
        "criterion": OVERALL,
        "ranking_pairs": "all",
        "ties": "drop",
        "train": 80,
        "validation": 0,
        "test": 20,
        "seed": 0,
        "clusters": "near",
        "formats": ["preference"],
    }

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **{"initial": self.START} | kwargs)
        batches = project.batches.filter(state__in=[Batch.State.OPEN, Batch.State.CLOSED]).order_by("number")
        self.fields["batches"] = forms.MultipleChoiceField(
            required=False,
            choices=[(str(batch.number), f"{batch.number} · {batch.name}") for batch in batches],
        )
        guidelines = project.guidelines.order_by("number").values_list("number", flat=True)
        self.fields["guideline_versions"] = forms.MultipleChoiceField(
            required=False, choices=[(str(number), f"Version {number}") for number in guidelines]
        )
        self.fields["criterion"] = forms.ChoiceField(choices=criteria_of(project))
        self.fields["formats"] = forms.MultipleChoiceField(
            choices=[(key, each.title) for key, each in export_formats if not each.refusal]
        )

    def settings(self) -> ReleaseSettings:
        """Raises Refused as `release_settings` does."""
        data = self.cleaned_data
        filters: dict[str, Any] = {
            "batches": [int(number) for number in data["batches"]],
            "guideline_versions": [int(number) for number in data["guideline_versions"]],
            "since": data["since"],
            "before": data["before"],
            "min_agreement": (data["min_agreement"] or 0) / 100,
            "paused": "exclude" if data["without_paused"] else "include",
        }
        if data["labels"] != "reference" and data["min_judgments"] is not None:
            filters["min_judgments"] = data["min_judgments"]
        return release_settings(
            {
                "filters": filters,
                "labels": data["labels"],
                "criterion": data["criterion"],
                "ranking_pairs": data["ranking_pairs"],
                "ties": data["ties"],
                "debias": {
                    "max_lean": data["max_lean"] / 100 if data["max_lean"] else None,
                    "both_orders": data["both_orders"],
                    "length_balanced": data["length_balanced"],
                },
                "split": {side: data[side] / 100 for side in SPLITS}
                | {"seed": data["seed"], "clusters": data["clusters"]},
                "formats": data["formats"],
                "license": data["license"],
                # A browser sends a form's lines with CR LF; in a template they would be white space of the text.
                "chat_template": data["chat_template"].replace("\r\n", "\n"),
            }
        )

    def has_any(self, *names: str) -> bool:
        """Whether one of the fields is filled in, or refused: its part of the form must be open then."""
        return any(self[name].value() or (self.is_bound and self[name].errors) for name in names)

    def refuse(self, refusal: Refused) -> None:
        """Show each error at its field, or above the form where there is no such field."""
        for error in refusal.errors:
            name = error.field.rsplit(".", 1)[-1]
            self.add_error(name if name in self.fields else None, error.detail)
        if not refusal.errors:
            self.add_error(None, refusal.detail)
