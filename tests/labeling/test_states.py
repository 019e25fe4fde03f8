"""What may be changed in which state of a campaign, and two leads who act at once."""

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.actions import campaigns, claims, guidelines, handover, imports, roster, tasks, time
from labeling.forms.campaigns import CampaignForm
from labeling.models.campaigns import Campaign
from labeling.models.tasks import Task, TaskImport
from tests.labeling.campaigns import campaign, guideline, join, task
from tests.labeling.work import hand_in, label
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, Skill
from tilth.errors import Conflict, InvalidInput


@pytest.fixture
def lead(as_role):
    return as_role("lead")


@pytest.fixture
def closed(lead):
    return campaign(tasks=2, lead=lead.user, state="closed", open_to_all=True)


ROW = {"prompt": "Why?", "answers": ["a", "b"]}
CHANGES = {
    "settings": lambda lead, made, other: campaigns.edit(lead, made, overlap=2),
    "quota": lambda lead, made, other: campaigns.set_quota(
        lead, made, topic="law", difficulty="", language="", target=3
    ),
    "task": lambda lead, made, other: tasks.add(lead, made, ROW),
    "tasks": lambda lead, made, other: tasks.add_many(lead, made, [ROW]),
    "import": lambda lead, made, other: imports.start(lead, made, {"name": "t.jsonl"}),
    "guideline": lambda lead, made, other: guidelines.pin(lead, made, guideline(number=2), requeue=True),
    "invitation": lambda lead, made, other: roster.invite(lead, made, other),
    "joining": lambda lead, made, other: roster.join(Actor(user=other), made, consented=True),
    "reservation": lambda lead, made, other: handover.reserve(lead, made, other, count=1),
}


@pytest.mark.parametrize("what", sorted(CHANGES))
def test_a_closed_campaign_stays_as_it_is_until_it_is_reopened(what, lead, closed, cast):
    if what == "reservation":
        join(closed, cast[0])
    before = Campaign.objects.values().get(pk=closed.pk)
    with pytest.raises(Conflict, match="is closed; reopen it to") as told:
        CHANGES[what](lead, closed, cast[0])
    assert told.value.code == "closed"
    assert Campaign.objects.values().get(pk=closed.pk) == before
    assert closed.tasks.filter(reserved_for=None).count() == 2
    campaigns.move(lead, closed, "paused")
    if what != "import":  # needs an upload; its guard is the state alone
        CHANGES[what](lead, closed, cast[0])


def test_a_page_from_before_the_closing_is_refused_by_the_row_not_by_what_it_remembers(lead, cast):
    made = campaign(tasks=1, lead=lead.user)
    stale = Campaign.objects.get(pk=made.pk)
    campaigns.move(lead, made, "closed")
    with pytest.raises(Conflict, match="reopen"):
        tasks.add(lead, stale, ROW)
    with pytest.raises(Conflict, match="moved"):
        campaigns.move(lead, stale, "paused")


def test_the_api_says_the_same(api, people):
    made = campaign(tasks=1, lead=people["lead"], state="closed")
    answer = api("lead", "POST", f"/campaigns/{made.pk}/tasks", {"rows": [ROW]})
    assert (answer.status_code, answer.json()["code"]) == (409, "closed")
    answer = api("lead", "POST", f"/campaigns/{made.pk}/move", {"to": "live"})
    assert (answer.status_code, answer.json()["code"]) == (409, "bad_move")
    made = {"name": "long", "kind": "rating", "title": "x" * 201}
    answer = api("lead", "POST", "/campaigns", made)
    assert (answer.status_code, answer.json()["field"]) == (400, "title")


@pytest.mark.parametrize("state", ["draft", "paused", "closed"])
def test_nothing_new_is_claimed_where_a_campaign_is_not_open(state, cast):
    made = campaign(tasks=1, state=state)
    join(made, cast[0])
    for act in (claims.claim, claims.prefetch):
        with pytest.raises(Conflict, match=f"is {state}; no task can be claimed"):
            act(Actor(user=cast[0]), made)


def test_what_is_held_can_be_handed_in_whatever_the_state(lead, cast):
    made = campaign(tasks=2, lead=lead.user)
    join(made, cast[0])
    held = [claims.claim(Actor(user=cast[0]), made, another=True) for _ in range(2)]
    campaigns.move(lead, made, "paused")
    assert hand_in(cast[0], held[0]).state == "submitted"
    campaigns.move(lead, made, "closed")
    assert hand_in(cast[0], held[1]).state == "submitted"


# ---- two leads at once


def form_of(made, **fields):
    """The settings form as a browser sends it back."""
    form = CampaignForm(initial={}, editing=True)
    values = {name: getattr(made, name, "") for name in form.fields}
    values |= {"seen": campaigns.stamp(made), "schema": "", "due": "", "exam": "", "budget": ""}
    values |= {"skills": [skill.pk for skill in made.skills.all()], "languages": " ".join(made.languages)}
    values = {name: value for name, value in {**values, **fields}.items() if value is not False}
    return {name: "" if value is None else value for name, value in values.items()}


