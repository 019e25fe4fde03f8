"""The dataset pages through HTTP: what each shows, to whom, and what a person can do there."""

import hashlib
import io
import zipfile
from collections.abc import Callable

import pytest
from django.test import Client

from tests.tilth.published import conversation, document, preference, publish
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry
from tilth.datasets import actions, panels, urls
from tilth.datasets.actions import withdraw_version
from tilth.datasets.export.options import Options
from tilth.datasets.exports import start_export
from tilth.datasets.models import Dataset, DatasetVersion, Export
from tilth.datasets.origins import origin
from tilth.errors import InvalidInput
from tilth.jobs.models import Job
from tilth.jobs.runner import run_inline
from tilth.storage import Storage

pytestmark = pytest.mark.django_db
ClientFor = Callable[..., Client]
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def notes(storage: Storage, people: dict) -> DatasetVersion:
    return publish(storage, "field-notes", "documents", [document(n) for n in range(60)], licence="CC-BY-4.0")


def text(response: object) -> str:
    return response.content.decode()


def test_the_list_says_what_to_do_when_it_is_empty(client_for: ClientFor) -> None:
    assert "Import files" in text(client_for("researcher").get("/datasets/"))


def test_the_list_can_be_searched_filtered_and_sorted(
    client_for: ClientFor, notes: DatasetVersion, storage: Storage
) -> None:
    publish(storage, "chats", "conversations", [conversation("a", "b")], title="Kitchen talk")
    client = client_for("researcher")

    def names(query: str) -> list[str]:
        return [dataset.name for dataset in client.get(f"/datasets/?{query}").context["page"]]

    assert names("") == ["chats", "field-notes"]
    assert names("q=kitchen") == ["chats"]
    assert names("kind=documents") == ["field-notes"]
    assert names("sort=-rows") == ["field-notes", "chats"]
    assert names("state=building") == []
    assert names("archived=yes") == []
    assert names("sort=nonsense") == []
    assert "No dataset fits" in text(client.get("/datasets/?q=nothing"))


def test_datasets_whose_runs_all_failed_are_left_out_until_asked_for(
    client_for: ClientFor, notes: DatasetVersion
) -> None:
    system = Actor.system("test")
    for name, fails in (("broken", True), ("on-its-way", False)):
        version = actions.reserve_version(system, actions.create_dataset(system, name, "documents"))
        if fails:
            actions.fail_version(system, version, "no disk")
    again = actions.reserve_version(system, notes.dataset)
    actions.fail_version(system, again, "no disk")
    actions.create_dataset(system, "bare", "problems")
    client = client_for("researcher")

    def names(query: str) -> list[str]:
        return [dataset.name for dataset in client.get(f"/datasets/?{query}").context["page"]]

    assert names("") == ["field-notes", "on-its-way"]
    assert names("state=empty") == ["bare", "broken"]
    assert names("state=all") == ["bare", "broken", "field-notes", "on-its-way"]
    shown = client.get("/datasets/?kind=problems&page=9")
    assert shown.context["hidden"] == 1 and "Show datasets without a version" in text(shown)
    assert names(shown.context["hidden_query"]) == ["bare"]
    assert client.get("/datasets/").context["hidden"] == 2
    assert "Show datasets without a version" not in text(client.get("/datasets/?state=empty"))
    assert client.get("/datasets/broken/").status_code == 200


def test_a_dataset_shows_its_versions(client_for: ClientFor, notes: DatasetVersion) -> None:
    page = text(client_for("lead").get("/datasets/field-notes/"))
    assert "field-notes@1" in page and "CC-BY-4.0" in page
    assert "Edit description" not in page


def test_a_researcher_describes_a_dataset_and_it_is_audited(
    client_for: ClientFor, notes: DatasetVersion
) -> None:
    client = client_for("researcher")
    answer = client.post(
        "/datasets/field-notes/edit/",
        {"title": "Notes", "licence": "CC0-1.0", "description": "**All** of them"},
    )
    assert answer.status_code == 302
    page = text(client.get("/datasets/field-notes/"))
    assert "<strong>All</strong>" in page and "CC0-1.0" in page
    assert AuditEntry.objects.filter(verb="dataset.edit", target="dataset:field-notes").exists()


def test_a_dataset_is_archived_and_restored(client_for: ClientFor, notes: DatasetVersion) -> None:
    client = client_for("researcher")
    client.post("/datasets/field-notes/archive/", {"archived": "1"})
    assert Dataset.objects.get().archived
    assert not client.get("/datasets/").context["page"].object_list
    client.post("/datasets/field-notes/archive/", {"archived": "0"})
    assert not Dataset.objects.get().archived


