"""Finds the original record behind a document: the run's plan knows the file, the row knows the place in it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from curation import params
from curation.models import CurationRun
from curation.pipeline.plan import PLAN, read_shard
from curation.pipeline.record import Record, read_record
from curation.pipeline.sources import SourceFile
from tilth.errors import NotFound
from tilth.storage import Storage

__all__ = ["Place", "Record", "crawled_url", "read"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record lies: source id, and bytes from the start of that file."""

    source: str
    offset: int
    length: int


def crawled_url(run: CurationRun, place: Place) -> str:
    """The address of the page as crawled."""
    query = urlencode({"source": place.source, "offset": place.offset, "length": place.length})
    return f"{reverse('curation:crawled', args=[run.pk])}?{query}"


def read(storage: Storage, run: CurationRun, place: Place) -> Record:
    """The record at a place of one of the run's files, with the rights that the run had."""
    return read_record(_file(storage, run, place.source), place.offset, place.length, params.access(run))


def _file(storage: Storage, run: CurationRun, source_id: str) -> SourceFile:
    key = f"{run.prefix}/{PLAN}"
    if storage.exists(key):
        for shard in storage.read_json(key)["shards"]:
            if shard["source"]["id"] == source_id:
                return read_shard(shard).source
    raise NotFound("The run's plan does not name the file that this document came from")
