"""A small typed registry: a lower room offers the place, a higher room fills it.

Registration happens in ``AppConfig.ready()``, so the contents are complete before the first request.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """Named members of an open-ended family (judgment kinds, export formats, job kinds, panels)."""

    def __init__(self, family: str) -> None:
        self.family = family
        self._members: dict[str, T] = {}

    def register(self, key: str, member: T) -> None:
        """Add `member` under `key`. Raises ValueError when another member already has that key."""
        if self._members.get(key, member) is not member:
            raise ValueError(f"two members of {self.family} are called {key!r}")
        self._members[key] = member

    def get(self, key: str) -> T:
        """The member called `key`. Raises KeyError naming the family and what there is."""
        if key not in self._members:
            raise KeyError(f"no {self.family} called {key!r}; there are: {', '.join(sorted(self._members))}")
        return self._members[key]

    def __contains__(self, key: str) -> bool:
        return key in self._members

    def __iter__(self) -> Iterator[tuple[str, T]]:
        """(key, member) pairs in the order of registration."""
        return iter(self._members.items())
