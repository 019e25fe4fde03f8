"""Statements that are compiled once give what the ORM gives, for every value and on every database."""

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection, connections, transaction
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite
from django.db.models import Case, F, Model, Value, When
from django.db.models.sql.subqueries import InsertQuery
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labeling.models.annotations import Annotation, Attachment
from labeling.models.campaigns import Campaign
from labeling.models.tasks import Assignment, DraftRevision, Task
from tests.labeling.campaigns import campaign as make_campaign
from tests.labeling.campaigns import labelers
from tilth.accounts.models import AuditEntry, User
from tilth.jobs.models import Job
from tilth.statements import Insert, Select, Update
from tilth.statements import given as value

pytestmark = pytest.mark.django_db

JOBS = Select(
    lambda: Job.objects.filter(
        priority__gte=value("least", Job, "priority"),
        title=value("title", Job),
        created_at__lt=value("before", Job, "created_at"),
    ).order_by("-priority", "id")
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


def job(**fields: object) -> Job:
    return Job.objects.create(kind="x", **fields)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.integers(-5, 5), TEXT, st.none() | st.dictionaries(TEXT, st.integers() | TEXT)),
        max_size=8,
    ),
    least=st.integers(-6, 6),
    title=TEXT,
)
def test_a_select_finds_what_the_queryset_finds(db: None, rows: list, least: int, title: str):
    Job.objects.all().delete()
    for priority, name, result in rows:
        job(priority=priority, title=name, result=result)
    soon = timezone.now() + timedelta(seconds=5)
    for wanted in {title, *(name for _, name, _ in rows)}:
        found = JOBS.all(least=least, title=wanted, before=soon)
        expected = list(
            Job.objects.filter(priority__gte=least, title=wanted, created_at__lt=soon).order_by(
                "-priority", "id"
            )
        )
        assert found == expected
        for mine, theirs in zip(found, expected, strict=True):
            assert {f.attname: getattr(mine, f.attname) for f in Job._meta.concrete_fields} == {
                f.attname: getattr(theirs, f.attname) for f in Job._meta.concrete_fields
            }


def test_a_select_is_built_and_compiled_once():
    built = []

    def build() -> object:
        built.append(1)
        return Job.objects.filter(pk=value("pk", Job))

    statement = Select(build)
    first = job(title="a")
    assert [statement.first(pk=first.pk), statement.first(pk=-1), statement.first(pk=first.pk)] == [
        first,
        None,
        first,
    ]
    assert built == [1]


def test_related_rows_deferred_fields_and_json_come_as_the_orm_gives_them(people: dict[str, User]):
    entry = Select(
        lambda: AuditEntry.objects.select_related("user").filter(pk=value("pk", AuditEntry)).defer("data")
    )
    made = AuditEntry.objects.create(user=people["lead"], verb="x", data={"a": [1, None, "ü"]})
    nobody = AuditEntry.objects.create(verb="y")
    found = entry.first(pk=made.pk)
    assert found is not None and found.get_deferred_fields() == {"data"}
    with CaptureQueriesContext(connection) as asked:
        assert found.user == people["lead"] and found.user.email == people["lead"].email
    assert len(asked) == 0
    assert found.data == {"a": [1, None, "ü"]}
    missing = entry.first(pk=nobody.pk)
    assert missing is not None and missing.user is None


def test_nothing_is_compared_with_none():
    """SQL's ``= NULL`` finds nothing, in silence; a statement refuses it."""
    with pytest.raises(ValueError, match="isnull"):
        JOBS.all(least=None, title="x", before=timezone.now())


@pytest.mark.parametrize("number", [2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30])
def test_a_number_that_no_column_holds_is_found_nowhere(number: int):
    job(priority=3)
    by_pk = Select(lambda: Job.objects.filter(pk=value("pk", Job)))
    raising = Update(lambda: (Job.objects.filter(pk=value("pk", Job)), {"priority": F("priority") + 1}))
    assert by_pk.all(pk=number) == list(Job.objects.filter(pk=number)) == []
    assert raising.execute(pk=number) == 0
    least = Select(lambda: Job.objects.filter(priority__gte=value("least", Job, "priority")))
    assert least.all(least=number) == list(Job.objects.filter(priority__gte=number))


