"""Datasets and versions: numbers, publishing twice, what is published stays, who may do what."""

import pytest
from django.db import IntegrityError, transaction

from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry
from tilth.datasets import actions, lineage
from tilth.datasets.build import build_manifest
from tilth.datasets.manifest import Manifest
from tilth.datasets.models import Contribution, Dataset, DatasetVersion, Lineage
from tilth.datasets.writer import DatasetWriter
from tilth.errors import Conflict, InvalidInput, PermissionDenied
from tilth.jobs.models import Job

State = DatasetVersion.State


@pytest.fixture
def actor(people):
    return Actor(user=people["researcher"])


@pytest.fixture
def dataset(actor):
    return actions.create_dataset(actor, "pages", "documents", licence="CC-BY-4.0")


def built(storage, version, parents=(), url="http://a.org/1", domain="a.org"):
    row = {
        "id": "1",
        "text": "x",
        "url": url,
        "domain": domain,
        "crawl": "CC-1",
        "source": "s",
        "record_offset": 0,
    }
    with DatasetWriter(storage, f"{version.folder}/1", version.dataset.kind) as out:
        out.write([row])
    return build_manifest(
        storage,
        version.dataset.name,
        version.number,
        version.dataset.kind,
        out.close(),
        producer="test",
        parents=parents,
    )


def publish(actor, storage, dataset, **options):
    version = actions.reserve_version(actor, dataset)
    return actions.publish_version(actor, version, built(storage, version, **options))


def test_a_name_is_taken_once_and_must_be_well_formed(actor, dataset):
    with pytest.raises(Conflict, match="choose another name") as caught:
        actions.create_dataset(actor, "pages", "prompts")
    assert caught.value.field == "name"
    with pytest.raises(InvalidInput, match="not a name"):
        actions.create_dataset(actor, "Pages!", "prompts")
    with pytest.raises(InvalidInput, match="no kind"):
        actions.create_dataset(actor, "poems", "poems")
    assert Dataset.objects.count() == 1


def test_numbers_count_up_and_a_failed_one_is_not_used_again(actor, dataset):
    first = actions.reserve_version(actor, dataset)
    actions.fail_version(actor, first, "disk full")
    actions.fail_version(actor, first, "again")
    second = actions.reserve_version(actor, dataset)
    assert (first.number, second.number) == (1, 2)
    assert first.state == State.FAILED and first.note == "disk full"
    with pytest.raises(IntegrityError), transaction.atomic():
        DatasetVersion.objects.create(dataset=dataset, number=2)
    for delete in (second.delete, DatasetVersion.objects.filter(pk=second.pk).delete):
        with pytest.raises(Conflict, match="never deleted"):
            delete()


def test_a_job_reserves_one_version_however_often_it_asks(actor, dataset):
    job = Job.objects.create(kind="import", created_by=actor.user)
    first = actions.reserve_version(actor, dataset, job=job)
    assert actions.reserve_version(actor, dataset, job=job) == first
    actions.fail_version(actor, first, "lost")
    assert actions.reserve_version(actor, dataset, job=job).number == 2


def test_publishing_makes_the_version_exist_with_lineage_and_contributions(actor, dataset, storage):
    version = actions.reserve_version(actor, dataset)
    assert not storage.exists("datasets/pages/1/manifest.json")
    manifest = built(storage, version, parents=["seed@1"])
    published = actions.publish_version(actor, version, manifest)
    assert published.state == State.PUBLISHED and published.rows == 1 and published.published_at
    assert published.bytes == manifest.total_bytes and published.tokenizer == "estimated from bytes"
    assert Manifest.from_json(storage.read_bytes(published.manifest_key)) == manifest
    assert [(e.child, e.parent, e.relation) for e in Lineage.objects.all()] == [
        ("pages@1", "seed@1", "derived")
    ]
    assert {(c.kind, c.value, c.rows) for c in Contribution.objects.all()} == {
        ("crawl", "CC-1", 1),
        ("parent", "seed@1", 1),
    }
    assert AuditEntry.objects.filter(verb="version.publish", target="pages@1").count() == 1


def test_publishing_again_changes_nothing(actor, dataset, storage):
    version = actions.reserve_version(actor, dataset)
    manifest = built(storage, version, parents=["seed@1"])
    first = actions.publish_version(actor, version, manifest)
    when = first.published_at
    again = actions.publish_version(actor, version, manifest)
    assert again.published_at == when
    assert Lineage.objects.count() == 1 and Contribution.objects.count() == 2
    assert AuditEntry.objects.filter(verb="version.publish").count() == 1


def test_a_crash_between_manifest_and_row_is_mended_by_publishing_again(actor, dataset, storage):
    version = actions.reserve_version(actor, dataset)
    manifest = built(storage, version)
    storage.write_bytes("datasets/pages/1/manifest.json", manifest.to_json().encode())
    assert not DatasetVersion.objects.published().exists()
    assert actions.publish_version(actor, version, manifest).state == State.PUBLISHED


