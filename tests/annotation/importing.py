"""Short ways to read the rows of a file in tests of import formats."""

import io
import json
from typing import Any

from annotation.importers import ItemRow, Limits, RowError, RowResult, check_rows

PAIR = Limits()
RANKING = Limits(completions_min=2, completions_max=8, preference_max=None)
RATING = Limits(completions_min=1, completions_max=8, preference_max=None)
DEMONSTRATION = Limits(completions_min=0, completions_max=0, preference_max=None)


def good_row(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": "row-17",
        "prompt": [{"role": "user", "content": "Why is the sky blue?"}],
        "completions": [
            {"content": "Rayleigh scattering.", "model": "m1"},
            {"content": "It is not.", "model": "m2"},
        ],
    }
    return {key: value for key, value in {**row, **changes}.items() if value is not ...}


def as_line(row: Any) -> bytes:
    return row if isinstance(row, bytes) else json.dumps(row).encode()


def check(*lines: Any, format: str = "jsonl", limits: Limits = PAIR) -> list[RowResult]:
    """Results for a file with these lines: bytes as they are, anything else as JSON."""
    return list(check_rows(io.BytesIO(b"\n".join(map(as_line, lines))), format, limits))


def only_item(*lines: Any, format: str = "jsonl", limits: Limits = PAIR) -> ItemRow:
    (result,) = check(*lines, format=format, limits=limits)
    assert isinstance(result, ItemRow), result
    return result


def only_error(*lines: Any, format: str = "jsonl", limits: Limits = PAIR) -> RowError:
    (result,) = check(*lines, format=format, limits=limits)
    assert isinstance(result, RowError), result
    assert result.detail and result.fix
    return result


def texts(item: ItemRow) -> list[str]:
    return [one.messages[-1]["content"] for one in item.completions]
