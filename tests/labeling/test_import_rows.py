"""Imports that meet the worst: hostile rows, rows of other people's programs, filters and samples."""

import json
from collections import Counter
from itertools import product

import pytest

from labeling import coverage
from labeling.actions import campaigns, claims, drafts, imports, submissions, tasks
from labeling.actions.drafts import Save
from labeling.actions.submissions import Handed
from labeling.models.tasks import Candidate, Task
from labeling.protocol import taskload, tasksource
from labeling.protocol.registry import all_kinds
from labeling.protocol.taskrows import guess, read_row
from tests.labeling.campaigns import campaign, join
from tests.labeling.test_tasks import ROWS, Sent, run, start
from tests.labeling.work import label
from tests.tilth.published import document, publish
from tilth.accounts.actors import Actor
from tilth.datasets.import_.readers import Record
from tilth.datasets.uploads import save_upload
from tilth.errors import Conflict, InvalidInput, TilthError

GOOD = {"grade": "0:3", "marks": {}, "reason": "It is right.", "clauses": []}


@pytest.fixture
def lead(as_role):
    return as_role("lead")


@pytest.fixture
def bring(lead, storage, tmp_path):
    """Import rows into a new campaign; the campaign and the program's result."""

    def bring(rows, **fields):
        made = campaign(lead=lead.user)
        row = start(lead, made, file={"rows": rows}, **fields)
        result = run(row, storage, tmp_path)
        imports.finish(row.job, result)
        return made, result

    return bring


def texts(made):
    return [t.payload["messages"][0]["content"] for t in made.tasks.order_by("position")]


def test_what_databases_cannot_keep_costs_one_row_at_most(bring, storage):
    prompts = [
        "zero\x00 byte",
        "a text about \\u0000 and \\x00",
        "half \ud83d a pair",
        'quotes " and \\ \t tabs\n',
    ]
    rows = [{**ROWS[0], "prompt": prompt, "topic": "t\x00o"} for prompt in prompts]
    rows.append('{"prompt": "p", "responses": [{"text": "a", "sampling": {"top_p": NaN}}, {"text": "b"}]}')
    rows += [{**ROWS[0], "model_a": "m" * 201, "model_b": "n"}, {**ROWS[0], "topic": "t" * 81}]
    rows.append('{"prompt": ' + '[{"role": "user", "content": ' * 400 + '"x"' + "}]" * 400 + "}")
    made, result = bring(rows)
    assert texts(made) == ["zero byte", prompts[1], "half ? a pair", prompts[3]]
    assert set(made.tasks.values_list("topic", flat=True)) == {"to"}
    report = storage.read_bytes(taskload.report_key(made.imports.get().job.prefix)).decode().splitlines()
    assert [line.split(",")[:2] for line in report[1:]] == [["5", "answers"], ["6", "models"], ["7", "topic"], ["8", ""]]  # fmt: skip


def test_the_index_column_of_a_data_frame_is_nothing(lead, storage, tmp_path):
    text = ",prompt,response_a,response_b\n0,Why?,So.,Thus.\n1,How?,So.,Thus.\n"
    made = campaign(lead=lead.user)
    source = imports.source_params(made, upload=save_upload(lead, Sent("frame.csv", text)).sha256)
    row = imports.start(lead, made, source)
    imports.finish(row.job, run(row, storage, tmp_path))
    assert set(made.tasks.values_list("role", "gold")) == {("normal", None)}


ODD = (None, "", " ", 0, -1.5, True, [], {}, [None], [[]], ["x"], {"role": "user"}, [{"role": "user"}], [{"from": 3}],
       {"messages": None}, {"content": {"a": 1}}, [{"role": "assistant", "content": ["x"]}], "[{", "\ud800", b"bytes")  # fmt: skip


