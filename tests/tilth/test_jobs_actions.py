"""Submitting and steering jobs: who may, in which state, once, and written down."""

import threading

import pytest
from django.db import connection

from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry
from tilth.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from tilth.jobs import actions
from tilth.jobs.models import Job, JobState

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")


def job_in(state: str, **fields: object) -> Job:
    return Job.objects.create(kind="demo", state=state, **fields)


def test_submit_takes_the_kind_and_writes_it_down(people: dict) -> None:
    job = actions.submit(Actor(user=people["researcher"]), "demo-gpu", {"steps": 2}, title="Two steps")
    assert (job.state, job.gpus, job.max_attempts, job.reference) == ("queued", 1, 3, f"job:{job.pk}")
    assert job.created_by == people["researcher"]
    assert job.code_version
    assert AuditEntry.objects.get(verb="job.submit").target == job.reference


def test_only_those_whom_the_kind_admits_may_submit(people: dict) -> None:
    for role in ("labeler", "reviewer", "lead"):
        with pytest.raises(PermissionDenied):
            actions.submit(Actor(user=people[role]), "demo", {})
    assert not Job.objects.exists()


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(NotFound, match="no job kind 'nope'; known kinds: .*demo"):
        actions.submit(SYSTEM, "nope", {})


def test_parameters_that_are_no_json_are_refused() -> None:
    for bad in (float("nan"), {1, 2}):
        with pytest.raises(InvalidInput, match="cannot be kept as JSON"):
            actions.submit(SYSTEM, "demo", {"rate": bad})


def test_a_key_gives_the_same_job_again_and_is_not_shared_among_kinds() -> None:
    first = actions.submit(SYSTEM, "demo", {"steps": 1}, idempotency_key="import/7")
    again = actions.submit(SYSTEM, "demo", {"steps": 99}, idempotency_key="import/7")
    assert (again.pk, again.params) == (first.pk, {"steps": 1})
    assert AuditEntry.objects.filter(verb="job.submit").count() == 1
    with pytest.raises(Conflict, match="another kind"):
        actions.submit(SYSTEM, "demo-short", {}, idempotency_key="import/7")


@pytest.mark.django_db(transaction=True)
def test_many_submits_with_one_key_at_once_make_one_job() -> None:
    start = threading.Barrier(6)
    seen: list[int] = []

    def submit() -> None:
        start.wait()
        seen.append(actions.submit(SYSTEM, "demo", {}, idempotency_key="once").pk)
        connection.close()

    threads = [threading.Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 6
    assert len(set(seen)) == 1
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("act", "allowed"),
    [
        (
            actions.cancel,
            {"queued": "cancelled", "paused": "cancelled", "running": "cancelling", "pausing": "cancelling"},
        ),
        (actions.pause, {"queued": "paused", "running": "pausing"}),
        (actions.resume, {"paused": "queued"}),
        (actions.retry, {"failed": "queued", "cancelled": "queued"}),
    ],
)
def test_each_button_works_in_its_states_alone(act: object, allowed: dict[str, str]) -> None:
    for state in JobState.values:
        job = job_in(state)
        if state in allowed:
            assert act(SYSTEM, job).state == allowed[state]
        else:
            with pytest.raises(Conflict, match=f"is {state} and cannot be"):
                act(SYSTEM, job)
            job.refresh_from_db()
            assert job.state == state


def test_steering_needs_the_permission(people: dict) -> None:
    for act in (actions.cancel, actions.pause, actions.resume, actions.retry):
        with pytest.raises(PermissionDenied):
            act(Actor(user=people["lead"]), job_in("queued"))


def test_retry_starts_over_with_all_attempts() -> None:
    job = job_in("failed", failures=3, error={"message": "no", "code": "", "retryable": False}, settled=True)
    job = actions.retry(SYSTEM, job)
    assert (job.failures, job.error, job.settled, job.finished_at) == (0, None, False, None)


@pytest.mark.django_db(transaction=True)
def test_cancelling_a_waiting_job_tells_its_kind() -> None:
    job = actions.cancel(SYSTEM, job_in("queued"))
    assert AuditEntry.objects.get(verb="demo.ended").data == {"state": "cancelled"}
    job.refresh_from_db()
    assert job.settled


def test_knobs_are_merged_and_taken_away() -> None:
    job = job_in("running", control={"workers": 4, "rate": 10})
    job = actions.set_control(SYSTEM, job, workers=2, rate=None)
    assert job.control == {"workers": 2}
    with pytest.raises(Conflict, match="has ended"):
        actions.set_control(SYSTEM, job_in("failed"), workers=1)
