"""Rows that become tasks: read, imported, edited, counted."""

import csv
import json
import subprocess

import pytest
from django.urls import reverse

from labeling import coverage, progress, tasklists
from labeling.actions import claims, imports, tasks
from labeling.jobs import IMPORT
from labeling.models.tasks import Assignment, Candidate, TaskImport
from labeling.protocol import taskload
from labeling.protocol.registry import kind_of
from labeling.protocol.taskrows import guess, read_row
from tests.labeling.campaigns import campaign, join, task
from tests.labeling.work import label
from tests.tilth.published import conversation, document, publish
from tilth.accounts.actors import Actor
from tilth.datasets.uploads import save_upload
from tilth.errors import Conflict, InvalidInput, PermissionDenied
from tilth.jobs.models import Job
from tilth.jobs.reporting import Reporter
from tilth.settings import ROOT


@pytest.fixture
def lead(as_role):
    return as_role("lead")


def read(row, kind="preference"):
    found = kind_of(kind)
    return read_row(row, guess(row, found), found, found.default_schema(), "s:1")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Why?", "response_a": "So.", "response_b": "Thus."},
        {"instruction": "Why?", "response1": "So.", "response2": "Thus.", "input": ""},
        {"prompt": [{"role": "user", "content": "Why?"}], "candidates": ["So.", "Thus."]},
        {"messages": [{"from": "human", "value": "Why?"}], "responses": [{"text": "So.", "model": "m"}, {"text": "Thus."}]},
        {"prompt": [{"role": "user", "content": "Why?"}], "chosen": [{"role": "assistant", "content": "So."}],
         "rejected": [{"role": "assistant", "content": "Thus."}]},
    ],
)  # fmt: skip
def test_the_ecosystems_shapes_are_understood(row):
    found = read(row)
    assert found.payload["messages"] == [{"role": "user", "content": "Why?"}]
    assert [answer.text for answer in found.answers] == ["So.", "Thus."]


def test_facets_models_and_known_answers_are_read():
    found = read(
        {"id": "q7", "prompt": "Why?", "response_a": "So.", "response_b": "Thus.", "model_a": "x", "model_b": "y",
         "topic": "sky", "level": "hard", "lang": "en", "gold": "b"}
    )  # fmt: skip
    assert (found.topic, found.difficulty, found.language) == ("sky", "hard", "en")
    assert [answer.model for answer in found.answers] == ["x", "y"]
    assert found.gold == {"grade": "1:2"}
    assert len(found.key) == 32


def test_an_input_is_put_below_its_instruction():
    found = read({"instruction": "Summarise.", "input": "Wheat grows.", "output": "It grows."}, "edit")
    assert found.payload["messages"][0]["content"] == "Summarise.\n\nWheat grows."


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"prompt": "Why?", "response_a": "So."}, "answers"),
        ({"prompt": "Why?", "response_a": "So.", "response_b": "So."}, "candidates"),
        ({"prompt": [{"role": "x"}], "response_a": "So.", "response_b": "Thus."}, "prompt"),
        ({"prompt": "Why?", "response_a": "So.", "response_b": "Thus.", "gold": "maybe"}, "gold"),
    ],
)
def test_a_bad_row_names_its_field(row, field):
    with pytest.raises(InvalidInput) as caught:
        read(row)
    assert caught.value.field == field


def test_documents_keep_their_page(lead):
    made = campaign("rating", lead=lead.user)
    found = tasks.add(lead, made, {"text": "Wheat", "url": "https://example.org/w", "html": "<p>Wheat"})
    assert found.payload["document"] == {"text": "Wheat", "url": "https://example.org/w", "html": "<p>Wheat"}


# ---- imports


class Sent:
    """An uploaded file."""

    def __init__(self, name, text):
        self.name, self._data = name, text.encode()

    def chunks(self):
        yield self._data


ROWS = [{"prompt": f"Why {n}?", "response_a": f"So {n}.", "response_b": f"Thus {n}."} for n in range(7)]


def upload(lead, rows=ROWS, name="tasks.jsonl"):
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    return save_upload(lead, Sent(name, text)).sha256


