"""From annotations to dataset versions: the program, its rules, and what a version knows about them."""

import json
from datetime import timedelta

import pyarrow as pa
import pytest
from django.db import connection
from django.utils import timezone
from psycopg import OperationalError

from labeling import quality
from labeling.actions import claims, publications, reviews, tasks
from labeling.actions.reviews import Verdict
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Campaign, Tally
from labeling.publish import database, program, rules
from tests.labeling.campaigns import ANSWERS, campaign, guideline, join, labelers, task
from tests.labeling.work import hand_in, label
from tilth.accounts.actors import Actor
from tilth.datasets.lineage import versions_with
from tilth.datasets.manifests import load_manifest
from tilth.datasets.models import DatasetVersion
from tilth.datasets.reader import read_table
from tilth.errors import Conflict, InvalidInput, PermissionDenied
from tilth.jobs.reporting import Reporter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast():
    return labelers(3)


def publish(actor, made, storage, tmp_path, monkeypatch, kind="annotations", rule="everything", **options):
    """Publish as the supervisor does: program, then the action; returns the version and its rows."""
    row = publications.start(actor, made, dataset=f"{kind}-{rule}", dataset_kind=kind, rule=rule, **options)
    for name, value in publications.environment(row.job).items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / f"job-{row.pk}"
    (folder / "attempt-1").mkdir(parents=True)
    reporter = Reporter(row.job.params, row.job.pk, 1, storage, row.job.prefix, folder, lambda event: None)
    result = program.publish(reporter)
    for _ in range(2):
        publications.finish(row.job, result)
    version = DatasetVersion.objects.select_related("dataset").get(pk=row.version.pk)
    manifest = load_manifest(version)
    return version, read_table(storage, version.folder, manifest.shards, kind).to_pylist()


@pytest.fixture
def go(as_role, storage, tmp_path, monkeypatch):
    return lambda made, *args, **options: publish(
        as_role("lead"), made, storage, tmp_path, monkeypatch, *args, **options
    )


def compared(cast, grades, **fields):
    """One comparison a list of grades, one labeler a grade."""
    made = campaign(tasks=len(grades), overlap=max(map(len, grades)), **fields)
    join(made, *cast)
    for number, several in enumerate(grades, start=1):
        for user, grade in zip(cast, several, strict=False):
            held = claims.claim(Actor(user=user), made, another=True, task=made.tasks.get(position=number))
            hand_in(user, held, {"grade": grade, "reason": "Because.", "clauses": [{"id": "honest"}]})
    return made


def test_everything_is_published_with_full_provenance(cast, go):
    made = compared(cast, [["0:3", "both_bad"]])
    version, rows = go(made)
    assert len(rows) == 2
    row = next(r for r in rows if "both_bad" in r["payload"])
    assert json.loads(row["payload"])["version"] == 1
    annotation = Annotation.objects.get(payload__grade="both_bad")
    assert row["provenance"] == {
        "campaign": made.reference,
        "task": annotation.task.reference,
        "annotation": annotation.reference,
        "labeler": cast[1].pseudonym,
        "guideline": "guideline:helpful@1",
        "seconds": 0.0,
        "created_at": annotation.submitted_at,
        "editor": None,
    }
    assert [c["model"] for c in row["candidates"]] == ["model-0", "model-1"]
    assert json.loads(row["display"])["order"] == annotation.display["order"]
    assert (row["item"], row["state"], row["kind"]) == ("k1", "submitted", "preference")
    assert versions_with("labeler", cast[0].pseudonym) == [version]
    assert versions_with("guideline", "guideline:helpful@1") == [version]
    assert versions_with("campaign", made.reference) == [version]


def test_what_can_still_be_taken_back_is_not_published(cast, go):
    made = compared(cast, [["0:3", "0:2"]])
    Annotation.objects.filter(labeler=cast[0]).update(submitted_at=timezone.now() + timedelta(seconds=30))
    assert len(go(made)[1]) == 1


