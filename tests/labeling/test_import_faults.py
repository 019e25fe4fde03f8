"""Imports whose load breaks for good: what was loaded is told, the rest follows on a second try, or all of it goes."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling.actions import claims, imports
from labeling.models.tasks import Candidate, TaskImport
from tests.labeling.campaigns import campaign, join, task
from tests.labeling.test_tasks import start
from tilth.accounts.actors import Actor
from tilth.errors import Conflict
from tilth.jobs.runner import run_inline

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = [{"prompt": f"Why {n}?", "response_a": f"So {n}.", "response_b": f"Thus {n}."} for n in range(4_100)]


@pytest.fixture(autouse=True)
def quick(settings, storage, tmp_path):
    settings.JOBS_POLL_SECONDS = 0.03
    settings.JOBS_RETRY_SECONDS = 0
    settings.SCRATCH = tmp_path / "scratch"


@pytest.fixture
def lead(people):
    return Actor(user=people["lead"])


@pytest.fixture
def broken(lead, monkeypatch):
    """An import of three chunks of which one was loaded when the storage went away, for good."""
    made = campaign(tasks=1, lead=lead.user)
    row, real, asked = start(lead, made, file={"rows": ROWS}), imports.read_chunk, []

    def away(storage, prefix, number):
        asked.append(number)
        if number > 0:
            raise OSError("the storage is away")
        return real(storage, prefix, number)

    monkeypatch.setattr(imports, "read_chunk", away)
    assert run_inline(row.job).state == "failed"
    assert asked.count(1) == 3, "each attempt goes on where the last one ended"
    monkeypatch.setattr(imports, "read_chunk", real)
    row.refresh_from_db()
    return row


def press(client, row, verb):
    address = reverse("labeling:import_step", args=[row.pk, verb])
    return client.post(address, follow=True).content.decode()


def positions(made):
    return list(made.tasks.order_by("position").values_list("position", flat=True))


def test_the_page_says_what_is_there_and_the_rest_follows_without_doubles(broken, client_for):
    client = client_for("lead")
    assert (broken.state, broken.loaded, broken.rows) == ("failed", 2_000, 4_100)
    page = client.get(reverse("labeling:import", args=[broken.pk])).content.decode()
    assert "2,000 of 4,100 tasks had been loaded and are in the queue" in page
    assert "storage is away" in page and "Load the rest" in page and "Withdraw what was loaded" in page
    task(broken.campaign)  # somebody adds another meanwhile
    assert "tried again" in press(client, broken, "retry")
    assert "Only an import that failed" in press(client, broken, "retry")
    assert run_inline(broken.job).state == "succeeded"
    broken.refresh_from_db()
    assert (broken.state, broken.loaded, broken.message) == ("done", 4_100, "")
    assert broken.tasks.count() == 4_100
    assert Candidate.objects.filter(task__imported_by=broken).count() == 8_200
    assert positions(broken.campaign) == list(range(1, 4_103))


def test_no_chunk_is_looked_for_task_by_task(lead):
    """A list of positions is compared with every task of a campaign while its table has no statistics yet."""
    made = campaign(lead=lead.user)
    row = start(lead, made, file={"rows": ROWS})
    with CaptureQueriesContext(connection) as captured:
        assert run_inline(row.job).state == "succeeded"
    asked = [q["sql"] for q in captured if q["sql"].startswith("SELECT") and '"labeling_task"' in q["sql"]]
    assert len(asked) >= 3, "once a chunk"
    assert max(map(len, asked)) < 2_000


def test_what_was_loaded_is_withdrawn_and_held_work_goes_on(broken, client_for, cast):
    join(broken.campaign, cast[0])
    for _ in range(2):
        held = claims.claim(Actor(user=cast[0]), broken.campaign, another=True)
    assert held.task.imported_by == broken
    client = client_for("lead")
    assert "is withdrawn" in press(client, broken, "withdraw")
    states = set(broken.tasks.values_list("state", flat=True))
    assert states == {"withdrawn"}
    held.refresh_from_db()
    assert held.state == "held"
    for verb in ("retry", "withdraw", "cancel"):
        press(client, broken, verb)
        broken.refresh_from_db()
        assert broken.state == "cancelled", verb
    page = client.get(reverse("labeling:import", args=[broken.pk])).content.decode()
    assert "a lead withdrew it" in page and "Load the rest" not in page


def test_a_source_that_reads_otherwise_takes_nobody_s_places(broken, lead):
    task(broken.campaign)
    with pytest.raises(Conflict, match="import it anew"):
        imports.finish(broken.job, {"rows": 4_200, "bad": 0, "chunks": [2_000, 2_000, 200]})
    assert broken.tasks.count() == 2_000


def test_an_import_of_which_nothing_was_loaded_begins_anew_behind_all_others(broken, monkeypatch):
    later = task(broken.campaign)
    Candidate.objects.filter(task__imported_by=broken).delete()
    broken.tasks.all().delete()
    TaskImport.objects.filter(pk=broken.pk).update(loaded=0)
    real = imports.read_chunk
    monkeypatch.setattr(imports, "read_chunk", lambda storage, prefix, number: real(storage, prefix, 2))
    imports.finish(broken.job, {"rows": 100, "bad": 0, "chunks": [100]})
    assert broken.tasks.order_by("position").first().position > later.position


def test_only_leads_of_the_campaign_try_it_again(broken, people, client_for):
    broken.campaign.leads.set([people["admin"]])
    page = press(client_for("lead"), broken, "retry")
    assert "Only the leads of" in page
    broken.refresh_from_db()
    assert broken.state == "failed"
    assert client_for("admin").post(
        reverse("labeling:import_step", args=[broken.pk, "erase"])
    ).status_code == 404  # fmt: skip
