"""Reads a campaign's annotations out of the database as Arrow tables, part by part, in one snapshot.

The publishing program runs beside Tilth, without Django: it gets a database URL by its environment and
asks plain SQL. PostgreSQL answers by ``COPY``, whose CSV Arrow reads without a Python value on the way.
JSON columns come as text. Pure: no Django.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import pairwise
from select import select
from typing import Any, ClassVar
from urllib.parse import quote, unquote, urlsplit

import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg import pq

from tilth.datasets.columns import TIMESTAMP
from tilth.errors import TilthError

PART_BYTES = 2 << 20
"""About how many bytes of payloads are read at a time; every annotation counts as half a kibibyte more."""

Part = tuple[int, int]
"""Tasks with an id above the first and up to the second number."""

ANNOTATIONS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "task": pa.int64(),
    "key": pa.string(),
    "topic": pa.string(),
    "kind": pa.string(),
    "role": pa.string(),
    "state": pa.string(),
    "chosen": pa.int8(),
    "payload": pa.string(),
    "payload_version": pa.int64(),
    "display": pa.string(),
    "seconds": pa.float64(),
    "submitted_at": TIMESTAMP,
    "labeler": pa.string(),
    "guideline": pa.string(),
    "review": pa.string(),
    "edited": pa.string(),
    "editor": pa.string(),
    "task_payload": pa.string(),
}
CANDIDATES: dict[str, pa.DataType] = {
    "task": pa.int64(),
    "position": pa.int32(),
    "model": pa.string(),
    "checkpoint": pa.string(),
    "sampling": pa.string(),
    "messages": pa.string(),
}

_WHICH = "a.campaign_id = {campaign} AND a.state <> 'undone' AND a.submitted_at <= {until}"
_PARTS = """
SELECT max(task_id) FROM (
  SELECT a.task_id, sum(512 + {size}) OVER (ORDER BY a.task_id, a.id) / {bytes} AS part
  FROM labeling_annotation a WHERE {which}
) cut GROUP BY part ORDER BY 1
"""
_ANNOTATIONS = """
SELECT {id}, a.task_id, t.key, t.topic, c.kind, a.role, a.state, CAST(a.chosen AS integer), a.payload,
       a.payload_version, a.display, a.active_seconds, {at}, u.pseudonym,
       'guideline:' || g.name || '@' || v.number, {review}, {edited}, {editor}, {task_payload}
FROM labeling_annotation a
JOIN labeling_task t ON t.id = a.task_id
JOIN labeling_campaign c ON c.id = a.campaign_id
JOIN accounts_user u ON u.id = a.labeler_id
LEFT JOIN labeling_guidelineversion v ON v.id = a.guideline_id
LEFT JOIN labeling_guideline g ON g.id = v.guideline_id
WHERE {which} AND a.task_id > {after} AND a.task_id <= {upto} AND t.id > {after} AND t.id <= {upto}
ORDER BY a.task_id, a.id
"""
_CANDIDATES = """
SELECT d.task_id, d.position, d.model, d.checkpoint, d.sampling, {texts}
FROM labeling_candidate d JOIN labeling_task t ON t.id = d.task_id
WHERE t.campaign_id = {campaign} AND d.task_id > {after} AND d.task_id <= {upto}
  AND t.id > {after} AND t.id <= {upto}
ORDER BY d.task_id, d.position
"""
# Of standing annotations, those labelled by another version than this one.
_CITING = """
SELECT {id}, CAST(a.clauses AS text) FROM labeling_annotation a
WHERE {which} AND a.task_id > {after} AND a.task_id <= {upto} AND a.current
  AND a.state IN ('submitted', 'accepted', 'adjudicated') AND CAST(a.clauses AS text) <> '[]'
  AND COALESCE(a.guideline_id, 0) <> {guideline}
