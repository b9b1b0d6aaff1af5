"""Accounts for simulation and load tests."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.models import Project
from annotation.simulation.accounts import simulated_tokens


class Command(BaseCommand):
    help = "Make simulated annotators of a project and write {email, token} lines to a file of mode 600."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("--count", type=int, required=True)
        parser.add_argument("--tokens", type=Path, required=True, metavar="FILE", help="must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"there is no project {options['project']!r}")
        if options["count"] < 1:
            raise CommandError("--count starts at 1")
        path: Path = options["tokens"]
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise CommandError(f"{path} cannot be made: {error.strerror}") from error
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            tokens = simulated_tokens(
                project=project, count=options["count"], now=timezone.now(), prefix="load"
            )
            for email, token in tokens.items():
                file.write(json.dumps({"email": email, "token": token}) + "\n")
        self.stdout.write(f"{len(tokens)} annotators of {project.slug}; tokens in {path}")