@pytest.mark.parametrize("path", ["edit/", "archive/", "1/exports/start/"])
def test_a_lead_may_look_but_not_change(client_for: ClientFor, notes: DatasetVersion, path: str) -> None:
    assert client_for("lead").post(f"/datasets/field-notes/{path}").status_code == 403
    assert client_for("labeler").get("/datasets/field-notes/").status_code == 403


def test_the_overview_names_what_is_missing_and_where_it_comes_from(
    client_for: ClientFor, notes: DatasetVersion, storage: Storage
) -> None:
    child = publish(
        storage,
        "field-notes",
        "documents",
        [document(1)],
        parents=["field-notes@1"],
        missing=[{"source": "7.warc.gz", "reason": "404"}],
    )
    client = client_for("researcher")
    page = text(client.get(f"/datasets/field-notes/{child.number}/"))
    assert "7.warc.gz" in page and 'href="/datasets/field-notes/1/"' in page
    assert "estimated from bytes" in page
    assert 'href="/datasets/field-notes/2/"' in text(client.get("/datasets/field-notes/1/"))


@pytest.mark.parametrize("tab", ["", "lineage/", "card/"])
def test_the_files_that_went_in_are_named(
    client_for: ClientFor, storage: Storage, people: dict, tab: str
) -> None:
    files = [origin("cc:CC-MAIN-2026-20/a.warc.gz", 1200, 60), origin("file:b.jsonl", 5, 1, sha256="f" * 64)]
    publish(storage, "crawl", "documents", [document(1)], sources=files)
    page = text(client_for("researcher").get(f"/datasets/crawl/1/{tab}"))
    assert "cc:CC-MAIN-2026-20/a.warc.gz" in page and "b.jsonl" in page and "f" * 64 in page
    assert "1,200" in page


def test_lineage_unfolds_levels_both_ways(
    client_for: ClientFor, notes: DatasetVersion, storage: Storage
) -> None:
    publish(storage, "clean", "documents", [document(1)], parents=["field-notes@1"])
    publish(storage, "cleaner", "documents", [document(1)], parents=["clean@1", "field-notes@1"])
    page = client_for("researcher").get("/datasets/field-notes/1/lineage/").context
    assert [branch.reference for branch in page["down"]] == ["clean@1", "cleaner@1"]
    assert [branch.reference for branch in page["down"][0].branches] == ["cleaner@1"]
    up = client_for("admin").get("/datasets/cleaner/1/lineage/").context["up"]
    assert [branch.reference for branch in up] == ["clean@1", "field-notes@1"]


@pytest.mark.parametrize("tab", ["", "rows/", "statistics/", "card/", "lineage/", "exports/"])
def test_every_tab_opens_for_every_kind_of_row(
    client_for: ClientFor, storage: Storage, people: dict, tab: str
) -> None:
    publish(
        storage,
        "docs",
        "documents",
        [document(n, text=HOSTILE, url=HOSTILE, domain=HOSTILE) for n in range(3)],
        description=HOSTILE,
        title=HOSTILE,
        licence=HOSTILE,
    )
    publish(storage, "chats", "conversations", [conversation(HOSTILE, f"answer {HOSTILE}")])
    publish(storage, "pairs", "preferences", [preference(HOSTILE, "good", "bad")])
    publish(storage, "nothing", "documents", [])
    client = client_for("researcher")
    for name in ("docs", "chats", "pairs", "nothing"):
        answer = client.get(f"/datasets/{name}/1/{tab}")
        assert answer.status_code == 200
        assert "<script>alert" not in text(answer) and "<img src=x" not in text(answer)


def test_rows_are_paged_by_number(client_for: ClientFor, notes: DatasetVersion) -> None:
    client = client_for("lead")
    page = client.get("/datasets/field-notes/1/rows/").context
    assert [row.number for row in page["rows"]] == list(range(25))
    assert set(page["links"]) == {"next", "last"}
    page = client.get(f"/datasets/field-notes/1/rows/{page['links']['last']}").context
    assert [row.number for row in page["rows"]] == list(range(50, 60))
    assert set(page["links"]) == {"first", "previous"}
    assert client.get("/datasets/field-notes/1/rows/?at=99999999999").context["rows"]
    assert client.get("/datasets/field-notes/1/rows/?at=-1").status_code == 200


def test_rows_are_searched_with_the_words_marked(client_for: ClientFor, notes: DatasetVersion) -> None:
    client = client_for("researcher")
    answer = client.get("/datasets/field-notes/1/rows/?q=WHEAT&is.language=de")
    assert [row.number for row in answer.context["rows"]] == [0, 12, 24, 36, 48]
    assert "<mark>wheat</mark>" in text(answer)
    assert "There is no filter" in text(client.get("/datasets/field-notes/1/rows/?is.colour=red"))
    assert "not a value" in text(client.get("/datasets/field-notes/1/rows/?min.language_score=high"))
    assert "No row fits" in text(client.get("/datasets/field-notes/1/rows/?q=zebra"))


