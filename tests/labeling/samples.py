"""Objects for the route walk: one campaign in which something of everything has happened."""

from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from labeling.actions import attachments, claims, drafts, submissions
from labeling.actions.drafts import Save
from labeling.actions.submissions import Handed
from labeling.models.annotations import Annotation, Flag, Message, Thread
from labeling.models.campaigns import Campaign, Member, RosterInvite
from labeling.models.moves import GuidelineMove
from labeling.models.publications import Publication
from labeling.models.quality import Exam, ExamAttempt
from labeling.models.rosters import RosterImport
from labeling.models.tasks import Assignment, TaskImport
from labeling.models.time import TimeEntry
from labeling.protocol.taskload import report_key
from tests.labeling.campaigns import campaign, guideline, join, task
from tests.route_samples import sample
from tilth.accounts.actors import Actor
from tilth.accounts.models import Skill, User
from tilth.jobs.models import Job
from tilth.storage import Storage

GOOD = {"grade": "0:3", "marks": {}, "reason": "It is right.", "clauses": [{"id": "honest"}]}


def _campaign(people: dict[str, User], **fields: Any) -> Campaign:
    values = {"tasks": 6, "overlap": 2, "lead": people["lead"], "visibility": "after", "review_rate": 1.0}
    made = campaign(**{**values, **fields})
    join(made, people["labeler"], people["reviewer"], people["lead"], people["admin"])
    return made


def _held(people: dict[str, User], who: str = "labeler", made: Campaign | None = None) -> Assignment:
    actor = Actor(user=people[who])
    held = claims.claim(actor, made or _campaign(people))
    return drafts.save_draft(actor, held, Save(held.hold_token, 0, {"reason": "so far"}))


def _submitted(people: dict[str, User], who: str = "labeler", made: Campaign | None = None) -> Annotation:
    held = _held(people, who, made)
    handed = Handed(Save(held.hold_token, 1, GOOD), key=f"key-for-{held.pk}")
    done = submissions.submit(Actor(user=people[who]), held, handed)
    Annotation.objects.filter(pk=done.pk).update(submitted_at=timezone.now() - timedelta(minutes=5))
    return done


CAMPAIGN_PAGES = (
    "offer", "decline", "claim", "prefetch", "campaign", "campaign_edit", "campaign_leads", "campaign_move",
    "campaign_duplicate", "campaign_pin", "campaign_roster", "roster_invite", "roster_file", "reserve", "held",
    "announce", "join", "leave", "campaign_tasks", "task_add", "campaign_import", "campaign_coverage", "quota",
    "write_prompt", "disagreements", "flags", "appeal_pause", "discuss", "campaign_quality", "campaign_labelers",
    "campaign_pilot", "campaign_publish", "campaign_time", "statements", "statements_export",
)  # fmt: skip


@sample(*(f"labeling:{name}" for name in CAMPAIGN_PAGES))
def a_campaign(people: dict[str, User]) -> dict[str, Any]:
    made = _campaign(people)
    _submitted(people, "labeler", made)
    task(made, role="pilot")
    return {"pk": made.pk}


@sample(
    *(
        f"labeling:{n}"
        for n in ("assignment", "draft", "presence", "submit", "extend", "history", "skip", "ask")
    )
)
def a_held_task(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _held(people).pk}


@sample("labeling:attach")
def work_to_attach_to(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _held(people).pk}


@sample("labeling:task_attach")
def a_task_to_attach_to(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _held(people).task_id}


@sample("labeling:attachment", "labeling:attachment_remove")
def an_attachment(people: dict[str, User]) -> dict[str, Any]:
    held = _held(people)
    return {"pk": attachments.add(Actor(user=people["labeler"]), b"notes", "notes.txt", assignment=held).pk}


@sample("labeling:restore")
def an_earlier_text(people: dict[str, User]) -> dict[str, Any]:
    held = _held(people)
    return {"pk": held.pk, "point": held.history.get().pk}


