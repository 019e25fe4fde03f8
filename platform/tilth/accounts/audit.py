"""The audit log: every action writes one entry, in the action's own transaction."""

from typing import TYPE_CHECKING, Any

from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, Invitation
from tilth.statements import Insert

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tilth.accounts.models import User

_ENTRY = Insert(AuditEntry)

PERSONAL = frozenset({"email", "name", "ip"})
"""Keys of an entry's details that can identify a person; anonymising takes them out."""


def record(actor: Actor, verb: str, target: str = "", **data: Any) -> AuditEntry:
    """Write down that ``actor`` did ``verb`` to ``target`` (a reference), with JSON-able details."""
    entry = AuditEntry(
        user=actor.user, token=actor.token, system=actor.name, verb=verb, target=target, data=data
    )
    return _ENTRY.execute(entry)


def entries_about(person: "User") -> "QuerySet[AuditEntry]":
    """Entries whose details may name this person: about them, or about the invitation they came by."""
    invitations = Invitation.objects.filter(accepted_by=person).values_list("pk", flat=True)
    targets = [person.reference, *(f"invitation:{pk}" for pk in invitations)]
    return AuditEntry.objects.filter(target__in=targets)
