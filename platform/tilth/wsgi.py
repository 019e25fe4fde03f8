"""WSGI entry: gunicorn serves every page and API route but ``/stream/*`` from here."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tilth.settings")
application = get_wsgi_application()