def test_search_pages_lead_forward_and_back(client_for: ClientFor, storage: Storage, people: dict) -> None:
    publish(storage, "many", "documents", [document(n) for n in range(200)])
    client = client_for("researcher")
    seen, address = [], "?q=wheat"
    while address:
        page = client.get(f"/datasets/many/1/rows/{address}").context
        seen.append([row.number for row in page["rows"]])
        address = page["links"].get("next")
    assert [n for part in seen for n in part] == list(range(0, 200, 3))
    back = client.get(f"/datasets/many/1/rows/{page['links']['previous']}").context
    assert [row.number for row in back["rows"]] == seen[-2]


def test_columns_are_chosen(client_for: ClientFor, notes: DatasetVersion) -> None:
    page = client_for("researcher").get("/datasets/field-notes/1/rows/?c=url&c=crawl").context
    assert page["columns"] == ["URL", "Crawl"]


def test_a_row_has_a_permanent_address(client_for: ClientFor, notes: DatasetVersion) -> None:
    client = client_for("researcher")
    row = document(33)
    page = client.get(f"/datasets/field-notes/1/rows/{row['id']}/")
    assert page.context["at"] == 33 and row["text"] in text(page)
    assert client.get(f"/datasets/field-notes/1/rows/{row['id']}/?at=33").context["at"] == 33
    assert client.get(f"/datasets/field-notes/1/rows/{row['id']}/?at=2").context["at"] == 33
    assert client.get("/datasets/field-notes/1/rows/at/34/").context["row_id"] == document(34)["id"]
    assert client.get("/datasets/field-notes/1/rows/nope/").status_code == 404
    assert client.get("/datasets/field-notes/1/rows/at/60/").status_code == 404


def test_pairs_stand_side_by_side_and_chats_in_bubbles(
    client_for: ClientFor, storage: Storage, people: dict
) -> None:
    publish(storage, "pairs", "preferences", [preference("Why?", "**Because**", "No")])
    page = text(client_for("researcher").get("/datasets/pairs/1/rows/at/0/"))
    assert "bubble-user" in page and "<strong>Because</strong>" in page
    assert page.index("Chosen") < page.index("Rejected")
    assert "campaign:4" in page


def test_other_apps_add_panels_to_rows(client_for: ClientFor, notes: DatasetVersion, monkeypatch) -> None:
    monkeypatch.setattr(panels, "_registered", {})
    panels.register("documents", "ui/_empty.html", lambda request, version, row: None)
    panels.register("documents", "datasets/_part.html", lambda request, version, row: {"x": row["url"]})
    page = client_for("researcher").get("/datasets/field-notes/1/rows/at/3/").context
    assert [(panel.template, panel.context) for panel in page["panels"]] == [
        ("datasets/_part.html", {"x": "https://example.org/page/3"})
    ]


def test_a_withdrawn_version_has_no_rows_to_read(client_for: ClientFor, notes: DatasetVersion) -> None:
    withdraw_version(Actor.system("test"), notes, "a person asked")
    client = client_for("researcher")
    assert "a person asked" in text(client.get("/datasets/field-notes/1/"))
    assert client.get("/datasets/field-notes/1/rows/").status_code == 409
    assert client.get("/datasets/none/1/").status_code == 404


def test_the_card_is_a_page_and_a_file(client_for: ClientFor, notes: DatasetVersion) -> None:
    client = client_for("lead")
    assert "<h2" in text(client.get("/datasets/field-notes/1/card/"))
    answer = client.get("/datasets/field-notes/1/card/?download=1")
    assert answer["Content-Disposition"] == 'attachment; filename="field-notes-1.md"'
    assert text(answer).startswith("# field-notes")


def body(answer: object) -> bytes:
    return b"".join(answer.streaming_content)


