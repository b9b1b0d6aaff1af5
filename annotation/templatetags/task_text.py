"""Small drawing helps of the pages."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import template
from django.http import HttpRequest
from django.utils.translation import gettext

from annotation.models import User

register = template.Library()


@register.simple_tag(takes_context=True)
def chosen_theme(context: template.Context) -> str:
    """light, dark or auto: kept with the account, for a stranger in a cookie; auto on pages without a request."""
    request: HttpRequest | None = context.get("request")
    if request is None:
        return "auto"
    user = getattr(request, "user", None)  # where something failed early, nobody was looked up
    if isinstance(user, User):
        return user.theme
    wish = request.COOKIES.get("theme", "")
    return wish if wish in User.Theme.values else "auto"


@register.filter
def pips(option: Mapping[str, Any], segments: int) -> list[bool]:
    """Bars of one segment from left to right, true where filled; they grow from the middle outwards.

    A scale of 2 or 3 segments has one bar for each side, 5 two, 7 three, 8 four; the tie has one, empty.
    """
    top, strength = segments // 2, option["strength"]
    if option["side"] == "t":
        return [False]
    bars = [True] * strength + [False] * (top - strength)
    return bars[::-1] if option["side"] == "a" else bars


@register.filter
def verdict(option: Mapping[str, Any]) -> str:
    """The words of a segment without its letter: "A much better" → "Much better"."""
    words = str(option["label"]).split(" ", 1)[-1]
    return words[:1].upper() + words[1:]


@register.filter
def minutes(total: int) -> str:
    """65 → "1 h 5 min"."""
    hours, rest = divmod(total, 60)
    words = {"hours": hours, "minutes": rest}
    if not hours:
        return gettext("%(minutes)d min") % words
    return gettext("%(hours)d h %(minutes)d min") % words if rest else gettext("%(hours)d h") % words


@register.filter
def clock(seconds: float) -> str:
    """110 → "1:50"."""
    return "{}:{:02}".format(*divmod(round(seconds), 60))


SIGNS = {"GBP": "£", "EUR": "€", "USD": "$"}


@register.filter
def money(amount: Decimal, currency: str) -> str:
    """At least two decimal places: "£0.48", "£0.125", "CHF 0.50"."""
    places = max(2, -int(amount.normalize().as_tuple().exponent))
    sign = SIGNS.get(currency, f"{currency}\N{NO-BREAK SPACE}")
    return f"{sign}{amount:,.{places}f}"