@sample("labeling:undo")
def a_fresh_submission(people: dict[str, User]) -> dict[str, Any]:
    done = _submitted(people)
    return {"pk": done.assignment_id, "annotation": done.pk}


@sample(
    *(
        f"labeling:{name}"
        for name in (
            "review_annotation",
            "review_decide",
            "review_keep",
            "review_release",
            "annotation",
            "my_annotation",
            "annotation_accept",
            "appeal",
        )
    )
)
def a_submission(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _submitted(people).pk}


@sample(
    *(
        f"labeling:{name}"
        for name in ("task", "task_edit", "task_gold", "task_adjudicate", "task_decide", "others")
    )
)
def a_task(people: dict[str, User]) -> dict[str, Any]:
    made = _campaign(people)
    _submitted(people, "admin", made)
    return {"pk": _submitted(people, "labeler", made).task_id}


@sample("labeling:task_page")
def a_document(people: dict[str, User]) -> dict[str, Any]:
    made = campaign("rating", lead=people["lead"])
    join(made, people["labeler"])
    document = {"text": "Wheat", "url": "https://example.org", "html": "<p>Wheat<script>alert(1)</script>"}
    return {"pk": task(made, payload={"messages": [], "document": document}).pk}


@sample("labeling:import", "labeling:import_report")
def an_import(people: dict[str, User]) -> dict[str, Any]:
    job = Job.objects.create(kind="task_import", state="succeeded", attempt=1)
    Storage(settings.STORAGE).write_bytes(report_key(job.prefix), b"row,field,problem\n")
    row = TaskImport.objects.create(
        campaign=_campaign(people), job=job, source="t.jsonl", state="done", bad=1
    )
    return {"pk": row.pk}


@sample("labeling:import_step")
def a_step_of_an_import(people: dict[str, User]) -> dict[str, Any]:
    return {**an_import(people), "verb": "cancel"}


@sample("labeling:announcements", "labeling:announcements_read")
def a_campaign_with_a_word_to_everybody(people: dict[str, User]) -> dict[str, Any]:
    made = _campaign(people)
    made.announcements.create(text="Welcome")
    return {"pk": made.pk}


def _table_of_people(people: dict[str, User]) -> RosterImport:
    job = Job.objects.create(kind="roster_import", state="succeeded", attempt=1)
    return RosterImport.objects.create(campaign=_campaign(people), job=job, source="t.csv", state="done")


@sample("labeling:roster_import")
def invitations_by_a_table(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _table_of_people(people).pk}


@sample("labeling:roster_report")
def bad_lines_of_a_table(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _table_of_people(people).pk, "what": "bad-lines"}


@sample("labeling:guideline_move")
def a_move_to_another_version(people: dict[str, User]) -> dict[str, Any]:
    job = Job.objects.create(kind="guideline_move", state="succeeded", attempt=1)
    made = _campaign(people)
    row = GuidelineMove.objects.create(campaign=made, version=made.guideline, job=job, requeue=True)
    return {"pk": row.pk}


