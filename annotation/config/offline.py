"""Settings for tools that only read the code (mypy, `makemigrations`): no instance, no database, no secret.

The key is random and forgotten; the address is one where nothing listens.
"""

import os
import secrets

os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))
os.environ.setdefault("DATABASE_URL", "postgresql:///concord?host=/nonexistent")

from annotation.config.settings import *
