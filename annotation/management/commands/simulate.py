"""Let simulated annotators judge a project over the HTTP interface of the running instance."""

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.demo.content import demo_truth
from annotation.models import Project
from annotation.runtime.instance import INSTANCE_FILE, read_json, var_folder
from annotation.simulation import (
    BEHAVIOURS,
    Behaviour,
    SimulationError,
    SimulationReport,
    make_population,
    run_simulation,
)
from annotation.simulation.accounts import simulated_tokens
from annotation.simulation.annotator import SPAM_STYLES
from annotation.simulation.references import truth_from_references

HABITS = {
    "abandon": "abandon",
    "come_back": "come_back",
    "double_clicks": "double_click",
    "two_tabs": "two_tabs",
    "patience": "patience_seconds",
}
"""Option → field of Habits."""


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
        behaviour = parser.add_argument_group("behaviour", "a preset, and single settings that override it")
        behaviour.add_argument("--behaviour", choices=list(BEHAVIOURS), default="careful")
        behaviour.add_argument("--abandon", type=float, help="share of leases that somebody walks away from")
        behaviour.add_argument("--come-back", type=float, help="share of these that are answered after all")
        behaviour.add_argument("--double-clicks", type=float, help="share of leases submitted twice at once")
        behaviour.add_argument("--two-tabs", type=float, help="share of turns in two tabs at once")
        behaviour.add_argument("--spammers", type=float, help="share of people who answer without reading")
        behaviour.add_argument("--spam-style", choices=SPAM_STYLES, help="default: each in turn")
        behaviour.add_argument("--drift", type=float, help="change of skill in the course of the work")
        behaviour.add_argument("--drift-judgments", type=int, help="over so many judgments (default 100)")
        behaviour.add_argument(
            "--patience", type=float, help="seconds to wait for abandoned leases (default 90)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"there is no project {options['project']!r}")
        if options["annotators"] < 1 or options["threads"] < 1:
            raise CommandError("--annotators and --threads start at 1")
        tokens = self._tokens(project, options["tokens"], options["annotators"])
        try:
            behaviour = chosen_behaviour(options)
            people = make_population(
                len(tokens),
                options["seed"],
                behaviour,
                skill=options["skill"],
                position_bias=options["position_bias"],
                length_bias=options["length_bias"],
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        try:
            report = run_simulation(
                options["url"] or instance_url(),
                project.slug,
                dict(zip(tokens, people, strict=True)),
                demo_truth() | truth_from_references(project, options["batch"]),
                batch=options["batch"],
                threads=options["threads"],
                judgments_max=options["judgments"],
                habits=behaviour.habits,
            )
        except SimulationError as error:
            raise CommandError(str(error)) from error
        self._tell(report, len(people))

    def _tell(self, report: SimulationReport, people: int) -> None:
        rate = report.judgments / report.seconds if report.seconds else 0.0
        self.stdout.write(
            f"{report.judgments} judgments by {people} annotators in {report.seconds:.1f} s ({rate:.1f}/s)"
        )
        for title, counts in (
            ("states", report.states),
            ("behaviour", spaced(report.behaviours)),
            ("stopped because", report.reasons),
        ):
            if counts:
                self.stdout.write(f"  {title}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
        if report.without_truth:
            self.stdout.write(f"  {report.without_truth} at random: nothing is known about these items")
        if report.behaviours["gave_up"]:
            self.stdout.write(
                "  Abandoned leases still run; they end by themselves, and a further run takes up the work."
            )

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


def chosen_behaviour(options: dict[str, Any]) -> Behaviour:
    """The preset with the options that were given. Raises ValueError for a setting outside its range."""
    preset = BEHAVIOURS[options["behaviour"]]
    habits = {name: options[option] for option, name in HABITS.items() if options[option] is not None}
    others = {
        name: options[name] for name in ("spammers", "drift", "drift_judgments") if options[name] is not None
    }
    if options["spam_style"] is not None:
        others["spam_styles"] = (options["spam_style"],)
    return replace(preset, habits=replace(preset.habits, **habits), **others)


def spaced(counts: Counter[str]) -> Counter[str]:
    return Counter({what.replace("_", " "): number for what, number in sorted(counts.items())})


def instance_url() -> str:
    """The address of the instance that runs in VAR. Raises CommandError when there is none."""
    url = read_json(var_folder() / INSTANCE_FILE).get("url")
    if not url:
        raise CommandError(f"no instance runs in {var_folder()}: start it, or name it with --url")
    return str(url)
