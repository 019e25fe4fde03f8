"""Takes files from people: hashed while they arrive, bounded in size, kept once by their content."""

import hashlib
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, UnreadablePostError

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.datasets.models import Upload
from tilth.errors import InvalidInput, NotFound, TilthError
from tilth.storage import Storage

BLOCK = 1 << 20
HASH = re.compile(r"[0-9a-f]{64}")


class Incoming(Protocol):
    """What can be saved: Django's uploaded files, and :class:`RequestBody`."""

    @property
    def name(self) -> str | None:
        """The file's name as it was sent."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The bytes, a piece at a time."""
        ...


class RequestBody:
    """A request whose whole body is the file: nothing is parsed, nothing is held in memory."""

    def __init__(self, request: HttpRequest, name: str) -> None:
        self.name = name
        self._request = request
        length = request.headers.get("Content-Length", "")
        self.length = int(length) if length.isdecimal() else None
        if self.length is not None:
            check_size(self.length)

    def chunks(self) -> Iterator[bytes]:
        """The body; a connection that broke off raises."""
        received = 0
        try:
            while block := self._request.read(BLOCK):
                received += len(block)
                yield block
        except UnreadablePostError:
            raise _broken() from None
        if self.length is not None and received != self.length:
            raise _broken()


def _broken() -> TilthError:
    return TilthError(
        "the connection broke off before the whole file had come; send it again", "broken", retryable=True
    )


def check_size(size: int) -> None:
    """Raise when a file is larger than the server takes."""
    limit = settings.MAX_UPLOAD_BYTES
    if size > limit:
        raise InvalidInput(
            f"the file is larger than {limit / 1024**2:,.0f} MiB, the most this server takes; split it, or have "
            "the operator put it into a folder of TILTH_SOURCE_ROOTS or raise TILTH_MAX_UPLOAD_BYTES",
            code="too_large",
            status=413,
            field="upload",
        )


def clean_name(name: str) -> str:
    """A file name for people to read: no folders, no control characters, at most 200 characters."""
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    # Marks that turn the direction of text could make evil.exe look like exe.live.
    kept = "".join(c for c in base if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"})
    stem = kept.strip(" .")
    return stem[-200:] or "file"


def save_upload(actor: Actor, file: Incoming) -> Upload:
    """Keep a file at ``uploads/<sha256>``; the same bytes sent again give the first upload back."""
    require(actor, "files.upload")
    settings.SCRATCH.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=settings.SCRATCH, prefix="upload-") as temporary:
        digest, size = hashlib.sha256(), 0
        for block in file.chunks():
            size += len(block)
            check_size(size)
            digest.update(block)
            temporary.write(block)
        temporary.flush()
        if not size:
            raise InvalidInput("the file is empty", code="empty_file", field="upload")
        key = f"uploads/{digest.hexdigest()}"
        storage = Storage(settings.STORAGE)
        if not storage.exists(key):
            storage.put(Path(temporary.name), key)
    return _record(actor, digest.hexdigest(), clean_name(file.name or ""), size)


@transaction.atomic
def _record(actor: Actor, sha256: str, name: str, size: int) -> Upload:
    upload, made = Upload.objects.get_or_create(
        sha256=sha256, defaults={"name": name, "bytes": size, "created_by": actor.user}
    )
    if made:
        audit.record(actor, "upload.save", f"upload:{sha256}", name=name, bytes=size)
    return upload


def find_upload(sha256: str) -> Upload:
    """The upload with this hash, or :class:`NotFound`."""
    upload = Upload.objects.filter(sha256=sha256).first() if HASH.fullmatch(sha256) else None
    if upload is None:
        raise NotFound("there is no such upload; send the file again", code="no_upload", field="upload")
    return upload
