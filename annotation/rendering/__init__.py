"""Turns untrusted text (prompts, completions, notes) into mark-up that is safe to show."""

from annotation.rendering.text import render_markdown, render_plain

__all__ = ["render_markdown", "render_plain"]
