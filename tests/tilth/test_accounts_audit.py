"""The audit log page and its CSV."""

import csv
import io
from datetime import UTC, datetime

import pytest

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry


@pytest.fixture
def log(people):
    lead = people["lead"]
    first = audit.record(Actor(user=lead), "job.cancelled", "job:91", why="stuck")
    audit.record(Actor(user=lead, token="nightly"), "dataset.published", "mini@3")
    audit.record(Actor.system("reaper"), "job.lost", "job:92", note="=HYPERLINK()")
    AuditEntry.objects.filter(pk=first.pk).update(at=datetime(2026, 1, 2, 23, 59, tzinfo=UTC))
    return first


def verbs(client, query):
    return [entry.verb for entry in client.get(f"/admin/audit/?{query}").context["page"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["job.lost", "dataset.published", "job.cancelled"]),
        ("actor=LEAD@", ["dataset.published", "job.cancelled"]),
        ("actor=reaper", ["job.lost"]),
        ("actor=nightly", ["dataset.published"]),
        ("verb=job.", ["job.lost", "job.cancelled"]),
        ("target=job:91", ["job.cancelled"]),
        ("until=2026-01-02", ["job.cancelled"]),
        ("until=2026-01-01", []),
        ("since=2026-01-03", ["job.lost", "dataset.published"]),
        ("since=2026-01-02&until=2026-01-02&verb=job.", ["job.cancelled"]),
        ("since=nonsense", []),
    ],
)
def test_filters(client_for, log, query, expected):
    assert verbs(client_for("admin"), query) == expected


def test_an_empty_answer_says_what_to_do(client_for, log):
    page = client_for("admin").get("/admin/audit/?verb=nothing.like.it").content
    assert b"Nothing matches" in page
    assert b"Show everything" in page


def test_pages_keep_the_filter(client_for, people):
    for number in range(70):
        audit.record(Actor(user=people["lead"]), "job.cancelled", f"job:{number}")
    page = client_for("admin").get("/admin/audit/?verb=job.&page=2")
    assert len(page.context["page"].object_list) == 20
    assert b"verb=job.&amp;page=1" in page.content


def test_the_csv_has_the_same_filter_and_no_formulas(client_for, log, people):
    answer = client_for("admin").get("/admin/audit.csv?verb=job.")
    assert answer["Content-Disposition"] == 'attachment; filename="audit.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [row["verb"] for row in rows] == ["job.lost", "job.cancelled"]
    assert rows[1]["actor_pseudonym"] == people["lead"].pseudonym
    assert rows[1]["data"] == '{"why": "stuck"}'
    audit.record(Actor.system("=cmd()"), "job.lost", "@SUM(1)")
    rows = list(csv.DictReader(io.StringIO(client_for("admin").get("/admin/audit.csv").getvalue().decode())))
    assert (rows[0]["actor"], rows[0]["target"]) == ("'=cmd()", "'@SUM(1)")


def test_hostile_details_are_text(client_for, people):
    audit.record(
        Actor(user=people["lead"]), "x.y", "<script>alert(1)</script>", note="<img src=x onerror=alert(1)>"
    )
    page = client_for("admin").get("/admin/audit/").content
    assert b"<script>alert" not in page
    assert b"<img src=x" not in page
