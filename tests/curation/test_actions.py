"""What people do with recipes and runs: permission, validation, and what is left behind."""

import pytest
from django.conf import settings

from curation import actions
from curation.jobs import complete
from curation.models import CurationRun, Recipe
from tests.curation.runs import ACTOR, draft, finished
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry
from tilth.datasets.actions import create_dataset, fail_version, reserve_version
from tilth.datasets.manifest import Manifest
from tilth.datasets.models import Dataset, DatasetVersion, Upload
from tilth.datasets.origins import listed, origin, sources_of
from tilth.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from tilth.jobs.models import Job

pytestmark = pytest.mark.django_db

CHANGED = """
name = "mine"
version = 1
title = "Mine"

[[step]]
use = "extract"
"""


def test_a_built_in_recipe_is_stored_once_when_it_is_first_used():
    first, second = actions.pin_recipe(ACTOR, "minimal"), actions.pin_recipe(ACTOR, "minimal")
    assert first == second
    assert (first.name, first.number) == ("minimal", 1)


def test_saving_a_changed_recipe_makes_the_next_version_and_the_same_text_none():
    first = actions.save_recipe(ACTOR, CHANGED)
    same = actions.save_recipe(ACTOR, CHANGED.replace("version = 1", "version = 7"))
    second = actions.save_recipe(ACTOR, CHANGED.replace('"Mine"', '"Mine, better"'))
    assert same == first
    assert (second.number, second.title) == (2, "Mine, better")
    assert "version = 2" in second.toml
    assert actions.pin_recipe(ACTOR, "mine") == second
    assert actions.pin_recipe(ACTOR, "mine@1") == first


def test_an_unknown_recipe_says_which_there_are():
    with pytest.raises(NotFound, match="fineweb, minimal"):
        actions.pin_recipe(ACTOR, "finewbe")


def test_an_archived_recipe_leaves_the_list_and_comes_back():
    actions.save_recipe(ACTOR, CHANGED)
    actions.archive_recipe(ACTOR, "mine")
    assert not Recipe.objects.newest().exists()
    actions.archive_recipe(ACTOR, "mine", archived=False)
    assert Recipe.objects.newest().get().name == "mine"


def test_a_draft_reserves_nothing():
    run = draft("fresh")
    assert run.state == "draft"
    assert not Dataset.objects.exists()
    assert not Job.objects.exists()


def test_starting_reserves_the_version_and_queues_the_job_once():
    run = actions.start_run(ACTOR, draft("fresh", limit=5, workers=2))
    assert run.version.reference == "fresh@1"
    assert run.version.state == DatasetVersion.State.BUILDING
    assert run.version.job == run.job
    params = run.job.params
    assert params["target"] == "datasets/fresh/1"
    assert (params["limit"], params["workers"], params["guarded"]) == (5, 2, False)
    with pytest.raises(Conflict):
        actions.start_run(ACTOR, CurationRun.objects.get(pk=run.pk))
    assert Job.objects.count() == 1


def test_a_run_from_the_web_is_guarded_and_held_to_the_roots(people):
    actor = Actor(user=people["researcher"])
    recipe = actions.pin_recipe(actor, "minimal")
    run = actions.start_run(
        actor, actions.draft_run(actor, dataset_name="web", recipe=recipe, sources=["cc:latest:0"])
    )
    assert run.job.params["guarded"] is True
    assert run.job.params["source_roots"] == [str(root) for root in settings.SOURCE_ROOTS]


def test_a_name_in_use_is_refused_before_and_at_the_start():
    taken_meanwhile = draft("taken")
    reserve_version(ACTOR, create_dataset(ACTOR, "taken", "documents"))
    with pytest.raises(Conflict, match="already"):
        draft("taken")
    with pytest.raises(Conflict, match="already"):
        actions.start_run(ACTOR, taken_meanwhile)
    assert DatasetVersion.objects.count() == 1


def test_a_new_version_of_an_existing_dataset_must_be_asked_for():
    reserve_version(ACTOR, create_dataset(ACTOR, "taken", "documents"))
    recipe = actions.pin_recipe(ACTOR, "minimal")
    run = actions.draft_run(
        ACTOR, dataset_name="taken", recipe=recipe, sources=["cc:latest:0"], new_version=True
    )
    assert actions.start_run(ACTOR, run).version.reference == "taken@2"


def test_a_name_whose_only_run_failed_is_free_again():
    first = actions.start_run(ACTOR, draft("again"))
    fail_version(ACTOR, first.version, "the file was not there")
    assert actions.start_run(ACTOR, draft("again")).version.reference == "again@2"


