"""Reads a campaign's annotations out of the database, a batch at a time, in one read-only snapshot.

The publishing program runs beside Tilth, without Django: it gets a database URL by its environment and
asks plain SQL. JSON columns come as text. Pure: no Django.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

import psycopg

from tilth.errors import TilthError

BATCH = 5_000

COLUMNS = (
    "id", "task", "key", "topic", "kind", "role", "state", "chosen", "payload", "payload_version", "display",
    "seconds", "submitted_at", "labeler", "guideline", "review", "edited", "task_payload", "task_version",
)  # fmt: skip

_SELECT = """
SELECT a.id, a.task_id, t.key, t.topic, c.kind, a.role, a.state, a.chosen, a.payload, a.payload_version,
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
_REVIEW = "(SELECT r.{column} FROM labeling_review r WHERE r.annotation_id = a.id {where} ORDER BY r.at DESC, r.id DESC LIMIT 1)"
# What the task said when it was annotated: an edit keeps the earlier text under its version.
_TASK = (
    "CASE WHEN a.task_version = t.version THEN t.payload ELSE COALESCE((SELECT o.payload FROM labeling_taskversion o "
    "WHERE o.task_id = t.id AND o.number = a.task_version), t.payload) END"
)


class Cursor(Protocol):
    """What both databases' cursors offer."""

    def execute(self, statement: Any, parameters: Any = ..., /) -> Any:
        """Run a statement."""

    def fetchmany(self, size: int = ..., /) -> list[Any]:
        """The next rows."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""


class Snapshot:
    """One consistent view of the database for the whole publication."""

    def __init__(self, connection: Any, mark: str, named: bool) -> None:
        self._connection, self._mark, self._named = connection, mark, named

    def annotations(self, campaign: int, until: Any, *, with_tasks: bool) -> Iterator[list[tuple]]:
        """Batches of rows with :data:`COLUMNS`; without ``with_tasks`` the task's payload is left out."""
        review = _REVIEW.format(column="decision", where="")
        edited = _REVIEW.format(column="payload", where="AND r.payload IS NOT NULL")
        task = _TASK if with_tasks else "NULL"
        statement = _SELECT.format(review=review, edited=edited, task_payload=task, mark=self._mark)
        cursor = self._connection.cursor(name="annotations") if self._named else self._connection.cursor()
        if self._named:
            cursor.itersize = BATCH
        cursor.execute(statement, (campaign, until if self._named else str(until)))
        while rows := cursor.fetchmany(BATCH):
            yield [_joined(row) for row in rows]
        cursor.close()

    def candidates(self, tasks: Sequence[int], *, with_texts: bool) -> list[tuple]:
        """(task, position, model, checkpoint, sampling, messages) of tasks, in order."""
        texts = "messages" if with_texts else "NULL"
        marks = ", ".join([self._mark] * len(tasks))
        cursor = self._connection.cursor()
        cursor.execute(
            f"SELECT task_id, position, model, checkpoint, sampling, {texts} FROM labeling_candidate "  # noqa: S608
            f"WHERE task_id IN ({marks}) ORDER BY task_id, position",
            tuple(tasks),
        )
        return cursor.fetchall()

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
        connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, isolation_level=None)
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
