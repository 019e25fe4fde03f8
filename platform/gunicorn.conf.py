"""How gunicorn serves Tilth: threads with persistent connections (pages are short and wait on the database)."""

import os

wsgi_app = "tilth.wsgi:application"
bind = os.environ.get("TILTH_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = int(os.environ.get("TILTH_WEB_WORKERS", "2"))
threads = int(os.environ.get("TILTH_WEB_THREADS", "8"))
keepalive = 15
timeout = 60
graceful_timeout = 15
max_requests = 20_000
max_requests_jitter = 2_000
limit_request_line = 8190
accesslog = None
