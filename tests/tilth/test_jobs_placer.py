"""Which job goes where: priority, age, slots, devices, and the words for those that wait."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tilth.accounts.actors import Actor
from tilth.errors import Conflict
from tilth.jobs import actions, fencing, leases, placer, reaper, waiting, workers
from tilth.jobs.models import Attempt, DeviceLease, Job, Worker
from tilth.jobs.runtime import working_as

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")


def worker(name: str = "w", devices: int = 0, **fields: object) -> Worker:
    cards = [{"id": f"{name}/{n}", "index": str(n), "name": "card", "memory": 0} for n in range(devices)]
    defaults = {"host": name, "queues": ["default"], "slots": 2, "short_slots": 1}
    return Worker.objects.create(name=name, devices=cards, **{**defaults, **fields})


def job(**fields: object) -> Job:
    return Job.objects.create(**{"kind": "demo", **fields})


def placed() -> list[int]:
    return [pk for pk, _ in placer.place()]


def test_higher_priority_first_then_oldest() -> None:
    worker(slots=3)
    old, new, urgent, least = job(), job(), job(priority=5), job(priority=-1)
    assert placed() == [urgent.pk, old.pk, new.pk]
    assert placed() == []
    assert waiting.explain(least) == "Every slot is busy."


def test_short_jobs_have_slots_of_their_own() -> None:
    worker(slots=1, short_slots=1)
    long, waits, short = job(), job(), job(short=True)
    assert placed() == [long.pk, short.pk]
    assert waiting.explain(waits) == "Every slot is busy."


def test_the_words_for_waiting_say_what_to_do() -> None:
    first, second = job(), job(queue="gpu")
    assert waiting.explain(first) == "No worker is running. Start one with: python manage.py worker"
    assert "only queue up" in waiting.no_worker_notice()
    worker(slots=0, short_slots=1)
    assert waiting.no_worker_notice() == ""
    assert "serves the queue “gpu”" in waiting.explain(second)
    assert "--queues gpu" in waiting.explain(second)
    assert waiting.explain(job()) == "Every slot is busy. 1 job goes before it."
    assert "no running worker has more than 0" in waiting.explain(job(gpus=2))


def test_a_worker_that_fell_silent_gets_nothing(settings: object) -> None:
    silent = worker()
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=settings.JOBS_LOST_SECONDS + 5))
    job()
    assert placed() == []
    reaper.reap()
    silent.refresh_from_db()
    assert silent.state == "offline"


def test_devices_are_leased_and_the_rest_waits_and_says_for_what() -> None:
    worker(devices=2, slots=9)
    first, second, third = job(gpus=1), job(gpus=1), job(gpus=1)
    assert placed() == [first.pk, second.pk]
    assert (
        waiting.explain(third) == f"It needs 1 free GPUs; they are in use by job:{first.pk}, job:{second.pk}."
    )
    assert DeviceLease.objects.filter(freed_at=None).count() == 2


def test_small_jobs_do_not_starve_a_large_one() -> None:
    here = worker(devices=2, slots=9)
    small = job(gpus=1)
    assert placed() == [small.pk]
    large, late, no_gpu = job(gpus=2), job(gpus=1), job()
    assert placed() == [no_gpu.pk]
    attempt = fencing.take(small.pk, here)
    fencing.stop(attempt, 0)
    Job.objects.filter(pk=small.pk).update(state="paused")
    leases.free(attempt)
    assert placed() == [large.pk]
    assert late.pk not in placed()


def test_a_job_that_is_not_due_yet_waits_and_says_until_when() -> None:
    worker()
    later = job(available_at=timezone.now() + timedelta(minutes=5))
    assert placed() == []
    assert "it is tried again at" in waiting.explain(later)


def test_the_database_refuses_a_second_live_lease_of_a_device() -> None:
    here, one = worker(devices=1), job()
    placer.lease(one, here, here.devices[0])
    with pytest.raises(IntegrityError), transaction.atomic():
        placer.lease(job(), here, here.devices[0])
    DeviceLease.objects.update(freed_at=timezone.now())
    placer.lease(one, here, here.devices[0])


def test_a_placement_is_taken_back_only_while_it_stands() -> None:
    here, it = worker(devices=1), job(gpus=1)
    placer.place()
    it.refresh_from_db()
    assert placer.unplace(it)
    assert not placer.unplace(it)
    assert not DeviceLease.objects.filter(freed_at=None).exists()
    placer.place()
    it.refresh_from_db()
    assert fencing.take(it.pk, here) is not None
    assert not placer.unplace(it)
    assert DeviceLease.objects.filter(freed_at=None).count() == 1


def test_only_the_worker_it_was_placed_on_takes_a_job_and_only_once() -> None:
    here, it = worker(), job()
    other = Worker.objects.create(name="other", host="other", queues=[], slots=0)
    placer.place()
    assert fencing.take(it.pk, other) is None
    assert fencing.take(it.pk, here).number == 1
    assert fencing.take(it.pk, here) is None
    assert Attempt.objects.count() == 1


def test_a_lost_attempt_is_given_up_by_the_databases_clock(settings: object) -> None:
    here, it = worker(), job(max_attempts=2)
    for expected in ("queued", "failed"):
        placer.place()
        attempt = fencing.take(it.pk, here)
        reaper.reap()
        it.refresh_from_db()
        assert it.state == "running"
        silent = timezone.now() - timedelta(seconds=settings.JOBS_LOST_SECONDS + 5)
        Attempt.objects.filter(pk=attempt.pk).update(heartbeat_at=silent)
        Job.objects.filter(pk=it.pk).update(available_at=silent)
        reaper.reap()
        it.refresh_from_db()
        assert it.state == expected
        Job.objects.filter(pk=it.pk, state="queued").update(placed_on=None, available_at=silent)
    assert it.error["code"] == "lost"


def test_an_end_that_its_kind_could_not_deal_with_is_settled_later(settings: object) -> None:
    ended = timezone.now() - timedelta(seconds=settings.JOBS_HEARTBEAT_SECONDS + 5)
    it = job(state="failed", finished_at=ended, error={"message": "m", "code": "", "retryable": False})
    reaper.reap()
    it.refresh_from_db()
    assert it.settled


def test_a_lease_whose_host_is_gone_can_be_freed_by_hand_but_not_a_living_one() -> None:
    here, it = worker(devices=1), job(gpus=1)
    placer.place()
    attempt = fencing.take(it.pk, here)
    lease = DeviceLease.objects.get(freed_at=None)
    with pytest.raises(Conflict, match="in use"):
        actions.free_lease(SYSTEM, lease)
    reaper.give_up([attempt], "gone")
    lease.refresh_from_db()
    assert actions.free_lease(SYSTEM, lease).freed_at is not None


class Placing(TestCase):
    """Whatever is submitted, slots and devices are never given twice."""

    @given(st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 3), st.booleans()), max_size=12))
    def test_never_more_than_there_is(self, wishes: list[tuple[int, int, bool]]) -> None:
        workers = [worker("a", devices=2, slots=2), worker("b", devices=1, slots=1)]
        for priority, gpus, short in wishes:
            job(priority=priority, gpus=gpus, short=short)
        placer.place()
        placer.place()
        for here in workers:
            mine = Job.objects.filter(placed_on=here)
            assert mine.filter(short=False).count() <= here.slots
            assert mine.filter(short=True).count() <= here.short_slots
            lent = DeviceLease.objects.filter(worker=here, freed_at=None)
            assert lent.count() == sum(mine.values_list("gpus", flat=True)) <= len(here.devices)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_goes_leaves_no_job_waiting_for_it() -> None:
    worker = workers.sign_on(name="going")
    with working_as(worker):
        job = Job.objects.create(kind="demo", placed_on=worker, placed_at=timezone.now())
    job.refresh_from_db()
    assert (job.state, job.placed_on) == ("queued", None)
