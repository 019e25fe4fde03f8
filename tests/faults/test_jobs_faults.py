"""Jobs survive the kill of program, worker and broker, messages twice and never, and stale supervisors."""

import os
import signal

import pytest

from tests.faults.jobs_fleet import Fleet, fleet, process_is_running, wait_for
from tilth.accounts.actors import Actor
from tilth.jobs import actions, fencing, placer, reaper
from tilth.jobs.celery import RUN_JOB, app
from tilth.jobs.models import Attempt, DeviceLease, Job, Worker

__all__ = ["fleet"]
PERSON = Actor.system("test")
pytestmark = pytest.mark.django_db(transaction=True)


def submit(kind: str = "demo", **params: object) -> Job:
    return actions.submit(PERSON, kind, params)


def outcomes(job: Job) -> list[str]:
    return list(job.attempts.order_by("number").values_list("state", flat=True))


def test_a_job_runs_on_a_worker_and_is_published_once(fleet: Fleet) -> None:
    fleet.worker()
    job = fleet.reaches(submit(steps=3), "succeeded", "failed")
    assert (job.state, job.result["steps"], job.progress) == ("succeeded", 3, 1)
    assert fleet.published(job) == 1
    assert outcomes(job) == ["succeeded"]


def test_a_killed_program_is_started_again_and_goes_on_from_what_it_stored(fleet: Fleet) -> None:
    fleet.worker()
    fleet.beat()
    job = submit(steps=8, seconds=0.2)
    fleet.stored(job, "markers/1")
    os.kill(fleet.child_pid(job), signal.SIGKILL)
    fleet.reaches(job, "succeeded", "failed")
    assert job.state == "succeeded"
    assert outcomes(job) == ["failed", "succeeded"]
    assert fleet.stored(job, "markers/0") == "1"
    assert fleet.stored(job, "markers/7") == "2"
    assert fleet.published(job) == 1


def test_a_killed_worker_leaves_no_writer_and_another_one_goes_on(fleet: Fleet) -> None:
    doomed = fleet.worker("--name", "doomed")
    fleet.beat()
    job = submit(steps=20, seconds=0.2, grandchild=True)
    fleet.stored(job, "markers/1")
    child, grandchild = fleet.child_pid(job), int(fleet.stored(job, "grandchild"))
    doomed.send_signal(signal.SIGKILL)
    wait_for(lambda: not process_is_running(child), "the orphaned program ends itself")
    wait_for(lambda: not process_is_running(grandchild), "and its children with it")
    fleet.worker("--name", "heir")
    fleet.reaches(job, "succeeded", "failed")
    assert job.state == "succeeded"
    assert outcomes(job) == ["lost", "succeeded"]
    assert fleet.stored(job, "markers/0") == "1"
    assert fleet.stored(job, "markers/19") == "2"
    assert fleet.published(job) == 1


def test_a_worker_that_comes_back_after_a_kill_does_not_wait_for_the_reaper(fleet: Fleet) -> None:
    first = fleet.worker("--name", "same")
    job = submit(steps=15, seconds=0.2)
    fleet.stored(job, "markers/1")
    first.send_signal(signal.SIGKILL)
    first.wait()
    fleet.worker("--name", "same")  # and no beat is running
    fleet.reaches(job, "running")
    fleet.reaches(job, "succeeded", "failed")
    assert outcomes(job) == ["lost", "succeeded"]


def test_a_worker_killed_while_publishing_publishes_without_running_again(fleet: Fleet) -> None:
    doomed = fleet.worker("--name", "doomed")
    fleet.beat()
    job = fleet.reaches(submit(steps=2, publish_seconds=3), "publishing")
    doomed.send_signal(signal.SIGKILL)
    fleet.worker("--name", "heir")
    fleet.reaches(job, "succeeded", "failed")
    assert job.state == "succeeded"
    assert job.result["made_by"] == 1
    assert not fleet.storage.exists(f"{job.prefix}/pid-2")
    assert fleet.published(job) == 1


def test_a_killed_broker_costs_nothing(fleet: Fleet) -> None:
    fleet.worker()
    fleet.beat()
    running = submit(steps=15, seconds=0.2)
    fleet.stored(running, "markers/1")
    fleet.kill_broker()
    while_away = submit(steps=1)
    assert while_away.state == "queued"
    fleet.start_broker()
    fleet.reaches(running, "succeeded", "failed")
    fleet.reaches(while_away, "succeeded", "failed")
    assert (running.state, while_away.state) == ("succeeded", "succeeded")
    assert outcomes(running) == ["succeeded"]


