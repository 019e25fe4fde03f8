"""Files that belong to a task or to somebody's work; their bytes lie in the storage under their hash."""

import hashlib
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, Sum

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
    else:
        assert task is not None
        require_lead(actor, task.campaign)
    media = sniff(data, name)
    digest = hashlib.sha256(data).hexdigest()
    storage = Storage(settings.STORAGE)
    if not storage.exists(key_of(digest)):
        storage.write_bytes(key_of(digest), data)
    file = Attachment(
        name=clean_name(name), media_type=media, bytes=len(data), sha256=digest, uploaded_by=actor.user
    )
    return _record(actor, file, assignment=assignment, task=task)


@transaction.atomic
def _record(
    actor: Actor, made: Attachment, *, assignment: Assignment | None, task: Task | None
) -> Attachment:
    """Write the file down; its owner's row is locked, so that files sent at once count each other."""
    owner: Assignment | Task
    if assignment is not None:
        owner = Assignment.objects.select_for_update(of=("self",)).get(pk=assignment.pk)
        if not owner.is_open:
            raise Conflict("This work was handed in meanwhile; nothing can be attached.", code="not_held")
        made.assignment = owner
    else:
        assert task is not None
        owner = Task.objects.select_for_update(of=("self",)).get(pk=task.pk)
        made.task = owner
    there = owner.attachments.filter(removed=False).aggregate(files=Count("pk"), bytes=Sum("bytes"))
    if there["files"] >= MOST or (there["bytes"] or 0) + made.bytes > MOST_BYTES:
        raise InvalidInput(
            f"At most {MOST} files and {MOST_BYTES // 1_000_000} MB can be attached; remove one first.",
            code="too_many",
            field="file",
        )
    made.campaign_id = owner.campaign_id
    made.save(force_insert=True)
    audit.record(actor, "attachment.add", f"campaign:{made.campaign_id}", attachment=str(made.pk))
    return made


@transaction.atomic
def remove(actor: Actor, attachment: Attachment) -> None:
    """Take a file away again; what was handed in keeps its files."""
    if attachment.assignment is not None:
        require_own(actor, attachment.assignment)
        if not Assignment.objects.select_for_update(of=("self",)).get(pk=attachment.assignment.pk).is_open:
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


def shown(user: Any, assignment: Assignment) -> list[Attachment]:
    """The files of a piece of work and of its task that this person may see, oldest first."""
    rows = Attachment.objects.filter(Q(assignment=assignment) | Q(task=assignment.task_id), removed=False)
    return [file for file in rows.select_related("assignment", "task") if _may_see(user, file)]


def read(attachment: Attachment) -> bytes:
    """The bytes."""
    return Storage(settings.STORAGE).read_bytes(key_of(attachment.sha256))


def key_of(sha256: str) -> str:
    """Where the bytes lie."""
    return f"attachments/{sha256}"
