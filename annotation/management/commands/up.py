"""`manage.py up`: run the whole instance."""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from annotation.runtime.instance import var_folder
from annotation.runtime.up import up


class Command(BaseCommand):
    """Started by `manage.py` before the settings can be read: it makes what they describe."""

    help = "Run the whole instance: PostgreSQL, web server, worker and clock, until Ctrl-C."
    requires_system_checks: list[str] = []  # type: ignore[assignment]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Defaults come from the environment, as `make run` passes them."""
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
        parser.add_argument("--var", type=Path, default=var_folder(), help="folder of the instance (default: ./var)")
        parser.add_argument("--no-demo", action="store_true", help="do not load the demo projects (CONCORD_DEMO=0)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit with the code of the run."""
        demo = not options["no_demo"] and os.environ.get("CONCORD_DEMO", "1") != "0"
        sys.exit(up(var=options["var"].absolute(), port=options["port"], demo=demo))