def test_a_majority_needs_more_than_half(cast, go):
    made = compared(cast, [["0:3", "0:1", "1:2"], ["0:1", "1:1", "equal"]])
    _, rows = go(made, "preferences", "majority")
    assert [(row["group"], row["chosen_model"], row["strength"]) for row in rows] == [("k1", "model-0", 1)]


def test_rules_take_what_they_say(cast, go, as_role):
    made = compared(cast, [["0:3"], ["0:2"], ["1:1"]], review_rate=1.0)
    one, two, three = Annotation.objects.order_by("task__position")
    reviewer = as_role("reviewer")
    reviews.decide(reviewer, one, Verdict("accept"))
    reviews.decide(reviewer, two, Verdict("edit", payload={**two.payload, "grade": "0:1"}))
    reviews.decide(reviewer, three, Verdict("reject", note="No."))
    version, rows = go(made, "preferences", "accepted")
    assert sorted(row["strength"] for row in rows) == [1, 3], "an edit stands for what it replaces"
    editor = reviewer.user.pseudonym
    assert {row["strength"]: row["provenance"]["editor"] for row in rows} == {1: editor, 3: None}
    held = {c["value"]: c["rows"] for c in load_manifest(version).contributions if c["kind"] == "labeler"}
    assert held == {cast[0].pseudonym: 2, editor: 1}
    assert versions_with("labeler", editor) == [version]
    version, rows = go(made, "preferences", "standing")
    assert len(rows) == 2
    assert {"what": "rejected", "count": 1} in load_manifest(version).missing
    _, rows = go(made)
    assert sorted((row["state"], row["review"]) for row in rows) == [
        ("accepted", "accept"),
        ("accepted", "edit"),
        ("rejected", "reject"),
    ]
    assert {row["provenance"]["editor"] for row in rows} == {None}, "every payload here is its labeler's own"


def test_of_an_adjudicated_task_only_the_result_is_published(cast, go, as_role):
    made = compared(cast, [["0:3", "1:3"]])
    loser, winner = Annotation.objects.order_by("labeler_id")
    reviews.adjudicate(as_role("reviewer"), made.tasks.get(), winner=winner, note="Clause honest.")
    for rule in ("adjudicated", "accepted"):
        _, rows = go(made, "preferences", rule)
        assert [row["provenance"]["annotation"] for row in rows] == [winner.reference]
    assert loser.state == "submitted"


def test_a_final_answer_written_by_the_adjudicator_is_published_and_is_nobodys_annotation(cast, go, as_role):
    made = compared(cast, [["0:3", "1:3"]])
    found, one = made.tasks.get(), Annotation.objects.order_by("labeler_id").first()
    before = quality.agreement(quality.rows(made), made.task_kind.measures(made.schema)[0]).alpha
    own = {**one.payload, "grade": "1:1", "reason": "What the adjudicator wrote."}
    review = reviews.adjudicate(as_role("reviewer"), found, winner=one, note="Neither.", payload=own)
    assert (review.payload, review.annotation, review.reviewer) == (own, one, as_role("reviewer").user)
    _, rows = go(made, "preferences", "adjudicated")
    assert [(row["strength"], row["provenance"]["annotation"]) for row in rows] == [(1, one.reference)]
    assert rows[0]["provenance"]["editor"] == as_role("reviewer").user.pseudonym
    assert rows[0]["chosen"][0]["content"] == ANSWERS["preference"][1], (
        "the adjudicator's grade, not the labeler's"
    )
    found.refresh_from_db()
    assert (found.live, found.submitted, Annotation.objects.count()) == (2, 2, 2)
    after = quality.agreement(quality.rows(made), made.task_kind.measures(made.schema)[0]).alpha
    assert after == before, "labelers agree as they did"
    assert not Tally.objects.filter(labeler=as_role("reviewer").user).exists()
    # Decided once more by a lead, as it stands: it stays what the first one made of it.
    seen = reviews.decision_mark(review)
    reviews.adjudicate(as_role("lead"), found, winner=one, note="As it stands.", seen=seen)
    assert go(made, "preferences", "accepted")[1][0]["strength"] == 1


