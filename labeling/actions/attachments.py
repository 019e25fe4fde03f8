"""Files that belong to a task or to somebody's work; their bytes lie in the storage under their hash."""

import hashlib
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from labeling.actions.guards import require_lead, require_own
from labeling.models.annotations import Attachment
from labeling.models.tasks import Assignment, Task
from labeling.protocol.media import LARGEST, sniff
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import can
from tilth.datasets.uploads import clean_name
from tilth.errors import Conflict, InvalidInput, NotFound
from tilth.storage import Storage

MOST = 20
MOST_BYTES = 5 * LARGEST


def add(
    actor: Actor, data: bytes, name: str, *, assignment: Assignment | None = None, task: Task | None = None
) -> Attachment:
    """Attach a file to one's own open work, or (as a lead) to a task."""
    if assignment is not None:
        require_own(actor, assignment)
        if not assignment.is_open:
            raise Conflict("This work has been handed in; nothing can be attached any more.", code="not_held")
        owner: dict[str, Any] = {"assignment": assignment, "campaign_id": assignment.campaign_id}
        there = assignment.attachments.filter(removed=False)
    else:
        assert task is not None
        require_lead(actor, task.campaign)
        owner = {"task": task, "campaign_id": task.campaign_id}
        there = task.attachments.filter(removed=False)
    media, clean = sniff(data, name), clean_name(name)
    if there.count() >= MOST or (there.aggregate(n=Sum("bytes"))["n"] or 0) + len(data) > MOST_BYTES:
        raise InvalidInput(
            f"At most {MOST} files and {MOST_BYTES // 1_000_000} MB can be attached.", "too_many"
        )
    digest = hashlib.sha256(data).hexdigest()
    storage = Storage(settings.STORAGE)
    if not storage.exists(key_of(digest)):
        storage.write_bytes(key_of(digest), data)
    return _record(actor, owner, clean, media, data, digest)


@transaction.atomic
def _record(
    actor: Actor, owner: dict[str, Any], name: str, media: str, data: bytes, digest: str
) -> Attachment:
    made = Attachment.objects.create(
        **owner, name=name, media_type=media, bytes=len(data), sha256=digest, uploaded_by=actor.user
    )
    audit.record(actor, "attachment.add", f"campaign:{made.campaign_id}", attachment=str(made.pk))
    return made


@transaction.atomic
def remove(actor: Actor, attachment: Attachment) -> None:
    """Take a file away again; what was handed in keeps its files."""
    if attachment.assignment is not None:
        require_own(actor, attachment.assignment)
        if not attachment.assignment.is_open:
            raise Conflict("This work has been handed in with its files.", code="not_held")
    else:
        require_lead(actor, attachment.campaign)
    Attachment.objects.filter(pk=attachment.pk).update(removed=True)
    audit.record(
        actor, "attachment.remove", f"campaign:{attachment.campaign_id}", attachment=str(attachment.pk)
    )


def find(user: Any, pk: Any) -> Attachment:
    """A file that this person may see, or :class:`NotFound`.

    Those who have the task see its files; a labeler's own files are seen by themselves and by reviewers.
    """
    found = (
        Attachment.objects.select_related("assignment", "task", "campaign")
        .filter(pk=pk, removed=False)
        .first()
    )
    if found is not None and _may_see(user, found):
        return found
    raise NotFound("There is no such file, or it is not open to you.")


def _may_see(user: Any, found: Attachment) -> bool:
    if can(user, "labeling.review"):
        return True
    if found.assignment is not None:
        return found.assignment.labeler_id == user.pk
    if can(user, "campaigns.view"):
        return True
    return Assignment.objects.filter(task=found.task, labeler=user).exists()


def read(attachment: Attachment) -> bytes:
    """The bytes."""
    return Storage(settings.STORAGE).read_bytes(key_of(attachment.sha256))


def key_of(sha256: str) -> str:
    """Where the bytes lie."""
    return f"attachments/{sha256}"
