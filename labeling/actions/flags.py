"""What safeguards noticed, decided by a person."""

from django.db import transaction

from labeling.models.annotations import Flag
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput, PermissionDenied


@transaction.atomic
def decide(actor: Actor, flag: Flag, state: str, note: str = "") -> Flag:
    """Nothing wrong, or confirmed. Confirming changes nothing about the work itself: that is a review's to do."""
    require(actor, "labeling.review")
    if actor.user is not None and flag.annotation.labeler_id == actor.user.pk:
        raise PermissionDenied("Nobody decides on what was noticed in their own work.")
    if state not in {Flag.State.DISMISSED, Flag.State.CONFIRMED}:
        raise InvalidInput("Say that nothing is wrong, or confirm it.", code="bad_state", field="state")
    if not Flag.objects.filter(pk=flag.pk, state=Flag.State.OPEN).update(state=state, decided_by=actor.user):
        raise Conflict("Somebody has decided on this already.", code="decided")
    flag.refresh_from_db()
    audit.record(
        actor, "flag.decide", flag.annotation.reference, kind=flag.kind, state=state, note=note[:500]
    )
    return flag
