"""What higher rooms add to a project's pages: panels and entries of its navigation. This room never names them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from annotation.models import Item, Membership, Project
from annotation.registry import Registry


@dataclass(frozen=True)
class Panel:
    """One block of the project page; `order` small comes first."""

    title: str
    template_name: str
    order: int = 100
    context: dict[str, Any] = field(default_factory=dict)


overview_panels: Registry[Callable[[HttpRequest, Project], Panel | None]] = Registry("overview panel")
"""A panel answers None when the person has no business with it."""

item_panels: Registry[Callable[[Item], Panel | None]] = Registry("item panel")
"""Blocks of an item's page, which leads and reviewers see once they are not to judge it themselves (I13)."""


@dataclass(frozen=True)
class NavigationEntry:
    """A page of a project, for members in one of `roles`. `url_name` takes the project's slug alone."""

    title: str
    icon: str
    url_name: str
    roles: frozenset[str]


project_navigation: Registry[NavigationEntry] = Registry("navigation entry")

ON_TARGET, LOOK_TOGETHER = "on_target", "look_together"

quality_bands: Registry[Callable[[Sequence[Membership]], Mapping[int, str]]] = Registry("quality band")
"""The band of each annotator, by their id: ON_TARGET or LOOK_TOGETHER, nobody of whom too little is known. Never a
score, and from figures of the night before, so that no answer to a gold item shows in it at once (I13)."""
