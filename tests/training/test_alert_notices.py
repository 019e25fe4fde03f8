"""Notices of alerts: to whom, signed, retried, through the guard, with secrets nowhere but encrypted."""

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from tests.training.launching import ACTOR, launched, wanted
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.accounts.secrets import decrypt
from tilth.errors import Conflict, InvalidInput, PermissionDenied
from tilth.jobs.models import Job
from tilth.jobs.runner import run_inline
from tilth.storage import Storage
from training.actions import alerts, channels, runs
from training.llm.alerts.finding import Finding
from training.models.alerts import AlertChannel
from training.models.runs import Run

pytestmark = pytest.mark.django_db
FINDING = Finding("loss_spike", "loss", 7, "The loss is 9 at step 7.")


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage, tmp_path: Path) -> None:
    settings.STORAGE = storage.url
    settings.SCRATCH = tmp_path / "scratch"
    settings.JOBS_POLL_SECONDS = 0.05
    settings.JOBS_RETRY_SECONDS = 0


class Hook:
    """A receiver on this machine: the statuses that it gives, one after another, and what it was sent."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.seen.append((self.path, dict(self.headers), body))
                self.send_response(hook.statuses.pop(0) if hook.statuses else 204)
                self.send_header("Location", f"http://127.0.0.1:{hook.server.server_port}/moved")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Nothing on stderr."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hook(settings: Any) -> Iterator[Hook]:
    made = Hook()
    settings.OUTBOUND_ALLOW = [made.host]
    yield made
    made.server.shutdown()
    made.server.server_close()


def mine(storage: Storage, user: User) -> Run:
    """A run that a person has launched."""
    launched(storage)
    return runs.launch(Actor(user=user), wanted(name="Bread"))


def notices() -> list[Job]:
    return list(Job.objects.filter(kind="alert_notice").order_by("pk"))


def test_a_webhook_gets_a_signed_notice(storage: Storage, hook: Hook, people: dict[str, User]) -> None:
    researcher = people["researcher"]
    channel, secret = channels.add_webhook(Actor(user=researcher), f"http://{hook.host}/secret-path")
    run = mine(storage, researcher)
    alerts.raise_alert(ACTOR, run, 1, FINDING)
    assert not hook.seen, "nothing leaves before a worker sends it"
    (job,) = notices()
    assert run_inline(job).state == "succeeded"
    ((path, headers, body),) = hook.seen
    told = json.loads(body)
    assert path == "/secret-path" and headers["Content-Type"] == "application/json"
    assert told["type"] == "training.alert" and told["alert"]["message"] == FINDING.message
    assert (told["run"]["reference"], told["run"]["name"]) == (run.reference, "Bread")
    assert told["run"]["url"].endswith(reverse("training:run", args=[run.pk]))
    seconds, _, given = headers["X-Tilth-Signature"].removeprefix("t=").partition(",v1=")
    signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(given, signed)
    assert secret not in json.dumps(job.params) and "secret-path" not in json.dumps(job.params)
    assert (decrypt(channel.url), decrypt(channel.secret)) == (f"http://{hook.host}/secret-path", secret)


def test_what_may_pass_is_tried_again_and_a_refusal_is_not(
    storage: Storage, hook: Hook, people: dict[str, User]
) -> None:
    researcher = people["researcher"]
    channels.add_webhook(Actor(user=researcher), f"http://{hook.host}/")
    run = mine(storage, researcher)
    for number, (statuses, state, tries) in enumerate(
        [([503, 429], "succeeded", 3), ([404], "failed", 1), ([302], "failed", 1)]
    ):
        hook.statuses, hook.seen = list(statuses), []
        alerts.raise_alert(ACTOR, run, number, FINDING)
        job = run_inline(notices()[-1])
        assert (job.state, len(hook.seen)) == (state, tries)
        assert len({headers["X-Tilth-Delivery"] for _, headers, _ in hook.seen}) == 1
        assert {path for path, *_ in hook.seen} == {"/"}, "redirects are not followed"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/hook",
        "http://169.254.169.254/latest",
        "http://[::1]/",
        "https://user:secret@example.org/",
        "http://10.0.0.1:8080/",
        "file:///etc/passwd",
        "nonsense",
    ],
)
def test_an_address_inside_is_refused(
    people: dict[str, User], client_for: Callable[..., Client], url: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        channels.add_webhook(Actor(user=people["researcher"]), url)
    assert refused.value.field == "url"
    posted = client_for("researcher").post(reverse("training:alert_webhook"), {"url": url})
    assert posted.status_code == 422 and not AlertChannel.objects.exists()


def test_a_name_that_leads_inside_is_refused_when_it_is_sent(
    storage: Storage, hook: Hook, people: dict[str, User], settings: Any
) -> None:
    researcher = people["researcher"]
    channels.add_webhook(Actor(user=researcher), f"http://{hook.host}/")
    settings.OUTBOUND_ALLOW = []
    alerts.raise_alert(ACTOR, mine(storage, researcher), 1, FINDING)
    job = run_inline(notices()[0])
    assert job.state == "failed" and not hook.seen
    assert job.error is not None and job.error["code"] == "outbound_refused"


def test_a_mail_goes_to_the_persons_own_address(
    storage: Storage, people: dict[str, User], settings: Any, tmp_path: Path
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    settings.EMAIL_HOST_PASSWORD = "swordfish"
    researcher = people["researcher"]
    channels.add_mailbox(Actor(user=researcher))
    alerts.raise_alert(ACTOR, mine(storage, researcher), 1, FINDING)
    assert run_inline(notices()[0]).state == "succeeded"
    (written,) = (tmp_path / "mail").iterdir()
    mail = written.read_text()
    assert "To: researcher@example.org" in mail and FINDING.message in mail
    assert "Subject: Tilth: Loss far over its moving average: Bread" in mail
    assert "swordfish" not in json.dumps(notices()[0].params)


def test_who_hears_of_which_run(storage: Storage, people: dict[str, User]) -> None:
    admin, researcher = people["admin"], people["researcher"]
    other = User.objects.create_user("other@example.org", "correct horse", name="Other", role="researcher")
    everything = channels.add_mailbox(Actor(user=admin), all_runs=True)
    own = channels.add_mailbox(Actor(user=researcher))
    channels.add_mailbox(Actor(user=other))
    run = mine(storage, researcher)
    alerts.raise_alert(ACTOR, run, 1, FINDING)
    alerts.raise_alert(ACTOR, run, 1, FINDING)
    assert {job.params["channel"] for job in notices()} == {everything.pk, own.pk}
    channels.end(Actor(user=researcher), own)
    User.objects.filter(pk=admin.pk).update(role="labeler")
    alerts.raise_alert(ACTOR, run, 2, FINDING)
    assert len(notices()) == 2, "nobody hears who has ended it or may not look at runs any more"
    assert run_inline(notices()[1]).error["code"] == "ended"


def test_who_may_add_and_end_channels(people: dict[str, User], client_for: Callable[..., Client]) -> None:
    for role in ("labeler", "reviewer", "lead"):
        actor = Actor(user=people[role])
        for act in (channels.add_mailbox, lambda actor: channels.add_webhook(actor, "https://example.org/")):
            with pytest.raises(PermissionDenied):
                act(actor)
    other = User.objects.create_user("other@example.org", "correct horse", name="Other", role="researcher")
    channel = channels.add_mailbox(Actor(user=other))
    with pytest.raises(Conflict, match="already"):
        channels.add_mailbox(Actor(user=other))
    with pytest.raises(PermissionDenied, match="somebody else's"):
        channels.end(Actor(user=people["researcher"]), channel)
    address = reverse("training:alerts")
    assert "other@example.org" not in client_for("researcher").get(address).content.decode()
    assert "other@example.org" in client_for("admin").get(address).content.decode()
    channels.end(Actor(user=people["admin"]), channel)
    with pytest.raises(Conflict):
        channels.end(Actor(user=people["admin"]), channel)
    with pytest.raises(InvalidInput):
        channels.add_mailbox(ACTOR)


def test_a_webhook_is_made_in_the_browser_and_its_secret_shown_once(
    client_for: Callable[..., Client],
) -> None:
    client = client_for("researcher")
    answer = client.post(reverse("training:alert_webhook"), {"url": "https://hooks.example.org/T0/secret"})
    channel = AlertChannel.objects.get()
    secret = decrypt(channel.secret)
    assert secret in answer.content.decode() and "no-store" in answer["Cache-Control"]
    listed = client.get(reverse("training:alerts")).content.decode()
    assert "hooks.example.org" in listed and secret not in listed and "T0/secret" not in listed
    assert client.post(reverse("training:alert_mailbox"), {"all_runs": "on"}).status_code == 302
    mailbox = AlertChannel.objects.get(kind="email")
    assert mailbox.all_runs and client.post(reverse("training:alert_mailbox")).status_code == 409
    assert client.post(reverse("training:end_channel", args=[channel.pk])).status_code == 302
    channel.refresh_from_db()
    assert (channel.url, channel.secret) == ("", "") and channel.ended_at is not None


def test_secrets_of_webhooks_are_rotated_with_all_others(people: dict[str, User], settings: Any) -> None:
    channel, secret = channels.add_webhook(Actor(user=people["researcher"]), "https://example.org/hook")
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.ENCRYPTION_KEYS]
    call_command("rotate_secrets")
    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]
    channel.refresh_from_db()
    assert (decrypt(channel.url), decrypt(channel.secret)) == ("https://example.org/hook", secret)