ORDER BY a.task_id, a.id
"""
_SCHEMA = "SELECT schema FROM labeling_campaign WHERE id = {campaign}"
_REVIEW = "(SELECT {what} FROM labeling_review r {join} WHERE r.annotation_id = a.id {where} ORDER BY r.at DESC, r.id DESC LIMIT 1)"
_EDIT = {"join": "JOIN accounts_user e ON e.id = r.reviewer_id", "where": "AND r.payload IS NOT NULL"}
# What the task said when it was annotated: an edit keeps the earlier text under its version.
_TASK = (
    "CASE WHEN a.task_version = t.version THEN t.payload ELSE COALESCE((SELECT o.payload FROM labeling_taskversion o "
    "WHERE o.task_id = t.id AND o.number = a.task_version), t.payload) END"
)


class Snapshot(ABC):
    """One consistent view of the database for the whole publication."""

    words: ClassVar[Mapping[str, str]]
    """What the statements above spell differently from database to database."""

    def parts(self, campaign: int, until: datetime) -> Iterator[Part]:
        """The campaign's tasks in parts that never cut one in two: a vote needs all of its annotations."""
        which = _WHICH.format(**self.words)
        statement = _PARTS.format(**self.words, which=which, bytes=PART_BYTES)
        ends = self._rows(statement, {"campaign": campaign, "until": until})
        yield from pairwise([0, *sorted({end for (end,) in ends})])

    def annotations(self, campaign: int, until: datetime, part: Part, *, with_tasks: bool) -> pa.Table:
        """The part's :data:`ANNOTATIONS` by task; without ``with_tasks`` tasks, edits and editors are null."""
        statement = _ANNOTATIONS.format(
            **self.words,
            which=_WHICH.format(**self.words),
            review=_REVIEW.format(what="r.decision", join="", where=""),
            edited=_REVIEW.format(what="r.payload", **_EDIT) if with_tasks else "NULL",
            editor=_REVIEW.format(what="e.pseudonym", **_EDIT) if with_tasks else "NULL",
            task_payload=_TASK if with_tasks else "NULL",
        )
        values = {"campaign": campaign, "until": until, "after": part[0], "upto": part[1]}
        return self._table(statement, values, ANNOTATIONS)

    def candidates(self, campaign: int, part: Part, *, with_texts: bool) -> pa.Table:
        """The part's :data:`CANDIDATES` by task and position; messages are null without ``with_texts``."""
        statement = _CANDIDATES.format(**self.words, texts="d.messages" if with_texts else "NULL")
        return self._table(statement, {"campaign": campaign, "after": part[0], "upto": part[1]}, CANDIDATES)

    def citing(self, campaign: int, guideline: int, until: datetime, part: Part) -> list[tuple[str, str]]:
        """Ids, and cited clauses as JSON text, of the part's standing annotations labelled by another version."""
        statement = _CITING.format(**self.words, which=_WHICH.format(**self.words))
        values = {
            "campaign": campaign,
            "guideline": guideline,
            "until": until,
            "after": part[0],
            "upto": part[1],
        }
        return [(str(key), cited) for key, cited in self._rows(statement, values)]

    def schema(self, campaign: int) -> str:
        """The campaign's answer schema, as JSON text."""
        return str(self._rows(_SCHEMA.format(**self.words), {"campaign": campaign})[0][0])

    @abstractmethod
    def _rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple]: ...

    @abstractmethod
    def _table(self, statement: str, values: Mapping[str, Any], columns: Mapping[str, Any]) -> pa.Table: ...


class _Postgres(Snapshot):
    words = {
        **{name: f"%({name})s" for name in ("campaign", "guideline", "until", "after", "upto")},
        "id": "a.id",
        "at": "a.submitted_at",
        "size": "pg_column_size(a.payload)",
    }

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def _rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple]:
        return self._connection.execute(statement, values).fetchall()

    def _table(self, statement: str, values: Mapping[str, Any], columns: Mapping[str, Any]) -> pa.Table:
        copy = f"COPY ({statement}) TO STDOUT (FORMAT csv)"
        text = _copied(self._connection.pgconn, psycopg.ClientCursor(self._connection).mogrify(copy, values))
        if not text:
            return pa.schema(columns).empty_table()
        return pa.csv.read_csv(
            pa.py_buffer(text),
            # One block, because a row must not lie in two.
            pa.csv.ReadOptions(column_names=list(columns), block_size=len(text) + 1, use_threads=False),
            pa.csv.ParseOptions(newlines_in_values=True),
            # COPY writes nothing for NULL and "" for an empty text.
            pa.csv.ConvertOptions(
                column_types=columns,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )


def _copied(server: pq.abc.PGconn, statement: str) -> bytearray:
    """What a ``COPY … TO STDOUT`` answers. By libpq itself: ``Cursor.copy`` takes three times as long a row."""
    text = bytearray()
    result: pq.abc.PGresult | None = server.exec_(statement.encode())
    if result and result.status == pq.ExecStatus.COPY_OUT:
        while (size := (found := server.get_copy_data(1))[0]) >= 0:
            if size:
                text += found[1]
            else:
                select([server.socket], [], [])
                server.consume_input()
        result = server.get_result()
        while server.get_result():
            pass
    if result is None or result.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.OperationalError(server.get_error_message())
    return text


class _Sqlite(Snapshot):
    words = {
        **{name: f":{name}" for name in ("campaign", "guideline", "until", "after", "upto")},
        "id": " || '-' || ".join(
            f"substr(a.id, {start}, {length})"
            for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        ),
        "at": "a.submitted_at || '+00'",
        "size": "length(a.payload)",
    }

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple]:
        spelled = {
            name: str(value) if isinstance(value, datetime) else value for name, value in values.items()
        }
        return self._connection.execute(statement, spelled).fetchall()

    def _table(self, statement: str, values: Mapping[str, Any], columns: Mapping[str, Any]) -> pa.Table:
        found = list(zip(*self._rows(statement, values), strict=True)) or [()] * len(columns)
        arrays = [
            pa.array(column, pa.string()).cast(kind) if kind == TIMESTAMP else pa.array(column, kind)
            for column, kind in zip(found, columns.values(), strict=True)
        ]
        return pa.table(arrays, schema=pa.schema(columns))


@contextmanager
def snapshot(url: str) -> Iterator[Snapshot]:
    """A read-only view of the database behind ``url`` (``postgres://…`` or ``sqlite:///path``)."""
    if url.startswith("sqlite:"):
        path = "/" + unquote(urlsplit(url).path).lstrip("/")
        address = f"file:{quote(path)}?mode=ro"
        with closing(
            sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        ) as opened:
            opened.execute("BEGIN")
            yield _Sqlite(opened)
        return
    if not url.startswith(("postgres:", "postgresql:")):
        raise TilthError("Annotations are published out of PostgreSQL or SQLite only.", code="bad_database")
    with psycopg.connect(url, client_encoding="utf8") as found:
        found.read_only, found.isolation_level = True, psycopg.IsolationLevel.REPEATABLE_READ
        for name in ("json", "jsonb"):
            found.adapters.register_loader(name, psycopg.types.string.TextLoader)
        found.execute("SET LOCAL datestyle TO ISO")
        yield _Postgres(found)
