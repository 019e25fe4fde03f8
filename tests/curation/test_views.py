"""The curation pages and API, through HTTP."""

import gzip
import hashlib
import json

import pytest
from django.urls import reverse

from curation import actions, figures, marks
from curation.models import CurationRun, Recipe
from tests.curation.runs import ACTOR, SPAN, TEXT, draft, drop_row, finished
from tests.tilth.published import document
from tilth.datasets.actions import fail_version
from tilth.datasets.models import Upload
from tilth.errors import Conflict
from tilth.jobs.models import Attempt, Job

pytestmark = pytest.mark.django_db

HOSTILE = "<script>window.__xss=1</script>"


@pytest.fixture
def researcher(client_for):
    """A signed-in researcher's client."""
    return client_for("researcher")


def form(**changes):
    return {"sources": "cc:CC-MAIN-2026-20:0", "name": "fresh", "recipe": "minimal", "start": "1", **changes}


def test_an_empty_list_says_how_to_begin(researcher):
    answer = researcher.get(reverse("curation:runs"))
    assert b"No run yet" in answer.content
    assert reverse("curation:new").encode() in answer.content


def test_the_form_starts_a_run_and_goes_to_its_page(researcher):
    answer = researcher.post(reverse("curation:new"), form(limit="5", disk_budget="1000000"))
    run = CurationRun.objects.get()
    assert answer.url == reverse("curation:run", args=[run.pk])
    assert run.job.state == "queued"
    assert run.job.params["limit"] == 5
    assert run.job.params["disk_budget"] == 1_000_000
    assert run.recipe.name == "minimal"


def test_the_form_estimates_first_when_asked(researcher):
    data = {**form(), "estimate": "1"}
    del data["start"]
    researcher.post(reverse("curation:new"), data)
    run = CurationRun.objects.get()
    assert run.job is None
    assert run.probe.kind == "curation_probe"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sources": ""}, "required"),
        ({"sources": "/etc/passwd"}, "not under a folder"),
        ({"sources": "file:///etc/passwd"}, "only http"),
        ({"sources": "gopher://x/"}, "only http"),
        ({"sources": "cc:CC-NOPE"}, "is not a Common Crawl source"),
        ({"sources": "http://127.0.0.1/a.warc.gz"}, "not on the public internet"),
        ({"sources": "http://0x7f.1/a.warc.gz"}, "not on the public internet"),
        ({"sources": "http://localhost/a.warc.gz"}, "not on the public internet"),
        ({"sources": "s3://"}, "names no bucket"),
        ({"sources": "upload:abc"}, "is not an upload"),
        ({"sources": f"upload:{'a' * 64}"}, "There is no upload aaaaaaaaaaaa"),
        ({"name": "Not A Name"}, "not a name"),
        ({"recipe": "nothing"}, "valid choice"),
        ({"limit": "0"}, "greater than or equal"),
        ({"required_share": "2"}, "less than or equal"),
    ],
)
def test_bad_input_is_named_in_the_form_and_starts_nothing(researcher, changes, said):
    answer = researcher.post(reverse("curation:new"), form(**changes))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not CurationRun.objects.exists()


def test_a_name_in_use_is_said_at_the_field(researcher, storage):
    finished(storage, "taken")
    answer = researcher.post(reverse("curation:new"), form(name="taken"))
    assert answer.status_code == 422
    assert "already" in answer.content.decode()


def test_a_file_of_the_inbox_is_offered_and_taken(researcher, settings, tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "a.warc.gz").write_bytes(b"x")
    (inbox / "secret.txt").write_bytes(b"x")
    (inbox / "link.warc.gz").symlink_to("/etc/passwd")
    settings.SOURCE_ROOTS = [inbox]
    page = researcher.get(reverse("curation:new")).content.decode()
    assert "a.warc.gz" in page
    assert "secret.txt" not in page
    assert "link.warc.gz" not in page
    assert (
        researcher.post(reverse("curation:new"), form(sources=str(inbox / "link.warc.gz"))).status_code == 422
    )
    assert researcher.post(reverse("curation:new"), form(sources=str(inbox / "a.warc.gz"))).status_code == 302


def test_a_finished_run_shows_its_funnel_and_what_stands_out(researcher, storage):
    run = finished(storage, "done")
    page = researcher.get(reverse("curation:run", args=[run.pk])).content.decode()
    assert "Main text" in page
    assert "no_text" in page
    assert "keeps 7%; its siblings 70%" in page
    assert reverse("datasets:version", args=["done", run.version.number]) in page


def test_a_drop_shows_rule_value_limit_and_the_marked_lines(researcher, storage):
    run = finished(storage, "done")
    listed = researcher.get(
        reverse("curation:drops", args=[run.pk]), {"step": "extract", "reason": "no_text"}
    )
    assert "https://example.org/bad" in listed.content.decode()
    page = researcher.get(reverse("curation:drop", args=[run.pk, "d" * 32])).content.decode()
    assert '<mark class="mark">BUY NOW BUY NOW</mark>' in page
    assert "0.31" in page
    assert "0.2" in page
    assert "No main text was found" in page


