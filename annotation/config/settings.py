"""Django's settings. Four values come from outside: DATABASE_URL, BROKER_URL, SECRET_KEY and METRICS_TOKEN, from
the environment, else from `$VAR/instance.json`, which `manage.py up` writes. There is no default for any secret.
"""

import hashlib
import ipaddress
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from annotation.config.logs import logging_settings
from annotation.runtime.errors import RuntimeFault
from annotation.runtime.instance import INSTANCE_FILE, django_database, queue_conninfo, read_json, var_folder

BASE_DIR = Path(__file__).resolve().parents[2]
VAR = var_folder()


def _instance() -> dict[str, Any]:
    try:
        return read_json(VAR / INSTANCE_FILE)
    except RuntimeFault as error:
        raise ImproperlyConfigured(str(error)) from error


_file = _instance()


def _outside(name: str) -> str:
    return os.environ.get(name) or str(_file.get(name.lower(), ""))


def _list(name: str, default: str) -> list[str]:
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def _secret_key() -> str:
    key = _outside("SECRET_KEY")
    if not key:
        raise ImproperlyConfigured(
            f"There is no SECRET_KEY, neither in the environment nor in {VAR / INSTANCE_FILE}."
        )
    if len(key) < 50 or len(set(key)) < 10 or key.startswith("django-insecure"):
        raise ImproperlyConfigured("SECRET_KEY is too weak: 50 random characters or more are needed.")
    return key


def _metrics_token() -> str:
    token = _outside("METRICS_TOKEN")
    if token and len(token) < 32:
        raise ImproperlyConfigured("METRICS_TOKEN is too weak: 32 random characters or more are needed.")
    return token


def _database() -> dict[str, Any]:
    url = _outside("DATABASE_URL")
    if not url:
        raise ImproperlyConfigured(
            f"There is no DATABASE_URL, neither in the environment nor in {VAR / INSTANCE_FILE}: "
            "start the instance with `make run`, or name your server."
        )
    try:
        return django_database(url)
    except RuntimeFault as error:
        raise ImproperlyConfigured(str(error)) from error


def _networks() -> list[Any]:
    try:
        return [ipaddress.ip_network(part) for part in _list("CONCORD_EGRESS_NETWORKS", "")]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"CONCORD_EGRESS_NETWORKS is a list such as 10.1.0.0/16,fd00::/8: {error}."
        ) from error


def _file_storage() -> dict[str, Any]:
    """A folder, or the bucket that CONCORD_S3_BUCKET names; its key comes from the variables that boto3 reads."""
    bucket = os.environ.get("CONCORD_S3_BUCKET")
    if not bucket:
        return {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    if find_spec("storages") is None or find_spec("boto3") is None:
        raise ImproperlyConfigured("CONCORD_S3_BUCKET needs two packages: run `pip install 'concord[s3]'`.")
    endpoint = os.environ.get("CONCORD_S3_ENDPOINT") or None
    return {
        "BACKEND": "annotation.config.bucket.BucketStorage",
        "OPTIONS": {
            "bucket_name": bucket,
            "endpoint_url": endpoint,
            "location": os.environ.get("CONCORD_S3_PREFIX", ""),
            "addressing_style": "path" if endpoint else "auto",
            "default_acl": None,  # as private as the bucket: only Concord hands files out
            "file_overwrite": False,
        },
    }


def _mail_server() -> SplitResult | None:
    """CONCORD_MAIL_URL: smtp://user:password@host:587, encrypted by STARTTLS unless on this machine, or smtps://…."""
    if not os.environ.get("CONCORD_MAIL_URL"):
        return None
    url = urlsplit(os.environ["CONCORD_MAIL_URL"])
    try:
        is_whole = url.scheme in ("smtp", "smtps") and bool(url.hostname) and url.port != 0
    except ValueError:  # the port is no number
        is_whole = False
    if not is_whole:
        raise ImproperlyConfigured("CONCORD_MAIL_URL is smtp://user:password@host:587 or smtps://….")
    for needed in ("CONCORD_MAIL_FROM", "CONCORD_URL"):
        if not os.environ.get(needed):
            raise ImproperlyConfigured(
                f"CONCORD_MAIL_URL needs {needed} beside it (docs/how-to/send-mail.md)."
            )
    return url


SECRET_KEY = _secret_key()
METRICS_TOKEN = _metrics_token()  # without one /metrics is not there
DEBUG = False
# Set when a reverse proxy ends TLS in front of us and passes X-Forwarded-Proto on.
HTTPS = os.environ.get("CONCORD_HTTPS", "0") == "1"
MAIL_SERVER = _mail_server()
SENDS_MAIL = MAIL_SERVER is not None
if MAIL_SERVER is not None:
    EMAIL_HOST = MAIL_SERVER.hostname
    EMAIL_USE_SSL = MAIL_SERVER.scheme == "smtps"
    EMAIL_USE_TLS = not EMAIL_USE_SSL and EMAIL_HOST not in ("127.0.0.1", "localhost")
    EMAIL_PORT = MAIL_SERVER.port or (465 if EMAIL_USE_SSL else 587)
    EMAIL_HOST_USER = unquote(MAIL_SERVER.username or "")
    EMAIL_HOST_PASSWORD = unquote(MAIL_SERVER.password or "")
    EMAIL_TIMEOUT = 20
    DEFAULT_FROM_EMAIL = os.environ["CONCORD_MAIL_FROM"]
# Where people reach the pages: for links in mail.
SITE_URL = os.environ.get("CONCORD_URL", "").rstrip("/")
ALLOWED_HOSTS = _list("CONCORD_HOSTS", "127.0.0.1,localhost,[::1]")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "pgtrigger",
    "axes",
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "annotation",
    "comparisons",
    "exporters",
    "rewards",
]

