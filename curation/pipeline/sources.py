"""What a person types as a source becomes files, each of them one shard of a run.

A source is a path, a folder, a glob, an http(s) or s3 URL, ``cc:…`` (see ``commoncrawl``) or
``upload:<sha256>``. Each file gets an id that names it on any machine: scheme and path relative to the
crawl or source root, never an absolute path; row ids are made of it, so the same file gives the same rows
wherever it lies.
"""

import glob
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from curation.pipeline.access import Access
from curation.pipeline.commoncrawl import crawl_files, parse_spelling
from curation.pipeline.members import Window
from curation.pipeline.reading import open_source
from curation.pipeline.source_file import KNOWN, Format, SourceFile, format_of, sniff
from curation.pipeline.transfer import check_bucket, open_remote, s3_filesystem
from tilth.errors import InvalidInput, NotFound
from tilth.guards.paths import inside

__all__ = ["SourceFile", "open_source", "resolve_sources"]

_WILD = re.compile(r"[*?\[]")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def resolve_sources(spelled: Iterable[str], access: Access) -> list[SourceFile]:
    """Every file behind the sources, in the order given; the same file named twice counts once.

    Raises a :class:`tilth.errors.TilthError` that says which source is wrong and why: no such file, no
    WARC in a folder, a URL that is refused, a crawl that does not exist, two files of one name.
    """
    files: dict[str, SourceFile] = {}
    for text in (text.strip() for text in spelled):
        for found in _resolve(text, access):
            earlier = files.setdefault(found.id, found)
            if earlier.url != found.url:
                raise InvalidInput(
                    f"two sources have the name {found.id}: {earlier.url} and {found.url}. Rows are numbered by "
                    "name, so give the folder that both lie in, or rename one.",
                    field="sources",
                )
    if not files:
        raise InvalidInput("name at least one source", field="sources")
    return list(files.values())


def _resolve(text: str, access: Access) -> list[SourceFile]:
    if text.startswith("cc:"):
        return _crawl(text, access)
    if text.startswith("upload:"):
        return [_upload(text, access)]
    if text.startswith("s3://"):
        return _s3(text, access)
    if re.match(r"[a-z][a-z0-9+.-]*://", text, re.IGNORECASE):
        return [_web(text, access)]
    return find_local(text, access)


def _crawl(text: str, access: Access) -> list[SourceFile]:
    wanted = parse_spelling(text)
    crawl, paths = crawl_files(wanted, access)
    kind: Format = "wet" if wanted.wet else "warc"
    return [
        SourceFile(f"cc:{path.removeprefix('crawl-data/')}", f"{access.common_crawl}/{path}", crawl, kind)
        for path in paths
    ]


def _upload(text: str, access: Access) -> SourceFile:
    digest = text.removeprefix("upload:")
    if not _SHA256.fullmatch(digest):
        raise InvalidInput(
            f"{text!r} is not an upload: 64 hexadecimal digits follow upload:", field="sources"
        )
    storage, key = access.open_storage(), f"uploads/{digest}"
    if not storage.exists(key):
        raise NotFound(f"there is no upload {digest[:12]}…; upload the file again", field="sources")
    with storage.open(key) as handle:
        kind = sniff(Window(handle), text)
    return SourceFile(text, text, "", kind, storage.size(key))


def _web(text: str, access: Access) -> SourceFile:
    with open_remote(text, access) as handle:
        parts = urlsplit(text)
        kind = format_of(parts.path) or sniff(Window(handle), text)
        # The query may carry a signature that changes or a secret; it is no part of the name.
        name = f"{parts.scheme.lower()}://{parts.netloc.lower()}{unquote(parts.path)}"
        return SourceFile(name, text, "", kind, handle.size)


def _s3(text: str, access: Access) -> list[SourceFile]:
    path, system = check_bucket(text), s3_filesystem(access)
    if _WILD.search(path):
        found = sorted(system.glob(path))
    elif path.endswith("/") or "/" not in path:
        found = sorted(system.find(path))
    else:
        with open_remote(text, access) as handle:
            return [SourceFile(text, text, "", format_of(path) or sniff(Window(handle), text), handle.size)]
    kinds = [(name, kind) for name in found if (kind := format_of(name))]
    if not kinds:
        raise NotFound(f"{text} holds no {KNOWN} file", field="sources")
    return [SourceFile(f"s3://{name}", f"s3://{name}", "", kind) for name, kind in kinds]


def find_local(text: str, access: Access) -> list[SourceFile]:
    """The files of a path, a folder or a glob; raises :class:`TilthError` when there is none, or it may not be read."""
    if not text:
        raise InvalidInput("a source is empty", field="sources")
    root, paths = _expand(text, access)
    found = []
    for path in paths:
        real = path.resolve() if access.roots is None else inside(access.roots, path)
        kind = format_of(path.name)
        if kind is None and len(paths) == 1:
            with real.open("rb") as handle:
                kind = sniff(Window(handle), text)
        if kind:
            name = path.relative_to(root).as_posix()
            found.append(SourceFile(f"file:{name}", str(real), "", kind, real.stat().st_size))
    if not found:
        raise NotFound(f"{text} holds no {KNOWN} file", field="sources")
    return found


def _expand(text: str, access: Access) -> tuple[Path, list[Path]]:
    """The source root and the files of a path, a folder (with all below it) or a glob."""
    if _WILD.search(text) and not Path(text).exists():
        fixed = Path(*_fixed_part(Path(text)))
        base = fixed.resolve() if access.roots is None else inside(access.roots, fixed)
        rest = Path(text).relative_to(fixed).as_posix()
        matches = sorted(path for path in map(base.joinpath, glob.glob(rest, root_dir=base, recursive=True)))  # noqa: PTH207 - pathlib's has no root_dir
        if not any(path.is_file() for path in matches):
            raise NotFound(f"no file matches {text}", field="sources")
        return base, [path for path in matches if path.is_file()]
    path = Path(text).absolute() if access.roots is None else inside(access.roots, text)
    if path.is_dir():
        return path, sorted(below for below in path.rglob("*") if below.is_file())
    if not path.is_file():
        raise NotFound(f"there is no file {text}; check the path", field="sources")
    return path.parent, [path]


def _fixed_part(pattern: Path) -> list[str]:
    """The leading folders of a glob that hold no wildcard."""
    fixed: list[str] = []
    for part in pattern.parts[:-1]:
        if _WILD.search(part):
            break
        fixed.append(part)
    return fixed