def test_hostile_text_of_a_drop_is_escaped(researcher, storage):
    run = finished(storage, "done", rows=[drop_row(text=HOSTILE, spans=[[0, 8]], url=f"https://x/{HOSTILE}")])
    for address in (
        reverse("curation:drops", args=[run.pk]),
        reverse("curation:drop", args=[run.pk, "d" * 32]),
    ):
        assert "<script>window" not in researcher.get(address).content.decode()


def test_a_sample_that_is_not_there_is_a_404(researcher, storage):
    run = finished(storage, "done")
    assert researcher.get(reverse("curation:drop", args=[run.pk, "e" * 32])).status_code == 404


def test_the_crawled_page_of_a_file_outside_the_plan_is_refused(researcher, storage):
    run = finished(storage, "done")
    address = reverse("curation:crawled", args=[run.pk])
    assert (
        researcher.get(address, {"source": "/etc/passwd", "offset": "0", "length": "10"}).status_code == 404
    )
    assert researcher.get(address, {"source": "x", "offset": "-1", "length": "10"}).status_code == 400


@pytest.mark.parametrize(("verb", "state"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_queued_run_is_paused_or_cancelled(researcher, verb, state):
    researcher.post(reverse("curation:new"), form())
    run = CurationRun.objects.get()
    researcher.post(reverse("curation:move", args=[run.pk, verb]))
    assert Job.objects.get(pk=run.job.pk).state == state


def test_the_recipe_form_saves_a_changed_setting_as_the_next_version(researcher):
    address = reverse("curation:recipe_edit", args=["fineweb"])
    fields = researcher.get(address).context["form"]
    data = {name: fields[name].value() for name in fields.fields}
    data = {name: value for name, value in data.items() if value not in (None, False)}
    answer = researcher.post(address, {**data, "language.minimum": "0.8"})
    assert answer.status_code == 302, answer.context["form"].errors
    assert "minimum = 0.8" in Recipe.objects.get(name="fineweb").toml


def test_a_threshold_out_of_range_is_said_at_its_field(researcher):
    address = reverse("curation:recipe_edit", args=["fineweb"])
    fields = researcher.get(address).context["form"]
    data = {name: fields[name].value() for name in fields.fields}
    data = {name: value for name, value in data.items() if value not in (None, False)}
    answer = researcher.post(address, {**data, "language.minimum": "7"})
    assert answer.status_code == 422
    assert "language.minimum" in answer.context["form"].errors


def test_the_text_form_names_an_unknown_key(researcher):
    text = 'name = "mine"\nversion = 1\n\n[[step]]\nuse = "extract"\nmax_byts = 5\n'
    answer = researcher.post(reverse("curation:recipe_text", args=["fineweb"]), {"toml": text})
    assert answer.status_code == 422
    assert "max_byts" in answer.content.decode()
    assert not Recipe.objects.filter(name="mine").exists()


def test_the_api_starts_a_run_and_shows_it(researcher):
    token = {"HTTP_X_CSRFTOKEN": ""}
    body = {"name": "fresh", "sources": ["cc:CC-MAIN-2026-20:0"], "recipe": "minimal"}
    answer = researcher.post(
        "/api/v1/curation/runs", json.dumps(body), content_type="application/json", **token
    )
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["version"], made["state"]) == ("fresh@1", "queued")
    again = researcher.post(
        "/api/v1/curation/runs", json.dumps(body), content_type="application/json", **token
    )
    assert again.status_code == 409
    local = {**body, "name": "other", "sources": ["/etc/passwd"]}
    refused = researcher.post(
        "/api/v1/curation/runs", json.dumps(local), content_type="application/json", **token
    )
    assert refused.status_code == 403
    assert researcher.get(f"/api/v1/curation/runs/{made['id']}").json()["reference"] == made["reference"]


def test_marks_cut_a_text_without_losing_a_character():
    pieces = marks.cut(TEXT, [SPAN, [0, 2], [1, 4]])
    assert "".join(text for text, _ in pieces) == TEXT
    assert [text for text, marked in pieces if marked] == ["A ", "go", "BUY NOW BUY NOW"]


def test_the_live_part_of_a_draft_offers_to_start(researcher):
    page = researcher.get(reverse("curation:live", args=[draft("fresh").pk])).content.decode()
    assert "Start the run" in page


def failed(name, *, sources=("cc:CC-MAIN-2026-20:0",), **changes):
    """A run that has failed, as its worker leaves it."""
    run = actions.start_run(ACTOR, draft(name, sources, **changes))
    Job.objects.filter(pk=run.job.pk).update(state="failed", error={"message": "the disk is full"})
    fail_version(ACTOR, run.version, "the disk is full")
    return CurationRun.objects.with_objects().get(pk=run.pk)


def test_a_discarded_run_leaves_the_list_and_frees_its_name(researcher):
    run = failed("unwanted")
    answer = researcher.post(reverse("curation:discard", args=[run.pk]), follow=True)
    assert "The name unwanted is free again" in answer.content.decode()
    address, listed = reverse("curation:run", args=[run.pk]), reverse("curation:runs")
    assert address not in researcher.get(listed).content.decode()
    assert address not in researcher.get(listed, {"state": "failed"}).content.decode()
    assert address in researcher.get(listed, {"state": "discarded"}).content.decode()
    page = researcher.get(address).content.decode()
    assert "This run was discarded" in page
    assert "The run failed" not in page
    assert reverse("curation:discard", args=[run.pk]) not in page
    assert researcher.post(reverse("curation:new"), form(name="unwanted")).status_code == 302


def test_a_discarded_run_comes_back_by_another_try(researcher):
    run = failed("wanted")
    researcher.post(reverse("curation:discard", args=[run.pk]))
    assert CurationRun.objects.get(pk=run.pk).state == "discarded"
    researcher.post(reverse("curation:retry", args=[run.pk]))
    assert CurationRun.objects.get(pk=run.pk).state == "queued"
    assert "wanted" in researcher.get(reverse("curation:runs")).content.decode()


def test_a_discarded_run_does_not_come_back_into_a_name_that_was_taken(storage):
    run = actions.discard_run(ACTOR, failed("taken"))
    finished(storage, "taken")
    with pytest.raises(Conflict, match="already"):
        actions.retry_run(ACTOR, CurationRun.objects.with_objects().get(pk=run.pk))


def test_every_wrong_source_is_said_at_the_field(researcher, settings, tmp_path):
    settings.SOURCE_ROOTS = [tmp_path]
    lines = [f"{tmp_path}/gone.warc.gz", f"{tmp_path}/*.warc.gz", "cc:CC-NOPE"]
    answer = researcher.post(reverse("curation:new"), form(sources="\n".join(lines)))
    gone, none, spelling = answer.context["form"].errors["sources"]
    assert "there is no file" in gone
    assert "no file matches" in none
    assert "CC-NOPE" in spelling
    assert not CurationRun.objects.exists()


def test_the_api_checks_sources_at_once_too(researcher):
    body = {"name": "fresh", "sources": ["cc:CC-NOPE"], "recipe": "minimal"}
    answer = researcher.post("/api/v1/curation/runs", json.dumps(body), content_type="application/json")
    assert answer.status_code == 400
    assert not CurationRun.objects.exists()


def test_a_failed_run_offers_the_form_with_what_was_asked_for(researcher):
    run = failed("mistyped", sources=("cc:latest:0", "cc:latest:7"), limit=9, workers=2)
    page = researcher.get(reverse("curation:run", args=[run.pk])).content.decode()
    address = f"{reverse('curation:new')}?from={run.pk}"
    assert f'href="{address}"' in page
    filled = researcher.get(address).context["form"]
    assert filled["sources"].value() == "cc:latest:0\ncc:latest:7"
    asked = {name: filled[name].value() for name in ("name", "recipe", "limit", "workers")}
    assert asked == {"name": "mistyped", "recipe": "minimal", "limit": 9, "workers": 2}
    assert researcher.get(reverse("curation:new"), {"from": "999"}).status_code == 404


def uploaded(storage, name, data):
    """An upload's source."""
    digest = hashlib.sha256(data).hexdigest()
    storage.write_bytes(f"uploads/{digest}", data)
    Upload.objects.create(sha256=digest, name=name, bytes=len(data))
    return f"upload:{digest}"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"Dear diary, today", "it begins with “Dear diary, today”"),
        (b"PK\x03\x04\xff\xff\xff\xff\xff", "it begins with the bytes 50 4b 03 04"),
        (gzip.compress(b"Dear diary", mtime=0), "it begins, unpacked, with “Dear diary”"),
        (b"", "it is empty"),
    ],
)
def test_an_upload_of_another_kind_is_refused_by_its_name(researcher, storage, data, said):
    source = uploaded(storage, "holiday.zip", data)
    answer = researcher.post(reverse("curation:new"), form(sources=source))
    (fault,) = answer.context["form"].errors["sources"]
    assert fault.startswith("holiday.zip is neither WARC, WET, JSONL nor Parquet; ")
    assert said in fault
    assert "b'" not in fault
    assert "holiday.zip" in answer.content.decode()