def test_a_lead_never_overwrites_what_another_has_just_saved(client_for, people):
    made = campaign(tasks=1, lead=people["lead"], pay_basis="task", pay_amount=Decimal("2.00"))
    address, client = reverse("labeling:campaign_edit", args=[made.pk]), client_for("lead")
    mine = form_of(made, title="Mine", hold_minutes=300)
    campaigns.edit(Actor(user=people["admin"]), made, pay_amount=Decimal("3.00"), title="Theirs")
    answer = client.post(address, mine)
    page = answer.content.decode()
    assert "Somebody else changed these settings meanwhile" in page
    assert "title (now Theirs)" in page
    assert "pay amount (now 3.00)" in page
    assert 'value="Mine"' in page, "what was typed is still there"
    made.refresh_from_db()
    assert (made.title, made.pay_amount, made.hold_minutes) == ("Theirs", Decimal("3.00"), 120)
    again = {**mine, "seen": answer.context["form"]["seen"].value(), "pay_amount": "3.00"}
    assert client.post(address, again).status_code == 302
    made.refresh_from_db()
    assert (made.title, made.pay_amount, made.hold_minutes) == ("Mine", Decimal("3.00"), 300)


def test_the_stamp_changes_with_every_setting(lead):
    made = campaign(lead=lead.user)
    seen = [campaigns.stamp(made)]
    for change in (
        {"overlap": 2},
        {"consent": "I agree."},
        {"skills": [Skill.objects.create(name="Physics")]},
        {"schema": {**made.schema, "edit_winner": True}},
        {"pay_basis": "task", "pay_amount": Decimal("1")},
    ):
        made = campaigns.edit(lead, made, **change)
        seen.append(campaigns.stamp(Campaign.objects.get(pk=made.pk)))
    assert len(set(seen)) == 6


def test_the_audit_says_what_was_changed_and_to_which_pay(lead):
    made = campaign(lead=lead.user)
    campaigns.edit(lead, made, overlap=1, title="New", pay_basis="task", pay_amount=Decimal("2.00"))
    data = AuditEntry.objects.get(verb="campaign.edit").data
    assert data == {
        "changed": ["pay_amount", "pay_basis", "title"],
        "pay_amount": "2.00",
        "pay_basis": "task",
    }


# ---- pay that was promised


def test_pay_falls_only_once_the_work_done_for_it_is_approved(lead, cast):
    made = campaign(tasks=3, lead=lead.user, pay_basis="task", pay_amount=Decimal("2.00"))
    join(made, cast[0])
    campaigns.edit(lead, made, pay_amount=Decimal("1.50"))  # nobody has worked yet
    label(cast[0], made)
    campaigns.edit(lead, made, pay_amount=Decimal("2.50"))
    for less in ({"pay_amount": Decimal("2.49")}, {"pay_basis": "hour"}, {"pay_basis": "none"}):
        with pytest.raises(Conflict, match=r"pays 2\.50 EUR for work that no approved statement holds"):
            campaigns.edit(lead, made, **less)
    today = timezone.now().date()
    made.refresh_from_db()
    time.draft_statements(lead, made, today, today)
    with pytest.raises(Conflict, match="approve its statements"):
        campaigns.edit(lead, made, pay_amount=Decimal("1.00"))
    time.approve(lead, made, today, today)
    campaigns.edit(lead, made, pay_amount=Decimal("1.00"))
    made.refresh_from_db()
    assert made.statements.get().total == Decimal("2.50")


# ---- overlap


def test_tasks_added_from_an_old_page_have_the_overlap_of_now(lead):
    made = campaign(tasks=1, lead=lead.user)
    stale = Campaign.objects.get(pk=made.pk)
    campaigns.edit(lead, made, overlap=3)
    assert tasks.add(lead, stale, ROW).overlap == 3
    row = TaskImport.objects.create(campaign=stale, source="t", options={"role": "normal"})
    row.campaign = stale
    stored = {**ROW_COLUMNS, "position": 50}
    imports.read_chunk, kept = (lambda *_: [stored]), imports.read_chunk
    try:
        imports._load_chunk(row, "", 0, 50, {})
    finally:
        imports.read_chunk = kept
    assert Task.objects.get(position=50).overlap == 3


ROW_COLUMNS = {
    "key": "k50", "payload": '{"messages": []}', "gold": None, "author": "", "topic": "", "difficulty": "",
    "language": "", "candidates": [],
}  # fmt: skip


def test_a_task_put_back_has_the_overlap_of_now(lead, cast):
    made = campaign(tasks=2, lead=lead.user, overlap=3)
    join(made, *cast)
    first = claims.claim(Actor(user=cast[0]), made).task
    claims.claim(Actor(user=cast[1]), made, task=first)
    tasks.withdraw(lead, made, made.tasks.all())
    campaigns.edit(lead, made, overlap=1)
    made.refresh_from_db()
    tasks.withdraw(lead, made, made.tasks.all(), withdrawn=False)
    assert list(made.tasks.order_by("position").values_list("overlap", "live")) == [(2, 2), (1, 0)]


def test_a_title_is_asked_for(lead):
    with pytest.raises(InvalidInput, match="title") as told:
        campaigns.edit(lead, campaign(lead=lead.user), title="  ")
    assert told.value.field == "title"


def test_pilot_tasks_go_with_the_pilot(lead, cast):
    made = campaign(tasks=1, lead=lead.user, state="draft")
    extra = task(made, role="pilot")
    join(made, *cast)
    campaigns.move(lead, made, "pilot")
    assert {claims.claim(Actor(user=user), made).task_id for user in cast} == {extra.pk}
    campaigns.move(lead, made, "live")
    assert hand_in(cast[0], made.assignments.get(labeler=cast[0])).role == "pilot"
    assert claims.claim(Actor(user=cast[0]), made).task.role == "normal"
