"""Log lines: whose they are, and that no secret gets into them."""

import io
import json
import logging
import logging.config

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilth import logs

TOKEN = "tilth_" + "aB3-" * 10


@pytest.fixture(params=[True, False], ids=["json", "text"])
def log(request):
    """A logger and the text it has written, in each of the two forms."""
    stream, logger = io.StringIO(), logging.Logger("tilth.test")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter() if request.param else logs.TextFormatter())
    logger.addHandler(handler)
    return logger, stream.getvalue


SECRETS = [
    (f"Authorization: Bearer {TOKEN}", TOKEN),
    (f"made {TOKEN} for you", TOKEN),
    ("postgres://tilth:hunter22@db/tilth", "hunter22"),
    ("redis://:hunter22@cache:6379", "hunter22"),
    ("GET /invitation/Zx81-secret-link/ 200", "Zx81-secret-link"),
    ("GET /password/reset/key/3-cabc12-deadbeef/ 302", "cabc12-deadbeef"),
    ("password=hunter22&next=/", "hunter22"),
    ('{"api_key": "hunter22"}', "hunter22"),
    ("AWS_SECRET_ACCESS_KEY=hunter22", "hunter22"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_secrets_are_blanked_in_messages_and_tracebacks(log, text, secret):
    logger, written = log
    logger.info("said %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("failed")
    assert secret not in written()
    assert logs.BLANK in written()


def test_secret_fields_are_blanked_by_name(log):
    logger, written = log
    logger.info("hello", extra={"session_cookie": "hunter22", "rows": 3})
    assert "hunter22" not in written()
    assert "rows" in written()


def test_lines_carry_their_request_and_person(log):
    logger, written = log
    with logs.context(request="abc123"):
        logs.add_context(user=7)
        logger.info("inside")
    logs.add_context(user=8)
    logger.info("outside")
    inside, outside = written().splitlines()
    assert "abc123" in inside
    assert "7" in inside
    assert "abc123" not in outside


def test_a_json_line_is_one_object():
    record = logging.makeLogRecord({"name": "tilth.x", "levelname": "WARNING", "msg": "two\nlines"})
    line = logs.JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "two\nlines"
    assert json.loads(line)["level"] == "warning"


@given(st.text(max_size=200))
def test_redaction_never_fails_and_is_stable(text):
    once = logs.redact(text)
    assert logs.redact(once) == once


def test_ordinary_sentences_are_left_alone():
    for text in (
        "12 tokens kept",
        "token count: 12",
        "GET /password/ 200",
        "s3://bucket/key",
        "passwords differ",
    ):
        assert logs.redact(text) == text, text


def test_the_configuration_is_accepted_by_logging():
    for json_lines in (True, False):
        configurator = logging.config.DictConfigurator(logs.logging_config(json_lines, "INFO"))
        handler = configurator.configure_formatter(configurator.config["formatters"]["tilth"])
        assert isinstance(handler, logs.JsonFormatter if json_lines else logs.TextFormatter)


def test_every_answer_has_a_request_number(client, db):
    first, second = (client.get("/healthz").headers["X-Request-ID"] for _ in range(2))
    assert first != second


def test_an_unexpected_error_is_logged_with_request_and_person(client_for, people, settings, caplog):
    settings.ROOT_URLCONF = __name__
    client = client_for("lead")
    client.raise_request_exception = False
    seen = []

    class Keep(logging.Handler):
        def emit(self, record):
            seen.append(logs.JsonFormatter().format(record))

    logging.getLogger("django.request").addHandler(keep := Keep())
    try:
        number = client.get("/boom/").headers["X-Request-ID"]
    finally:
        logging.getLogger("django.request").removeHandler(keep)
    line = json.loads(seen[0])
    assert (line["request"], line["user"]) == (number, people["lead"].pk)
    assert "RuntimeError: boom" in line["exception"]


def boom(request):
    raise RuntimeError("boom")


def urls():
    from django.urls import include, path

    return [path("boom/", boom), path("", include("tilth.urls"))]


urlpatterns = urls()
handler500 = "tilth.ui.errors.server_error"
