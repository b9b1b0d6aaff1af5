"""The web application with its guards off, for controls only.

Every row lock is taken out of the SQL it sends, and where a lock stood it sometimes rests long enough for
another request to come and go: the race that the lock stops is then sure to happen. `guards.guards_off` takes away
what the tables hold.
"""

import random
import re
import time
from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

ROW_LOCK = re.compile(
    r'\sFOR\s+(?:NO\s+KEY\s+)?UPDATE(?:\s+OF\s+[\w".]+(?:\s*,\s*[\w".]+)*)?(?:\s+SKIP\s+LOCKED|\s+NOWAIT)?',
    re.I,
)
SKIPPING = re.compile(r"\sSKIP\s+LOCKED", re.I)
PREPARED = re.compile(r"PREPARE\s+(\w+)", re.I)
EXECUTED = re.compile(r"EXECUTE\s+(\w+)", re.I)
REST_SECONDS = (0.0, 0.3)
"""Where a lock stepped over those of others: before a slot that was read as free is taken."""

_resting: set[str] = set()
"""Names of prepared statements that had such a lock."""


def without_locks(
    execute: Callable[..., Any], statement: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """An execute wrapper of Django's."""
    if not isinstance(statement, str):
        return execute(statement, params, many, context)
    result = execute(ROW_LOCK.sub("", statement), params, many, context)
    prepared, executed = PREPARED.match(statement), EXECUTED.findall(statement)
    if prepared and SKIPPING.search(statement):
        _resting.add(prepared[1])
    elif SKIPPING.search(statement) or not _resting.isdisjoint(executed):
        time.sleep(random.choice(REST_SECONDS))
    return result


def _take_locks_out(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if without_locks not in connection.execute_wrappers:
        connection.execute_wrappers.append(without_locks)


connection_created.connect(_take_locks_out)

from annotation.config.wsgi import application  # noqa: E402

__all__ = ["application"]
