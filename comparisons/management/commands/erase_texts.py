"""Blank what one annotator wrote, at their wish."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.models import Membership, User
from comparisons.erasure import erase_texts


class Command(BaseCommand):
    help = (
        "Blank the demonstrations, critiques, revisions and notes of one annotator and delete their drafts and what "
        "they said of themselves. The judgments stay, without the texts. Data files of earlier releases that may hold "
        "them are deleted by the next sweep."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("email", help="whose texts")

    def handle(self, *args: Any, **options: Any) -> None:
        annotator = Membership.objects.filter(
            project__slug=options["project"],
            role=Membership.Role.ANNOTATOR,
            user__email=User.objects.normalise(options["email"]),
        ).first()
        if annotator is None:
            raise CommandError(f"{options['email']!r} is no annotator of {options['project']!r}")
        count = erase_texts(annotator=annotator, actor=None, now=timezone.now())
        self.stdout.write(f"{count} texts blanked")