@sample("labeling:member")
def a_member(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": Member.objects.get(campaign=_campaign(people), user=people["labeler"]).pk, "verb": "leave"}


@sample("labeling:known_answers")
def a_record_of_known_answers(people: dict[str, User]) -> dict[str, Any]:
    made = _campaign(people, gold_rate=1.0)
    gold = task(made, role="gold", gold={"grade": "0:2"})
    assert _submitted(people, "labeler", made).task_id == gold.pk
    return {"pk": Member.objects.get(campaign=made, user=people["labeler"]).pk}


@sample("labeling:invite_withdraw")
def an_invited_address(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": RosterInvite.objects.create(campaign=_campaign(people), email="new@example.org").pk}


@sample("labeling:profile_of")
def a_profile(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": people["labeler"].pk}


@sample(*(f"labeling:thread{end}" for end in ("", "_reply", "_close", "_reopen")))
def a_thread(people: dict[str, User]) -> dict[str, Any]:
    made = _campaign(people)
    found = Thread.objects.create(campaign=made, topic="discussion", opened_by=people["labeler"])
    Message.objects.create(thread=found, author=people["labeler"], text="What does this clause mean?")
    return {"pk": found.pk}


@sample("labeling:flag_decide")
def a_flag(people: dict[str, User]) -> dict[str, Any]:
    done = _submitted(people)
    return {"pk": Flag.objects.create(annotation=done, campaign=done.campaign, kind="pasted", message="m").pk}


def _exam(people: dict[str, User]) -> Exam:
    item = {
        "payload": {"messages": [{"role": "user", "content": "Why?"}]},
        "answers": [{"messages": [{"role": "assistant", "content": text}]} for text in ("So.", "Thus.")],
        "gold": {"grade": "0:2"},
    }
    skill = Skill.objects.create(name="Physics")
    schema = campaign().schema
    return Exam.objects.create(
        name="e", title="Exam", kind="preference", schema=schema, skill=skill, items=[item]
    )


@sample(*(f"labeling:exam{end}" for end in ("", "_answers", "_items", "_archive", "_sit")))
def an_exam(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _exam(people).pk}


@sample("labeling:exam_grant")
def a_failed_attempt(people: dict[str, User]) -> dict[str, Any]:
    fields = {"score": 0.0, "passed": False, "finished_at": timezone.now()}
    made = ExamAttempt.objects.create(exam=_exam(people), user=people["labeler"], number=2, **fields)
    return {"pk": made.pk}


@sample("labeling:exam_finish")
def an_exam_under_way(people: dict[str, User]) -> dict[str, Any]:
    exam = _exam(people)
    for person in people.values():
        ExamAttempt.objects.create(exam=exam, user=person, number=1, answers={"0": GOOD})
    return {"pk": exam.pk}


@sample("labeling:exam_question", "labeling:exam_answer")
def an_exam_question(people: dict[str, User]) -> dict[str, Any]:
    return {**an_exam_under_way(people), "number": 0}


@sample("labeling:time_decide")
def declared_time(people: dict[str, User]) -> dict[str, Any]:
    fields = {"day": date.today(), "minutes": 30, "note": "Read papers"}
    return {
        "pk": TimeEntry.objects.create(campaign=_campaign(people), labeler=people["labeler"], **fields).pk
    }


@sample(*(f"labeling:guideline{end}" for end in ("", "_edit", "_publish", "_archive")))
def a_guideline(people: dict[str, User]) -> dict[str, Any]:
    return {"name": guideline().guideline.name}


@sample(*(f"labeling:guideline{end}" for end in ("_version", "_pane", "_read")))
def a_guideline_version(people: dict[str, User]) -> dict[str, Any]:
    return {"name": guideline().guideline.name, "number": 1}


@sample("labeling:guideline_diff")
def two_guideline_versions(people: dict[str, User]) -> dict[str, Any]:
    guideline(number=2)
    return {"name": guideline().guideline.name, "old": 1, "new": 2}


API = "/api/v1/labeling"


@sample(
    *(
        f"{API}/campaigns/<int:campaign_id>{end}"
        for end in ("", "/move", "/tasks", "/imports", "/publications")
    )
)
def a_campaign_by_api(people: dict[str, User]) -> dict[str, Any]:
    return {"campaign_id": a_campaign(people)["pk"]}


@sample(f"{API}/imports/<int:import_id>")
def an_import_by_api(people: dict[str, User]) -> dict[str, Any]:
    return {"import_id": an_import(people)["pk"]}


@sample(f"{API}/publications/<int:publication_id>")
def a_publication(people: dict[str, User]) -> dict[str, Any]:
    made = Publication.objects.create(
        campaign=_campaign(people), dataset_kind="annotations", rule="everything"
    )
    return {"publication_id": made.pk}


@sample(f"{API}/guidelines/<name>/<int:number>")
def a_guideline_by_api(people: dict[str, User]) -> dict[str, Any]:
    return {"name": guideline().guideline.name, "number": 1}


@sample(f"{API}/guidelines/<name>")
def a_guideline_to_publish(people: dict[str, User]) -> dict[str, Any]:
    return {"name": guideline().guideline.name}