def run(row, storage, tmp_path):
    """Run the import's program as the supervisor does, without a job; returns its result."""
    job = row.job
    reporter = Reporter(job.params, job.pk, 1, storage, job.prefix, tmp_path, lambda event: None)
    return taskload.load(reporter)


def start(lead, made, **fields):
    source = imports.source_params(made, upload=upload(lead, **fields.pop("file", {})))
    return imports.start(lead, made, source, **fields)


def test_good_rows_are_loaded_and_bad_ones_told_by_number_and_field(lead, storage, tmp_path):
    made = campaign(lead=lead.user)
    bad = ["{broken", {"prompt": "Why?", "response_a": "one"}]
    row = start(lead, made, file={"rows": [*ROWS[:2], *bad, *ROWS[2:]]})
    result = run(row, storage, tmp_path)
    assert (result["rows"], result["bad"]) == (7, 2)
    imports.finish(row.job, result)
    row.refresh_from_db()
    assert (row.state, row.loaded, row.bad) == ("done", 7, 2)
    assert list(made.tasks.values_list("position", flat=True)) == list(range(1, 8))
    assert Candidate.objects.filter(task__position=1).count() == 2
    report = list(
        csv.DictReader(storage.read_bytes(taskload.report_key(row.job.prefix)).decode().splitlines())
    )
    assert [(line["row"], line["field"]) for line in report] == [("3", ""), ("4", "answers")]


def test_a_load_that_breaks_off_goes_on_and_doubles_nothing(lead, storage, tmp_path, monkeypatch):
    monkeypatch.setattr(taskload, "CHUNK", 3)
    made = campaign(tasks=1, lead=lead.user)
    row = start(lead, made)
    result = run(row, storage, tmp_path)
    assert result["chunks"] == [3, 3, 1]
    real, loaded = imports._load_chunk, []

    def break_off(*arguments):
        if len(loaded) == 2:
            raise OSError("the machine went down")
        loaded.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(imports, "_load_chunk", break_off)
    with pytest.raises(OSError, match="went down"):
        imports.finish(row.job, result)
    assert made.tasks.count() == 1 + 6
    monkeypatch.setattr(imports, "_load_chunk", real)
    task(made)
    for _ in range(2):
        imports.finish(row.job, result)
    positions = list(made.tasks.order_by("position").values_list("position", flat=True))
    assert positions == sorted(set(positions))
    assert (
        made.tasks.filter(imported_by=row).count(),
        Candidate.objects.filter(task__imported_by=row).count(),
    ) == (7, 14)


@pytest.mark.parametrize(("batches", "tasks"), [(0, 0), (1, 3), (3, 7)])
def test_an_import_is_stopped_between_its_batches_and_leaves_nothing_to_claim(
    batches, tasks, lead, cast, storage, tmp_path, monkeypatch, client_for
):
    monkeypatch.setattr(taskload, "CHUNK", 3)
    made = campaign(lead=lead.user)
    join(made, *cast)
    row = start(lead, made)
    result = run(row, storage, tmp_path)
    Job.objects.filter(pk=row.job_id).update(
        state="publishing"
    )  # the program has ended: only the load is left
    real, loaded = imports._load_chunk, []

    def stopped_after(*arguments):
        if len(loaded) == batches:
            imports.cancel(lead, row)
        loaded.append(real(*arguments))
        if len(loaded) == 1 < batches:
            claims.claim(Actor(user=cast[0]), made)
        if len(loaded) == 3 == batches:
            imports.cancel(lead, row)
        return loaded[-1]

    monkeypatch.setattr(imports, "_load_chunk", stopped_after)
    for _ in range(2):  # again, as after a crash
        imports.finish(row.job, result)
    row.refresh_from_db()
    assert (row.state, row.loaded, made.tasks.count()) == ("cancelled", tasks, tasks)
    assert not made.tasks.filter(state="open").exists()
    with pytest.raises(Conflict, match="no task left"):
        claims.claim(Actor(user=cast[1]), made)
    assert Assignment.objects.filter(state="held").count() == (1 if batches > 1 else 0), "held work goes on"
    imports.give_up(row.job)
    row.refresh_from_db()
    assert row.state == "cancelled"
    page = client_for("lead").get(reverse("labeling:import", args=[row.pk])).content.decode()
    assert "withdrawn" in page if batches else "No task was loaded" in page
    with pytest.raises(Conflict, match="has ended"):
        imports.cancel(lead, row)