def test_files_of_a_version_are_downloaded_whole_or_in_part(
    client_for: ClientFor, notes: DatasetVersion
) -> None:
    client = client_for("researcher")
    file = client.get("/datasets/field-notes/1/").context["files"][0]
    url = f"/datasets/field-notes/1/files/{file.path}"
    whole = body(client.get(url))
    assert hashlib.sha256(whole).hexdigest() == file.sha256
    part = client.get(url, headers={"Range": "bytes=100-199"})
    assert part.status_code == 206 and body(part) == whole[100:200]
    assert part["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert body(client.get(url, headers={"Range": "bytes=-10"})) == whole[-10:]
    assert client.get(url, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    changed = client.get(url, headers={"Range": "bytes=100-199", "If-Range": '"another"'})
    assert changed.status_code == 200 and body(changed) == whole
    assert AuditEntry.objects.filter(verb="version.download").count() == 5
    for bad in ("../manifest.json", "manifest.json", "%2e%2e/%2e%2e/x"):
        assert client.get(f"/datasets/field-notes/1/files/{bad}").status_code == 404
    assert client_for("lead").get(url).status_code == 403


def test_an_export_is_started_made_and_downloaded(client_for: ClientFor, notes: DatasetVersion) -> None:
    client = client_for("researcher")
    answer = client.post(
        "/datasets/field-notes/1/exports/start/", {"format": "hf", "validation": "0.1", "gzip": "on"}
    )
    assert answer.status_code == 302
    export = Export.objects.get()
    assert export.options == {"validation": 0.1}
    assert "every 2s" in text(client.get("/datasets/field-notes/1/exports/"))
    run_inline(export.job)
    export.refresh_from_db()
    assert export.state == "ready"
    answer = client.get(f"/exports/{export.pk}/download/")
    assert answer["Content-Disposition"] == 'attachment; filename="field-notes-1-hf.zip"'
    data = body(answer)
    assert hashlib.sha256(data).hexdigest() == export.sha256
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    page = text(client.get("/datasets/field-notes/1/exports/"))
    assert "every 2s" not in page and "field-notes-1-hf.zip" in page
    assert client_for("lead").get(f"/exports/{export.pk}/download/").status_code == 403
    again = client.post("/datasets/field-notes/1/exports/start/", {"format": "hf", "validation": "0.1"})
    assert again.status_code == 302 and Job.objects.count() == 1


def test_a_bad_choice_is_explained_in_the_form(client_for: ClientFor, notes: DatasetVersion) -> None:
    answer = client_for("researcher").post(
        "/datasets/field-notes/1/exports/start/", {"format": "trl", "validation": "2"}
    )
    assert answer.status_code == 200
    assert "trl is not one of the available choices" in text(answer)
    assert not Export.objects.exists()


def test_an_export_is_deleted_with_its_file(
    client_for: ClientFor, notes: DatasetVersion, storage: Storage, django_capture_on_commit_callbacks
) -> None:
    export = start_export(Actor.system("test"), notes, "jsonl", Options())
    run_inline(export.job)
    export.refresh_from_db()
    assert storage.exists(export.key)
    client = client_for("researcher")
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"/exports/{export.pk}/delete/")
    assert not storage.exists(export.key)
    assert client.get(f"/exports/{export.pk}/download/").status_code == 404
    assert client.post(f"/exports/{export.pk}/delete/").status_code == 409
    assert AuditEntry.objects.filter(verb="export.delete").exists()


def test_a_withdrawn_version_keeps_no_export(
    notes: DatasetVersion, storage: Storage, django_capture_on_commit_callbacks
) -> None:
    export = start_export(Actor.system("test"), notes, "jsonl", Options())
    run_inline(export.job)
    with django_capture_on_commit_callbacks(execute=True):
        withdraw_version(Actor.system("test"), notes, "erased")
    export.refresh_from_db()
    assert export.state == "deleted"
    assert storage.list("exports") == []


def test_an_export_whose_shard_is_damaged_fails_with_the_reason(
    client_for: ClientFor, notes: DatasetVersion, storage: Storage
) -> None:
    export = start_export(Actor.system("test"), notes, "parquet", Options())
    shard = next(key for key in storage.list("datasets") if "shard" in key)
    storage.write_bytes(shard, storage.read_bytes(shard)[:-20] + b"x" * 20)
    run_inline(export.job)
    export.refresh_from_db()
    assert export.state == "failed" and "field-notes@1 is damaged" in export.error
    assert "is damaged" in text(client_for("researcher").get("/datasets/field-notes/1/exports/"))


def test_the_import_is_found_below_the_datasets_too(client_for: ClientFor, people: dict) -> None:
    answer = client_for("researcher").get("/datasets/import/")
    assert answer.status_code == 302 and answer["Location"] == "/import/"


def test_no_dataset_is_called_like_a_page(people: dict) -> None:
    """Every fixed word that follows ``datasets/`` in an address is refused as a name."""
    words = {
        str(route.pattern).split("/")[1]
        for route in urls.urlpatterns
        if str(route.pattern).startswith("datasets/")
    } - {"", "<str:name>"}
    assert words == actions.RESERVED
    for word in words:
        with pytest.raises(InvalidInput, match="choose another"):
            actions.create_dataset(Actor.system("test"), word, "documents")