def test_a_statement_runs_on_the_database_of_the_moment(tmp_path: Path):
    """Compiled for PostgreSQL it is not sent to SQLite, nor the other way round."""
    session = Select(lambda: Session.objects.filter(session_key=value("session_key", Session)))
    new = Insert(Session)
    row = {"session_data": "x", "expire_date": timezone.now()}
    new.execute(Session(session_key="here", **row))
    assert session.first(session_key="here") is not None
    ours = connections["default"]
    other = SQLite({**ours.settings_dict, "NAME": str(tmp_path / "other"), "OPTIONS": {}}, "default")
    connections["default"] = other
    try:
        with other.schema_editor() as editor:
            editor.create_model(Session)
        assert session.first(session_key="here") is None
        new.execute(Session(session_key="there", **row))
        assert session.first(session_key="there") is not None
    finally:
        other.close()
        connections["default"] = ours
    assert session.first(session_key="here") is not None and session.first(session_key="there") is None


@pytest.mark.parametrize("model", [AuditEntry, Assignment, Annotation, DraftRevision])
def test_an_insert_is_the_orms_own(model: type[Model]):
    """Field by field what ``save`` sends, but for the values."""
    key = model._meta.auto_field
    query = InsertQuery(model)
    query.insert_values([f for f in model._meta.local_concrete_fields if f is not key], [model()], raw=True)
    compiler = query.get_compiler("default")
    compiler.returning_fields = [key] if key else None
    assert Insert(model)._compile("default")[0] == compiler.as_sql()[0][0]


def test_what_a_statement_cannot_give_is_refused():
    for wrong in (lambda: Job.objects.values("pk"), lambda: Campaign.objects.prefetch_related("leads")):
        with pytest.raises(TypeError):
            Select(wrong).all()  # type: ignore[arg-type]


def test_an_update_changes_what_the_queryset_changes():
    waiting = When(title=value("title", Job), then=Value("found"))
    statement = Update(
        lambda: (
            Job.objects.filter(pk=value("pk", Job)),
            {
                "priority": F("priority") + value("more", Job, "priority"),
                "stage": Case(waiting, default=F("stage")),
                "result": value("result", Job),
                "finished_at": value("finished_at", Job),
            },
        )
    )
    first, other = job(title="a", priority=1, result={"old": 1}), job(title="b", priority=1)
    now = timezone.now()
    assert statement.execute(pk=first.pk, title="a", more=4, result={"n": [1]}, finished_at=now) == 1
    first.refresh_from_db()
    assert (first.priority, first.stage, first.result, first.finished_at) == (5, "found", {"n": [1]}, now)
    assert statement.execute(pk=first.pk, title="b", more=-1, result=None, finished_at=None) == 1
    first.refresh_from_db()
    other.refresh_from_db()
    assert (first.priority, first.result, first.finished_at, other.priority) == (4, None, None, 1)
    assert statement.execute(pk=-1, title="", more=0, result=None, finished_at=None) == 0


def test_an_insert_stores_what_create_stores(people: dict[str, User]):
    stored = Insert(AuditEntry).execute(AuditEntry(user=people["lead"], verb="x", data={"a": None}))
    assert stored.pk and not stored._state.adding
    again = AuditEntry.objects.get(pk=stored.pk)
    for field in AuditEntry._meta.concrete_fields:
        assert getattr(again, field.attname) == getattr(stored, field.attname)


def test_an_insert_keeps_a_key_of_its_own_and_obeys_constraints():
    campaign = make_campaign(tasks=1)
    key = uuid.uuid4()
    file = Attachment(id=key, campaign=campaign, name="a", media_type="text/plain", bytes=1, sha256="0" * 64)
    Insert(Attachment).execute(file)
    assert Attachment.objects.get(pk=key).name == "a"
    with pytest.raises(IntegrityError), transaction.atomic():
        Insert(Attachment).execute(file)


def test_an_insert_or_change_leaves_one_row():
    campaign = make_campaign(tasks=1)
    task = Task.objects.get(campaign=campaign)
    held = Assignment.objects.create(
        task=task, campaign=campaign, labeler=labelers(1)[0], hold_until=timezone.now()
    )
    store = Insert(DraftRevision, unique=("assignment", "bucket"), update=("revision", "payload"))
    for revision in (1, 2):
        store.execute(DraftRevision(assignment=held, bucket=7, revision=revision, payload={"n": revision}))
    assert list(held.history.values_list("revision", "payload")) == [(2, {"n": 2})]