MIDDLEWARE = [
    "annotation.config.middleware.RequestContextMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "annotation.config.middleware.PagePolicyMiddleware",
    "annotation.config.middleware.PageSessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "annotation.config.middleware.PageAuthentication",
    "annotation.config.middleware.PageLanguage",
    "annotation.config.middleware.PageMessages",
    "annotation.config.middleware.PageFrames",
    "annotation.config.middleware.PageHtmx",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "annotation.config.urls"
WSGI_APPLICATION = "annotation.config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["django.templatetags.i18n"],
        },
    }
]

# Database: one long-lived connection per thread, checked before use so that a restarted server is noticed.
DATABASES = {
    "default": _database() | {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True, "ATOMIC_REQUESTS": False},
}
DATABASES["default"]["OPTIONS"].setdefault("connect_timeout", "5")
DATABASES["default"]["OPTIONS"].setdefault("application_name", "concord")
# The only prepared statements are those of annotation.statements, whose best plan is the same for every value.
# Left to itself, PostgreSQL plans the longest of them anew each time, which costs more than running it.
DATABASES["default"]["OPTIONS"].setdefault("options", "-c plan_cache_mode=force_generic_plan")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# People
AUTH_USER_MODEL = "annotation.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

# Guessing: ten wrong passwords for one name from one address, then a quarter of an hour of rest.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_LOCKOUT_CALLABLE = "annotation.views.session.locked_out"

# Sessions and cookies. Browsers share cookies between the ports of a host, so each instance has its own names.
_suffix = hashlib.sha256(SECRET_KEY.encode()).hexdigest()[:8]
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_NAME = f"concord_session_{_suffix}"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = f"concord_csrf_{_suffix}"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True  # scripts read the token from the form
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS if host != "*"] if HTTPS else []

# Transport and content
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "font-src": ["'self'"],
        "img-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "report-uri": "/csp-report",
    },
}

# Networks that are not public and that webhooks may be sent into all the same (annotation/egress.py).
EGRESS_NETWORKS = _networks()

# Files
STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = VAR / "files"
STORAGES: dict[str, dict[str, Any]] = {
    "default": _file_storage(),
    "staticfiles": {"BACKEND": "annotation.config.storage.HashedStaticFilesStorage"},
}
IMPORT_BYTES_MAX = 512 * 1024 * 1024  # of one upload, as it is sent
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700

# Words and time. Sentences are written in English in the code; docs/how-to/add-a-language.md has the others.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ar", "العربية")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "language"  # for the sign-in page; whoever is signed in has it with the account
LANGUAGE_COOKIE_AGE = 365 * 86_400
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True

# API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["annotation.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["annotation.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "annotation.api_base.problem_json",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Concord",
    "DESCRIPTION": "Human preference annotation: judgments that are made, checked and turned into training data.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# Background work. Without a broker of its own (`pgmq://` alone says so too) it travels through the same
# PostgreSQL.
_broker = _outside("BROKER_URL") or "pgmq://"
CELERY_BROKER_URL = _broker
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {}
if _broker.startswith("pgmq:"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "conn_string": queue_conninfo(_outside("DATABASE_URL") if _broker == "pgmq://" else _broker),
        "init_extension": False,  # the schema is plain SQL, installed by `manage.py up`
        "pool_size": 2,
        # Longer than a worker's poll, which holds a connection meanwhile.
        "pool_timeout": 3,
        # A message whose worker was killed is delivered again after this many seconds. A task that runs
        # for longer is delivered twice, which its job row makes a no-op.
        "visibility_timeout": 60,
        "wait_time_seconds": 1,
        "polling_interval": 0.1,
    }
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# What differs for the connections that only wake a worker. A request waits for them, so they give up on a broker
# that is away in a fraction of a second (kombu waits for pgmq's pool twice): the job's row is there, and the
# sweep sends it.
JOB_SENDING_OPTIONS: dict[str, Any] = {"max_retries": 0, "interval_start": 0}
if _broker.startswith("pgmq:"):
    JOB_SENDING_OPTIONS["pool_timeout"] = 0.25
CELERY_TASK_DEFAULT_QUEUE = "concord"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"

LOGGING_CONFIG = "annotation.config.logs.configure_logging"
LOGGING = logging_settings(os.environ.get("CONCORD_LOG_LEVEL", "INFO"))