def test_a_dataset_of_another_kind_is_never_added_to():
    reserve_version(ACTOR, create_dataset(ACTOR, "chats", "conversations"))
    recipe = actions.pin_recipe(ACTOR, "minimal")
    with pytest.raises(Conflict):
        actions.draft_run(
            ACTOR, dataset_name="chats", recipe=recipe, sources=["cc:latest:0"], new_version=True
        )


@pytest.mark.parametrize(
    "options", [{"workers": 0}, {"limit": -1}, {"required_share": 1.5}, {"colour": 3}, {"workers": "many"}]
)
def test_options_out_of_range_are_named(options):
    with pytest.raises(InvalidInput, match=next(iter(options))):
        draft("fresh", **options)


def test_no_source_and_a_bad_name_are_named():
    with pytest.raises(InvalidInput, match="source"):
        draft("fresh", sources=())
    with pytest.raises(InvalidInput, match="not a name"):
        draft("Fresh Name")


def test_discarding_a_draft_keeps_it_from_starting():
    run = actions.discard_run(ACTOR, draft("fresh"))
    assert run.state == "discarded"
    with pytest.raises(Conflict):
        actions.start_run(ACTOR, run)


def test_appending_starts_a_child_of_the_published_version(storage):
    base = finished(storage, "grown")
    child = actions.append_run(ACTOR, base, ["cc:CC-MAIN-2026-20:1"])
    assert child.base == base
    assert child.version.reference == "grown@2"
    assert child.job.params["base"] == base.prefix


def test_only_a_published_run_is_appended_to():
    run = actions.start_run(ACTOR, draft("fresh"))
    with pytest.raises(Conflict, match="published"):
        actions.append_run(ACTOR, run, ["cc:latest:1"])


def test_a_failed_run_is_retried_with_a_lower_share_and_its_version_goes_on():
    run = actions.start_run(ACTOR, draft("fresh"))
    Job.objects.filter(pk=run.job.pk).update(state="failed")
    DatasetVersion.objects.filter(pk=run.version.pk).update(state="failed")
    run = CurationRun.objects.with_objects().get(pk=run.pk)
    actions.retry_run(ACTOR, run, 0.5)
    run = CurationRun.objects.with_objects().get(pk=run.pk)
    assert run.job.state == "queued"
    assert run.job.params["required_share"] == 0.5
    assert run.version.state == "building"


def test_throttling_turns_the_jobs_knob_and_ends_with_the_run(storage):
    run = actions.start_run(ACTOR, draft("fresh"))
    actions.throttle_run(ACTOR, run, 3)
    assert Job.objects.get(pk=run.job.pk).control == {"workers": 3}
    with pytest.raises(Conflict):
        actions.throttle_run(ACTOR, finished(storage, "done"), 3)


@pytest.mark.parametrize("role", ["labeler", "reviewer", "lead"])
def test_roles_without_the_permission_change_nothing(people, role):
    actor, run = Actor(user=people[role]), draft("fresh")
    for act in (
        lambda: actions.save_recipe(actor, CHANGED),
        lambda: actions.pin_recipe(actor, "minimal"),
        lambda: actions.start_run(actor, run),
        lambda: actions.discard_run(actor, run),
        lambda: actions.throttle_run(actor, run, 2),
        lambda: actions.retry_run(actor, run),
    ):
        with pytest.raises(PermissionDenied):
            act()
    assert not Job.objects.exists()


def test_every_step_leaves_an_audit_entry():
    run = actions.start_run(ACTOR, draft("fresh"))
    verbs = list(AuditEntry.objects.order_by("id").values_list("verb", flat=True))
    for verb in (
        "recipe.save",
        "curation.draft",
        "dataset.create",
        "version.reserve",
        "job.submit",
        "curation.start",
    ):
        assert verb in verbs
    assert AuditEntry.objects.filter(verb="curation.start", target=run.reference).exists()


def test_the_manifest_calls_uploads_by_their_file_names():
    digest = "a" * 64
    Upload.objects.create(sha256=digest, name="pages.warc.gz", bytes=10)
    run = actions.start_run(ACTOR, draft("noted", (f"upload:{digest}",)))
    files = listed([origin(f"upload:{digest}", 3, 2)])
    made = Manifest("noted", 1, "documents", 1, statistics={"sources": files})
    done = complete(made, run, run.version, run.job, [])
    assert [file["name"] for file in sources_of(done)["files"]] == ["pages.warc.gz"]
    assert done.producer == run.job.reference