def test_uploads_go_by_their_file_names(researcher, storage):
    source = uploaded(storage, "mine.jsonl", b'{"text": "hello"}')
    assert researcher.post(reverse("curation:new"), form(sources=source)).status_code == 302
    run = CurationRun.objects.get()
    row = {"source": source, "state": "failed", "documents": 0, "kept": 0, "reason": f"{source} ends early"}
    storage.write_json(f"{run.prefix}/live.json", {"table": [row]})
    Job.objects.update(state="failed", error={"message": f"{source}: ends early"})
    for address in (reverse("curation:runs"), reverse("curation:run", args=[run.pk])):
        page = researcher.get(address).content.decode()
        assert "mine.jsonl (upload)" in page
        assert source not in page


@pytest.mark.parametrize(
    ("state", "shown"), [("running", "running"), ("failed", "stopped"), ("cancelled", "stopped")]
)
def test_files_of_a_run_that_has_ended_are_not_said_to_run(storage, state, shown):
    run = actions.start_run(ACTOR, draft("halted"))
    row = {"source": "cc:x.warc.gz", "state": "running", "documents": 4, "kept": 2}
    storage.write_json(f"{run.prefix}/live.json", {"table": [row, {**row, "state": "done"}]})
    run.job.state = state
    assert [row["state"] for row in figures.snapshot(run).shards] == [shown, "done"]


