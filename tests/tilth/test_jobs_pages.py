"""The pages and routes of jobs and workers, through HTTP."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tilth.jobs.loglines import LogWriter, Redactor
from tilth.jobs.models import Attempt, DeviceLease, Job, Worker
from tilth.storage import Storage

pytestmark = pytest.mark.django_db
ERROR = {"message": "The <disk> is full; make room.", "code": "disk", "retryable": True}


@pytest.fixture
def researcher(client_for: Callable[..., Client], storage: Storage) -> Client:
    return client_for("researcher")


def job(**fields: object) -> Job:
    return Job.objects.create(**{"kind": "demo", "state": "queued", **fields})


def with_log(it: Job, storage: Storage, *lines: str) -> None:
    log = LogWriter(storage, it.pk, 1, Redactor())
    for line in lines:
        log.add(line)
    Attempt.objects.create(
        job=it, number=1, worker_name="w", host="h", log_chunks=log.flush(), state="failed", reason="r"
    )


def listed(client: Client, query: str = "") -> list[int]:
    page = client.get(f"/jobs/?{query}").context["page"]
    return [it.pk for it in page.object_list]


def test_the_list_is_searched_and_filtered(researcher: Client, people: dict) -> None:
    mine = job(title="Curate figs", created_by=people["researcher"])
    failed = job(title="Import dates", state="failed", error=ERROR)
    short = job(kind="demo-short", state="running", message="on shard figs-7")
    assert listed(researcher) == [short.pk, failed.pk, mine.pk]
    assert listed(researcher, "q=figs") == [short.pk, mine.pk]
    assert listed(researcher, f"q=job:{failed.pk}") == [failed.pk]
    assert listed(researcher, "q=99999999999999999999999") == []
    assert listed(researcher, "state=failed") == [failed.pk]
    assert listed(researcher, "state=active") == [short.pk, mine.pk]
    assert listed(researcher, "kind=demo-short") == [short.pk]
    assert listed(researcher, "mine=on") == [mine.pk]
    assert listed(researcher, "state=nonsense") == []
    assert "No job fits" in researcher.get("/jobs/?q=nothing").content.decode()


def test_the_list_has_pages(researcher: Client) -> None:
    for _ in range(30):
        job()
    assert len(listed(researcher)) == 25
    assert len(listed(researcher, "page=2")) == 5


def test_htmx_gets_the_table_alone(researcher: Client) -> None:
    job(title="Curate figs")
    body = researcher.get("/jobs/", headers={"HX-Request": "true"}).content.decode()
    assert "Curate figs" in body
    assert "<html" not in body


@pytest.mark.parametrize("state", Job._meta.get_field("state").choices)
def test_a_page_for_every_state(researcher: Client, state: tuple[str, str]) -> None:
    it = job(state=state[0], error=ERROR if state[0] == "failed" else None, params={"x": "<b>"})
    for part in ("", "panel/", "progress/", "metrics/"):
        body = researcher.get(f"/jobs/{it.pk}/{part}").content.decode()
        assert "<b>" not in body
        assert "<disk>" not in body
    moving = state[0] not in ("succeeded", "failed", "cancelled", "paused")
    panel = researcher.get(f"/jobs/{it.pk}/panel/").content.decode()
    assert ("hx-get" in panel) == moving


def test_a_missing_job_is_a_404(researcher: Client) -> None:
    assert researcher.get("/jobs/12345/").status_code == 404


def test_the_log_is_escaped_on_the_page_and_followed_by_position(
    researcher: Client, storage: Storage
) -> None:
    it = job(state="failed", error=ERROR)
    with_log(it, storage, "<script>alert(1)</script>", "second")
    body = researcher.get(f"/jobs/{it.pk}/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body
    assert "<script>alert" not in body
    first = researcher.get(f"/jobs/{it.pk}/log/").json()
    assert [line["text"] for line in first["lines"]] == ["<script>alert(1)</script>", "second"]
    assert first["live"] is False
    assert researcher.get(f"/jobs/{it.pk}/log/?after={first['position']}").json()["lines"] == []
    assert researcher.get(f"/jobs/{it.pk}/log/?after=nonsense").status_code == 400


def test_the_log_is_downloaded_as_text(researcher: Client, storage: Storage) -> None:
    it = job(state="failed", error=ERROR)
    with_log(it, storage, "<b>one</b>")
    for name in ("log.txt", "log-1.txt"):
        answer = researcher.get(f"/jobs/{it.pk}/{name}")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert "attachment" in answer.headers["Content-Disposition"]
        assert answer.getvalue().decode().endswith(" 1 info <b>one</b>\n")
    assert researcher.get(f"/jobs/{it.pk}/log-2.txt").getvalue() == b""


def test_buttons_work_and_say_so_and_a_late_click_says_why_not(researcher: Client) -> None:
    it = job(state="running", attempt=1)
    answer = researcher.post(f"/jobs/{it.pk}/do/pause/", follow=True)
    assert "being paused" in answer.content.decode()
    it.refresh_from_db()
    assert it.state == "pausing"
    late = researcher.post(f"/jobs/{it.pk}/do/resume/")
    assert late.status_code == 409
    assert researcher.post(f"/jobs/{it.pk}/do/explode/").status_code == 404
    assert researcher.get(f"/jobs/{it.pk}/do/cancel/").status_code == 405


def test_labelers_see_nothing(client_for: Callable[..., Client]) -> None:
    it = job()
    for path in ("/jobs/", f"/jobs/{it.pk}/", f"/jobs/{it.pk}/log.txt", "/workers/"):
        assert client_for("labeler").get(path).status_code == 403
        assert client_for(None).get(path).status_code == 302
    assert client_for("labeler").post(f"/jobs/{it.pk}/do/cancel/").status_code == 403


def test_workers_show_what_they_do_and_a_dead_hosts_device_can_be_freed(researcher: Client) -> None:
    card = {"id": "gpu-1", "index": "0", "name": "Big card", "memory": 80 * 10**9}
    here = Worker.objects.create(name="field-1", host="h1", queues=["default"], slots=2, devices=[card])
    it = job(state="running", placed_on=here, title="Curate figs", attempt=1)
    attempt = Attempt.objects.create(job=it, number=1, worker=here, worker_name="field-1", host="h1")
    lease = DeviceLease.objects.create(
        device="gpu-1", device_name="Big card", worker=here, host="h1", job=it, attempt=attempt
    )
    body = researcher.get("/workers/").content.decode()
    for words in ("field-1", "Big card", "Curate figs", "1 of 2 busy"):
        assert words in body
    assert "Free it" not in body
    Attempt.objects.update(state="lost")
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1), state="offline")
    assert "Free it" in researcher.get("/workers/").content.decode()
    researcher.post(f"/workers/leases/{lease.pk}/free/")
    lease.refresh_from_db()
    assert lease.freed_at is not None


def test_plots_show_the_newest_attempts_values(researcher: Client) -> None:
    it = job(state="succeeded")
    for attempt, step, value in ((1, 1, 5.0), (1, 2, 4.0), (2, 2, 3.0), (2, 3, None)):
        it.metrics.create(attempt=attempt, name="loss", step=step, value=value)
    figure = researcher.get(f"/jobs/{it.pk}/").context["figures"][0]
    assert figure["data"][0]["x"] == [1, 2, 3]
    assert figure["data"][0]["y"] == [5.0, 3.0, None]


def test_the_api_reads_and_steers(researcher: Client, storage: Storage) -> None:
    first, second = job(title="Curate figs"), job(state="failed", error=ERROR)
    with_log(second, storage, "a line")
    get = lambda path: researcher.get(f"/api/v1{path}")  # noqa: E731
    assert [it["id"] for it in get("/jobs").json()] == [second.pk, first.pk]
    assert [it["id"] for it in get(f"/jobs?before={second.pk}&q=figs").json()] == [first.pk]
    assert get("/jobs?state=nonsense").json()["field"] == "state"
    one = get(f"/jobs/{first.pk}").json()
    assert (one["reference"], one["state"]) == (first.reference, "queued")
    assert "No worker is running" in one["waits_for"]
    assert get("/jobs/999999").json()["code"] == "not_found"
    assert get(f"/jobs/{second.pk}/log").json()["lines"][0]["text"] == "a line"
    assert get("/workers").json() == []


def test_the_api_steers_with_a_csrf_token(client_for: Callable[..., Client], storage: Storage) -> None:
    client = client_for("researcher", enforce_csrf_checks=True)
    it = job()
    path = f"/api/v1/jobs/{it.pk}"
    assert client.post(f"{path}/pause").status_code == 403
    client.get("/jobs/")
    token = {"X-CSRFToken": client.cookies["csrftoken"].value}
    for verb, state in (
        ("pause", "paused"),
        ("resume", "queued"),
        ("cancel", "cancelled"),
        ("retry", "queued"),
    ):
        assert client.post(f"{path}/{verb}", headers=token).json()["state"] == state
    body = json.dumps({"knobs": {"workers": 2}})
    answer = client.post(f"{path}/control", body, content_type="application/json", headers=token)
    assert answer.json()["control"] == {"workers": 2}