@pytest.mark.parametrize("kind", all_kinds().values(), ids=list(all_kinds()))
def test_no_row_breaks_the_reader(kind):
    """Every odd value in every column: a task that can be stored, or a fault; nothing else."""
    base = {"prompt": "Why?", "response_a": "So.", "response_b": "Thus.", "response": "So.", "text": "Wheat"}
    names = [
        *base,
        "system",
        "input",
        "url",
        "html",
        "topic",
        "lang",
        "gold",
        "id",
        "candidates",
        "model",
        "provenance",
    ]
    seen = Counter()
    for name, value in product(names, ODD):
        row = {**base, name: value}
        if name == "candidates":
            del row["response_a"]
        try:
            read_row(row, guess(row, kind), kind, kind.default_schema(), "s").to_columns()
            seen["task"] += 1
        except TilthError as error:
            assert error.message
            seen["fault"] += 1
    assert seen["task"] and seen["fault"]


def test_long_rows_make_short_chunks(monkeypatch, bring):
    monkeypatch.setattr(taskload, "CHUNK_CHARACTERS", 3000)
    made, result = bring([{**row, "prompt": f"{row['prompt']} {'long ' * 300}"} for row in ROWS])
    assert result["chunks"] == [2, 2, 2, 1]
    assert list(made.tasks.values_list("position", flat=True)) == list(range(1, 8))
    assert Candidate.objects.count() == 14


def test_a_report_ends_with_how_many_more_rows_are_bad(monkeypatch, bring, storage):
    monkeypatch.setattr(taskload, "MOST_FAULTS", 2)
    made, result = bring([*ROWS[:1], *[{"prompt": "alone"}] * 5])
    assert result["bad"] == 5
    report = storage.read_bytes(taskload.report_key(made.imports.get().job.prefix)).decode()
    assert report.splitlines()[3:] == [",,and 3 more"]


def test_what_cannot_be_loaded_ends_the_import(lead, storage):
    row = start(lead, campaign(lead=lead.user))
    row.state = "loading"
    row.save()
    row.job.error = {"message": "the storage is gone"}
    imports.give_up(row.job)
    row.refresh_from_db()
    assert (row.state, row.message) == ("failed", "the storage is gone")


def test_a_guess_can_be_overridden_and_taken_back(bring):
    rows = [{**row, "category": "sky", "grade": "hard"} for row in ROWS]
    made, _ = bring(rows, mapping={"topic": "", "difficulty": "grade"})
    assert set(made.tasks.values_list("topic", "difficulty")) == {("", "hard")}


