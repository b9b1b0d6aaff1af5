"""Let simulated annotators judge a project over the HTTP interface of the running instance."""

import argparse
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.demo.content import demo_truth
from annotation.models import Project
from annotation.runtime.instance import INSTANCE_FILE, read_json, var_folder
from annotation.simulation import SimulatedAnnotator, SimulationError, run_simulation
from annotation.simulation.accounts import simulated_tokens
from annotation.simulation.references import truth_from_references

BEST_SKILL, WORST_SKILL = 0.9, 0.2


class Command(BaseCommand):
    help = (
        "Simulated annotators judge until nothing is left for them. Truth is the reference that came with the "
        "data (and what the demo knows about its own items); items without it are judged at random."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("--annotators", type=int, default=6, help="how many (default 6)")
        parser.add_argument("--seed", type=int, default=0, help="same seed, same answers")
        parser.add_argument("--url", help="the instance; default: the one that runs in VAR")
        parser.add_argument("--batch", type=int, help="only this batch")
        parser.add_argument("--tokens", type=Path, help="use these accounts, from create_annotators")
        parser.add_argument("--threads", type=int, default=4, help="how many work at once (default 4)")
        parser.add_argument("--judgments", type=int, help="stop after about so many judgments")
        parser.add_argument("--skill", type=float, help="0 to 1 for all of them; default: 0.9 falling to 0.2")
        parser.add_argument(
            "--position-bias", type=float, default=0.0, help="leaning to A, share of the scale"
        )
        parser.add_argument("--length-bias", type=float, default=0.0, help="leaning to the longer one")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"there is no project {options['project']!r}")
        if options["annotators"] < 1 or options["threads"] < 1:
            raise CommandError("--annotators and --threads start at 1")
        tokens = self._tokens(project, options["tokens"], options["annotators"])
        annotators = {}
        for index, token in enumerate(tokens):
            fall = (BEST_SKILL - WORST_SKILL) * index / max(len(tokens) - 1, 1)
            try:
                annotators[token] = SimulatedAnnotator(
                    skill=BEST_SKILL - fall if options["skill"] is None else options["skill"],
                    seed=options["seed"] * 1_000_003 + index,
                    position_bias=options["position_bias"],
                    length_bias=options["length_bias"],
                )
            except ValueError as error:
                raise CommandError(str(error)) from error
        try:
            report = run_simulation(
                options["url"] or instance_url(),
                project.slug,
                annotators,
                demo_truth() | truth_from_references(project, options["batch"]),
                batch=options["batch"],
                threads=options["threads"],
                judgments_max=options["judgments"],
            )
        except SimulationError as error:
            raise CommandError(str(error)) from error
        rate = report.judgments / report.seconds if report.seconds else 0.0
        self.stdout.write(
            f"{report.judgments} judgments by {len(annotators)} annotators in {report.seconds:.1f} s "
            f"({rate:.1f}/s)"
        )
        for title, counts in (("states", report.states), ("stopped because", report.reasons)):
            if counts:
                self.stdout.write(f"  {title}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
        if report.without_truth:
            self.stdout.write(f"  {report.without_truth} at random: nothing is known about these items")

    def _tokens(self, project: Project, file: Path | None, count: int) -> list[str]:
        if file is None:
            return list(simulated_tokens(project=project, count=count, now=timezone.now()).values())
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
            tokens = [str(json.loads(line)["token"]) for line in lines]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CommandError(f"{file} is no file from create_annotators: {error}") from error
        if len(tokens) < count:
            raise CommandError(f"{file} holds {len(tokens)} accounts, {count} are wanted")
        return tokens[:count]


def instance_url() -> str:
    """The address of the instance that runs in VAR. Raises CommandError when there is none."""
    url = read_json(var_folder() / INSTANCE_FILE).get("url")
    if not url:
        raise CommandError(f"no instance runs in {var_folder()}: start it, or name it with --url")
    return str(url)
