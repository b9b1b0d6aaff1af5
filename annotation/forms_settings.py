"""The form of everybody's own settings."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms import BoundField

from annotation.forms_console import ConsoleForm
from annotation.models import User
from annotation.services.people import COMMAND_KEYS, COMMANDS

KEY_CHOICES = [(key, key.upper()) for key in COMMAND_KEYS]


class SettingsForm(ConsoleForm):
    """Theme, motion, keys, money and time. `initial` is the account as it is."""

    theme = forms.ChoiceField(label="Theme", choices=User.Theme.choices, widget=forms.RadioSelect)
    motion = forms.ChoiceField(label="Motion", choices=User.Motion.choices, widget=forms.RadioSelect)
    has_single_keys = forms.BooleanField(
        label="Shortcuts of one key", required=False, widget=forms.CheckboxInput(attrs={"role": "switch"})
    )
    shows_pay = forms.BooleanField(
        label="Show working time and pay",
        required=False,
        widget=forms.CheckboxInput(attrs={"role": "switch"}),
    )

    def __init__(self, data: Any = None, *, user: User) -> None:
        initial = {
            "theme": user.theme,
            "motion": user.motion,
            "has_single_keys": user.has_single_keys,
            "shows_pay": not user.hides_pay,
        }
        super().__init__(data, initial=initial)
        for command, words in COMMANDS.items():
            self.fields[f"key_{command}"] = forms.ChoiceField(
                label=words,
                choices=KEY_CHOICES,
                initial=user.keymap.get(command, command),
                widget=forms.Select(attrs={"class": "field"}),
            )

    def keys(self) -> Iterator[BoundField]:
        return (self[f"key_{command}"] for command in COMMANDS)

    def preferences(self) -> dict[str, Any]:
        """Arguments of `set_preferences`."""
        data = self.cleaned_data
        return {
            "theme": data["theme"],
            "motion": data["motion"],
            "has_single_keys": data["has_single_keys"],
            "hides_pay": not data["shows_pay"],
            "keymap": {command: data[f"key_{command}"] for command in COMMANDS},
        }
