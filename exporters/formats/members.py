"""All formats, in the order in which form and API offer them."""

from __future__ import annotations

from exporters.formats import ExportFormat
from exporters.formats.argilla import argilla
from exporters.formats.judgments import judgments
from exporters.formats.messages import messages
from exporters.formats.openai import openai
from exporters.formats.preference import preference
from exporters.formats.preference_implicit import preference_implicit
from exporters.formats.prompt_completion import prompt_completion
from exporters.formats.prompt_only import prompt_only
from exporters.formats.rankings import rankings
from exporters.formats.ratings import ratings
from exporters.formats.reward import reward
from exporters.formats.stepwise import stepwise
from exporters.formats.unpaired_preference import unpaired_preference

FORMATS: tuple[ExportFormat, ...] = (
    preference,
    preference_implicit,
    reward,
    unpaired_preference,
    prompt_completion,
    messages,
    prompt_only,
    rankings,
    ratings,
    judgments,
    argilla,
    openai,
    stepwise,
)
