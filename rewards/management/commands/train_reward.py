"""Train a reward model on a release now and print its figures."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.errors import Refused
from annotation.jobs import run_claimed
from annotation.models import Project
from rewards.charts import forest_of
from rewards.models import RewardRun
from rewards.services import start_reward_run


class Command(BaseCommand):
    help = "Train a reward model on a release and print its pairwise accuracy beside the baselines."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("--release", default="latest", help="version of the release; default: the newest")
        parser.add_argument("--model", default="surface", choices=RewardRun.Model.values)
        parser.add_argument("--loss", default="bradley_terry", choices=RewardRun.Loss.values)
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"there is no project {options['project']!r}")
        try:
            run = start_reward_run(
                project=project,
                actor=None,
                now=timezone.now(),
                **{name: options[name] for name in ("release", "model", "loss", "seed")},
            )
        except Refused as refusal:
            raise CommandError(refusal.detail) from None
        run_claimed(str(run.job_id), timezone.now())
        run.refresh_from_db()
        run.job.refresh_from_db()
        forest = forest_of(run)
        if forest is None:
            error = (run.job.error or {}).get("detail", f"a worker is training it already (job {run.job_id})")
            raise CommandError(error)
        self.stdout.write(
            f"run {run.pk} on release {run.release.version}: {run.n_pairs} test pairs of {run.n_prompts} prompts"
        )
        for row in forest.rows:
            interval = f" [{row.low:.1%}, {row.high:.1%}]" if row.low < row.high else ""
            self.stdout.write(f"  {row.name:<14} {row.value:.1%}{interval}")
