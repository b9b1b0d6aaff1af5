"""Make an account. Sign-up is closed: people come in by an operator or a project's lead."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from annotation.errors import Refused
from annotation.services.people import create_user


class Command(BaseCommand):
    help = "Make an account and print its one-time password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="")
        parser.add_argument("--can-create-projects", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user, password = create_user(
                email=options["email"],
                now=timezone.now(),
                name=options["name"],
                can_create_projects=options["can_create_projects"],
            )
        except Refused as refusal:
            raise CommandError(refusal.detail) from None
        self.stdout.write(f"{user.email}  {password}")
