"""Pages with many people, guidelines and conversations: paged, and with as many queries as with few."""

from datetime import date

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling import quality
from labeling.models.annotations import Message, Thread
from labeling.models.campaigns import Profile, Tally
from labeling.models.guidelines import Guideline
from labeling.models.tasks import Assignment, Task
from labeling.models.time import Statement, TimeEntry
from labeling.views import work
from tests.labeling.campaigns import campaign, guideline, join, task
from tests.labeling.work import label
from tilth.accounts.models import User

LINE = {
    "basis": "task", "rate": "1.00", "tasks": 1, "active_minutes": "1.00", "offscreen_minutes": 0, "amount": "1.00",
    "corrections": [],
}  # fmt: skip


def crowd(made, count, start=0):
    """People with a day's work, a held task, declared time, a statement and a conversation each."""
    people = User.objects.bulk_create(
        User(email=f"many{n}@example.org", name=f"Many {n}", role="labeler")
        for n in range(start, start + count)
    )
    join(made, *people)
    for user in people:
        Tally.objects.create(
            campaign=made, labeler=user, day=date(2026, 1, 5), submitted=3, active_seconds=600
        )
        row = task(made, role="pilot")
        Assignment.objects.create(task=row, campaign=made, labeler=user, hold_until=made.created_at)
        TimeEntry.objects.create(campaign=made, labeler=user, day=date(2026, 1, 5), minutes=5, note="Read")
        days = {"first_day": date(2026, 1, 1), "last_day": date(2026, 1, 31)}
        Statement.objects.create(campaign=made, labeler=user, lines=[LINE], **days)
        thread = Thread.objects.create(
            campaign=made, topic="discussion", opened_by=user, guideline=made.guideline
        )
        Message.objects.create(thread=thread, author=user, text="Why?")
        guideline(f"many-{user.pk}")


PAGES = ("campaign", "campaign_roster", "held", "campaign_labelers", "campaign_quality", "campaign_time",
         "campaign_pilot", "threads", "guidelines", "campaign_edit")  # fmt: skip


@pytest.fixture
def made(people, cast):
    found = campaign(tasks=3, lead=people["lead"], pay_basis="task", pay_amount=1)
    join(found, cast[0])
    label(cast[0], found)
    return found


def asked(client, name, made):
    """Queries and size of a page."""
    address = reverse(f"labeling:{name}", args=[] if name in {"threads", "guidelines"} else [made.pk])
    cache.clear()
    client.get(address)
    cache.clear()
    with CaptureQueriesContext(
        connection,
    ) as found:
        answer = client.get(address)
    assert answer.status_code == 200
    return len(found), len(answer.content)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_no_more_for_many_than_for_few(name, client_for, made):
    client = client_for("lead")
    crowd(made, 3)
    few, _ = asked(client, name, made)
    crowd(made, 60, start=3)
    many, size = asked(client, name, made)
    assert many <= few + 1, f"{name}: {few} queries for few, {many} for many"
    assert size < 400_000


def test_two_hundred_people_are_listed_page_by_page(client_for, made):
    crowd(made, 200)
    client = client_for("lead")
    for name, last in (("campaign_roster", 5), ("campaign_labelers", 5), ("threads", 4), ("guidelines", 5)):
        plain = name in {"threads", "guidelines"}
        address = reverse(f"labeling:{name}", args=[] if plain else [made.pk])
        seen = sum(
            len(client.get(address, {"page": n}).context["page"].object_list) for n in range(1, last + 1)
        )
        total = {"threads": Thread.objects.count(), "guidelines": Guideline.objects.count()}.get(name, 201)
        assert seen == total, name


def test_the_list_of_campaigns_asks_a_few_things_of_each(client_for, people):
    for _ in range(4):
        campaign(tasks=1, lead=people["lead"])
    client = client_for("lead")
    address = reverse("labeling:campaigns")

    def count():
        client.get(address)
        with CaptureQueriesContext(connection) as found:
            client.get(address)
        return len(found)

    few = count()
    for _ in range(20):
        campaign(tasks=1, lead=people["lead"])
    assert count() - few <= 20 * 6


def test_many_groups_are_read_once_and_a_page_of_work_ends(client_for, people, made, monkeypatch):
    crowd(made, 30)
    for n, user in enumerate(made.members.all()):
        Profile.objects.create(user=user.user, region=f"Region {n % 6}")
    found = []
    for groups in (6, 1):
        with CaptureQueriesContext(connection) as asked_:
            assert len(quality.slices(made, "region")) == groups
        found.append(len([q for q in asked_ if "labeling_annotation" in q["sql"]]))
        Profile.objects.update(region="One")
    assert found[0] == found[1]
    monkeypatch.setattr(work, "SHOWN", 2)
    me = people["labeler"]
    join(made, me)
    for _ in range(3):
        row = task(made, role="pilot")
        values = {"state": "returned", "labeler": me, "hold_until": made.created_at}
        Assignment.objects.create(task=row, campaign=made, **values)
    page = client_for("labeler").get(reverse("labeling:work")).content.decode()
    assert page.count("Go on</a>") >= 2 and "and 1 more, which follow" in page


@pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's")
@pytest.mark.parametrize(
    ("rows", "index"),
    [
        (lambda made: made.tasks.filter(role="normal", state="done"), "task_ended"),
        (lambda made: made.tasks.filter(state="withdrawn").order_by("position"), "task_ended"),
        (
            lambda made: made.annotations.filter(current=True, stale=True, state="returned"),
            "annotation_stale",
        ),
    ],
    ids=["done", "withdrawn", "stale"],
)
def test_what_is_rare_is_found_by_an_index(rows, index, made):
    Task.objects.bulk_create(
        Task(campaign=made, position=n, key=f"k{n}", payload={}, overlap=1) for n in range(100, 3_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE labeling_task")
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert index in rows(made).explain()
