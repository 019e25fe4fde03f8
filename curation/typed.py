"""What can be said about a source the moment it is typed, before any job: spelling, rights, whether it is there.

Nothing here asks the network. Names of hosts are looked up by the job; a host that is an address, or the
machine itself, is judged at once.
"""

import re

from curation.params import web_access
from curation.pipeline.access import Access
from curation.pipeline.commoncrawl import parse_spelling
from curation.pipeline.members import Window
from curation.pipeline.source_file import sniff
from curation.pipeline.sources import find_local
from curation.pipeline.transfer import check_bucket
from curation.uploads import file_name
from tilth.errors import InvalidInput, NotFound
from tilth.guards import paths
from tilth.guards.outbound import Guard

_UPLOAD = re.compile(r"upload:([0-9a-f]{64})")


def check_source(source: str) -> str:
    """A source that came over the web, as the run shall have it; raises a :class:`TilthError` that says what is wrong."""
    access = web_access()
    if source.startswith("cc:"):
        parse_spelling(source)
    elif source.startswith("upload:"):
        _check_upload(source, access)
    elif source.startswith("s3://"):
        check_bucket(source)
    elif source.startswith(("http://", "https://")):
        _check_address(source, access.guard)
    elif "://" in source:
        raise InvalidInput(f"{source}: only http, https and s3 addresses can be read", field="sources")
    else:
        find_local(source, access)
        return str(paths.inside(access.roots or (), source))
    return source


def _check_address(url: str, guard: Guard) -> None:
    target = guard.check_url(url)
    if target.host == "localhost" or target.host.endswith(".localhost"):
        guard.check_address(target.host, target.port, "127.0.0.1")


def _check_upload(source: str, access: Access) -> None:
    """The bytes must be there, and be of a kind that a run reads: kept under their hash, they have no suffix."""
    match = _UPLOAD.fullmatch(source)
    if match is None:
        raise InvalidInput(
            f"{source!r} is not an upload: 64 hexadecimal digits follow upload:", field="sources"
        )
    storage, key = access.open_storage(), f"uploads/{match[1]}"
    if not storage.exists(key):
        raise NotFound(f"There is no upload {match[1][:12]}…; upload the file again", field="sources")
    with storage.open(key) as handle:
        sniff(Window(handle), file_name(source))
