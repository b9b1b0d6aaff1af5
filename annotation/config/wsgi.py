"""The web server's entrance."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.config.settings")

import annotation.config.celery  # noqa: F401  (tasks that requests enqueue go through this application)

application = get_wsgi_application()

# Django would load the views with the first request, and the person behind it would wait for them.
_ = get_resolver().url_patterns

# What is loaded by now stays for good: the collector need not look at it again. A request makes some ten thousand
# objects that die with it, so looking every 700 is looking in vain.
gc.collect()
gc.freeze()
gc.set_threshold(50_000)
