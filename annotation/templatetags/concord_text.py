"""`{% markdown text %}`, `{% plain text %}` and `{% icon "undo" size=15 %}`; the first two are filters too."""

from django import template
from django.utils.safestring import SafeString

from annotation.rendering import render_markdown, render_plain
from annotation.rendering.icons import svg_icon

register = template.Library()


@register.simple_tag
def icon(name: str, size: int = 16) -> SafeString:
    """Draw the icon called `name` (see `annotation/rendering/icons.py`)."""
    return svg_icon(name, size)


@register.simple_tag(name="markdown")
def markdown_tag(text: str) -> SafeString:
    """Untrusted markdown as sanitised mark-up."""
    return render_markdown(text)


@register.simple_tag(name="plain")
def plain_tag(text: str) -> SafeString:
    """The raw text, escaped, with invisible characters shown."""
    return render_plain(text)


@register.filter(name="markdown")
def markdown_filter(text: str) -> SafeString:
    """Filter form of `{% markdown %}`."""
    return render_markdown(text)


@register.filter(name="plain")
def plain_filter(text: str) -> SafeString:
    """Filter form of `{% plain %}`."""
    return render_plain(text)
