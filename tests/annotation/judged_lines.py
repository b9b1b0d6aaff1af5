"""Lines of the batch format `judgments`, written by hand, for tests of imports."""

import json
from typing import Any

CRITERION = {
    "key": "overall",
    "name": "Overall",
    "question": "Which response is better overall?",
    "low": -3,
    "high": 3,
    "ties_allowed": True,
    "anchors": [],
}


def completion(position: int, text: str, **changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"position": position, "model": "m", "settings": "{}", "messages": [message]} | changes


def line(number: int = 17, **changes: Any) -> dict[str, Any]:
    """Judgment `number` of item 4 in batch 1, of a pairwise project with seven points; `...` leaves a field out."""
    row: dict[str, Any] = {
        "id": f"1-4-{number}",
        "judgment": number,
        "supersedes": None,
        "batch": 1,
        "item": "row-4",
        "language": "en",
        "category": "",
        "reference": None,
        "metadata": "{}",
        "prompt": [{"role": "user", "content": "Why?"}],
        "completions": [completion(0, "Because."), completion(1, "Who knows.")],
        "annotator": f"p{number}",
        "is_simulated": False,
        "kind": "pairwise",
        "points": 7,
        "protocol_version": 1,
        "guideline_version": 1,
        "criteria": [CRITERION],
        "answers": '{"overall":{"preference":-2}}',
        "display_order": [1, 0],
        "active_seconds": 12.5,
        "confidence": 3,
        "note": "",
        "read_to_end": ["A", "B"],
        "created_at": "2026-03-02T09:00:10Z",
    }
    return {key: value for key, value in (row | changes).items() if value is not ...}


def saying(**overall: Any) -> str:
    return json.dumps({"overall": overall})
