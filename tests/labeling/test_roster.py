"""Rosters: tables of addresses, consent, capacity, reservations, and work that goes to somebody else."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from labeling import eligibility
from labeling.actions import campaigns, claims, drafts, handover, roster, rosterfiles
from labeling.actions.drafts import Save
from labeling.models.campaigns import Campaign, Member, Profile, RosterInvite, Tally
from labeling.models.tasks import Assignment, Task
from labeling.protocol.rosterfile import read_roster
from tests.labeling.campaigns import campaign, join, task
from tests.labeling.work import hand_in
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, Skill, User
from tilth.errors import Conflict, InvalidInput, PermissionDenied


@pytest.fixture
def lead(as_role):
    return as_role("lead")


def post(client, name, *arguments, **data):
    answer = client.post(reverse(f"labeling:{name}", args=arguments), data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


# ---- tables


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffE-Mail;weekly minutes;languages\r\na@b.org;60;en de\r\n",
        "email\tweekly_minutes\tlanguages\na@b.org\t60\ten|de\n",
        'email,weekly_minutes,languages\n"a@b.org",60,"en, de"\n',
        'email;"expertise, region";weekly_minutes;languages\na@b.org;x;60;"en;de"\n\n;;;\n',
        "EMAIL,weekly_minutes,languages,email2\nA@B.org,60,en;de\n",
    ],
)
def test_tables_are_read_as_spreadsheets_write_them(text):
    (line,) = read_roster(text)
    assert (line.email, line.weekly_minutes, line.fields["languages"], line.fault) == (
        "a@b.org", 60, ["en", "de"], "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ("=cmd|' /C calc'!A0,,", "is not an e-mail address"),
        ("a@b,,", "is not an e-mail address"),
        ("a@b.org,-1,", "whole number up to 10,080"),
        ("a@b.org,1e3,", "whole number up to 10,080"),
        (f"a@b.org,{'9' * 5000},", "whole number up to 10,080"),
        ("a@b.org,10081,", "whole number up to 10,080"),
        ("a@b.org,60,=1+1", "no language code"),
    ],
)
def test_a_bad_line_says_what_to_change(cells, fault):
    (line,) = read_roster(f"email,weekly_minutes,languages\n{cells}\n")
    assert fault in line.fault
    assert len(line.fault) < 200


def test_five_thousand_people_are_a_table_and_one_more_is_too_many():
    rows = [f"person{n}@example.org" for n in range(5_001)]
    assert sum(1 for _ in read_roster("\n".join(["email", *rows[:5_000]]))) == 5_000
    with pytest.raises(InvalidInput, match="at most 5,000"):
        list(read_roster("\n".join(["email", *rows])))


def test_an_address_twice_in_a_table_is_one_person(lead, cast):
    made = campaign(lead=lead.user)
    text = f"email\nnew@b.org\nNEW@b.org\n{cast[0].email}\n{cast[0].email.upper()}\n"
    report = rosterfiles.invite_file(lead, made, text)
    assert (list(report.accounts), report.members, len(report.already)) == (["new@b.org"], [cast[0].email], 2)


def test_a_table_by_the_page(client_for, people):
    made, client = campaign(lead=people["lead"]), client_for("lead")
    for content, told in (
        (b"email\nfine@b.org\nbroken\n", "Line 3:"),
        (b"\xff\xfe\x00", "Save the table as UTF-8"),
        (b"name\nx\n", "must name the columns"),
        (b"", "empty"),
    ):
        file = SimpleUploadedFile("r.csv", content)
        assert told in post(client, "roster_file", made.pk, file=file)
    assert RosterInvite.objects.get().email == "fine@b.org"


def test_more_addresses_than_are_listed_are_told(client_for, people):
    made = campaign(lead=people["lead"])
    RosterInvite.objects.bulk_create(RosterInvite(campaign=made, email=f"p{n}@b.org") for n in range(203))
    page = client_for("lead").get(reverse("labeling:campaign_roster", args=[made.pk])).content.decode()
    assert "and 3 more" in page


def test_whoever_left_and_is_invited_again_by_another_address_comes_back(lead, cast):
    made = campaign(lead=lead.user)
    (member,) = join(made, cast[0])
    roster.leave(Actor(user=cast[0]), member)
    RosterInvite.objects.create(campaign=made, email="other@b.org")
    User.objects.filter(pk=cast[0].pk).update(email="other@b.org")
    cast[0].refresh_from_db()
    roster.claim_invites(cast[0])
    member.refresh_from_db()
    assert member.state == "invited"
    assert AuditEntry.objects.filter(verb="member.claim_invite", user=cast[0]).exists()


# ---- consent


def test_nobody_agrees_to_a_text_that_they_have_not_seen(client_for, people):
    lead = Actor(user=people["lead"])
    made = campaign(tasks=1, lead=lead.user, open_to_all=True, consent="I agree to A.")
    client = client_for("labeler")
    shown = client.get(reverse("labeling:join", args=[made.pk]))
    assert "I agree to A." in shown.content.decode()
    made = campaigns.edit(lead, made, consent="I sell my soul.")
    page = post(client, "join", made.pk, consented="on", read=shown.context["read"])
    assert "read it again" in page
    assert "I sell my soul." in page
    assert "Tick that you agree" in post(client, "join", made.pk, read=roster.digest(made.consent))
    assert "read it again" in post(client, "join", made.pk, consented="on")
    assert not made.members.exists()
    with pytest.raises(PermissionDenied):
        claims.claim(Actor(user=people["labeler"]), made)
    post(client, "join", made.pk, consented="on", read=roster.digest(made.consent))
    member = made.members.get()
    assert (member.state, member.consent_text) == ("active", "I sell my soul.")


def test_every_text_agreed_to_stays_known_and_leaving_takes_it_back(client_for, people):
    lead, me = Actor(user=people["lead"]), Actor(user=people["labeler"])
    made = campaign(tasks=2, lead=lead.user, open_to_all=True, consent="A")
    roster.join(me, made, consented=True)
    claims.claim(me, made)
    made = campaigns.edit(lead, made, consent="B")
    with pytest.raises(PermissionDenied, match="accept what taking part means"):
        claims.claim(me, made, another=True)
    roster.join(me, made, consented=True)
    client = client_for("labeler")
    assert reverse("labeling:leave", args=[made.pk]) in client.get(reverse("labeling:work")).content.decode()
    post(client, "leave", made.pk)
    with pytest.raises(PermissionDenied):
        claims.claim(me, made, another=True)
    with pytest.raises(InvalidInput, match="Tick"):
        roster.join(me, made, consented=False)
    log = AuditEntry.objects.filter(target=made.reference, user=me.user).order_by("pk")
    found = [(entry.verb, entry.data.get("consent")) for entry in log if entry.verb.startswith("member.")]
    assert found == [("member.join", "A"), ("member.join", "B"), ("member.leave", None)]


# ---- capacity


def test_a_week_runs_from_monday_to_sunday_in_utc(lead, cast, monkeypatch):
    made = campaign(lead=lead.user)
    join(made, cast[0])
    Member.objects.update(weekly_minutes=60)
    sunday = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    Tally.objects.create(campaign=made, labeler=cast[0], day=sunday.date(), active_seconds=3_600)
    for now, full in (
        (sunday, True),
        (sunday + timedelta(minutes=1), False),
        (sunday - timedelta(days=6), True),
    ):
        monkeypatch.setattr(eligibility.timezone, "now", lambda now=now: now)
        assert bool(eligibility.missing(cast[0], made)) is full


def test_a_draft_of_hours_uses_up_the_week_before_it_is_handed_in(lead, cast):
    made = campaign(tasks=3, lead=lead.user)
    join(made, cast[0])
    Member.objects.update(weekly_minutes=60)
    held = claims.claim(Actor(user=cast[0]), made)
    Assignment.objects.filter(pk=held.pk).update(
        active_seconds=3_600, draft_revision=1, draft={"reason": "x"}
    )
    with pytest.raises(PermissionDenied, match="60 minutes agreed for this week"):
        claims.claim(Actor(user=cast[0]), made, another=True)
    hand_in(cast[0], held)
    with pytest.raises(PermissionDenied, match="60 minutes"):
        claims.claim(Actor(user=cast[0]), made)


def test_a_slip_in_the_minutes_lifts_no_limit(client_for, people):
    made = campaign(lead=people["lead"])
    (member,) = join(made, people["labeler"])
    Member.objects.update(weekly_minutes=60)
    client = client_for("lead")
    for text in ("-5", "12.5", "abc", "9" * 5000, "10081", "NaN"):
        post(client, "member", member.pk, "capacity", weekly_minutes=text)
        member.refresh_from_db()
        assert member.weekly_minutes == 60, text
    assert "no number of minutes" in post(client, "member", member.pk, "capacity", weekly_minutes="x")
    post(client, "member", member.pk, "capacity", weekly_minutes="")
    member.refresh_from_db()
    assert member.weekly_minutes == 0
    assert client.post(reverse("labeling:member", args=[member.pk, "promote"])).status_code == 404


# ---- reservations


def test_what_is_kept_for_nobody_comes_to_others_in_the_end(lead, cast):
    made = campaign(tasks=3, lead=lead.user)
    gone, other = join(made, cast[0], cast[1])
    handover.reserve(lead, made, cast[0], count=2)
    claims.claim(Actor(user=cast[1]), made)
    with pytest.raises(Conflict, match="no task left"):
        claims.claim(Actor(user=cast[1]), made, another=True)
    roster.pause(lead, gone, "Holiday")
    for _ in range(2):
        assert claims.claim(Actor(user=cast[1]), made, another=True).task.reserved_for == cast[0]


def test_a_lead_sees_what_is_reserved_and_releases_it(client_for, people, cast):
    made = campaign(tasks=3, lead=people["lead"])
    join(made, cast[0])
    client = client_for("lead")
    assert "2 tasks are reserved" in post(client, "reserve", made.pk, labeler=cast[0].pk, count=2)
    assert "Release what is reserved" in post(client, "announce", made.pk, text="Welcome")
    page = post(client, "reserve", made.pk, labeler=cast[0].pk, release=1)
    assert "2 tasks reserved for" in page
    assert not Task.objects.exclude(reserved_for=None).exists()
    for count in ("0", "-1", "1001", "x", "9" * 5000):
        assert "Reserve 1 to 1,000" in post(client, "reserve", made.pk, labeler=cast[0].pk, count=count)


def test_only_tasks_that_the_person_could_take_are_reserved(lead, cast):
    made = campaign(lead=lead.user)
    join(made, cast[0])
    Profile.objects.create(user=cast[0], languages=["en"])
    task(made, language="fr")
    task(made, author=cast[0])
    mine = task(made, language="en")
    assert handover.reserve(lead, made, cast[0], count=5) == 1
    mine.refresh_from_db()
    assert mine.reserved_for == cast[0]
    assert claims.claim(Actor(user=cast[0]), made).task == mine
    skilled = campaign(tasks=1, lead=lead.user, needs_skills=True)
    skilled.skills.add(Skill.objects.create(name="Physics"))
    join(skilled, cast[0])
    with pytest.raises(InvalidInput, match="Physics"):
        handover.reserve(lead, skilled, cast[0], count=1)


def test_chosen_tasks_are_reserved_only_where_they_are_free(lead, cast):
    made = campaign(tasks=3, lead=lead.user)
    join(made, *cast)
    taken = claims.claim(Actor(user=cast[0]), made).task
    assert handover.reserve(lead, made, cast[1], tasks=list(made.tasks.all())) == 2
    taken.refresh_from_db()
    assert taken.reserved_for is None


# ---- hand-over


def held_by(user, made, **values):
    held = claims.claim(Actor(user=user), made, another=True)
    drafts.save_draft(Actor(user=user), held, Save(held.hold_token, 0, {"reason": "half"}))
    Assignment.objects.filter(pk=held.pk).update(**values)
    return Assignment.objects.get(pk=held.pk)


def refuse(made, receiver):
    """What stands in the way of the receiver, one thing at a time."""
    member = made.members.get(user=receiver)
    return {
        "New tasks are paused": lambda: Member.objects.filter(pk=member.pk).update(
            state="paused", reason="x"
        ),
        "Join this campaign": lambda: Member.objects.filter(pk=member.pk).update(state="invited"),
        "accept what taking part": lambda: Campaign.objects.filter(pk=made.pk).update(consent="I agree."),
        "agreed for this week": lambda: (
            Member.objects.filter(pk=member.pk).update(weekly_minutes=10),
            Tally.objects.create(
                campaign=made, labeler=receiver, day=timezone.now().date(), active_seconds=600
            ),
        ),
        "wrote what is judged": lambda: made.tasks.update(author=receiver),
        "does not speak fr": lambda: (
            made.tasks.update(language="fr"),
            Profile.objects.create(user=receiver, languages=["en"]),
        ),
        "holds 10 tasks": lambda: [claims.claim(Actor(user=receiver), made, another=True) for _ in range(10)],
        "languages in your profile": lambda: Campaign.objects.filter(pk=made.pk).update(languages=["de"]),
    }


REFUSALS = [
    "New tasks are paused", "Join this campaign", "accept what taking part", "agreed for this week",
    "wrote what is judged", "does not speak fr", "holds 10 tasks", "languages in your profile",
]  # fmt: skip


@pytest.mark.parametrize("why", REFUSALS)
def test_a_draft_goes_to_nobody_who_could_not_have_claimed_it(why, lead, cast):
    made = campaign(tasks=12, lead=lead.user)
    join(made, *cast)
    held = held_by(cast[0], made)
    refuse(made, cast[1])[why]()
    made.refresh_from_db()
    held = Assignment.objects.select_related("campaign", "task", "labeler").get(pk=held.pk)
    result = handover.end_many(lead, made, [held], reason="Leaves", receiver=cast[1])
    assert result.moved == 0
    assert why in result.skipped[0]
    held.refresh_from_db()
    assert (held.state, held.draft) == ("held", {"reason": "half"})
    assert handover.end_many(lead, made, [held], reason="", receiver=cast[2]).moved == (
        0 if why in {"accept what taking part", "languages in your profile"} else 1
    )


def test_time_stays_with_whoever_spent_it_and_the_text_can_be_gone_back_to(lead, cast):
    made = campaign(tasks=1, lead=lead.user, pay_basis="hour", pay_amount=Decimal("60"))
    join(made, *cast)
    held = held_by(cast[0], made, active_seconds=600)
    moved = handover.hand_over(lead, held, cast[1], reason="Leaves")
    drafts.save_draft(Actor(user=cast[1]), moved, Save(moved.hold_token, 1, {"reason": "all mine"}))
    assert {"reason": "half"} in [point.payload for point in moved.history.all()]
    assert {"reason": "half"} in [point.payload for point in held.history.all()]
    Assignment.objects.filter(pk=moved.pk).update(active_seconds=60)
    done = hand_in(cast[1], moved)
    assert (done.labeler, done.active_seconds) == (cast[1], 60)
    seconds = dict(Tally.objects.values_list("labeler", "active_seconds"))
    assert seconds == {cast[0].pk: 600, cast[1].pk: 60}
    row = Task.objects.get()
    assert (row.live, row.submitted, row.state) == (1, 1, "done")
    entry = AuditEntry.objects.get(verb="task.hand_over")
    assert (entry.data["before"], entry.data["after"]) == (cast[0].pseudonym, cast[1].pseudonym)


def test_a_receiver_who_is_none_ends_nothing(client_for, people, cast):
    made = campaign(tasks=3, lead=people["lead"])
    join(made, cast[0])
    held, client = held_by(cast[0], made), client_for("lead")
    for receiver in ("999999", "abc", str(cast[1].pk), "9" * 5000):
        page = post(client, "held", made.pk, assignment=held.pk, receiver=receiver)
        assert "Nothing was changed" in page
    for chosen in ("", "x", "9" * 5000, "9" * 18):
        assert "Choose tasks first" in post(client, "held", made.pk, assignment=chosen)
    held.refresh_from_db()
    assert held.state == "held"
    assert "1 ended" in post(client, "held", made.pk, assignment=[held.pk], receiver="")


def test_a_task_of_another_campaign_is_not_ended_from_here(client_for, people, cast):
    made, other = campaign(lead=people["lead"]), campaign(tasks=1)
    join(other, cast[0])
    held = held_by(cast[0], other)
    assert "Choose tasks first" in post(client_for("lead"), "held", made.pk, assignment=held.pk)
    held.refresh_from_db()
    assert held.state == "held"


# ---- offers


def test_declining_costs_nothing_and_is_not_asked_again(lead, cast):
    made = campaign(tasks=2, lead=lead.user)
    join(made, cast[0])
    first = made.tasks.get(position=1)
    for _ in range(2):
        claims.decline(Actor(user=cast[0]), first)
    assert Assignment.objects.count() == 1
    assert not Tally.objects.exists()
    assert made.members.get(user=cast[0]).claims == 1
    assert claims.claim(Actor(user=cast[0]), made).task.position == 2
    first.refresh_from_db()
    assert (first.live, first.state) == (0, "open")
