"""Report every invariant of reliability.md that does not hold; exit code 1 when there is one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.audit import verify_chain
from annotation.invariants import invariants, violations
from annotation.nightly import SWEEP_PATIENCE


class Command(BaseCommand):
    help = "Check what must always hold and report every violation."

    def handle(self, *args: Any, **options: Any) -> None:
        found = violations(swept_before=(timezone.now() - SWEEP_PATIENCE).isoformat())
        for violation in found:
            self.stdout.write(f"{violation.code}  {violation.detail}  ({violation.meaning})")
        broken = verify_chain()
        if broken is not None:
            self.stdout.write(f"I11  the audit chain breaks at position {broken}")
        if found or broken is not None:
            raise CommandError(f"{len(found) + (broken is not None)} violations")
        self.stdout.write(f"{len(list(invariants))} invariants and the audit chain hold.")
