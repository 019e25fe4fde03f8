"""The audit log: every action writes one entry, in the action's own transaction."""

from typing import Any

from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry


def record(actor: Actor, verb: str, target: str = "", **data: Any) -> AuditEntry:
    """Write down that ``actor`` did ``verb`` to ``target`` (a reference), with JSON-able details."""
    return AuditEntry.objects.create(
        user=actor.user, token=actor.token, system=actor.name, verb=verb, target=target, data=data
    )