def test_a_dataset_version_becomes_tasks(lead, storage, tmp_path):
    version = publish(storage, "pages", "documents", [document(n) for n in range(4)])
    made = campaign("rating", lead=lead.user)
    source = imports.source_params(made, version=version.reference)
    row = imports.start(lead, made, source, limit=3)
    imports.finish(row.job, run(row, storage, tmp_path))
    assert made.tasks.count() == 3
    first = made.tasks.get(position=1)
    assert (first.key, first.source, first.language) == (document(0)["id"], version.reference, "de")
    assert first.payload["document"]["url"] == "https://example.org/page/0"


def test_completions_of_one_prompt_are_paired(lead, storage, tmp_path):
    prompt = [{"role": "user", "content": "Why?"}]
    rows = [
        {"id": f"{n:032x}", "prompt_id": "p", "prompt": prompt, "model": f"m{n}",
         "completion": [{"role": "assistant", "content": f"Answer {n}"}]}
        for n in range(5)
    ]  # fmt: skip
    version = publish(storage, "samples", "completions", rows)
    made = campaign(lead=lead.user)
    row = imports.start(lead, made, imports.source_params(made, version=version.reference))
    imports.finish(row.job, run(row, storage, tmp_path))
    models = [tuple(t.candidates.values_list("model", flat=True)) for t in made.tasks.order_by("position")]
    assert models == [("m0", "m1"), ("m2", "m3")]


def test_what_was_labelled_by_somebody_is_not_judged_by_them(lead, cast, storage, tmp_path):
    row = {**conversation("Why?", "So."), "provenance": {"labeler": cast[0].pseudonym}}
    version = publish(storage, "chats", "conversations", [row])
    made = campaign("conversation", lead=lead.user)
    started = imports.start(lead, made, imports.source_params(made, version=version.reference))
    imports.finish(started.job, run(started, storage, tmp_path))
    assert made.tasks.get().author == cast[0]


def test_an_import_without_a_good_row_fails_with_the_first_fault(lead, storage, tmp_path):
    row = start(lead, campaign(lead=lead.user), file={"rows": [{"a": 1}]})
    with pytest.raises(InvalidInput, match="No row can become a task"):
        run(row, storage, tmp_path)
    Job.objects.filter(pk=row.job.pk).update(state="failed", error={"message": "No row"})
    row.job.refresh_from_db()
    imports.give_up(row.job)
    assert TaskImport.objects.get().state == "failed"


def test_gold_imports_need_known_answers(lead, storage, tmp_path):
    made = campaign(lead=lead.user)
    row = start(lead, made, role="gold", file={"rows": [{**ROWS[0], "gold": "a"}, ROWS[1]]})
    result = run(row, storage, tmp_path)
    assert (result["rows"], result["bad"]) == (1, 1)
    imports.finish(row.job, result)
    assert made.tasks.get().role == "gold"


def test_only_leads_import_and_only_into_open_campaigns(lead, as_role, storage):
    made = campaign(state="closed", lead=lead.user)
    source = imports.source_params(made, upload=upload(lead))
    with pytest.raises(Conflict, match="closed"):
        imports.start(lead, made, source)
    with pytest.raises(PermissionDenied):
        imports.start(as_role("reviewer"), made, source)


# ---- single tasks


def test_editing_a_task_keeps_what_it_said(lead, cast):
    made = campaign(tasks=1, lead=lead.user)
    join(made, cast[0])
    held = claims.claim(Actor(user=cast[0]), made)
    found = made.tasks.get()
    changed = {"messages": [{"role": "user", "content": "Why is the sky blue at noon?"}]}
    saved = tasks.edit(lead, found, changed, version=1, note="Said when", topic="sky")
    assert (saved.version, saved.topic, saved.versions.get().payload) == (2, "sky", found.payload)
    with pytest.raises(Conflict, match="meanwhile"):
        tasks.edit(lead, found, changed, version=1)
    with pytest.raises(Conflict, match="Nothing was changed"):
        tasks.edit(lead, found, changed, version=2)
    held.refresh_from_db()
    assert held.task_version == 1, "the annotation says which text it answers"