def test_what_is_published_cannot_change(actor, dataset, storage):
    version = publish(actor, storage, dataset)
    before = storage.read_bytes(version.manifest_key)
    version.rows = 99
    with pytest.raises(Conflict, match="cannot change"):
        version.save()
    other = built(storage, version, parents=["seed@1"])
    with pytest.raises(Conflict, match="cannot change"):
        actions.publish_version(actor, version, other)
    with pytest.raises(Conflict, match="cannot fail"):
        actions.fail_version(actor, version, "no")
    version.refresh_from_db()
    assert version.rows == 1 and storage.read_bytes(version.manifest_key) == before


def test_a_version_needs_its_files_and_its_own_manifest(actor, dataset, storage):
    version = actions.reserve_version(actor, dataset)
    manifest = built(storage, version)
    storage.delete(f"{version.folder}/{manifest.shards[0].path}")
    with pytest.raises(Conflict, match="missing"):
        actions.publish_version(actor, version, manifest)
    assert not storage.exists(f"{version.folder}/manifest.json")
    second = actions.reserve_version(actor, dataset)
    with pytest.raises(InvalidInput, match="pages@1"):
        actions.publish_version(actor, second, manifest)
    version.refresh_from_db()
    assert version.state == State.BUILDING


def test_the_database_refuses_published_without_a_manifest(actor, dataset):
    version = actions.reserve_version(actor, dataset)
    with pytest.raises(IntegrityError), transaction.atomic():
        DatasetVersion.objects.filter(pk=version.pk).update(state=State.PUBLISHED)


def test_withdrawing_takes_the_bytes_and_keeps_the_tombstone(
    actor, dataset, storage, django_capture_on_commit_callbacks
):
    version = publish(actor, storage, dataset)
    with django_capture_on_commit_callbacks(execute=True):
        actions.withdraw_version(actor, version, "asked by the author")
    assert version.state == State.WITHDRAWN
    assert storage.list(version.folder) == [version.manifest_key]
    with pytest.raises(Conflict):
        actions.withdraw_version(actor, version, "again")
    assert actions.reserve_version(actor, dataset).number == 2


def test_an_archived_dataset_takes_no_versions(actor, dataset):
    actions.archive_dataset(actor, dataset)
    assert not Dataset.objects.current().exists()
    with pytest.raises(Conflict, match="archived"):
        actions.reserve_version(actor, dataset)
    with pytest.raises(Conflict, match="already"):
        actions.archive_dataset(actor, dataset)
    actions.archive_dataset(actor, dataset, archived=False)
    assert actions.reserve_version(actor, dataset).number == 1


def test_labelers_and_leads_change_nothing(people, dataset):
    for role in ("labeler", "reviewer", "lead"):
        other = Actor(user=people[role])
        calls = [
            lambda: actions.create_dataset(other, "more", "prompts"),  # noqa: B023
            lambda: actions.reserve_version(other, dataset),  # noqa: B023
            lambda: actions.edit_dataset(other, dataset, title="x"),  # noqa: B023
            lambda: actions.archive_dataset(other, dataset),  # noqa: B023
        ]
        for call in calls:
            with pytest.raises(PermissionDenied):
                call()


def test_editing_changes_what_people_read(actor, dataset):
    actions.edit_dataset(actor, dataset, title="All pages", licence="MIT")
    dataset.refresh_from_db()
    assert (dataset.title, dataset.licence, dataset.description) == ("All pages", "MIT", "")


def test_lineage_is_walked_both_ways_and_ends_on_loops(db):
    for child, parent in [("b@1", "a@1"), ("c@1", "b@1"), ("d@1", "b@1"), ("a@1", "d@1")]:
        Lineage.objects.create(child=child, parent=parent, relation="derived")
    up = lineage.ancestors("c@1")
    assert [(e.parent, e.depth) for e in up] == [("b@1", 1), ("a@1", 2), ("d@1", 3), ("b@1", 4)]
    assert {e.child for e in lineage.descendants("b@1", depth=1)} == {"c@1", "d@1"}
    assert lineage.ancestors("z@1") == []


def test_who_holds_a_domain_a_url_a_crawl(actor, dataset, storage):
    one = publish(actor, storage, dataset)
    two = publish(actor, storage, dataset, url="http://b.org/", domain="b.org", parents=["pages@1"])
    assert lineage.versions_with("domain", "a.org") == [one]
    assert lineage.versions_with("url", "http://b.org/") == [two]
    assert lineage.versions_with("crawl", "CC-1") == [one, two]
    assert lineage.versions_with("parent", "pages@1") == [two]
    assert lineage.versions_with("labeler", "nobody") == []
    assert [h.rows for h in lineage.holdings("domain", "a.org")] == [1]
    with pytest.raises(InvalidInput, match="colour"):
        lineage.versions_with("colour", "red")
