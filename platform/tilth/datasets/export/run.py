"""One export from start to end, into a folder or as one file in storage. Pure."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

from tilth.datasets.card import About
from tilth.datasets.export.formats import Format, format_for
from tilth.datasets.export.options import Options
from tilth.datasets.export.source import Source, Tick
from tilth.datasets.export.target import Folder, OneFile, ZipFile
from tilth.datasets.manifest import Manifest
from tilth.datasets.writer import HashingFile
from tilth.storage import Storage


@dataclass(frozen=True, slots=True)
class Exported:
    """The one file of an export: its storage key, bytes and sha256."""

    key: str
    bytes: int
    sha256: str


def make_source(
    storage: Storage, manifest: Manifest, format_name: str, options: Options, about: About
) -> tuple[Source, Format]:
    """The version and the format, with the choices checked against both."""
    chosen = format_for(format_name, manifest.kind)
    kept = {name: value for name, value in options.as_dict.items() if name in chosen.options}
    source = Source(storage, manifest, Options.of(kept), about)
    if "columns" in kept:
        options.check_columns(source.full_schema.names)
    return source, chosen


def export_to_folder(source: Source, chosen: Format, folder: Folder, tick: Tick) -> list[Path]:
    """Write the files of an export under a folder; on any failure what was written is removed."""
    try:
        chosen.write(source, folder, tick)
    except BaseException:
        folder.undo()
        raise
    return folder.written


def export_to_storage(source: Source, chosen: Format, target: Storage, prefix: str, tick: Tick) -> Exported:
    """Write an export as one file under ``prefix``: the file itself, or a zip where there are several."""
    names = chosen.files(source)
    single = len(names) == 1 and "/" not in names[0]
    name = _file_name(source, names[0]) if single else f"{_stem(source)}-{chosen.name}.zip"
    key = f"{prefix}/{name}"
    with target.create(key) as handle:
        hashed = HashingFile(handle)
        if single:
            chosen.write(source, OneFile(hashed), tick)
        else:
            _write_zip(source, chosen, hashed, tick)
    return Exported(key, hashed.bytes, hashed.hexdigest())


def _write_zip(source: Source, chosen: Format, handle: HashingFile, tick: Tick) -> None:
    with zipfile.ZipFile(handle, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        chosen.write(source, ZipFile(archive, _stem(source)), tick)


def _stem(source: Source) -> str:
    return f"{source.manifest.dataset}-{source.manifest.number}"


def _file_name(source: Source, name: str) -> str:
    """A single file is named after the version, whatever it is called among others."""
    suffix = name.partition(".")[2]
    return f"{_stem(source)}.{suffix}"
