"""Alerts over the API: what rules have found, taking note of it, and where one hears of it."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status

from tilth.accounts.api_auth import bearer
from tilth.errors import InvalidInput, NotFound
from training.actions import alerts as actions
from training.actions import channels
from training.llm.alerts.finding import RULES
from training.models.alerts import Alert, AlertChannel

router = Router(tags=["training"])
MOST = 200


class AlertOut(Schema):
    """Something that a rule has found in a run; ``paused`` says that the run was told to save and pause."""

    id: int
    run: str
    attempt: int
    rule: str
    title: str
    series: str
    step: int
    message: str
    paused: bool
    created_at: datetime
    seen_at: datetime | None
    seen_by: str | None

    @staticmethod
    def resolve_run(alert: Alert) -> str:
        """The run that it is about."""
        return alert.run.reference

    @staticmethod
    def resolve_seen_by(alert: Alert) -> str | None:
        """Who took note of it."""
        return str(alert.seen_by) if alert.seen_by else None


class AlertWindow(Schema):
    """Filters of the list; ``seen`` false gives the open ones, null all."""

    run: int | None = None
    rule: str = ""
    seen: bool | None = None
    before: int | None = None
    limit: int = 50


class ChannelOut(Schema):
    """Where a person hears of alerts; of a webhook's address only the host is told."""

    id: int
    kind: str
    host: str
    all_runs: bool
    owner: str
    created_at: datetime

    @staticmethod
    def resolve_owner(channel: AlertChannel) -> str:
        """Whose it is."""
        return str(channel.owner)


class MailboxIn(Schema):
    """Notices to one's own address; ``all_runs``: of everybody's runs, not only of one's own."""

    all_runs: bool = False


class WebhookIn(Schema):
    """Notices by POST to an address that the guard for outbound requests lets through."""

    url: str
    all_runs: bool = False


class WebhookMadeOut(Schema):
    """A new webhook with the secret that signs what it is sent; the secret is told this once."""

    channel: ChannelOut
    secret: str


@router.get("/training/alerts", auth=bearer("models.view"), response=list[AlertOut])
def list_alerts(request: HttpRequest, window: Query[AlertWindow]) -> list[Alert]:
    """Alerts, newest first; go on with ``before`` set to the last one's id."""
    if window.rule and window.rule not in RULES:
        raise InvalidInput(f"rule must be one of {', '.join(RULES)}.", field="rule")
    found = Alert.objects.select_related("run", "seen_by").order_by("-pk")
    exact = {"run__id": window.run, "rule": window.rule or None, "pk__lt": window.before}
    found = found.filter(**{name: value for name, value in exact.items() if value is not None})
    if window.seen is not None:
        found = found.filter(seen_at__isnull=not window.seen)
    return list(found[: max(1, min(window.limit, MOST))])


@router.post("/training/alerts/{int:pk}/seen", auth=bearer("training.run"), response=AlertOut)
def see_alert(request: HttpRequest, pk: int) -> Alert:
    """Take note of an alert; who came first stays."""
    found = Alert.objects.select_related("run", "seen_by").filter(pk=pk).first()
    if found is None:
        raise NotFound(f"There is no alert {pk}.")
    return actions.see(request.auth, found)  # type: ignore[attr-defined]


@router.get("/training/alert-channels", auth=bearer("training.run"), response=list[ChannelOut])
def list_channels(request: HttpRequest, before: int | None = None, limit: int = 50) -> list[AlertChannel]:
    """One's own channels, as an admin everybody's, newest first; go on with ``before`` set to the last one's id."""
    found = channels.open_to(request.auth).order_by("-pk")  # type: ignore[attr-defined]
    if before is not None:
        found = found.filter(pk__lt=before)
    return list(found[: max(1, min(limit, MOST))])


@router.post("/training/alert-channels/mailbox", auth=bearer("training.run"), response={201: ChannelOut})
def add_mailbox(request: HttpRequest, payload: MailboxIn) -> Status:
    """Send alerts to one's own address."""
    return Status(201, channels.add_mailbox(request.auth, payload.all_runs))  # type: ignore[attr-defined]


@router.post("/training/alert-channels/webhook", auth=bearer("training.run"), response={201: WebhookMadeOut})
def add_webhook(request: HttpRequest, payload: WebhookIn) -> Status:
    """Post alerts to an address; the answer alone has the secret that signs them."""
    actor = request.auth  # type: ignore[attr-defined]
    channel, secret = channels.add_webhook(actor, payload.url, payload.all_runs)
    return Status(201, {"channel": channel, "secret": secret})


@router.delete("/training/alert-channels/{int:pk}", auth=bearer("training.run"), response={204: None})
def end_channel(request: HttpRequest, pk: int) -> Status:
    """Send nothing there any more; its address and secret are forgotten."""
    found = channels.open_to(request.auth).filter(pk=pk).first()  # type: ignore[attr-defined]
    if found is None:
        raise NotFound(f"You have no channel {pk}.")
    channels.end(request.auth, found)  # type: ignore[attr-defined]
    return Status(204, None)
