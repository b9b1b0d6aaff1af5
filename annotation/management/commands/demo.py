"""Load the demo into the running instance."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.demo.loader import DemoError, ensure_demo
from annotation.management.commands.simulate import instance_url
from annotation.runtime.instance import LOGINS_FILE, var_folder


class Command(BaseCommand):
    help = "Load the demo projects into the running instance, unless they are there, and say where the logins are."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--url", help="the instance; default: the one that runs in VAR")

    def handle(self, *args: Any, **options: Any) -> None:
        var = var_folder()
        try:
            logins = ensure_demo(options["url"] or instance_url(), var, timezone.now())
        except DemoError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("The demo is there already." if logins is None else "The demo is loaded.")
        for role, login in (logins or {}).items():
            self.stdout.write(f"  {role:<10} {login['email']:<34} {login['password']}")
        self.stdout.write(f"Logins: {var / LOGINS_FILE}")
