"""Renders conversations with a chat template: the small process that `exporters.chat_template` starts and limits.

A file of its own that imports nothing of ours: it runs by its path, with an empty environment, in Python's isolated
mode, so that a template which broke out of Jinja's sandbox would find neither secrets nor our code.

Lines of JSON in and out. First {"template"} → {"ready": true} or {"refused"}; then for each conversation
{"messages", "is_prompt"} → {"text"}, {"refused": why} or {"stopped": why}.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from jinja2 import Environment, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEXT_MAX = 1_000_000
"""Characters that one conversation may become."""
ROW_SECONDS = 2.0
"""Of computing, for one conversation."""
ALL_SECONDS = 1800
"""Of computing, for all conversations of a format."""
MEMORY_BYTES = 512 * 1024 * 1024
FIXED_DAY = datetime(2024, 7, 26)  # noqa: DTZ001  (what `strftime_now` tells; a clock would make each cut another)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
"""Stand-ins: a template alone does not say which tokens its tokenizer has."""


class Generation(Extension):
    """`{% generation %}…{% endgeneration %}`, which marks what the assistant says; here it is only its content."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def chat_environment() -> Environment:
    """Jinja as transformers sets it up for chat templates, without chance and without a clock."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    del environment.filters["random"], environment.globals["lipsum"]
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = FIXED_DAY.strftime
    return environment


def to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


def raise_exception(message: str) -> None:
    raise TemplateError(message)


class TooLong(Exception):
    """The text of one conversation passed TEXT_MAX."""


def render(pieces: Callable[..., Any], request: dict[str, Any]) -> dict[str, str]:
    text, length = [], 0
    try:
        for piece in pieces(
            messages=request["messages"],
            add_generation_prompt=request["is_prompt"],
            tools=None,
            documents=None,
            **TOKENS,
        ):
            text.append(piece)
            length += len(piece)
            if length > TEXT_MAX:
                raise TooLong
    except TooLong:
        return {"stopped": f"it writes more than {TEXT_MAX:,} characters"}
    except MemoryError:
        return {"stopped": f"it takes more than {MEMORY_BYTES // 1024**2} MiB of memory"}
    except Exception as error:  # noqa: BLE001  (a template may raise anything; the sentence goes to the release)
        return {"refused": f"{error}"[:300] or type(error).__name__}
    return {"text": "".join(text)}


def limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, ALL_SECONDS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        resource.setrlimit(what, (most, most))


def answer(body: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(body) + "\n")
    sys.stdout.flush()


def main() -> None:
    limit()
    # Nobody handles the signal: a row that computes for longer ends the process, in the midst of whatever it does.
    signal.setitimer(signal.ITIMER_PROF, ROW_SECONDS)
    try:
        template = chat_environment().from_string(json.loads(sys.stdin.readline())["template"])
    except MemoryError:
        answer({"stopped": f"it takes more than {MEMORY_BYTES // 1024**2} MiB of memory"})
        return
    except Exception as error:  # noqa: BLE001  (as above)
        answer({"refused": f"{error}"[:300] or type(error).__name__})
        return
    answer({"ready": "yes"})
    for line in sys.stdin:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, ROW_SECONDS)
        answer(render(template.generate, request))


if __name__ == "__main__":
    main()