def test_a_run_that_is_tried_again_says_why_and_what_it_does(researcher):
    run = actions.start_run(ACTOR, draft("fresh"))
    address = reverse("curation:live", args=[run.pk])
    Attempt.objects.create(job=run.job, number=1, state="failed", reason="no host called data.example")
    assert "Attempt 1 failed: no host called data.example" in researcher.get(address).content.decode()
    Attempt.objects.create(job=run.job, number=2, state="running")
    Job.objects.update(state="running", stage="planning")
    page = researcher.get(address).content.decode()
    assert "Attempt 1 failed: no host called data.example" in page
    assert "The sources are being looked up" in page
    Job.objects.update(stage="documents")
    assert "filters are being loaded and compiled" in researcher.get(address).content.decode()
    Job.objects.update(state="succeeded")
    assert "Attempt 1 failed" not in researcher.get(address).content.decode()


def test_the_processes_of_a_run_are_filled_in(researcher, storage):
    run = actions.start_run(ACTOR, draft("fresh", workers=3))
    address = reverse("curation:run", args=[run.pk])
    assert researcher.get(address).context["throttle"]["workers"].value() == 3
    said = researcher.post(reverse("curation:throttle", args=[run.pk]), {"workers": 1}, follow=True)
    assert "goes on with 1 process<" in said.content.decode()
    assert researcher.get(address).context["throttle"]["workers"].value() == 1


def test_a_page_in_another_language_says_what_was_found_and_wanted(researcher, storage):
    row = drop_row(step="language", reason="other_language", value="de", limit="en", language="de")
    run = finished(storage, "done", rows=[row])
    listed = researcher.get(
        reverse("curation:drops", args=[run.pk]), {"step": "language", "reason": "other_language"}
    )
    assert "found <strong>de</strong>, wanted <strong>en</strong>" in listed.content.decode()
    page = researcher.get(reverse("curation:drop", args=[run.pk, row["id"]])).content.decode()
    assert "<dt>Wanted</dt><dd>en</dd>" in page


@pytest.mark.parametrize(
    ("value", "limit", "shown"),
    [
        (0.44298245614, 0.2, ("0.443", "0.2")),
        (0.20004, 0.2, ("0.20004", "0.2")),
        (123456.7, 100000, ("123,457", "100,000")),
        (3, 5, ("3", "5")),
        (0.0000123456, 0, ("0.0000123", "0")),
        ("de", "en", ("de", "en")),
        (None, None, (None, None)),
        (1.0, 1.0, ("1", "1")),
    ],
)
def test_measured_values_are_rounded_as_far_as_they_stay_apart(value, limit, shown):
    assert figures.against(value, limit) == shown


def test_a_recipe_that_is_no_toml_is_told_by_line_and_column(researcher):
    text = '\n\nname = "mine"\nversion = = 1\n'
    answer = researcher.post(reverse("curation:recipe_text", args=["fineweb"]), {"toml": text})
    assert "line 4, column 11" in answer.context["form"].errors["toml"][0]


@pytest.mark.parametrize(("role", "shown"), [("researcher", True), ("lead", False)])
def test_the_run_is_linked_from_a_row_only_for_those_who_may_open_it(client_for, storage, role, shown):
    run = finished(storage, "done")
    row = document(0)
    assert row["record_length"], "without a record there is no panel"
    page = client_for(role).get(reverse("datasets:row", args=["done", run.version.number, row["id"]]))
    assert reverse("curation:crawled", args=[run.pk]) in page.content.decode()
    assert (f'href="{reverse("curation:run", args=[run.pk])}"' in page.content.decode()) is shown
