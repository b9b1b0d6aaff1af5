"""Rendering conversations with somebody's chat template, which may be hostile. No Django.

Jinja's sandbox keeps a template from Python's inner parts; time and memory it does not hold. So rendering happens in a
process of its own (`exporters.chat_render`) with limits that the system enforces: 2 s of computing for a conversation,
half an hour for a format, 512 MiB, no files, a million characters of text. A template that meets a limit fails the
cut: a warning whose number depends on how busy the machine is would not be a function of the snapshot.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jinja2 import TemplateSyntaxError

from exporters import chat_render
from exporters.chat_render import ROW_SECONDS, chat_environment
from exporters.formats import Messages

TEMPLATE_MAX = 65_536
"""Characters of a template; those of well-known models have up to 10,000."""
ANSWER_SECONDS = 60.0
"""By the clock, for one answer: only a machine that stands still takes so long."""
ANSWER_BYTES = 16 * 1024 * 1024
BLOCK = 1 << 16


class TemplateRefused(Exception):
    """The template itself does not take this conversation, or is no template."""


class TemplateStopped(Exception):
    """The template met a limit; the sentence says which."""


def refuse_bad_template(text: str) -> None:
    """Raises ValueError, in a sentence, for what is no chat template. Reads it only; nothing of it runs."""
    if len(text) > TEMPLATE_MAX:
        raise ValueError(
            f"A chat template has at most {TEMPLATE_MAX:,} characters; this one has {len(text):,}."
        )
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("A chat template is text; this one holds a NUL or half a character.")
    try:
        chat_environment().parse(text)
    except TemplateSyntaxError as error:
        raise ValueError(f"This is no Jinja template, line {error.lineno}: {error.message}") from error
    except RecursionError as error:
        raise ValueError("This chat template is nested too deeply.") from error


def read_template(path: Path) -> str:
    """The template in a tokenizer_config.json (its `chat_template`) or in a file of its own.

    Raises ValueError, in a sentence, for a file that has none; OSError for one that cannot be read.
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text.") from error
    if path.suffix != ".json":
        return text
    try:
        found = json.loads(text)["chat_template"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is no tokenizer_config.json with a chat_template.") from error
    if isinstance(found, list):
        # Several, by name: that for plain conversations is called "default".
        named = {entry.get("name"): entry.get("template") for entry in found if isinstance(entry, dict)}
        found = named.get("default")
    if not isinstance(found, str):
        raise ValueError(
            f"The chat_template of {path.name} is neither a text nor a list with one named default."
        )
    return found


class ChatTemplate:
    """Renders conversations, one at a time. A context manager: leaving it ends the process."""

    def __init__(self, text: str) -> None:
        self.buffer = b""
        self.process = subprocess.Popen(
            [sys.executable, "-I", chat_render.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONHASHSEED": "0"},
            cwd="/",
        )
        self.text = text

    def __enter__(self) -> Self:
        try:
            reply = self.ask({"template": self.text})
            if "refused" in reply:
                raise TemplateRefused(reply["refused"])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def render(self, conversation: Messages, *, is_prompt: bool = False) -> str:
        """Raises TemplateRefused where the template raises, TemplateStopped where it meets a limit."""
        reply = self.ask({"messages": conversation, "is_prompt": is_prompt})
        if "refused" in reply:
            raise TemplateRefused(reply["refused"])
        return str(reply["text"])

    def ask(self, body: dict[str, Any]) -> dict[str, str]:
        assert self.process.stdin is not None  # noqa: S101  (for mypy: it is a pipe)
        try:
            self.process.stdin.write(json.dumps(body).encode() + b"\n")
            self.process.stdin.flush()
            reply: dict[str, str] = json.loads(self.line())
        except (BrokenPipeError, EOFError) as error:
            raise TemplateStopped(f"it computes for longer than {ROW_SECONDS:g} seconds") from error
        if "stopped" in reply:
            raise TemplateStopped(reply["stopped"])
        return reply

    def line(self) -> bytes:
        """The next line of the process. Raises EOFError when it has ended, TemplateStopped when it takes too long."""
        assert self.process.stdout is not None  # noqa: S101  (as above)
        deadline = time.monotonic() + ANSWER_SECONDS
        pipe = self.process.stdout.fileno()
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or len(self.buffer) > ANSWER_BYTES or not select.select([pipe], [], [], left)[0]:
                raise TemplateStopped(f"it gave no answer within {ANSWER_SECONDS:g} seconds")
            block = os.read(pipe, BLOCK)
            if not block:
                raise EOFError
            self.buffer += block
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line
