"""Statements of busy paths: built and compiled by the ORM once, then executed with new values.

Most of what a small query costs in Python is building and compiling it again. A statement here is a queryset
with :func:`given` in place of its values; its SQL comes from the ORM alone and is kept for each database. ::

    by_pk = Select(lambda: Task.objects.filter(pk=given("pk", Task)))
    task = by_pk.first(pk=3)

Use it where requests come by the hundred a second; an ordinary queryset everywhere else.
"""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models import Expression, QuerySet
from django.db.models.constants import OnConflict
from django.db.models.query import get_related_populators
from django.db.models.sql.subqueries import InsertQuery, UpdateQuery

BIGGEST = 2**63 - 1
"""The greatest number that a column can hold."""

M = TypeVar("M", bound=models.Model)


class Given(Expression):
    """A value that comes when the statement is executed, prepared as its field prepares it."""

    for_save = False

    def __init__(self, name: str, field: "models.Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def resolve_expression(self, *args: Any, **kwargs: Any) -> "Given":
        """Remember whether the value is stored or compared with."""
        found: Given = super().resolve_expression(*args, **kwargs)
        found.for_save = kwargs.get("for_save", len(args) > 4 and args[4])
        return found

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:
        """A placeholder; this object stands for the value among the parameters."""
        return "%s", [self]

    def bind(self, values: dict[str, Any], connection: Any) -> Any:
        """The value as the database takes it. ``None`` can be stored, but nothing equals it in SQL."""
        value = values[self.name]
        if self.for_save:
            return self.output_field.get_db_prep_save(value, connection)
        if value is None:
            raise ValueError(f"{self.name} is None: ask for isnull=True in a statement of its own")
        found = self.output_field.get_db_prep_value(value, connection)
        if isinstance(found, int) and not isinstance(found, bool):
            # What is typed into an address may be any number, and a driver sends only what fits. Compared as a
            # plain number, it meets the rows that it should: none has one beyond 64 bits.
            return max(-BIGGEST, min(BIGGEST, int(found)))
        return found


def given(name: str, model: type[models.Model], field: str = "") -> Any:
    """The value called ``name``, of the model's field of that name, or of ``field``."""
    meta = model._meta
    wanted = field or name
    return Given(name, meta.pk if wanted == "pk" else meta.get_field(wanted))  # type: ignore[arg-type]


class Statement:
    """SQL with its parameters, kept for each kind of database."""

    def __init__(self) -> None:
        self._plans: dict[str, Any] = {}

    def _plan(self, alias: str) -> Any:
        # Two threads may both compile it the first time; they make the same thing.
        vendor = connections[alias].vendor
        if vendor not in self._plans:
            self._plans[vendor] = self._compile(alias)
        return self._plans[vendor]

    def _compile(self, alias: str) -> Any:
        raise NotImplementedError


def _bound(params: Iterable[Any], values: dict[str, Any], connection: Any) -> tuple[Any, ...]:
    return tuple(p.bind(values, connection) if isinstance(p, Given) else p for p in params)


class _Rows:
    """How the rows of one SELECT become model instances: what the ORM works out anew for each query."""

    def __init__(self, queryset: "QuerySet[Any]", alias: str) -> None:
        if queryset._prefetch_related_lookups or queryset._fields is not None:  # type: ignore[attr-defined]
            raise TypeError("a statement selects model instances, without prefetch_related or values")
        compiler = queryset.query.get_compiler(alias)
        self.sql, self.params = compiler.as_sql()
        chosen = compiler.klass_info["select_fields"]
        self.start, self.end = chosen[0], chosen[-1] + 1
        self.model = compiler.klass_info["model"]
        self.names = [column[0].target.attname for column in compiler.select[self.start : self.end]]
        self.related = get_related_populators(compiler.klass_info, compiler.select, alias)  # type: ignore[call-arg]  # the stubs are of a newer Django
        columns = [column[0] for column in compiler.select]
        self.converters = list(compiler.get_converters(columns).items())

    def instance(self, row: Any, alias: str, connection: Any) -> Any:
        row = list(row)
        for position, (convert, expression) in self.converters:
            for step in convert:
                row[position] = step(row[position], expression, connection)
        found = self.model.from_db(alias, self.names, row[self.start : self.end])
        for populator in self.related:
            populator.populate(row, found)
        return found


class Select(Statement, Generic[M]):
    """A SELECT of model instances; ``build`` makes its queryset, sliced where not all rows are wanted."""

    def __init__(self, build: Callable[[], "QuerySet[M]"]) -> None:
        super().__init__()
        self._build = build

    def _compile(self, alias: str) -> _Rows:
        return _Rows(self._build(), alias)

    def all(self, **values: Any) -> list[M]:
        """All rows for these values."""
        alias = DEFAULT_DB_ALIAS
        plan, connection = self._plan(alias), connections[alias]
        with connection.cursor() as cursor:
            cursor.execute(plan.sql, _bound(plan.params, values, connection))
            rows = cursor.fetchall()
        return [plan.instance(row, alias, connection) for row in rows]

    def first(self, **values: Any) -> M | None:
        """The first row for these values, or ``None``."""
        return next(iter(self.all(**values)), None)


class Update(Statement):
    """An UPDATE: ``build`` gives the queryset and its changes by field name, which may use ``F`` and ``Case``."""

    def __init__(self, build: Callable[[], tuple["QuerySet[Any]", dict[str, Any]]]) -> None:
        super().__init__()
        self._build = build

    def _compile(self, alias: str) -> tuple[str, tuple[Any, ...]]:
        queryset, changes = self._build()
        query: Any = queryset.query.chain(UpdateQuery)
        query.add_update_values(changes)
        compiled: tuple[str, tuple[Any, ...]] = query.get_compiler(alias).as_sql()
        return compiled

    def execute(self, **values: Any) -> int:
        """Change the rows for these values; returns how many there were."""
        sql, params = self._plan(DEFAULT_DB_ALIAS)
        connection = connections[DEFAULT_DB_ALIAS]
        with connection.cursor() as cursor:
            cursor.execute(sql, _bound(params, values, connection))
            return int(cursor.rowcount)


class Insert(Statement):
    """An INSERT of one new instance of a model; with ``unique`` it changes ``update`` of the row that is there."""

    def __init__(
        self, model: type[models.Model], *, unique: tuple[str, ...] = (), update: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self._model, self._unique, self._changed = model, unique, update

    def _compile(self, alias: str) -> tuple[str, Iterable[Any], list[Any], Any]:
        meta: Any = self._model._meta
        fields = [field for field in meta.local_concrete_fields if field is not meta.auto_field]
        conflict = OnConflict.UPDATE if self._unique else None
        unique, changed = (
            [meta.get_field(name) for name in names] for names in (self._unique, self._changed)
        )
        query: Any = InsertQuery(
            self._model, on_conflict=conflict, update_fields=changed, unique_fields=unique
        )
        row = SimpleNamespace(**{field.attname: Given(field.attname, field) for field in fields})
        query.insert_values(fields, [row], raw=True)
        compiler = query.get_compiler(alias)
        key = None if self._unique else meta.auto_field
        compiler.returning_fields = [key] if key else None
        [(sql, params)] = compiler.as_sql()
        return sql, params, fields, key

    def execute(self, instance: M) -> M:
        """Store the instance; it gets its key, unless it may have changed a row that was there."""
        alias = DEFAULT_DB_ALIAS
        sql, params, fields, key = self._plan(alias)
        connection = connections[alias]
        values = {field.attname: field.pre_save(instance, add=True) for field in fields}
        with connection.cursor() as cursor:
            cursor.execute(sql, _bound(params, values, connection))
            if key is not None:
                setattr(instance, key.attname, cursor.fetchone()[0])
        instance._state.adding, instance._state.db = False, alias
        return instance
