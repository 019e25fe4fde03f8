"""The web application as WSGI servers load it."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tilth.settings")

application = get_wsgi_application()

# Every address is loaded before the first request: threads that import the same modules at once can see
# one half made, and the first visitors would wait for it.
assert get_resolver().url_patterns
