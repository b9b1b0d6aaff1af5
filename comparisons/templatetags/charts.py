"""Numbers for people (`percent`) and for SVG attributes (`plain_number`, never localised)."""

from django import template

register = template.Library()


@register.filter
def plain_number(value: float) -> str:
    """`12.3`, whatever the language of the page: a geometry attribute takes no decimal comma."""
    return f"{value:g}"


@register.filter
def percent(share: float) -> str:
    """A share in [0, 1] as `62.3 %`, with a narrow no-break space."""
    return f"{100 * share:.1f}\u202f%"


@register.filter
def whole_percent(share: float) -> str:
    """A share in [0, 1] that is known no better as `62 %`, with a narrow no-break space."""
    return f"{100 * share:.0f}\u202f%"
