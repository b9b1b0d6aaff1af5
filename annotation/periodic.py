"""Checks that beat runs every few seconds; a higher room registers what it has to look after."""

from collections.abc import Callable
from datetime import datetime

from annotation.registry import Registry

periodic_checks: Registry[Callable[[datetime], None]] = Registry("periodic check")
