"""Two conversations, turn by turn (docs/decisions/0013-per-turn-preference.md).

A turn ends with a message of the assistant, and holds what was said before it since the turn before. Turns count
from 1. Two conversations of unequal length are compared on the turns that both have.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from annotation.kinds import Screen


def assistant_turns(messages: Sequence[Mapping[str, str]]) -> int:
    return sum(message["role"] == "assistant" for message in messages)


def turns_asked(screen: Screen) -> int:
    """How many turns are compared: those that both completions have.

    0 under a protocol that does not ask by turn, and for two single replies: there the turn is the whole.
    """
    if not screen.protocol.per_turn:
        return 0
    counts = [assistant_turns(completion.messages) for completion in screen.completions]
    return min(counts) if max(counts) > 1 else 0


def split_turns(messages: Sequence[Mapping[str, str]]) -> Iterator[list[Mapping[str, str]]]:
    """The messages of each turn; an importer takes no conversation that ends with the user."""
    turn: list[Mapping[str, str]] = []
    for message in messages:
        turn.append(message)
        if message["role"] == "assistant":
            yield turn
            turn = []


def branches(screen: Screen) -> list[dict[str, Any]]:
    """[{"label", "turns": [{"number", "messages"}, …]}, …] in screen order, for the page."""
    return [
        {
            "label": label,
            "turns": [
                {"number": number, "messages": messages}
                for number, messages in enumerate(split_turns(completion.messages), start=1)
            ],
        }
        for label, completion in screen.by_label.items()
    ]
