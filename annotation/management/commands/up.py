"""`manage.py up` in the list of commands; `manage.py` itself starts it, before there are settings to read."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from annotation.runtime.up import main


class Command(BaseCommand):
    """Hands over to `annotation.runtime.up`."""

    help = "Run the whole instance: PostgreSQL, web server, worker and clock, until Ctrl-C."

    def run_from_argv(self, argv: list[str]) -> None:
        """Leave arguments and exit code to the runtime."""
        sys.exit(main(argv[2:]))

    def handle(self, *args: Any, **options: Any) -> None:
        """The same with everything from the environment."""
        sys.exit(main([]))
