"""Logging: one JSON object a line on standard error, ours (structlog) and everybody else's (logging) alike."""

import json
import logging.config
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import Processor

SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.StackInfoRenderer(),
]

OURS: list[Processor] = [
    structlog.stdlib.filter_by_level,
    *SHARED,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]
"""One list for good: a logger that was used before a second call of `configure_logging` holds on to it."""


class LineFormatter(structlog.stdlib.ProcessorFormatter):
    """A record that brings its line ready-made (`info_line`) is written as it is."""

    def format(self, record: logging.LogRecord) -> str:
        line: str | None = getattr(record, "line", None)
        return super().format(record) if line is None else line


def info_line(logger: logging.Logger, event: str, fields: dict[str, Any]) -> None:
    """Log `event` at INFO as structlog would, without its way through two chains of processors.

    For the one line that every request writes: there they took 7 % of a submit (docs/engine-profile.md).
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    moment = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    told = {**fields, "event": event, "level": "info", "logger": logger.name, "time": moment}
    logger.info(event, extra={"line": json.dumps(told)})


def logging_settings(level: str) -> dict[str, Any]:
    """The dictConfig in which every record ends as one JSON line."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": LineFormatter,
                "foreign_pre_chain": SHARED,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django.server": {"handlers": [], "propagate": False},
            # Each answered request is logged once by our own middleware.
            "django.request": {"level": "ERROR"},
            "axes": {"level": "WARNING"},
            # One line for each call that a simulation makes is no news.
            "httpx": {"level": "WARNING"},
        },
    }


def configure_logging(settings: dict[str, Any]) -> None:
    """Put `logging_settings` and structlog into force for this process."""
    logging.config.dictConfig(settings)
    # Python's own advice (logging HOWTO, Optimization): no line tells file, thread or process, so nobody walks the
    # stack to find them.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    structlog.configure(
        processors=OURS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
