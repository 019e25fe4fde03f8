"""The import page: upload, preview, mapping, start; and what is said when something is wrong."""

import json

import pytest
from django.urls import reverse

from tilth.accounts.actors import Actor
from tilth.datasets import actions
from tilth.datasets.models import Dataset, DatasetVersion, Upload
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from tilth.jobs.runner import run_inline

ROWS = [{"question": f"What is {n}+{n}?", "answer": str(2 * n)} for n in range(5)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


@pytest.fixture
def client(client_for, storage):
    return client_for("researcher")


def send(client, data=LINES, name="sums.jsonl"):
    return client.post(
        reverse("datasets:upload"),
        data,
        content_type="application/octet-stream",
        headers={"X-File-Name": name},
    )


@pytest.fixture
def sha(client):
    return send(client).json()["sha256"]


def page(client, **data):
    return client.get(reverse("datasets:import"), data)


def start(client, sha, **changes):
    data = {
        "upload": sha,
        "kind": "problems",
        "mapped_kind": "problems",
        "map_prompt": "user:question",
        "map_answer": "answer",
        "name": "sums",
        "licence": "MIT",
        "max_bad_share": "5",
        "start": "1",
    }
    return client.post(reverse("datasets:import"), data | changes)


def test_an_upload_is_kept_by_its_hash_once(client, storage):
    first, again = send(client), send(client, name="other.jsonl")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert storage.read_bytes(f"uploads/{first.json()['sha256']}") == LINES
    assert Upload.objects.get().name == "sums.jsonl"


def test_upload_names_are_cleaned(client):
    answer = send(client, name="..%2F..%2Fetc%2Fpa%E2%80%AEss%00wd.csv").json()
    assert answer["name"] == "passwd.csv"


def test_what_is_too_large_or_empty_or_from_a_stranger_is_refused(client, client_for, settings, storage):
    settings.MAX_UPLOAD_BYTES = 10
    answer = send(client)
    assert answer.status_code == 413 and "larger than" in answer.json()["message"]
    settings.MAX_UPLOAD_BYTES = 1000
    assert "empty" in send(client, b"").json()["message"]
    for role in ("labeler", "reviewer"):
        assert send(client_for(role)).status_code == 403
    assert send(client_for(None)).status_code == 302
    assert not Upload.objects.exists() and storage.list("uploads") == []


def test_a_lead_uploads_files_of_tasks_but_imports_no_dataset(client_for, storage):
    lead = client_for("lead")
    assert send(lead).status_code == 201
    assert lead.get(reverse("datasets:import")).status_code == 403


def test_uploads_are_protected_from_other_sites(client_for, storage):
    assert send(client_for("researcher", enforce_csrf_checks=True)).status_code == 403


def test_the_page_offers_the_choice_of_a_file(client):
    text = page(client).content.decode()
    assert "Upload a file" in text and reverse("datasets:upload") in text


def test_the_preview_shows_what_was_recognised(client, sha):
    text = page(client, upload=sha).content.decode()
    assert "Question and answer" in text
    assert 'value="user:question"' in text
    assert "5 of 5" in text and "What is 3+3?" in text


def test_another_kind_is_mapped_anew(client, sha):
    text = page(
        client, upload=sha, kind="conversations", mapped_kind="problems", map_prompt="x"
    ).content.decode()
    assert 'value="user:question|assistant:answer"' in text


def test_a_wrong_mapping_is_explained_with_what_was_typed_kept(client, sha):
    answer = page(
        client,
        upload=sha,
        kind="problems",
        mapped_kind="problems",
        map_prompt="user:query",
        map_answer="answer",
    )
    text = answer.content.decode()
    assert "has no field &#x27;query&#x27;" in text and 'value="user:query"' in text
    answer = start(client, sha, map_prompt="user:query")
    assert answer.status_code == 400 and not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_from_upload_to_published_version(client, sha):
    answer = start(client, sha)
    job = Job.objects.get()
    assert answer.status_code == 302 and answer.url == reverse("datasets:import-report", args=[job.pk])
    job = run_inline(job)
    assert job.state == "succeeded", job.error
    version = DatasetVersion.objects.get()
    assert (version.reference, version.state, version.rows) == ("sums@1", "published", 5)
    assert version.dataset.licence == "MIT"
    page = client.get(reverse("datasets:version", args=["sums", 1]))
    assert page.status_code == 200
    assert client.get(reverse("datasets:rows", args=["sums", 1])).content.decode().count("What is") >= 5


def test_a_name_in_use_needs_append(client, sha, people):
    actor = Actor(user=people["researcher"])
    taken = actions.create_dataset(actor, "sums", "problems")
    actions.reserve_version(actor, taken)
    answer = start(client, sha)
    assert answer.status_code == 409 and "sums is in use" in answer.content.decode()
    other = actions.create_dataset(actor, "chats", "conversations")
    actions.reserve_version(actor, other)
    answer = start(client, sha, name="chats", append="on")
    assert "in use for conversations" in answer.content.decode()
    assert not Job.objects.exists()
    assert start(client, sha, append="on").status_code == 302
    assert DatasetVersion.objects.filter(dataset=taken).count() == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "Bad Name"}, "is not a name"),
        ({"licence": ""}, "This field is required"),
        ({"licence": "do what you like"}, "Select a valid choice"),
        ({"max_bad_share": "101"}, "less than or equal to 100"),
        ({"kind": "poems"}, "no kind"),
        ({"map_answer": ""}, "This field is required"),
        ({"upload": "0" * 64}, "send the file again"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_starts(client, sha, changes, said):
    answer = start(client, sha, **changes)
    assert answer.status_code in (400, 404)
    assert said in answer.content.decode()
    assert not Job.objects.exists() and not Dataset.objects.exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7 whatever", "no file that can be imported"),
        ("colour;größe".encode("utf-16"), "UTF-16"),
        (b"not json at all\n", "no row of"),
    ],
)
def test_a_file_of_a_wrong_type_is_explained(client, data, said):
    sha = send(client, data, "thing.jsonl").json()["sha256"]
    answer = page(client, upload=sha)
    assert answer.status_code == 400 and said in answer.content.decode()


