"""Stores many tasks with their candidates at once: by COPY on PostgreSQL, row by row in C elsewhere.

No model objects are made: at a hundred thousand rows they would cost more than the database does.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from django.db import connection
from django.db.models import Max, Model

from labeling.models.tasks import Candidate, Task


def store(like: Task, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert one task per row, and its candidates; call it inside a transaction.

    A row has the columns in which it differs from ``like`` (``TaskRow.to_columns`` and its ``position``);
    JSON columns are JSON text. ``candidates`` is a list of rows of the other table.
    """
    task, answer = _columns(like), _columns(Candidate(messages=[]))
    del answer["id"]
    ids = _reserve(len(rows))
    # One row at a time goes to the database: lists of them all would keep the garbage collector busy.
    _insert(Task, task, (_filled(task, row, id=pk) for row, pk in zip(rows, ids, strict=True)))
    candidates = (
        _filled(answer, candidate, task_id=pk, position=position)
        for row, pk in zip(rows, ids, strict=True)
        for position, candidate in enumerate(row["candidates"])
    )
    _insert(Candidate, answer, candidates)


def _filled(columns: Mapping[str, Any], row: Mapping[str, Any], **own: Any) -> list[Any]:
    """The columns' values in their order, with the row's and those of this row alone in place of the common."""
    return list({**columns, **{k: v for k, v in row.items() if k in columns}, **own}.values())


def _columns(like: Model) -> dict[str, Any]:
    """Column → value as the database takes it, in the order of the table."""
    found = {}
    for field in like._meta.concrete_fields:
        value = getattr(like, field.attname)
        value = value.value if isinstance(value, Enum) else value
        if field.get_internal_type() == "JSONField":
            found[field.attname] = None if value is None else json.dumps(value)
        else:
            found[field.attname] = field.get_db_prep_save(value, connection)
    return found


def _reserve(count: int) -> Sequence[int]:
    """Ids for so many tasks that nobody else gets."""
    if connection.vendor != "postgresql":
        # The write transaction is exclusive there: nobody else can insert before it ends.
        first = (Task.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
        return range(first, first + count)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [Task._meta.db_table, count],
        )
        return [row[0] for row in cursor.fetchall()]


def _insert(model: type[Model], columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> None:
    names = [f'"{column}"' for column in columns]
    table = f'"{model._meta.db_table}" ({", ".join(names)})'
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(names))
            statement = f"INSERT INTO {table} VALUES ({marks})"  # noqa: S608 (our own names)
            cursor.executemany(statement, list(rows))
