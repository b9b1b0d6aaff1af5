"""The web server's entrance."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.config.settings")

import annotation.config.celery  # noqa: F401  (tasks that requests enqueue go through this application)

application = get_wsgi_application()
