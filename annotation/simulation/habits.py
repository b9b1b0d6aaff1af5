"""What people do on the way to an answer besides answering: shares, drawn from seeds."""

import random
from dataclasses import dataclass, fields

PATIENCE_SECONDS = 90.0
"""Longer than the shortest lease that the API allows (60 s), so that abandoned work comes round."""


@dataclass(frozen=True)
class Habits:
    """Shares in [0, 1] of the leases that somebody is given.

    `abandon`: walked away from, neither answered nor released; nobody abandons an item twice.
    `come_back`: of the abandoned, answered after all, once the lease has run out or nothing else is left.
    `double_click`: the same submission twice at once. `two_tabs`: (a share of the turns) two leases at once,
    and two different answers to the first at once.

    Whoever is given nothing while abandoned leases still run asks again for up to `patience_seconds` in a row.
    """

    abandon: float = 0.0
    come_back: float = 0.5
    double_click: float = 0.0
    two_tabs: float = 0.0
    patience_seconds: float = PATIENCE_SECONDS

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "patience_seconds":
                if value < 0:
                    raise ValueError(f"patience_seconds starts at 0, not at {value}")
            elif not 0 <= value <= 1:
                raise ValueError(f"{field.name} is a share between 0 and 1, not {value}")


CAREFUL = Habits()


def happens(share: float, seed: int, subject: str, what: str) -> bool:
    """Whether the person with `seed` does `what` to `subject`: the same in every run."""
    return random.Random(f"{seed}|{subject}|{what}").random() < share
