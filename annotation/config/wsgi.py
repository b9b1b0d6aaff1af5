"""The web server's entrance."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.config.settings")

import annotation.config.celery  # noqa: F401  (tasks that requests enqueue go through this application)
from annotation.config.collector import spare_collector

application = get_wsgi_application()

# Django would load the views with the first request, and the person behind it would wait for them.
_ = get_resolver().url_patterns

spare_collector()
