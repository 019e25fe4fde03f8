"""Settings fail loudly: a bad environment is named before anything starts; embedded mode needs none."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from tilth import environment
from tilth.accounts import checks

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "TILTH_MODE": "production",
    "SECRET_KEY": "k3jH2-9sdfPq1xYz_0aLmNb7vCtRwEuIoQ5gTh8yJkSdFgHjKlZx",
    "TILTH_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "DATABASE_URL": "postgres://tilth:hush-password@db.example/tilth",
    "REDIS_URL": "redis://redis.example:6379/0",
    "TILTH_STORAGE": "s3://bucket/tilth",
    "TILTH_HOSTS": "tilth.example.org",
    "TILTH_SITE_URL": "https://tilth.example.org",
    "TILTH_TRUSTED_PROXIES": "1",
    "TILTH_EMAIL_URL": "smtp://tilth:pw@mail.example.org:587",
}


def check(tmp_path, **changes):
    """``manage.py check`` in an environment of our own; ``None`` takes a variable away."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    given = {**kept, "TILTH_VAR": str(tmp_path / "var"), **changes}
    environ = {name: value for name, value in given.items() if value is not None}
    command = [sys.executable, "manage.py", "check"]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)


def test_embedded_needs_no_environment_and_keeps_its_secrets_private(tmp_path):
    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    kept = sorted((tmp_path / "var" / "secrets").iterdir())
    assert [path.name for path in kept] == ["encryption_keys", "secret_key"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept)
    before = [path.read_text() for path in kept]
    assert check(tmp_path).returncode == 0
    assert [path.read_text() for path in kept] == before


def test_a_whole_production_environment_passes(tmp_path):
    done = check(tmp_path, **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert "tilth." not in done.stderr


BAD = [
    ({"TILTH_MODE": "prod"}, "TILTH_MODE must be one of embedded, production, not 'prod'"),
    ({**PRODUCTION, "SECRET_KEY": None}, "SECRET_KEY must be set"),
    ({**PRODUCTION, "TILTH_ENCRYPTION_KEYS": None}, "TILTH_ENCRYPTION_KEYS must be set"),
    ({**PRODUCTION, "REDIS_URL": None}, "REDIS_URL must be set"),
    ({**PRODUCTION, "DATABASE_URL": "mysql://db/tilth"}, "DATABASE_URL must start with postgres://"),
    ({**PRODUCTION, "TILTH_SITE_URL": "tilth.example.org"}, "TILTH_SITE_URL must look like https://"),
    (
        {"TILTH_DATABASE_POOL": "many", "DATABASE_URL": "postgres://db/x", "TILTH_MODE": "embedded"},
        "whole number",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[message for _, message in BAD])
def test_a_bad_environment_is_named(tmp_path, changes, message):
    done = check(tmp_path, **changes)
    assert done.returncode != 0
    assert message in done.stderr
    assert "hush-password" not in done.stderr, "the database password must not be repeated"


def test_an_unsafe_environment_stops_the_command_with_every_reason(tmp_path):
    unsafe = {
        "SECRET_KEY": "changeme",
        "TILTH_ENCRYPTION_KEYS": "abc",
        "TILTH_SITE_URL": "http://tilth.example.org",
    }
    done = check(tmp_path, **PRODUCTION | unsafe)
    assert done.returncode != 0
    assert all(code in done.stderr for code in ("tilth.E001", "tilth.E002", "tilth.E005"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SECRET_KEY": "short"}, "tilth.E001"),
        ({"SECRET_KEY": "a" * 80}, "tilth.E001"),
        ({"ENCRYPTION_KEYS": [PRODUCTION["TILTH_ENCRYPTION_KEYS"], "oops"]}, "tilth.E002"),
        ({"ENCRYPTION_KEYS": ["same"], "SECRET_KEY": "same"}, "tilth.E003"),
        ({"STORAGE": "var/storage"}, "tilth.E004"),
        ({"STORAGE": "gopher://x/y"}, "tilth.E004"),
        ({"STORAGE": "s3:///tilth"}, "tilth.E004"),
        ({"SITE_URL": "http://10.0.0.1", "HTTPS": False}, "tilth.E005"),
        ({"SITE_URL": "http://10.0.0.1", "HTTPS": False, "ALLOW_HTTP": True}, "tilth.W001"),
        ({"HTTPS": True, "SECURE_SSL_REDIRECT": True, "TRUSTED_PROXIES": 0}, "tilth.W003"),
        ({"ALLOWED_HOSTS": ["*"], "EMBEDDED": False}, "tilth.E006"),
        ({"SITE_URL": "https://elsewhere.example", "ALLOWED_HOSTS": ["tilth.example"]}, "tilth.E007"),
        ({"DEBUG": True, "EMBEDDED": False}, "tilth.E008"),
        (
            {"EMBEDDED": False, "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3"}}},
            "tilth.E009",
        ),
        ({"EMAIL_URL": "", "EMBEDDED": False}, "tilth.W002"),
    ],
)
@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_each_check_has_its_number(settings, changes, code):
    for name, value in changes.items():
        setattr(settings, name, value)
    assert code in {message.id for message in checks.run_all()}


def test_good_storage_roots_pass(settings):
    for url in ("/srv/tilth", "file:///srv/tilth", "s3://bucket/tilth", "memory://x"):
        settings.STORAGE = url
        assert list(checks.storage()) == []


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (environment.env_int, "1.5"),
        (environment.env_int, "-1"),
        (environment.env_float, "fast"),
        (environment.env_bool, "maybe"),
    ],
)
def test_bad_values_name_their_variable(monkeypatch, function, value):
    monkeypatch.setenv("TILTH_X", value)
    with pytest.raises(ImproperlyConfigured, match="TILTH_X"):
        function("TILTH_X", 1)


@pytest.mark.parametrize("url", ["http://mail", "smtp://", "file:", "mail.example.org"])
def test_bad_mail_urls_are_refused(url):
    with pytest.raises(ImproperlyConfigured, match="TILTH_EMAIL_URL"):
        environment.mail("TILTH_EMAIL_URL", url)


def test_mail_urls_are_understood():
    starttls = environment.mail("X", "smtp://me%40x.org:p%2Fw@mail.x.org")
    assert (starttls.host, starttls.port, starttls.user, starttls.password) == (
        "mail.x.org",
        587,
        "me@x.org",
        "p/w",
    )
    assert (starttls.use_tls, starttls.use_ssl) == (True, False)
    implicit = environment.mail("X", "smtps://mail.x.org")
    assert (implicit.port, implicit.use_tls, implicit.use_ssl) == (465, False, True)
    assert environment.mail("X", "smtp://localhost:25?tls=0").use_tls is False
    assert environment.mail("X", "file:///var/mail%20box").folder == "/var/mail box"
    assert environment.mail("X", "").backend.endswith("dummy.EmailBackend")


def test_processes_that_start_at_once_share_one_secret(tmp_path):
    numbers = iter(range(100))
    with ThreadPoolExecutor(16) as pool:
        made = list(
            pool.map(lambda _: environment.kept_secret(tmp_path / "s", lambda: str(next(numbers))), range(64))
        )
    assert len(set(made)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_health_checks_are_answered_over_plain_http(client, settings, db):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200
    assert client.get("/sign-in/").status_code == 301
