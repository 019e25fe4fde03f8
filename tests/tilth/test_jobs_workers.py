"""Signing on, devices, process groups and the embedded broker."""

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.utils import timezone

from tilth.errors import Conflict, InvalidInput
from tilth.jobs import broker, devices, embedded, leases, processes, workers
from tilth.jobs.models import Attempt, DeviceLease, Job, Worker

HOST = socket.gethostname()
LEADER = (
    "import subprocess, time; subprocess.Popen(['sleep', '600']); print('up', flush=True); time.sleep(600)"
)


@pytest.fixture
def group() -> subprocess.Popen[bytes]:
    """A process that leads a group of two."""
    process = subprocess.Popen([sys.executable, "-c", LEADER], stdout=subprocess.PIPE, start_new_session=True)
    process.stdout.readline()
    yield process
    processes.kill_group(process.pid)
    process.communicate()


def test_a_group_is_dead_when_its_last_process_is(group: subprocess.Popen[bytes]) -> None:
    key = processes.process_key(group.pid)
    assert processes.is_same_process(group.pid, key)
    assert not processes.group_is_dead(group.pid, key)
    os.kill(group.pid, signal.SIGKILL)
    assert not processes.group_is_dead(group.pid, key), "its child still runs"
    processes.kill_group(group.pid)
    group.stdout.read()  # ends when the last holder of the pipe closes it, on its way out
    deadline = time.monotonic() + 10
    while not processes.group_is_dead(group.pid, key) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes.group_is_dead(group.pid, key), "an unburied leader does not run"


def test_a_number_given_out_again_is_not_the_same_process(group: subprocess.Popen[bytes]) -> None:
    boot, started = processes.process_key(group.pid).split(":")
    earlier = f"{boot}:{int(started) - 1}"
    assert not processes.is_same_process(group.pid, earlier)
    assert processes.group_is_dead(group.pid, earlier)
    assert processes.group_is_dead(group.pid, f"another-boot:{started}")


@pytest.mark.django_db
def test_names_are_free_when_their_process_is_gone() -> None:
    first = workers.sign_on()
    assert first.name == HOST
    assert workers.sign_on().name == f"{HOST}-2"
    with pytest.raises(Conflict, match="--name"):
        workers.sign_on(name=HOST)
    Worker.objects.filter(pk=first.pk).update(process_key="gone:1")
    again = workers.sign_on(queues=["gpu"])
    assert (again.pk, again.queues) == (first.pk, ["gpu"])


@pytest.mark.django_db
def test_a_name_of_another_host_is_free_when_it_fell_silent(settings: object) -> None:
    elsewhere = Worker.objects.create(name="far", host="another-host", pid=os.getpid())
    with pytest.raises(Conflict):
        workers.sign_on(name="far")
    silent = timezone.now() - timedelta(seconds=settings.JOBS_LOST_SECONDS + 5)
    Worker.objects.filter(pk=elsewhere.pk).update(heartbeat_at=silent)
    assert workers.sign_on(name="far").host == HOST


@pytest.mark.django_db
def test_devices_of_a_dead_attempt_are_freed_here_and_what_is_left_of_it_is_killed(
    group: subprocess.Popen[bytes],
) -> None:
    here = workers.sign_on()
    job = Job.objects.create(kind="demo", state="queued", attempt=1)
    attempt = Attempt.objects.create(
        job=job,
        number=1,
        worker=here,
        worker_name=here.name,
        host=HOST,
        pid=group.pid,
        process_key=processes.process_key(group.pid),
    )
    DeviceLease.objects.create(device="a", host=HOST, job=job, attempt=attempt, worker=here)
    DeviceLease.objects.create(device="b", host="another-host", job=job, attempt=attempt)
    assert leases.sweep(here) == 0, "it is running"
    Attempt.objects.update(state="lost")
    leases.sweep(here)
    group.stdout.read()
    leases.sweep(here)
    live = set(DeviceLease.objects.filter(freed_at=None).values_list("device", flat=True))
    assert live == {"b"}, "only its own host can tell"


def test_devices_can_be_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILTH_DEVICES", "pretend:2")
    assert [device.id for device in devices.discover()] == [f"{HOST}/pretend-0", f"{HOST}/pretend-1"]
    monkeypatch.setenv("TILTH_DEVICES", "none")
    assert devices.discover() == []
    monkeypatch.setenv("TILTH_DEVICES", "four")
    with pytest.raises(ImproperlyConfigured, match="pretend:N"):
        devices.discover()


@pytest.mark.django_db
def test_a_worker_without_slots_is_refused() -> None:
    with pytest.raises(CommandError, match="not both zero"):
        call_command("worker", slots=0, short_slots=0)


def test_the_broker_starts_answers_and_leaves_nothing(tmp_path: Path, settings: object) -> None:
    path = tmp_path / "run" / "valkey.sock"
    settings.REDIS_URL = f"redis+socket://{path}"
    assert broker.socket_path(settings.REDIS_URL) == path
    with pytest.raises(broker.BrokerAway):
        broker.ping()
    server = embedded.start(path)
    try:
        broker.ping()
        assert server.is_alive()
        with pytest.raises(Conflict, match="running already"):
            embedded.start(path)
    finally:
        server.stop()
    assert not path.exists()
    assert not server.is_alive()


def test_a_broker_left_by_a_killed_parent_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "valkey.sock"
    orphan = embedded.start(path)
    os.close(orphan.lock)  # what the kernel does for a killed parent
    heir = embedded.start(path)
    try:
        assert orphan.process.wait(30) == 0
        assert heir.is_alive()
    finally:
        heir.stop()


def test_a_stale_socket_is_no_obstacle_and_a_long_path_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "valkey.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    embedded.start(path).stop()
    with pytest.raises(InvalidInput, match="TILTH_VAR"):
        embedded.start(tmp_path / ("x" * 120) / "valkey.sock")
