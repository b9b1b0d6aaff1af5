"""Turns untrusted text (prompts, completions, notes) into mark-up that is safe to show."""

from annotation.rendering.differences import is_comparable, marked_differences
from annotation.rendering.text import render_markdown, render_plain

__all__ = ["is_comparable", "marked_differences", "render_markdown", "render_plain"]