def test_roles_change_only_before_anybody_has_the_task(lead, cast):
    made = campaign(tasks=2, lead=lead.user)
    join(made, cast[0])
    claims.claim(Actor(user=cast[0]), made)
    assert tasks.set_role(lead, made, made.tasks.all(), "pilot") == 1
    with pytest.raises(Conflict, match="already"):
        tasks.set_gold(lead, made.tasks.get(position=1), "a")
    assert tasks.set_gold(lead, made.tasks.get(position=2), "b").gold == {"grade": "1:2"}


def test_withdrawn_tasks_leave_the_queue_and_come_back(lead, cast):
    made = campaign(tasks=2, lead=lead.user)
    join(made, cast[0])
    assert tasks.withdraw(lead, made, made.tasks.filter(position=1)) == 1
    assert claims.claim(Actor(user=cast[0]), made).task.position == 2
    assert tasks.withdraw(lead, made, made.tasks.all(), withdrawn=False) == 1


def test_a_labeler_writes_a_prompt_for_themselves(cast, lead):
    made = campaign("demonstration", lead=lead.user, labelers_write_prompts=True)
    join(made, *cast)
    own = tasks.write_prompt(Actor(user=cast[0]), made, "How do bees find home?", topic="bees")
    assert claims.claim(Actor(user=cast[0]), made).task == own
    with pytest.raises(Conflict):
        claims.claim(Actor(user=cast[1]), made)
    closed = campaign("demonstration", lead=lead.user)
    join(closed, cast[0])
    with pytest.raises(PermissionDenied):
        tasks.write_prompt(Actor(user=cast[0]), closed, "x")


def test_many_rows_are_added_all_or_none(lead):
    made = campaign(lead=lead.user)
    with pytest.raises(InvalidInput, match="row 2"):
        tasks.add_many(lead, made, [ROWS[0], {"prompt": "x"}])
    assert not made.tasks.exists()
    assert len(tasks.add_many(lead, made, ROWS)) == 7


def test_lists_are_paged_by_position(lead):
    made = campaign(lead=lead.user)
    for n in range(120):
        task(made, topic="a" if n % 2 else "b", answers=[])
    rows = tasklists.filtered(made, {"topic": "a"})
    first = tasklists.page(rows)
    assert (first.count, len(first.rows), first.before) == (60, 50, "")
    second = tasklists.page(rows, after=first.after)
    assert (len(second.rows), second.after) == (10, "")
    assert [t.pk for t in tasklists.page(rows, before=second.before).rows] == [t.pk for t in first.rows]


def test_progress_and_coverage_count_what_is_there(lead, cast):
    made = campaign(lead=lead.user, overlap=2)
    join(made, *cast)
    for topic in ("law", "law", "art"):
        task(made, topic=topic)
    label(cast[0], made)
    label(cast[1], made)
    found = progress.progress(made)
    assert (found.tasks, found.done, found.wanted, found.submitted) == (3, 0, 6, 2)
    made.quotas.create(topic="law", target=8)
    cells = {cell.topic: cell for cell in coverage.matrix(made) if cell.target}
    assert (cells["law"].submitted, cells["law"].gap, cells["law"].open, cells["law"].short) == (
        2,
        6,
        2,
        True,
    )


@pytest.mark.django_db(transaction=True)
def test_a_hundred_rows_come_in_through_a_real_job_program(lead, storage, tmp_path):
    """The program that the supervisor starts is the program that is tested: by its own command line."""
    made = campaign(lead=lead.user)
    rows = [{"prompt": f"Why {n}?", "response_a": "So.", "response_b": f"{n}."} for n in range(100)]
    row = start(lead, made, file={"rows": rows})
    folder = tmp_path / "job"
    folder.mkdir()
    config = {
        "job": row.job.pk,
        "attempt": 1,
        "params": row.job.params,
        "storage": storage.url,
        "prefix": row.job.prefix,
    }
    (folder / "config.json").write_text(json.dumps(config))
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}"}
    done = subprocess.run(
        [*IMPORT.command(row.job), str(folder)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "attempt-1" / "result.json").read_text())
    imports.finish(row.job, result)
    assert made.tasks.count() == 100
