"""Tilth's own pages, served to this machine for as long as a command needs them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connections

PLAIN = {"SECURE_SSL_REDIRECT": False, "SESSION_COOKIE_SECURE": False, "CSRF_COOKIE_SECURE": False}
"""What HTTPS asks for, put aside: these pages never leave the machine."""


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request; a database connection ends with its thread."""

    daemon_threads = True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, then hand the connections back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            connections.close_all()


class Quiet(WSGIRequestHandler):
    """Prints no line for each request."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the command's output is for people."""


@contextmanager
def served() -> Iterator[str]:
    """The address (``http://127.0.0.1:PORT``) at which the pages are there, to this machine alone."""
    call_command("collectstatic", verbosity=0, interactive=False)
    before = {name: getattr(settings, name) for name in PLAIN}
    for name, value in PLAIN.items():
        setattr(settings, name, value)
    server = make_server("127.0.0.1", 0, get_wsgi_application(), Server, Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for name, value in before.items():
            setattr(settings, name, value)
