"""The form of everybody's own settings."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.conf import settings
from django.forms import BoundField
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from annotation.forms_console import ConsoleForm
from annotation.models import User
from annotation.services.people import COMMAND_KEYS, COMMANDS

NAMES = [
    # Of themes, motions and the commands that have a key
    gettext_noop("As my device"),
    gettext_noop("Light"),
    gettext_noop("Dark"),
    gettext_noop("Reduced"),
    gettext_noop("Guide"),
    gettext_noop("Scroll down"),
    gettext_noop("Scroll up"),
    gettext_noop("Side by side or stacked"),
    gettext_noop("Mark a problem"),
    gettext_noop("Note"),
    gettext_noop("Previous turns"),
    gettext_noop("Report"),
    gettext_noop("How sure"),
    gettext_noop("Plain text"),
    gettext_noop("Undo the last answer"),
    gettext_noop("Differences"),
    gettext_noop("Can’t judge"),
    gettext_noop("Break"),
]
KEY_CHOICES = [(key, key.upper()) for key in COMMAND_KEYS]


class SettingsForm(ConsoleForm):
    """Theme, motion, language, keys, money and time. `initial` is the account as it is. No language: it stays."""

    theme = forms.ChoiceField(label=_("Theme"), choices=User.Theme.choices, widget=forms.RadioSelect)
    motion = forms.ChoiceField(label=_("Motion"), choices=User.Motion.choices, widget=forms.RadioSelect)
    language = forms.ChoiceField(
        label=_("Language"), choices=settings.LANGUAGES, required=False, widget=forms.RadioSelect
    )
    has_single_keys = forms.BooleanField(
        label=_("Shortcuts of one key"), required=False, widget=forms.CheckboxInput(attrs={"role": "switch"})
    )
    shows_pay = forms.BooleanField(
        label=_("Show working time and pay"),
        required=False,
        widget=forms.CheckboxInput(attrs={"role": "switch"}),
    )

    wants_mail = forms.BooleanField(
        label=_("Write to me when there is work again"),
        required=False,
        widget=forms.CheckboxInput(attrs={"role": "switch"}),
    )

    def __init__(self, data: Any = None, *, user: User) -> None:
        initial = {
            "theme": user.theme,
            "motion": user.motion,
            "language": user.language,
            "has_single_keys": user.has_single_keys,
            "shows_pay": not user.hides_pay,
            "wants_mail": user.wants_mail,
        }
        super().__init__(data, initial=initial)
        if not settings.SENDS_MAIL:
            del self.fields["wants_mail"]
        for name, choices in (("theme", User.Theme.choices), ("motion", User.Motion.choices)):
            self.fields[name].choices = [(value, gettext(words)) for value, words in choices]  # type: ignore[attr-defined]
        for command, words in COMMANDS.items():
            self.fields[f"key_{command}"] = forms.ChoiceField(
                label=gettext(words),
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
            "wants_mail": data.get("wants_mail"),
            "keymap": {command: data[f"key_{command}"] for command in COMMANDS},
        }
