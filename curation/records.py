"""Finds the original record behind a document: the run's plan knows the file, the row knows the place in it."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from curation import params
from curation.models import CurationRun
from curation.pipeline.decode import decode
from curation.pipeline.plan import PLAN, read_shard
from curation.pipeline.record import read_record
from curation.pipeline.sources import SourceFile
from tilth.errors import NotFound
from tilth.storage import Storage


@dataclass(frozen=True, slots=True)
class Crawled:
    """A record for the page: address, HTTP status, type, bytes, and the page decoded."""

    url: str
    status: int
    content_type: str
    bytes: int
    html: str


def source_of(storage: Storage, run: CurationRun, source_id: str) -> SourceFile:
    """The file with this id in the run's plan."""
    key = f"{run.prefix}/{PLAN}"
    if storage.exists(key):
        for shard in storage.read_json(key)["shards"]:
            if shard["source"]["id"] == source_id:
                return read_shard(shard).source
    raise NotFound("The run's plan does not name the file that this document came from")
