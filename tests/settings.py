"""Settings of the test run: the product's own, in a throw-away folder, with plain static files and a fast hasher."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if "TILTH_TEST_VAR" not in os.environ:
    _folder = tempfile.mkdtemp(prefix="tilth-test-")
    os.environ["TILTH_TEST_VAR"] = _folder
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
# Test processes that run side by side each have a folder, and so a broker, of their own.
os.environ["TILTH_VAR"] = str(
    Path(os.environ["TILTH_TEST_VAR"]) / os.environ.get("PYTEST_XDIST_WORKER", "alone")
)
os.environ.setdefault("TILTH_MODE", "embedded")

from tilth.settings import *  # noqa: E402, F403
from tilth.settings import DATABASES, INSTALLED_APPS, VAR  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(VAR / "test.sqlite3")}
INSTALLED_APPS = [*INSTALLED_APPS, "tests.testapp"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
