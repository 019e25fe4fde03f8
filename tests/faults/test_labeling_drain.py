"""Many people drain one campaign at once: each task gets its people, nobody a task twice, nothing is lost.

A small campaign in every test run; the large one (50 people and 20,000 tasks on PostgreSQL, 8 people on
SQLite) among the long campaigns.
"""

import threading
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Count, F
from django.utils import timezone

from labeling import budget
from labeling.actions import budgets, claims, drafts, exams, reviews, sittings, submissions
from labeling.actions.drafts import Save
from labeling.actions.submissions import Handed
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Campaign, Member, Tally
from labeling.models.quality import ExamAttempt
from labeling.models.tasks import Assignment, Candidate, Task
from tests.labeling.campaigns import campaign, join, labelers
from tests.labeling.work import settle
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, Skill, User
from tilth.errors import Conflict

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = {"grade": "0:2", "marks": {}, "reason": "So.", "clauses": []}


class Worker(threading.Thread):
    """One person who claims, drafts and submits until nothing is left; now and then skips, undoes, or claims twice."""

    def __init__(self, user: User, made: Campaign, number: int, *, unruly: bool) -> None:
        super().__init__(daemon=True)
        self.actor, self.number, self.unruly = Actor(user=user), number, unruly
        self.made = Campaign.objects.get(pk=made.pk)  # of one's own, as a request has it
        self.errors: list[str] = []
        self.done = 0

    def run(self) -> None:
        try:
            while self.step():
                self.done += 1
                connection.close()  # as a request does at its end: more people than connections
        except Exception as error:  # noqa: BLE001 (whatever it is, the test shall show it)
            self.errors.append(repr(error))
        finally:
            connection.close()

    def step(self) -> bool:
        try:
            held = claims.claim(self.actor, self.made)
        except Conflict as error:
            return error.code == "busy"
        held = drafts.save_draft(
            self.actor, held, Save(held.hold_token, held.draft_revision, {"reason": "S"})
        )
        if self.unruly and self.done % 7 == self.number % 7 and self.done < 20:
            claims.skip(self.actor, held, "Not my subject")
            return True
        held = Assignment.objects.select_related("task", "campaign").get(pk=held.pk)
        save = Save(held.hold_token, held.draft_revision, GOOD)
        made = submissions.submit(
            self.actor, held, Handed(save, key=f"drained-{self.number}-{self.done}-{held.pk}")
        )
        if self.unruly and self.done % 11 == 0:
            submissions.undo(self.actor, made)
        return True


def drain(people: list[User], made: Campaign, *, unruly: bool) -> list[Worker]:
    workers = [Worker(user, made, n, unruly=unruly) for n, user in enumerate(people)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [error for worker in workers for error in worker.errors] == []
    return workers


def check(made: Campaign, *, overlap: int) -> None:
    tasks = Task.objects.filter(campaign=made)
    assert not tasks.exclude(state="done").exists(), "a task was lost"
    assert not tasks.exclude(live=overlap).exists()
    assert not tasks.exclude(submitted=F("live")).exists()
    current = Annotation.objects.filter(campaign=made, current=True)
    per_task = Counter(current.values_list("task", flat=True))
    assert set(per_task.values()) == {overlap}
    assert len(per_task) == tasks.count()
    twice = Assignment.objects.values("task", "labeler").annotate(n=Count("pk")).filter(n__gt=1)
    assert not twice.exists()
    assert sum(Tally.objects.values_list("submitted", flat=True)) == current.count()
    assert AuditEntry.objects.filter(verb="annotation.submit").count() == Annotation.objects.count()


def test_a_small_campaign_is_drained_by_unruly_people():
    people = labelers(6)
    made = campaign(tasks=24, overlap=2)
    join(made, *people)
    drain(people, made, unruly=True)
    # What only those could take who had skipped it is left; two more people finish it.
    rest = [User.objects.create(email=f"late{n}@example.org") for n in range(2)]
    join(made, *rest)
    drain(rest, made, unruly=False)
    check(made, overlap=2)


def test_reviewers_and_labelers_at_once_keep_the_counts(people):
    users = labelers(3)
    made = campaign(tasks=12, overlap=1, review_rate=1.0)
    join(made, *users)
    drain(users, made, unruly=False)
    settle(*Annotation.objects.all())

    def review(actor: Actor, decision: str) -> None:
        try:
            while True:
                found = reviews.claim(actor)
                reviews.decide(actor, found, reviews.Verdict(decision, note="x"))
        except Conflict:
            connection.close()

    pairs = [("reviewer", "reject"), ("lead", "accept"), ("admin", "return")]
    threads = [threading.Thread(target=review, args=(Actor(user=people[role]), what)) for role, what in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = Counter(Annotation.objects.values_list("state", flat=True))
    assert sum(states.values()) == 12
    for task in Task.objects.all():
        slots = task.assignments.exclude(slot=None)
        assert task.live == slots.count()
        assert task.submitted == slots.filter(state__in=["submitted", "accepted", "adjudicated"]).count()


# The second row passes from counting now and then to counting each claim while others are under way: those are
# seen by the next count, so it counts at once again, as the last thousand claims of a campaign outlast SOON.
@pytest.mark.parametrize(("few", "soon"), [(budgets.FEW, budgets.SOON), (30, timedelta(0))])
def test_people_at_once_stop_at_the_budget(few, soon, monkeypatch):
    monkeypatch.setattr(budgets, "FEW", few)
    monkeypatch.setattr(budgets, "SOON", soon)
    people = labelers(6)
    made = campaign(tasks=60, pay_basis="task", pay_amount=Decimal("2.50"), budget=Decimal("101"))
    join(made, *people)
    drain(people, made, unruly=False)
    assert Annotation.objects.count() == Assignment.objects.count() == 40
    made.refresh_from_db()
    assert budget.is_used_up(made, timezone.now())


def test_an_exam_opened_twice_at_once_costs_one_attempt(people):
    skill = Skill.objects.create(name="Comparing")
    lead, user = Actor(user=people["lead"]), people["labeler"]
    exam = exams.create(lead, name="c", title="C", kind="preference", skill=skill, attempts=5)
    exams.set_items(lead, exam, [{"prompt": "?", "response_a": "x", "response_b": "y", "gold": "a"}])
    found = []

    def begin() -> None:
        try:
            found.append(sittings.begin(Actor(user=user), exam).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert set(found) == set(ExamAttempt.objects.values_list("pk", flat=True))
    assert len(set(found)) == 1


@pytest.mark.full
def test_a_large_campaign_is_drained():
    postgres = connection.vendor == "postgresql"
    count, tasks = (50 if postgres else 8), 20_000
    people = labelers(count)
    made = campaign(overlap=2)
    made.tasks_made = tasks
    made.save()
    payload = {"messages": [{"role": "user", "content": "Why?"}]}
    Task.objects.bulk_create(
        [
            Task(campaign=made, position=n, key=str(n), payload=payload, overlap=2)
            for n in range(1, tasks + 1)
        ],
        batch_size=2_000,
    )
    Candidate.objects.bulk_create(
        [
            Candidate(task=task, position=p, messages=[{"role": "assistant", "content": f"Answer {p}"}])
            for task in made.tasks.all()
            for p in (0, 1)
        ],
        batch_size=2_000,
    )
    join(made, *people)
    Member.objects.update(reserved=False)
    drain(people, made, unruly=False)
    check(made, overlap=2)