def test_a_sample_is_drawn_from_all_rows_and_comes_again_under_its_seed(bring):
    rows = [{**ROWS[0], "prompt": f"Why {n}?"} for n in range(60)]
    drawn = [texts(bring(rows, limit=10, sample=True, seed=seed)[0]) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 10 and drawn[0] != texts(bring(rows, limit=10)[0])


def test_every_row_is_as_likely_in_a_sample():
    rows = [Record(n, {}) for n in range(12)]
    drawn = Counter(r.row for seed in range(1500) for r in tasksource.sample(iter(rows), 3, 12, seed))
    assert sum(drawn.values()) == 4500
    assert all(300 < drawn[n] < 450 for n in range(12)), drawn


def test_rows_of_a_version_are_picked_as_in_the_row_browser(lead, storage, tmp_path):
    version = publish(storage, "pages", "documents", [document(n) for n in range(12)])
    made = campaign("rating", lead=lead.user)
    where = {"words": "", "filters": {"has.url": "page/1"}}
    source = imports.source_params(made, version=version.reference, where=where)
    assert len(taskload.preview(source, storage)["tasks"]) == 3
    row = imports.start(lead, made, source)
    imports.finish(row.job, run(row, storage, tmp_path))
    urls = [t.payload["document"]["url"].rpartition("/")[2] for t in made.tasks.order_by("position")]
    assert urls == ["1", "10", "11"]
    with pytest.raises(InvalidInput, match="no filter 'is.nothing'"):
        taskload.preview({**source, "where": {"filters": {"is.nothing": "x"}}}, storage)


# ---- what edits and withdrawals leave consistent


def test_work_on_a_withdrawn_task_is_submitted_and_undone_like_any_other(lead, cast):
    made = campaign(tasks=1, lead=lead.user)
    join(made, cast[0])
    actor = Actor(user=cast[0])
    held = claims.claim(actor, made)
    tasks.withdraw(lead, made, made.tasks.all())
    drafts.save_draft(actor, held, Save(held.hold_token, 0, GOOD))
    done = submissions.submit(actor, held, Handed(Save(held.hold_token, 1, GOOD), key="k" * 16))
    found = Task.objects.get()
    assert (found.state, found.submitted) == ("withdrawn", 1)
    submissions.undo(actor, done)
    found.refresh_from_db()
    assert (found.state, found.submitted, found.live) == ("withdrawn", 0, 1)


def test_quotas_follow_a_task_that_moves_to_another_cell(lead, cast):
    made = campaign(tasks=2, lead=lead.user)
    join(made, cast[0])
    found = made.tasks.first()
    tasks.edit(lead, found, found.payload, version=1, topic="law")
    for topic in ("law", "art"):
        campaigns.set_quota(lead, made, topic=topic, difficulty="", language="", target=5)
    made.refresh_from_db()
    label(cast[0], made)
    tasks.edit(lead, found, found.payload, version=1, topic="art")
    filled = dict(made.quotas.values_list("topic", "filled"))
    assert filled == {"law": 0, "art": 1}
    assert {c.topic: c.submitted for c in coverage.matrix(made) if c.target} == filled


def test_a_slot_fills_its_quota_once_however_often_it_is_handed_in(lead, cast):
    made = campaign(tasks=1, lead=lead.user)
    join(made, cast[0])
    actor = Actor(user=cast[0])
    campaigns.set_quota(lead, made, topic="", difficulty="", language="", target=5)
    made.refresh_from_db()
    held = claims.claim(actor, made)
    drafts.save_draft(actor, held, Save(held.hold_token, 0, GOOD))
    filled = []
    for number in range(2):
        held.refresh_from_db()
        save = Save(held.hold_token, held.draft_revision, GOOD)
        done = submissions.submit(actor, held, Handed(save, key=f"key number {number}"))
        filled.append(made.quotas.get().filled)
        if number == 0:
            submissions.undo(actor, done)
            filled.append(made.quotas.get().filled)
    assert filled == [1, 0, 1]
    assert campaigns.set_quota(lead, made, topic="", difficulty="", language="", target=6).filled == 1


def test_a_gold_task_that_nobody_has_had_becomes_ordinary_without_its_answer(lead, cast):
    made = campaign(tasks=2, lead=lead.user, gold_rate=1.0)
    join(made, cast[0])
    for found in made.tasks.all():
        tasks.set_gold(lead, found, "a")
    had = claims.claim(Actor(user=cast[0]), made).task
    assert tasks.set_role(lead, made, made.tasks.all(), "normal") == 1
    assert set(made.tasks.exclude(pk=had.pk).values_list("role", "gold")) == {("normal", None)}
    assert made.tasks.get(pk=had.pk).role == "gold"


def test_prompts_of_ones_own_wait_in_bounded_number(lead, cast):
    made = campaign("demonstration", lead=lead.user, labelers_write_prompts=True)
    join(made, cast[0])
    for n in range(tasks.MOST_WAITING):
        tasks.write_prompt(Actor(user=cast[0]), made, f"Why {n}?")
    with pytest.raises(Conflict, match="write that first"):
        tasks.write_prompt(Actor(user=cast[0]), made, "One more?")


def test_stored_columns_are_those_of_the_models(lead):
    """Bulk storing names columns by the models' own fields: a task added so is a task like any other."""
    made = campaign(lead=lead.user)
    plain = Task.objects.create(campaign=made, position=99, key="k", payload={}, overlap=made.overlap)
    stored = tasks.add(lead, made, json.loads(json.dumps(ROWS[0])))
    same = {f.attname for f in Task._meta.concrete_fields} - {
        "id",
        "position",
        "key",
        "payload",
        "created_at",
    }
    assert {name: getattr(stored, name) for name in same} == {name: getattr(plain, name) for name in same}
    assert stored.created_at.tzinfo is not None
