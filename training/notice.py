"""The program that sends one notice of an alert: ``python -m training.notice JOB_DIR``.

A webhook gets the notice as JSON by POST. ``X-Tilth-Signature: t=SECONDS,v1=HEX`` signs it: HEX is HMAC-SHA256,
with the webhook's secret, of ``SECONDS.`` followed by the body; a receiver compares it in constant time and refuses
old SECONDS. ``X-Tilth-Delivery`` is the same for each try of one notice. Redirects are not followed.

Django lends its mailer and nothing else: there is no database here.
"""

import asyncio
import hashlib
import hmac
import json
import os
import sys
import time
from typing import Any

import aiohttp
from django.conf import settings
from django.core.mail import send_mail

from tilth.errors import TilthError
from tilth.guards.outbound import Guard
from tilth.jobs.reporting import Reporter, run_program

URL, SECRET = "TILTH_NOTICE_URL", "TILTH_NOTICE_SECRET"
MAIL, PASSWORD = "TILTH_NOTICE_MAIL", "TILTH_NOTICE_PASSWORD"
SECONDS = 15
PASSING = frozenset({408, 425, 429})
"""Refusals that another try may get past."""


def deliver(report: Reporter) -> dict[str, Any]:
    """Send the notice; raises a :class:`TilthError` that says whether another try can help."""
    notice = report.params["notice"]
    if report.params["kind"] == "webhook":
        allow = tuple(report.params["allow"])
        status = asyncio.run(post(os.environ[URL], os.environ[SECRET], notice, report.job, Guard(allow)))
        return {"status": status}
    mail(json.loads(os.environ[MAIL]), os.environ.get(PASSWORD, ""), notice)
    return {"mailed": True}


async def post(url: str, secret: str, notice: dict[str, Any], delivery: int, guard: Guard) -> int:
    """Post a signed notice; answers the status."""
    body = json.dumps(notice, ensure_ascii=False).encode()
    seconds = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Tilth",
        "X-Tilth-Delivery": str(delivery),
        "X-Tilth-Signature": f"t={seconds},v1={signature(secret, seconds, body)}",
    }
    connect = guard.client()
    try:
        async with (
            await connect(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise TilthError(
            f"The webhook was not reached: {type(error).__name__}.", "unreached", retryable=True
        ) from None
    if not 200 <= status < 300:
        again = status >= 500 or status in PASSING
        raise TilthError(f"The webhook answered with status {status}.", "refused", retryable=again)
    return status


def signature(secret: str, seconds: int, body: bytes) -> str:
    """HMAC-SHA256 in hex of ``SECONDS.BODY``."""
    return hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


def mail(how: dict[str, Any], password: str, notice: dict[str, Any]) -> None:
    """Mail a notice as plain text."""
    settings.configure(**how["settings"], EMAIL_HOST_PASSWORD=password)
    alert, run = notice["alert"], notice["run"]
    subject = " ".join(f"Tilth: {alert['title']}: {run['name']}".split())[:200]
    paused = "\nThe run was told to save and pause.\n" if alert["paused"] else ""
    body = f"{alert['message']}\n{paused}\n{run['name']} ({run['reference']}, {run['stage']})\n{run['url']}\n"
    try:
        send_mail(subject, body, None, [how["to"]])
    except OSError as error:
        raise TilthError(
            f"The mail was not sent: {type(error).__name__}.", "unsent", retryable=True
        ) from None


if __name__ == "__main__":
    run_program(deliver, sys.argv[1])
