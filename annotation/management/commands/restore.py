"""`manage.py restore DIR` in the list of commands; `manage.py` itself starts it, before there are settings to read."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from annotation.backup.restoring import main


class Command(BaseCommand):
    """Hands over to `annotation.backup.restoring`."""

    help = "Restore a backup into an empty instance, or beside a database with --into NAME, and prove it."

    def run_from_argv(self, argv: list[str]) -> None:
        """Leave arguments and exit code to it."""
        sys.exit(main(argv[2:]))

    def handle(self, *args: Any, **options: Any) -> None:
        """Without arguments it says what it wants."""
        sys.exit(main([]))
