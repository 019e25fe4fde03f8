"""What an attached file really is, told by its bytes and never by its name; and what a project holds."""

import io
import zipfile
import zlib
from dataclasses import dataclass

from tilth.errors import InvalidInput

LARGEST = 20_000_000
MOST_FILES = 200
MOST_TEXT = 5_000_000
"""Characters of all files of a project together."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_ENTRY = b"PK\x01\x02"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError, ValueError)


def sniff(data: bytes, name: str) -> str:
    """The media type, or :class:`InvalidInput` for anything but images, PDF, text, HTML and zipped text.

    HTML is text that calls itself so by its name: it is only ever shown in a sandboxed frame. SVG, which
    may carry scripts, is text like any other: it is never drawn.
    """
    if not data:
        raise InvalidInput("The file is empty.", code="empty_file", field="file")
    if len(data) > LARGEST:
        raise InvalidInput(
            f"A file may have {LARGEST // 1_000_000} MB.", code="too_large", status=413, field="file"
        )
    for magic, media in _MAGIC:
        if data.startswith(magic):
            if media == "application/zip":
                read_project(data)
            return media
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InvalidInput(
            "Attach images (PNG, JPEG, GIF, WebP), PDF, text in UTF-8, or a zip of text files.",
            code="wrong_type",
            field="file",
        )
    return "text/html" if name.lower().endswith((".html", ".htm")) else "text/plain"


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """One text file of a project."""

    path: str
    text: str


def read_project(data: bytes) -> list[ProjectFile]:
    """The files of a zip, in memory and within limits; what is no text is refused.

    Sizes are those that come out, whatever the archive says of them: a bomb is cut off while it opens.
    Only stored and deflated entries are opened, since Python unpacks what it has read of the others whole;
    entries are counted before the archive's list of them is built.
    """
    if data.count(_ENTRY) > MOST_FILES:
        raise InvalidInput(
            f"A project may have {MOST_FILES} files and folders.", code="too_many", field="file"
        )
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except _DAMAGED:
        raise InvalidInput("The zip file is damaged.", code="bad_zip", field="file") from None
    found, left = [], MOST_TEXT
    for entry in entries:
        content = _content(archive, entry, left + 1)
        left -= len(content)
        if left < 0:
            raise InvalidInput("The project is larger than 5 MB.", code="too_large", field="file")
        try:
            found.append(ProjectFile(entry.filename[:300], content.decode("utf-8")))
        except UnicodeDecodeError:
            raise InvalidInput(
                f"{entry.filename[:80]} is no text.", code="wrong_type", field="file"
            ) from None
    return found


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    if entry.flag_bits & 0x1:
        raise InvalidInput("The zip file is encrypted.", code="encrypted", field="file")
    if entry.compress_type not in _METHODS:
        raise InvalidInput(
            "The zip file is packed in an unusual way; pack it again with the usual method (deflate).",
            code="bad_zip",
            field="file",
        )
    try:
        with archive.open(entry) as handle:
            return handle.read(most)
    except _DAMAGED:
        raise InvalidInput(f"{entry.filename[:80]} cannot be read.", code="bad_zip", field="file") from None
