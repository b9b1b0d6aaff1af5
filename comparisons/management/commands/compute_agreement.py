"""Compute the agreement of a project now and print it."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.jobs import run_claimed
from annotation.models import Job, Project
from comparisons.models import AgreementReport
from comparisons.selectors import latest_agreement
from comparisons.services.agreement import start_agreement


class Command(BaseCommand):
    help = "Compute Krippendorff's alpha for each criterion of a project, with intervals over items."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("--seed", type=int, default=0, help="of the bootstrap; default 0")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"there is no project {options['project']!r}")
        job = start_agreement(project=project, actor=None, now=timezone.now(), seed=options["seed"])
        run_claimed(str(job.pk), timezone.now())
        job.refresh_from_db()
        if job.state == Job.State.FAILED:
            raise CommandError((job.error or {}).get("detail", "the job failed"))
        if not job.is_finished:
            raise CommandError(f"a worker is computing it already (job {job.pk})")
        for report in latest_agreement(project):
            self.stdout.write(line(report))


def line(report: AgreementReport) -> str:
    """`overall ordinal: α 0.610 [0.550, 0.670] (…)`, or the sentence that stands instead of the number."""
    number = report.reason
    if report.value is not None:
        number = f"α {report.value:.3f} [{report.low:.3f}, {report.high:.3f}]"
    return f"{report.criterion} {report.level}: {number} ({report.items} items, {report.judgments} judgments)"
