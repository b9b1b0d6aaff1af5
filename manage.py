#!/usr/bin/env python3
"""Concord's command line for the operator: `python manage.py help`."""

import os
import sys


def main() -> None:
    """Run a management command, with the Celery application at hand for whatever it enqueues."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.config.settings")
    if sys.argv[1:2] == ["up"]:
        # This one makes the instance that the settings describe, so it runs before they can be read.
        from annotation.runtime.up import main as up

        sys.exit(up(sys.argv[2:]))
    if sys.argv[1:2] == ["restore"]:
        # So does this one.
        from annotation.backup.restoring import main as restore

        sys.exit(restore(sys.argv[2:]))
    from django.core.management import execute_from_command_line

    import annotation.config.celery  # noqa: F401

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
