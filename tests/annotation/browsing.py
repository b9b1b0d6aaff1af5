"""What tests of pages share: somebody who is signed in, and what they get to read."""

from typing import Any

from django.test import Client

from annotation.models import User


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def body(response: Any) -> str:
    return str(response.content.decode())
