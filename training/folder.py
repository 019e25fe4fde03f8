"""A checkpoint as a Hugging Face folder to take away: its files as they are, and a card, in one zip.

The zip is made while it is sent, in bounded memory; weights do not get smaller by packing, so it is stored.
"""

import zipfile
from collections.abc import Iterator
from io import RawIOBase

from tilth.storage import Storage
from training.llm.checkpoints import Checkpoint as Stored

CHUNK = 1 << 20
CARD = "README.md"
OTHER_CARD = "TILTH.md"
"""The card's name where the checkpoint brings a README of its own, as imported ones do."""

_TIME = (1980, 1, 1, 0, 0, 0)


class _Sink(RawIOBase):
    """Takes what the zip writes until it is fetched; it cannot go back."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.taken += data
        return len(data)

    def fetch(self) -> bytes:
        """What was written since the last time."""
        found, self.taken = bytes(self.taken), bytearray()
        return found


def names(stored: Stored) -> dict[str, str]:
    """The folder's files: name below the folder → path below the checkpoint's."""
    return {file.path.partition("/")[2]: file.path for file in stored.files}


def zipped(storage: Storage, stored: Stored, card: str, folder: str) -> Iterator[bytes]:
    """The bytes of the zip, all its files below ``folder``."""
    sink, files = _Sink(), names(stored)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        about = OTHER_CARD if CARD in files else CARD
        with archive.open(_entry(f"{folder}/{about}"), "w") as target:
            target.write(card.encode())
        for name, path in files.items():
            with (
                storage.open(f"{stored.folder}/{path}") as source,
                archive.open(_entry(f"{folder}/{name}"), "w", force_zip64=True) as target,
            ):
                while piece := source.read(CHUNK):
                    target.write(piece)
                    yield sink.fetch()
    yield sink.fetch()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.external_attr = 0o644 << 16
    return entry