def test_a_call_that_the_broker_forgot_is_made_again(fleet: Fleet) -> None:
    worker = fleet.worker("--slots", "1")
    worker.send_signal(signal.SIGSTOP)
    job = submit(steps=1)
    job.refresh_from_db()
    assert job.placed_on is not None
    fleet.kill_broker()
    fleet.start_broker()
    worker.send_signal(signal.SIGCONT)
    fleet.beat()
    fleet.reaches(job, "succeeded", "failed")
    assert outcomes(job) == ["succeeded"]


def test_a_message_delivered_many_times_runs_the_job_once(fleet: Fleet) -> None:
    fleet.worker("--name", "only", "--slots", "4")
    job = submit(steps=3, seconds=0.1)
    for _ in range(20):
        app.send_task(RUN_JOB, args=[job.pk], queue=placer.own_queue("only"))
    fleet.reaches(job, "succeeded", "failed")
    for _ in range(20):
        app.send_task(RUN_JOB, args=[job.pk], queue=placer.own_queue("only"))
    follower = fleet.reaches(submit(steps=1), "succeeded", "failed")
    assert (job.state, follower.state) == ("succeeded", "succeeded")
    assert Attempt.objects.filter(job=job).count() == 1
    assert fleet.published(job) == 1


def test_a_frozen_worker_finds_every_door_closed_when_it_wakes(fleet: Fleet) -> None:
    frozen = fleet.worker("--name", "frozen")
    fleet.beat()
    job = submit(steps=12, seconds=0.2)
    fleet.stored(job, "markers/1")
    child = fleet.child_pid(job)
    frozen.send_signal(signal.SIGSTOP)
    os.kill(child, signal.SIGSTOP)
    wait_for(lambda: outcomes(job)[:1] == ["lost"], "the reaper gives the attempt up")
    fleet.worker("--name", "heir", TILTH_SCRATCH=str(fleet.folder / "another-disk"))
    fleet.reaches(job, "running")
    frozen.send_signal(signal.SIGCONT)
    wait_for(lambda: not process_is_running(child), "the woken supervisor ends its program")
    fleet.reaches(job, "succeeded", "failed")
    assert outcomes(job) == ["lost", "succeeded"]
    assert job.result["made_by"] == 2
    assert fleet.published(job) == 1


def test_a_worker_told_to_stop_gives_its_job_back_uncounted(fleet: Fleet) -> None:
    first = fleet.worker("--name", "first")
    job = submit(steps=20, seconds=0.2)
    fleet.stored(job, "markers/1")
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0
    job.refresh_from_db()
    assert (job.state, job.failures, outcomes(job)) == ("queued", 0, ["released"])
    assert Worker.objects.get(name="first").state == "offline"
    fleet.worker("--name", "second")
    fleet.reaches(job, "succeeded", "failed")
    assert outcomes(job) == ["released", "succeeded"]


def test_cancel_kills_a_program_that_will_not_listen_and_all_its_children(fleet: Fleet) -> None:
    fleet.worker()
    job = submit(steps=500, seconds=0.1, stubborn=True, grandchild=True)
    fleet.stored(job, "markers/0")
    child, grandchild = fleet.child_pid(job), int(fleet.stored(job, "grandchild"))
    actions.cancel(PERSON, job)
    fleet.reaches(job, "cancelled")
    assert not process_is_running(child)
    assert not process_is_running(grandchild)
    assert outcomes(job) == ["cancelled"]
    assert fleet.published(job) == 0


def test_pause_keeps_what_was_stored_and_resume_goes_on(fleet: Fleet) -> None:
    fleet.worker()
    job = submit(steps=10, seconds=0.2)
    fleet.stored(job, "markers/1")
    actions.pause(PERSON, job)
    fleet.reaches(job, "paused")
    actions.resume(PERSON, job)
    fleet.reaches(job, "succeeded", "failed")
    assert outcomes(job) == ["paused", "succeeded"]
    assert (job.state, job.failures) == ("succeeded", 0)
    assert fleet.stored(job, "markers/0") == "1"


