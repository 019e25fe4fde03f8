"""Stores many tasks with their candidates at once: by COPY on PostgreSQL, by bulk inserts elsewhere."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Max

from labeling.models.tasks import Candidate, Task

BATCH = 400


def store(tasks: Sequence[Task], answers: Sequence[list[dict[str, Any]]]) -> None:
    """Insert tasks and, per task, its answers; call it inside a transaction. Ids are set on the tasks."""
    for task, pk in zip(tasks, _reserve(len(tasks)), strict=True):
        task.pk = pk
    candidates = [
        Candidate(
            task_id=task.pk,
            position=position,
            messages=answer["messages"],
            model=answer.get("model") or "",
            checkpoint=answer.get("checkpoint") or "",
            sampling=answer.get("sampling"),
        )
        for task, given in zip(tasks, answers, strict=True)
        for position, answer in enumerate(given)
    ]
    if connection.vendor == "postgresql":
        _copy(Task, tasks)
        _copy(Candidate, candidates)
    else:
        Task.objects.bulk_create(tasks, batch_size=BATCH)
        Candidate.objects.bulk_create(candidates, batch_size=BATCH)


def _reserve(count: int) -> Iterable[int]:
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


def _copy(model: type[Task] | type[Candidate], rows: Sequence[Any]) -> None:
    fields = [f for f in model._meta.concrete_fields if not (f.primary_key and rows and rows[0].pk is None)]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    statement = f'COPY "{model._meta.db_table}" ({columns}) FROM STDIN'
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([_value(field, getattr(row, field.attname)) for field in fields])


def _value(field: Any, value: Any) -> Any:
    if value is not None and field.get_internal_type() == "JSONField":
        # PostgreSQL keeps no zero characters in JSON; they are no part of any text that people write.
        return json.dumps(value, ensure_ascii=False).replace("\\u0000", "")
    return value if isinstance(value, int | str | datetime | float | type(None)) else str(value)