def test_server_paths_are_read_under_the_allowed_folders_only(client, settings, tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "sums.jsonl").write_bytes(LINES)
    (tmp_path / "secret.jsonl").write_bytes(LINES)
    settings.SOURCE_ROOTS = [inbox]
    assert "Question and answer" in page(client, path="sums.jsonl").content.decode()
    for outside in (str(tmp_path / "secret.jsonl"), "../secret.jsonl", "/etc/passwd"):
        answer = page(client, path=outside)
        assert answer.status_code == 400 and "not under a folder" in answer.content.decode()
    assert "no file or folder" in page(client, path="none.jsonl").content.decode()


def test_foreign_text_is_escaped_everywhere(client):
    evil = "<script>alert(1)</script>"
    row = {"question": evil, "answer": evil, evil: evil}
    bad = {"question": "", "answer": evil}
    data = "".join(json.dumps(r) + "\n" for r in (row, bad)).encode()
    sha = send(client, data, "<script>x.jsonl").json()["sha256"]
    text = page(client, upload=sha).content.decode()
    assert "<script>alert" not in text and "<script>x" not in text


def test_labelers_reviewers_and_leads_see_nothing_of_it(client_for):
    for role in ("labeler", "reviewer", "lead"):
        assert client_for(role).get(reverse("datasets:import")).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_the_error_report_can_be_read_and_downloaded(client, client_for):
    rows = [{"question": "q", "answer": "a"}] * 8 + [{"question": "<b>?", "answer": None}] * 2
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    sha = send(client, data).json()["sha256"]
    start(client, sha, max_bad_share="5")
    job = run_inline(Job.objects.get())
    assert job.state == "failed" and "2 of 10 rows are bad" in job.error["message"]
    address = reverse("datasets:import-report", args=[job.pk])
    text = client.get(address).content.decode()
    assert "is required and has no value" in text and "2 of 10 rows are bad" in text
    for kind, first in (("csv", b"file,row,field,message"), ("jsonl", b'{"file": "sums.jsonl", "row": 9')):
        answer = client.get(reverse("datasets:import-errors", args=[job.pk, kind]))
        content = b"".join(answer.streaming_content)
        assert content.startswith(first) and content.count(b"\n") == (3 if kind == "csv" else 2)
        assert "attachment" in answer["Content-Disposition"]
    assert client.get(reverse("datasets:import-errors", args=[job.pk, "exe"])).status_code == 404
    assert client.get(reverse("datasets:import-report", args=[job.pk + 1])).status_code == 404
    assert client_for("lead").get(address).status_code == 403
    start(client, sha, max_bad_share="30")
    job = run_inline(Job.objects.first())
    assert job.state == "succeeded"
    assert "Rows loaded" in client.get(reverse("datasets:import-report", args=[job.pk])).content.decode()
    overview = client.get(reverse("datasets:version", args=["sums", 2])).content.decode()
    assert "Import report" in overview


@pytest.mark.django_db(transaction=True)
def test_a_failed_import_can_be_retried_into_the_same_version(client, sha, storage, people):
    start(client, sha)
    upload = storage.read_bytes(f"uploads/{sha}")
    storage.delete(f"uploads/{sha}")
    job = run_inline(Job.objects.get())
    assert job.state == "failed" and "upload it again" in job.error["message"]
    assert DatasetVersion.objects.get().state == "failed"
    storage.write_bytes(f"uploads/{sha}", upload)
    job = run_inline(jobs.retry(Actor(user=people["researcher"]), job))
    assert job.state == "succeeded", job.error
    version = DatasetVersion.objects.get()
    assert (version.state, version.number, version.note) == ("published", 1, "")


def test_columns_left_behind_are_shown_before_and_after(client):
    data = "".join(json.dumps({**row, "teacher_note": "n"}) + "\n" for row in ROWS).encode()
    digest = send(client, data, "noted.jsonl").json()["sha256"]
    shown = page(client, upload=digest)
    assert shown.context["seen"].unused == ["teacher_note"]
    assert "Left behind" in shown.content.decode()
    start(client, digest)
    job = Job.objects.get()
    run_inline(job)
    report = client.get(reverse("datasets:import-report", args=[job.pk])).content.decode()
    assert "Left behind" in report and "teacher_note" in report