def test_a_cancelled_worker_death_ends_cancelled_and_not_queued_again(fleet: Fleet) -> None:
    doomed = fleet.worker("--name", "doomed")
    fleet.beat()
    job = submit(steps=500, seconds=0.1, stubborn=True)
    fleet.stored(job, "markers/0")
    doomed.send_signal(signal.SIGSTOP)
    actions.cancel(PERSON, job)
    doomed.send_signal(signal.SIGKILL)
    fleet.reaches(job, "cancelled")
    assert outcomes(job) == ["lost"]


def test_devices_are_lent_to_one_job_each_and_wait_for_the_dead(fleet: Fleet) -> None:
    doomed = fleet.worker("--name", "doomed", "--slots", "4", TILTH_DEVICES="pretend:2")
    jobs = [submit("demo-gpu", steps=1000, seconds=0.1) for _ in range(3)]
    for job in jobs[:2]:
        fleet.reaches(job, "running")
        fleet.stored(job, "markers/0")
    jobs[2].refresh_from_db()
    assert jobs[2].state == "queued"
    seen = {fleet.stored(job, "devices-1") for job in jobs[:2]}
    assert seen == {'"0"', '"1"'}
    actions.cancel(PERSON, jobs[0])
    fleet.reaches(jobs[2], "running")
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    assert DeviceLease.objects.filter(freed_at=None).count() == 2
    fleet.worker("--name", "doomed", TILTH_DEVICES="pretend:2")
    wait_for(
        lambda: DeviceLease.objects.filter(attempt__number=1, freed_at=None).count() == 0, "leases freed"
    )
    for job in jobs[1:]:
        fleet.reaches(job, "running")
        actions.cancel(PERSON, job)
        fleet.reaches(job, "cancelled")
    assert not DeviceLease.objects.filter(freed_at=None).exists()


def test_a_stale_attempt_can_write_nothing(transactional_db: None) -> None:
    worker = Worker.objects.create(name="w", host="h", queues=["default"], slots=9)
    job = submit()
    placer.place()
    stale = fencing.take(job.pk, worker)
    reaper.give_up([stale], "It fell silent.")
    Job.objects.filter(pk=job.pk).update(available_at=stale.started_at)
    placer.place()
    newest = fencing.take(job.pk, worker)
    assert (stale.number, newest.number) == (1, 2)
    for write in (
        lambda: fencing.hold(stale, log_chunks=99),
        lambda: fencing.begin_publishing(stale, {"by": "stale"}),
        lambda: fencing.succeed(stale),
        lambda: fencing.fail(stale, {"message": "no", "code": "", "retryable": False}),
        lambda: fencing.stop(stale, 0),
        lambda: fencing.lose(stale, "again"),
    ):
        with pytest.raises(fencing.Superseded):
            write()
    job.refresh_from_db()
    assert (job.state, job.attempt, job.result) == ("running", 2, None)
    assert outcomes(job) == ["lost", "running"]


def test_cancel_and_publish_exclude_each_other(transactional_db: None) -> None:
    worker = Worker.objects.create(name="w", host="h", queues=["default"], slots=9)
    first, second = submit(), submit()
    placer.place()
    one, two = fencing.take(first.pk, worker), fencing.take(second.pk, worker)
    assert fencing.begin_publishing(one, {})
    with pytest.raises(Exception, match="publishing and cannot be cancelled"):
        actions.cancel(PERSON, first)
    actions.cancel(PERSON, second)
    assert not fencing.begin_publishing(two, {})
    fencing.succeed(one)
    fencing.stop(two, 0)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("succeeded", "cancelled")


def test_of_two_reapers_one_loses_the_attempt(transactional_db: None) -> None:
    worker = Worker.objects.create(name="w", host="h", queues=["default"], slots=9)
    job = submit()
    placer.place()
    attempt = fencing.take(job.pk, worker)
    also_read = Attempt.objects.get(pk=attempt.pk)
    reaper.give_up([attempt], "silent")
    reaper.give_up([also_read], "silent")
    job.refresh_from_db()
    assert (job.state, job.failures) == ("queued", 1)


def test_a_heartbeat_between_the_look_and_the_blow_saves_the_attempt(transactional_db: None) -> None:
    worker = Worker.objects.create(name="w", host="h", queues=["default"], slots=9)
    job = submit()
    placer.place()
    seen = fencing.take(job.pk, worker)
    fencing.hold(Attempt.objects.get(pk=seen.pk))
    with pytest.raises(fencing.Superseded):
        fencing.lose(seen, "silent")
    job.refresh_from_db()
    assert job.state == "running"