def test_pilot_and_gold_are_published_only_on_request(cast, go):
    made = campaign(gold_rate=1.0)
    join(made, cast[0])
    task(made, role="gold", gold={"grade": "0:1"})
    label(cast[0], made)
    with pytest.raises(InvalidInput, match="no row"):
        go(made)
    assert len(go(made, gold=True)[1]) == 1


def test_an_annotation_is_published_with_the_task_as_it_was_then(cast, go, as_role):
    made = compared(cast, [["0:3"]], lead=as_role("lead").user)
    found = made.tasks.get()
    tasks.edit(
        as_role("lead"), found, {"messages": [{"role": "user", "content": "Another question?"}]}, version=1
    )
    _, rows = go(made, "preferences", "standing")
    assert rows[0]["prompt"][0]["content"] == "Why is the sky blue?"


def test_ratings_carry_their_scale(cast, go):
    made = campaign("rating", tasks=1)
    join(made, cast[0])
    label(cast[0], made)
    _, rows = go(made, "ratings", "standing")
    assert (rows[0]["criterion"], rows[0]["score"], rows[0]["scale"]) == (
        "quality",
        4.0,
        {"minimum": 1.0, "maximum": 5.0},
    )


def test_the_same_annotations_give_the_same_rows(cast, go):
    made = compared(cast, [["0:3", "1:2"], ["equal", "0:1"]])
    (one, first), (other, second) = go(made), go(made)
    assert first == second
    assert (one.number, other.number) == (1, 2)


HOSTILE = [
    "",
    '"',
    '""',
    'a,b\n"c"\r\n,,\rd',
    "\\.",
    "\\N",
    "NULL",
    "\ttab \\n \\u0041 {}",
    "🦜 \u202e\u2028\u0085\ufeff é e\u0301",
    "x" * 1_000_000,
]


@pytest.mark.parametrize("part_bytes", [1, database.PART_BYTES])
def test_every_text_is_published_as_it_was_written(cast, go, monkeypatch, part_bytes):
    monkeypatch.setattr(database, "PART_BYTES", part_bytes)
    made = compared(cast, [["0:3", "0:2"] for _ in HOSTILE])
    for found, text in zip(made.tasks.order_by("position"), HOSTILE, strict=True):
        found.key, found.payload = text[:64], {"messages": [{"role": "user", "content": text}]}
        found.save()
        sampling = {"temperature": 0.5, "seed": 3, "other": text} if text else None
        found.candidates.update(model=text[:200], checkpoint=text[:200], sampling=sampling)
        Annotation.objects.filter(task=found, labeler=cast[1]).update(payload={})
        for annotation in Annotation.objects.filter(task=found, labeler=cast[0]):
            annotation.payload["reason"] = text
            annotation.save()
    known = {a.reference: a for a in Annotation.objects.select_related("task")}
    rows = go(made)[1]
    assert [row["provenance"]["annotation"] for row in rows] == [
        a.reference for a in sorted(known.values(), key=lambda a: (a.task_id, a.pk))
    ]
    for row in rows:
        annotation = known[row["provenance"]["annotation"]]
        key, text = annotation.task.key, annotation.task.payload["messages"][0]["content"]
        empty = dict.fromkeys(("top_p", "top_k", "max_tokens"))
        sampling = {"temperature": 0.5, "seed": 3, **empty} if text else None
        assert (row["item"], row["review"]) == (key, None)
        assert json.loads(row["payload"]) == {"version": 1, **annotation.payload}
        assert row["provenance"]["created_at"] == annotation.submitted_at
        assert row["candidates"] == [
            {"position": position, "model": text[:200], "checkpoint": text[:200], "sampling": sampling}
            for position in (0, 1)
        ]
    _, rows = go(made, "preferences", "majority")
    assert [(row["prompt"][0]["content"], row["group"], row["chosen_model"]) for row in rows] == [
        (text, text[:64], text[:200] or None) for text in HOSTILE
    ]


