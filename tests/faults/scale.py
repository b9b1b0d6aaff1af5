"""How much of each fault a run brings: a few seconds of it in `make test`, the wanted figures in `make faults`."""

import os

LONG = os.environ.get("CONCORD_FAULTS") == "long"


def scaled(short: int, long: int) -> int:
    """`short` in the ordinary run, `long` when CONCORD_FAULTS=long."""
    return long if LONG else short
