"""An API token for a person, printed once."""

import argparse
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.errors import Refused
from annotation.models import ApiToken, Project, User
from annotation.services.people import create_token


class Command(BaseCommand):
    help = "Make an API token for a person and print it. It cannot be shown again."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="command line", help="how the settings page lists it")
        parser.add_argument(
            "--scope", action="append", choices=ApiToken.Scope.values, help="repeat for several; default: all"
        )
        parser.add_argument("--project", action="append", metavar="SLUG", help="limit to these projects")
        parser.add_argument("--days", type=int, help="days until it expires; default: never")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email=User.objects.normalise(options["email"]), is_active=True).first()
        if user is None:
            raise CommandError(f"there is no active account {options['email']!r}")
        projects = None
        if options["project"] is not None:
            projects = list(Project.objects.filter(slug__in=options["project"]))
            missing = set(options["project"]) - {project.slug for project in projects}
            if missing:
                raise CommandError(f"there is no project {', '.join(sorted(missing))}")
        if options["days"] is not None and options["days"] < 1:
            raise CommandError("--days starts at 1")
        now = timezone.now()
        try:
            token = create_token(
                user=user,
                now=now,
                name=options["name"],
                scopes=options["scope"] or ApiToken.Scope.values,
                projects=projects,
                expires_at=now + timedelta(days=options["days"]) if options["days"] else None,
            )
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(token)
