"""Notices of alerts as jobs: one for each channel that wants to hear, retried, and never waited for.

Address, signing secret and mail password reach the job by its environment alone and are struck out of its log.
"""

import json
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.urls import reverse

from tilth.accounts.actors import Actor
from tilth.accounts.permissions import can
from tilth.accounts.secrets import decrypt, rotate
from tilth.errors import NotFound
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from training.models.alerts import Alert, AlertChannel

VERSION = 1


def send(actor: Actor, alert: Alert) -> list[Job]:
    """Queue a notice for every channel that wants to hear of this alert; the workers send it once this commits."""
    wants = Q(all_runs=True) | Q(owner=alert.run.created_by)
    open_ = AlertChannel.objects.filter(wants, ended_at=None).select_related("owner")
    return [
        jobs.submit(
            actor,
            "alert_notice",
            {
                "alert": alert.pk,
                "channel": channel.pk,
                "kind": channel.kind,
                "notice": notice(alert),
                "allow": list(settings.OUTBOUND_ALLOW),
            },
            title=f"{alert.title}: {alert.run.name}",
            idempotency_key=f"alert:{alert.pk}:{channel.pk}",
        )
        for channel in open_
        if can(channel.owner, "models.view")
    ]


def notice(alert: Alert) -> dict[str, Any]:
    """What is told of an alert."""
    run = alert.run
    return {
        "type": "training.alert",
        "version": VERSION,
        "alert": {
            "id": alert.pk,
            "rule": alert.rule,
            "title": alert.title,
            "message": alert.message,
            "series": alert.series,
            "step": alert.step,
            "attempt": alert.attempt,
            "paused": alert.paused,
            "at": alert.created_at.isoformat(),
        },
        "run": {
            "reference": run.reference,
            "name": run.name,
            "stage": run.stage,
            "url": settings.SITE_URL + reverse("training:run", args=[run.pk]),
        },
    }


def environment(job: Job) -> dict[str, str]:
    """What the program must know and nobody else; raises where the channel was ended meanwhile."""
    from training.notice import MAIL, PASSWORD, SECRET, URL  # aiohttp: only a worker that sends pays for it

    channel = (
        AlertChannel.objects.select_related("owner").filter(pk=job.params["channel"], ended_at=None).first()
    )
    if channel is None:
        raise NotFound("Nothing is sent there any more.", code="ended")
    if channel.kind == AlertChannel.Kind.WEBHOOK:
        return {URL: decrypt(channel.url), SECRET: decrypt(channel.secret)}
    mail = {
        "EMAIL_BACKEND": settings.EMAIL_BACKEND,
        "EMAIL_HOST": settings.EMAIL_HOST,
        "EMAIL_PORT": settings.EMAIL_PORT,
        "EMAIL_HOST_USER": settings.EMAIL_HOST_USER,
        "EMAIL_USE_SSL": settings.EMAIL_USE_SSL,
        "EMAIL_USE_TLS": settings.EMAIL_USE_TLS,
        "EMAIL_TIMEOUT": settings.EMAIL_TIMEOUT,
        "EMAIL_FILE_PATH": settings.EMAIL_FILE_PATH,
        "DEFAULT_FROM_EMAIL": settings.DEFAULT_FROM_EMAIL,
    }
    password = {PASSWORD: settings.EMAIL_HOST_PASSWORD} if settings.EMAIL_HOST_PASSWORD else {}
    return {MAIL: json.dumps({"to": channel.owner.email, "settings": mail}), **password}


def url(job: Job) -> str | None:
    """The page of the run that the notice is of."""
    alert = Alert.objects.filter(pk=job.params.get("alert")).first()
    return reverse("training:run", args=[alert.run_id]) if alert else None


def rotate_secrets() -> int:
    """Rewrite addresses and secrets of webhooks under the newest key."""
    open_ = AlertChannel.objects.select_for_update().filter(ended_at=None, kind=AlertChannel.Kind.WEBHOOK)
    for channel in open_:
        channel.url, channel.secret = rotate(channel.url), rotate(channel.secret)
        channel.save(update_fields=["url", "secret"])
    return 2 * len(open_)
