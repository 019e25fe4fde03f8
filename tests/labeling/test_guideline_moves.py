"""Many annotations under a changed guideline: looked through by a job, marked and given back once, whatever breaks."""

import pytest
from django.urls import reverse

from labeling.actions import guidelines, moves, reviews
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Campaign
from labeling.models.guidelines import GuidelineVersion
from labeling.models.moves import GuidelineMove
from labeling.models.tasks import Assignment, Task
from tests.labeling.campaigns import CLAUSES, campaign, guideline, join, task
from tests.labeling.test_kinds import GOOD
from tests.labeling.work import label
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry
from tilth.jobs import actions as jobs
from tilth.jobs.runner import run_inline

pytestmark = pytest.mark.django_db(transaction=True)
CITES = {**GOOD["preference"], "clauses": [{"id": "honest"}]}
OTHERWISE = {**GOOD["preference"], "clauses": [{"id": "short"}]}


@pytest.fixture(autouse=True)
def quick(settings, storage, tmp_path, monkeypatch):
    settings.JOBS_POLL_SECONDS = 0.03
    settings.JOBS_RETRY_SECONDS = 0
    settings.SCRATCH = tmp_path / "scratch"
    monkeypatch.setattr(guidelines, "AT_ONCE", 2)


@pytest.fixture
def lead(people):
    return Actor(user=people["lead"])


@pytest.fixture
def changed():
    first = guideline()
    clauses = [{**CLAUSES[0], "body": "Say so at once."}, CLAUSES[1]]
    return GuidelineVersion.objects.create(guideline=first.guideline, number=2, source="# x", clauses=clauses)


@pytest.fixture
def made(lead, cast):
    """Six annotations: three cite the clause that changed, one of them of somebody who left, one accepted."""
    found = campaign(tasks=6, lead=lead.user, review_rate=1.0)
    join(found, *cast)
    for n, user in enumerate([cast[0], cast[0], cast[1], cast[2], cast[0], cast[1]]):
        label(user, found, CITES if n in {0, 2, 3} else OTHERWISE)
    found.members.filter(user=cast[2]).update(state="left")
    return found


def states(made):
    rows = made.annotations.order_by("task__position").values_list("state", "stale")
    return [("returned" if state == "returned" else "stands", stale) for state, stale in rows]


AFTER = [
    ("returned", True),
    ("stands", False),
    ("returned", True),
    ("stands", True),
    *[("stands", False)] * 2,
]


def test_a_job_marks_and_gives_back_what_cites_a_changed_clause(made, lead, changed, client_for, storage):
    client, address = client_for("lead"), reverse("labeling:campaign_pin", args=[made.pk])
    assert (
        "<strong>3</strong> annotations cite" in client.get(address, {"version": changed.pk}).content.decode()
    )
    sent = {"version": changed.pk, "mark_stale": "on", "requeue": "on"}
    page = client.post(address, sent, follow=True)
    row = GuidelineMove.objects.get()
    assert page.redirect_chain[-1][0] == reverse("labeling:guideline_move", args=[row.pk])
    assert "hx-trigger" in page.content.decode()
    made.refresh_from_db()
    assert made.guideline == changed and states(made) == [("stands", False)] * 6
    task(made)
    later = label(made.members.exclude(state="left").first().user, made, CITES)
    assert run_inline(row.job).state == "succeeded"
    row.refresh_from_db()
    assert (row.state, row.stale, row.requeued) == ("done", 3, 2)
    later.refresh_from_db()
    assert (later.state, later.stale) == ("submitted", False), "what is written by the new version stands"
    assert states(made)[:6] == AFTER
    back = Assignment.objects.filter(state="returned")
    assert {held.guideline for held in back} == {changed}
    assert not Task.objects.filter(state="done", annotations__state="returned").exists()
    assert AuditEntry.objects.get(verb="campaign.guideline_moved").data["requeued"] == 2
    page = client.get(reverse("labeling:guideline_move", args=[row.pk])).content.decode()
    assert "hx-trigger" not in page and "<strong>3</strong> marked as stale" in page
    assert (
        "3 stale, 2 given back" in client.get(reverse("labeling:campaign", args=[made.pk])).content.decode()
    )


def test_marking_that_breaks_off_goes_on_and_gives_back_once(made, lead, changed, monkeypatch):
    row = guidelines.pin(lead, made, changed, mark_stale=True, requeue=True)
    real, calls = moves.mark, []

    def once(*arguments, **fields):
        calls.append(arguments)
        if len(calls) == 1:
            real(*arguments, **fields)
            raise OSError("the machine went down")
        return real(*arguments, **fields)

    monkeypatch.setattr(moves, "mark", once)
    job = run_inline(row.job)
    assert (job.state, job.attempts.count()) == ("succeeded", 2)
    row.refresh_from_db()
    assert (row.stale, row.requeued, row.done) == (3, 2, row.parts)
    assert states(made) == AFTER


def test_a_campaign_that_closes_meanwhile_stays_as_it_is_until_it_is_tried_again(made, lead, changed):
    row = guidelines.pin(lead, made, changed, requeue=True)
    Campaign.objects.update(state="closed")
    assert run_inline(row.job).state == "failed"
    row.refresh_from_db()
    assert row.state == "failed" and "is closed" in row.message
    assert states(made) == [("stands", False)] * 6
    Campaign.objects.update(state="live")
    first = made.annotations.get(task__position=1)
    reviews.decide(Actor(user=lead.user), first, reviews.Verdict("accept"))
    jobs.retry(Actor.system("test"), row.job)
    run_inline(row.job)
    row.refresh_from_db()
    assert (row.state, row.stale, row.requeued) == ("done", 3, 2)
    assert states(made) == AFTER


def test_a_few_are_dealt_with_at_once_and_marking_alone_gives_nothing_back(made, lead, changed, monkeypatch):
    monkeypatch.setattr(guidelines, "AT_ONCE", 6)
    moved = guidelines.pin(lead, made, changed, mark_stale=True)
    assert (moved.stale, moved.requeued) == (3, 0)
    assert not GuidelineMove.objects.exists()
    assert Annotation.objects.filter(stale=True).count() == 3
