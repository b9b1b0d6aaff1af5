"""`manage.py cut_release PROJECT`: cut a release now, without a worker."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from annotation.errors import Refused
from annotation.jobs import run_claimed
from annotation.models import Job, Project, User
from exporters.chat_template import read_template
from exporters.services.releases import start_release
from exporters.settings import release_settings


class Command(BaseCommand):
    help = "Cut a release of a project and wait for it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="short name of the project")
        parser.add_argument("--version-name", help="name of the release; the next number by default")
        parser.add_argument(
            "--labels",
            default="majority",
            help="majority, every, mean_strength, dawid_skene, adjudicated or reference",
        )
        parser.add_argument("--ties", default="drop", help="drop, soft or both")
        parser.add_argument(
            "--clusters", default="near", help="near or exact: which prompts lie on one side together"
        )
        parser.add_argument(
            "--chat-template", help="a tokenizer_config.json or a .jinja to render the rows with"
        )
        parser.add_argument("--format", action="append", dest="formats", help="once for each format")
        parser.add_argument(
            "--as", dest="email", help="whose release it is; the project's creator by default"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).select_related("created_by").first()
        if project is None:
            raise CommandError(f"There is no project {options['project']}.")
        actor = project.created_by
        if options["email"]:
            found = User.objects.filter(email=User.objects.normalise(options["email"])).first()
            if found is None:
                raise CommandError(f"There is no account {options['email']}.")
            actor = found
        body: dict[str, Any] = {
            "labels": options["labels"],
            "ties": options["ties"],
            "split": {"clusters": options["clusters"]},
        }
        if options["chat_template"]:
            try:
                body["chat_template"] = read_template(Path(options["chat_template"]))
            except (OSError, ValueError) as error:
                raise CommandError(str(error)) from error
        try:
            release, job = start_release(
                project=project,
                actor=actor,
                settings=release_settings(
                    body | ({"formats": options["formats"]} if options["formats"] else {})
                ),
                version=options["version_name"],
                now=timezone.now(),
            )
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
        # A worker may be faster; then this finds the job taken and the worker's end of it is read below.
        run_claimed(str(job.pk), timezone.now())
        job = Job.objects.get(pk=job.pk)
        if job.state == Job.State.FAILED:
            raise CommandError((job.error or {}).get("detail", "The cut failed."))
        release.refresh_from_db()
        if job.state != Job.State.SUCCEEDED:
            self.stdout.write(f"{project.slug} {release.version} is being cut by a worker (job {job.pk}).")
            return
        self.stdout.write(f"{project.slug} {release.version}: {release.manifest['rows']} rows, frozen.")
