"""The home page: what it says to whom."""

import pytest

from tests.tilth.published import document, publish
from tilth.accounts.actors import Actor
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job, JobState
from tilth.jobs.runner import run_inline

pytestmark = pytest.mark.django_db


def text(client) -> str:
    return client.get("/").content.decode()


def test_a_new_installation_shows_its_first_steps(client_for):
    page = text(client_for("admin"))
    assert "First steps" in page and "Curate your first dataset" in page and "Invite" in page
    assert "Invite" not in text(client_for("researcher"))


def test_first_steps_are_ticked_as_they_are_done(client_for, storage):
    publish(storage, "figs", "documents", [document(1)])
    page = text(client_for("researcher"))
    assert "/datasets/figs/1/rows/" in page and page.count('class="done"') == 1
    assert "Newest dataset versions" in page


@pytest.mark.parametrize("role", ["labeler", "reviewer"])
def test_who_has_no_work_yet_is_told_so_and_shown_nothing_else(client_for, storage, role):
    publish(storage, "figs", "documents", [document(1)])
    page = text(client_for(role))
    assert "No work is waiting for you yet" in page and "figs" not in page


def test_a_lead_sees_data_but_no_jobs(client_for, storage, people):
    publish(storage, "figs", "documents", [document(1)])
    jobs.submit(Actor(user=people["researcher"]), "demo", {}, title="Secret job")
    page = text(client_for("lead"))
    assert "figs@1" in page and "Secret job" not in page


def test_failed_and_waiting_jobs_are_named(client_for, storage, people):
    researcher = Actor(user=people["researcher"])
    failed = jobs.submit(researcher, "demo", {"end": "fail"}, title="Import of figs.csv")
    assert run_inline(failed).state == JobState.FAILED
    Job.objects.get(pk=jobs.submit(researcher, "demo", {}, title="Count to many").pk)
    page = text(client_for("researcher"))
    assert "Needs attention" in page and "The file is not there; choose another one." in page
    assert "Running now" in page and "Count to many" in page and "No worker is running" in page
