"""Reads a campaign's annotations out of the database, a batch at a time, in one read-only snapshot.

The publishing program runs beside Tilth, without Django: it gets a database URL by its environment and
asks plain SQL. JSON columns come as text. Pure: no Django.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg

from tilth.errors import TilthError

BATCH = 2_000

COLUMNS = (
    "id", "task", "key", "topic", "kind", "role", "state", "chosen", "payload", "payload_version", "display",
    "seconds", "submitted_at", "labeler", "guideline", "review", "edited", "task_payload", "task_version",
)  # fmt: skip

_SELECT = """
SELECT {id}, a.task_id, t.key, t.topic, c.kind, a.role, a.state, a.chosen, a.payload, a.payload_version,
       a.display, a.active_seconds, a.submitted_at, u.pseudonym, g.name, v.number,
       {review}, {edited}, {task_payload}, a.task_version
FROM labeling_annotation a
JOIN labeling_task t ON t.id = a.task_id
JOIN labeling_campaign c ON c.id = a.campaign_id
JOIN accounts_user u ON u.id = a.labeler_id
LEFT JOIN labeling_guidelineversion v ON v.id = a.guideline_id
LEFT JOIN labeling_guideline g ON g.id = v.guideline_id
WHERE a.campaign_id = {mark} AND a.state <> 'undone' AND a.submitted_at <= {mark}
ORDER BY a.task_id, a.id
"""
_CANDIDATES = """
SELECT d.task_id, d.position, d.model, d.checkpoint, d.sampling, {texts}
FROM labeling_candidate d JOIN labeling_task t ON t.id = d.task_id
WHERE t.campaign_id = {mark} ORDER BY d.task_id, d.position
"""
_REVIEW = "(SELECT r.{column} FROM labeling_review r WHERE r.annotation_id = a.id {where} ORDER BY r.at DESC, r.id DESC LIMIT 1)"
# What the task said when it was annotated: an edit keeps the earlier text under its version.
_TASK = (
    "CASE WHEN a.task_version = t.version THEN t.payload ELSE COALESCE((SELECT o.payload FROM labeling_taskversion o "
    "WHERE o.task_id = t.id AND o.number = a.task_version), t.payload) END"
)


class Snapshot:
    """One consistent view of the database for the whole publication."""

    def __init__(self, connection: Any, mark: str, named: bool) -> None:
        self._connection, self._mark, self._named = connection, mark, named

    def annotations(self, campaign: int, until: Any, *, with_tasks: bool) -> Iterator[list[tuple]]:
        """Batches of rows with :data:`COLUMNS`; without ``with_tasks`` task and edited payloads are left out."""
        review = _REVIEW.format(column="decision", where="")
        edited = _REVIEW.format(column="payload", where="AND r.payload IS NOT NULL")
        statement = _SELECT.format(
            id="a.id::text" if self._named else "a.id",
            review=review,
            edited=edited if with_tasks else "NULL",
            task_payload=_TASK if with_tasks else "NULL",
            mark=self._mark,
        )
        for rows in self._stream("annotations", statement, (campaign, until if self._named else str(until))):
            yield [_joined(row) for row in rows]

    def candidates(self, campaign: int, *, with_texts: bool) -> Iterator[tuple[int, list[tuple]]]:
        """Each task with its (task, position, model, checkpoint, sampling, messages), in the order of tasks."""
        texts = "d.messages" if with_texts else "NULL"
        statement = _CANDIDATES.format(texts=texts, mark=self._mark)
        rows = (row for batch in self._stream("candidates", statement, (campaign,)) for row in batch)
        for task, several in groupby(rows, key=itemgetter(0)):
            yield task, list(several)

    def _stream(self, name: str, statement: str, parameters: tuple) -> Iterator[list[tuple]]:
        """Rows in batches; on PostgreSQL by a server-side cursor, so that no more than a batch is held."""
        cursor = self._connection.cursor(name=name) if self._named else self._connection.cursor()
        cursor.execute(statement, parameters)
        while rows := cursor.fetchmany(BATCH):
            yield rows
        cursor.close()

    def schema(self, campaign: int) -> str:
        """The campaign's answer schema, as JSON text."""
        cursor = self._connection.cursor()
        cursor.execute(f"SELECT schema FROM labeling_campaign WHERE id = {self._mark}", (campaign,))  # noqa: S608
        return str(cursor.fetchall()[0][0])


def _joined(row: tuple) -> tuple:
    """The guideline's name and number as its reference."""
    guideline = f"guideline:{row[14]}@{row[15]}" if row[14] else None
    return (*row[:14], guideline, *row[16:])


@contextmanager
def snapshot(url: str) -> Iterator[Snapshot]:
    """A read-only view of the database behind ``url`` (``postgres://…`` or ``sqlite:///path``)."""
    if url.startswith("sqlite:"):
        path = "/" + unquote(urlsplit(url).path).lstrip("/")
        connection = sqlite3.connect(
            f"file:{quote(path)}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        connection.execute("BEGIN")
        try:
            yield Snapshot(connection, "?", named=False)
        finally:
            connection.close()
        return
    if not url.startswith(("postgres:", "postgresql:")):
        raise TilthError("Annotations are published out of PostgreSQL or SQLite only.", code="bad_database")
    with psycopg.connect(url) as found:
        found.read_only, found.isolation_level = True, psycopg.IsolationLevel.REPEATABLE_READ
        for name in ("json", "jsonb"):
            found.adapters.register_loader(name, psycopg.types.string.TextLoader)
        yield Snapshot(found, "%s", named=True)