def test_a_database_that_fails_half_way_fails_the_publication():
    if connection.vendor != "postgresql":
        pytest.skip("COPY is PostgreSQL's")
    with database.snapshot(publications.database_url()) as found:
        halfway = "SELECT 1 / (90000 - n) FROM generate_series(1, 100000) n"
        with pytest.raises(OperationalError, match="division by zero"):
            found._table(halfway, {}, {"n": pa.int64()})


def test_publishing_asks_for_what_is_there(cast, as_role):
    made = campaign(tasks=1)
    with pytest.raises(Conflict, match="Nothing has been submitted"):
        publications.start(as_role("lead"), made, dataset="x", dataset_kind="annotations", rule="everything")
    join(made, cast[0])
    label(cast[0], made)
    for fields, text in (({"dataset_kind": "ratings"}, "can become"), ({"rule": "best"}, "Rules for")):
        values = {"dataset": "x", "dataset_kind": "preferences", "rule": "standing", **fields}
        with pytest.raises(InvalidInput, match=text):
            publications.start(as_role("lead"), made, **values)
    with pytest.raises(PermissionDenied):
        publications.start(
            as_role("reviewer"), made, dataset="x", dataset_kind="annotations", rule="everything"
        )
    assert "majority" not in rules.rules_for("conversations")


def test_a_failed_publication_leaves_the_name_free(cast, as_role):
    made = campaign(tasks=1)
    join(made, cast[0])
    label(cast[0], made)
    row = publications.start(
        as_role("lead"), made, dataset="x", dataset_kind="annotations", rule="everything"
    )
    row.job.error = {"message": "The disk is full"}
    row.job.save()
    publications.give_up(row.job)
    assert DatasetVersion.objects.get().note == "The disk is full"


def of_a_pilot(cast, lead):
    """One pilot task and one ordinary one, each done by two people who agree; the pilot under an older guideline."""
    made = campaign(overlap=2, state="pilot", lead=lead.user)
    task(made, role="pilot", source="pilot-pages@1")
    task(made, source="pages@1")
    join(made, *cast)
    for state in ("pilot", "live"):
        Campaign.objects.filter(pk=made.pk).update(
            state=state, guideline=guideline(number=1 if state == "pilot" else 2)
        )
        made.refresh_from_db()
        for user in cast[:2]:
            label(user, made)
    return made


@pytest.mark.parametrize(
    ("kind", "rule"),
    [("annotations", "everything")]
    + [("preferences", rule) for rule in ("standing", "accepted", "adjudicated", "majority")],
)
def test_pilot_labels_are_published_only_on_request_by_every_rule(kind, rule, cast, go, as_role):
    made = of_a_pilot(cast, as_role("lead"))
    if rule == "accepted":
        for one in Annotation.objects.all():
            reviews.decide(as_role("reviewer"), one, Verdict("accept"))
    if rule == "adjudicated":
        for one in made.tasks.all():
            winner = Annotation.objects.filter(task=one).first()
            reviews.adjudicate(as_role("reviewer"), one, winner=winner, note="This one.")
    each = 1 if rule in {"majority", "adjudicated"} else 2
    pilots = {one.reference for one in Annotation.objects.filter(role="pilot")}
    version, rows = go(made, kind, rule)
    assert len(rows) == each
    assert not pilots & {row["provenance"]["annotation"] for row in rows}
    assert {"what": "pilot tasks", "count": 2} in load_manifest(version).missing
    assert versions_with("guideline", "guideline:helpful@1") == [], "nothing in it was made by that version"
    assert "pilot-pages@1" not in load_manifest(version).parents
    asked, rows = go(made, kind, rule, pilot=True)
    assert len(rows) == 2 * each
    assert pilots & {row["provenance"]["annotation"] for row in rows}
    assert versions_with("guideline", "guideline:helpful@1") == [asked]
    assert {"pilot-pages@1", "pages@1"} <= set(load_manifest(asked).parents)
