"""Every figure of the home page's panels against another count, from the rows themselves, after a random history."""

import random
from collections import Counter
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from labeling import labelers, panels, quality
from labeling.actions import claims, flags, guidelines, reviews, roster, submissions, threads, time
from labeling.actions.drafts import Save, save_draft
from labeling.actions.reviews import Verdict
from labeling.actions.submissions import Handed
from labeling.models.annotations import Annotation, Flag, Review, Thread
from labeling.models.campaigns import Campaign, Member
from labeling.models.guidelines import GuidelineRead
from labeling.models.tasks import Assignment, Task
from labeling.models.time import TimeEntry
from tests.labeling.campaigns import campaign, guideline, join
from tests.labeling.test_kinds import GOOD
from tests.labeling.work import label
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, Role, User
from tilth.errors import TilthError

CENT = Decimal("0.01")
MINUTE = timedelta(minutes=1)


class History:
    """Random work of a few people in a few campaigns; what the product refuses does not happen."""

    def __init__(self, people, cast, seed, monkeypatch):
        self.draw = random.Random(seed)
        self.lead, self.cast = Actor(user=people["lead"]), cast
        second = User.objects.create(email="second@example.org", role=Role.REVIEWER)
        self.reviewers = [Actor(user=people["reviewer"]), Actor(user=second), self.lead]
        self.shift, real = 2 * MINUTE, timezone.now
        # What is handed in is settled at once: everybody's clock but the rows' own is two minutes ahead.
        monkeypatch.setattr(timezone, "now", lambda: real() + self.shift)
        self.campaigns = []
        for n in range(8):
            terms = {"pay_basis": ["task", "hour", "none"][n % 3], "pay_amount": Decimal("7.77"), "currency": "EURUSD"[n % 2 * 3 :][:3]}  # fmt: skip
            made = campaign(
                tasks=3 if n % 2 else 9, overlap=1 + n % 2, review_rate=1.0, reviews_each=1 + n // 2 % 2, lead=self.lead.user if n != 3 else None,
                guideline=guideline(f"guide{n % 7}"), **terms,
            )  # fmt: skip
            join(made, *cast)
            self.campaigns.append(made)

    def run(self, steps):
        acts = [(self.work, 10), (self.go_on, 1), (self.review, 7), (self.decide_between, 3), (self.turn_round, 1),
                (self.declare, 1), (self.ask, 1), (self.flag, 1), (self.membership, 1), (self.read, 1)]  # fmt: skip
        for act in self.draw.choices([act for act, _ in acts], [weight for _, weight in acts], k=steps):
            try:
                act()
            except TilthError:
                continue

    def some(self, rows):
        found = list(rows)
        return self.draw.choice(found) if found else None

    def work(self):
        actor, made = Actor(user=self.draw.choice(self.cast)), self.draw.choice(self.campaigns)
        held = claims.claim(actor, made, another=True)
        Assignment.objects.filter(pk=held.pk).update(active_seconds=self.draw.uniform(0, 4000))
        what = self.draw.random()
        if what < 0.15:
            save_draft(actor, held, Save(held.hold_token, 0, {"reason": "so far"}))
        elif what < 0.25:
            claims.skip(actor, held, "too hard")
        elif what > 0.3:
            self.hand_in(actor, held, undo=what > 0.93)

    def go_on(self):
        if held := self.some(Assignment.objects.open().filter(labeler__in=self.cast)):
            more = held.active_seconds + self.draw.uniform(0, 900)
            Assignment.objects.filter(pk=held.pk).update(active_seconds=more)
            self.hand_in(Actor(user=held.labeler), held, undo=self.draw.random() < 0.15)

    def hand_in(self, actor, held, *, undo):
        held.refresh_from_db()
        save = Save(held.hold_token, held.draft_revision, GOOD["preference"] | {"grade": self.draw.choice(["0:2", "1:2"])})  # fmt: skip
        done = submissions.submit(
            actor, held, Handed(save, key=f"{held.pk}-{self.draw.random()}", noticed=True)
        )
        if undo:
            self.shift = timedelta(0)
            submissions.undo(actor, done)
            self.shift = 2 * MINUTE

    def review(self):
        actor = self.draw.choice(self.reviewers)
        if found := self.some(reviews.waiting(actor.user)):
            if self.draw.random() < 0.1:
                reviews.claim(actor, annotation=found)
                return
            comment = {"path": "reason", "start": 0, "end": 2, "quote": "It", "text": "Say what"}
            comments = [comment] if self.draw.random() < 0.3 else []
            kind = self.draw.choices(["accept", "return", "reject"], [5, 3, 2])[0]
            note = "Clause honest." if kind != "accept" and not comments else self.draw.choice(["", "Yes."])
            reviews.decide(actor, found, Verdict(kind, note=note, comments=comments))

    def decide_between(self):
        if task := self.some(Task.objects.filter(overlap=2, submitted=2)):
            rows = reviews.adjudicable(task)
            reviews.adjudicate(self.lead, task, winner=self.draw.choice(rows), note="Clause short.",
                               seen=reviews.decision_mark(reviews.decision(rows)))  # fmt: skip

    def turn_round(self):
        rows = Annotation.objects.filter(current=True, state__in=["rejected", "returned"])
        if found := self.some(rows):
            reviews.reverse(self.lead, found, "It was right.")

    def declare(self):
        actor, made = Actor(user=self.draw.choice(self.cast)), self.draw.choice(self.campaigns)
        entry = time.declare(
            actor, made, day=timezone.now().date(), minutes=self.draw.randint(1, 50), note="Read"
        )
        if self.draw.random() < 0.6:
            time.decide(self.lead, entry, approved=self.draw.random() < 0.7)

    def ask(self):
        if held := self.some(Assignment.objects.open()):
            thread = threads.ask(Actor(user=held.labeler), held, topic="help", text="How?")
            if self.draw.random() < 0.4:
                threads.close(self.lead, thread)

    def flag(self):
        if found := self.some(Annotation.objects.all()):
            made = Flag.objects.create(
                campaign=found.campaign, annotation=found, kind="paste", message="Pasted"
            )
            if self.draw.random() < 0.4:
                flags.decide(self.reviewers[0], made, "dismissed")

    def membership(self):
        member = self.some(Member.objects.all())
        what = self.draw.random()
        if member.state == "paused":
            roster.resume(self.lead, member)
        elif what < 0.4:
            roster.pause(self.lead, member, "Look again.")
        elif what < 0.5:
            roster.leave(Actor(user=member.user), member)

    def read(self):
        guidelines.acknowledge(
            Actor(user=self.draw.choice(self.cast)), self.draw.choice(self.campaigns).guideline
        )


def outcome(annotation):
    """What came of a submission's reviews, read one by one: accept, return, reject, or nothing yet."""
    left, contested, before = annotation.campaign.reviews_each, False, set()
    for review in annotation.reviews.exclude(decision="adjudicate").order_by("pk"):
        left -= 1
        split = before - {review.decision}
        before.add(review.decision)
        if left == 0 and split and not contested:
            left, contested = 1, True
        elif left == 0:
            return review.decision
    return None


def decisions(user, **where):
    """How many of each there were on somebody's work, with those that were turned round."""
    found = Counter()
    turned = set(AuditEntry.objects.filter(verb="annotation.reverse").values_list("target", flat=True))
    for row in Annotation.objects.filter(labeler=user, **where).select_related("campaign"):
        found["accept" if row.reference in turned else outcome(row)] += 1
    return found


def seconds(user, made, since):
    """Active seconds of somebody in a campaign since a day, from each assignment's attempts."""
    total = 0
    for held in Assignment.objects.filter(labeler=user, campaign=made):
        before = 0
        for row in held.annotations.order_by("attempt"):
            total += (round(row.active_seconds) - before) * (row.submitted_at.date() >= since)
            before = round(row.active_seconds)
        if held.state in {"skipped", "ended"}:
            total += round(held.active_seconds) - before
    return total


def earnings(user):
    found = {}
    first = timezone.now().date().replace(day=1)
    for made in Campaign.objects.all():
        rows = Annotation.objects.filter(labeler=user, campaign=made)
        tasks = sum(row.current and row.state in {"submitted", "accepted", "adjudicated"} and row.submitted_at.date() >= first for row in rows)  # fmt: skip
        declared = sum(e.minutes for e in TimeEntry.objects.filter(labeler=user, campaign=made) if e.state == "approved")  # fmt: skip
        minutes = (Decimal(seconds(user, made, first)) / 60).quantize(CENT, ROUND_HALF_UP) + declared
        worth = {"task": made.pay_amount * tasks, "hour": made.pay_amount * minutes / 60, "none": Decimal(0)}
        if amount := worth[made.pay_basis].quantize(CENT, ROUND_HALF_UP):
            found.setdefault(made.currency, []).append(amount)
    return [(currency, sum(found[currency]), len(found[currency])) for currency in sorted(found)]


def said(user):
    """When something was last said of each submission that is decided."""
    found = {}
    for row in Annotation.objects.filter(labeler=user):
        told = [] if row.state == "submitted" else list(row.reviews.all())
        if row.current and row.state == "adjudicated" and not row.chosen:
            chosen = Annotation.objects.get(task=row.task_id, chosen=True)
            told += [r for r in chosen.reviews.all() if r.decision == "adjudicate"]
        if moments := [r.at for r in told if r.note or r.comments]:
            found[row.pk] = max(moments)
    return found


def first(rows, more=5):
    return rows[:more], max(0, len(rows) - more)


def shown(part):
    return [row.pk for row in part.rows], part.more


def check_labeler(user):
    panel, now = panels.my_work(user), timezone.now()
    monday = now.date() - timedelta(days=now.weekday())
    mine = list(Assignment.objects.filter(labeler=user))
    assert shown(panel["returned"]) == first(sorted(a.pk for a in mine if a.state == "returned"))
    drafts = [a for a in mine if a.state == "held" and not a.prefetched]
    drafts.sort(key=lambda a: (a.draft_at or a.held_at, a.pk), reverse=True)
    assert shown(panel["drafts"]) == first([a.pk for a in drafts])
    done = Annotation.objects.filter(labeler=user).exclude(state="undone")
    assert panel["week_done"] == sum(row.submitted_at.date() >= monday for row in done)
    worked = sum(seconds(user, made, monday) for made in Campaign.objects.all())
    assert panel["week_hours"] == pytest.approx(worked / 3600)
    counts = decisions(user)
    total = counts["accept"] + counts["return"] + counts["reject"]
    assert (panel["accepted"].hits, panel["accepted"].total) == (counts["accept"], total)
    assert panel["earned"] == earnings(user)
    there = [m for m in Member.objects.filter(user=user).select_related("campaign") if m.state != "left"]
    pinned = {m.campaign.guideline_id for m in there if m.campaign.state in {"pilot", "live"}}
    new = pinned - set(GuidelineRead.objects.filter(user=user).values_list("version_id", flat=True))
    assert {v.pk for v in panel["news"].rows} <= new
    assert len(panel["news"].rows) + panel["news"].more == len(new)
    at = said(user)
    assert [row.pk for row, _ in panel["feedback"]] == sorted(at, key=lambda pk: (at[pk], pk), reverse=True)[
        :5
    ]
    assert all(words for _, words in panel["feedback"])
    assert {m.pk for m in panel["paused"]} == {m.pk for m in there if m.state == "paused"}


def check_reviewer(user):
    found = []
    for row in Annotation.objects.filter(current=True, state="submitted"):
        kept = row.reviewer_id not in {None, user.pk} and row.reviewing_until >= timezone.now()
        own = row.labeler_id == user.pk or row.reviews.filter(reviewer=user).exists()
        writes = Assignment.objects.filter(task=row.task_id, labeler=user, state__in=["held", "returned"])
        lead_s = row.contested and user.role == "reviewer"
        if row.reviews_wanted and not (kept or own or lead_s or writes.exists()):
            found.append(row.submitted_at)
    panel = panels.review_queue(user)
    assert panel == None if not found else (panel["count"], panel["oldest"].submitted_at) == (len(found), min(found))  # fmt: skip # noqa: E711


def check_lead(user):
    cache.clear()
    panel = panels.my_campaigns(user)
    led = [c for c in Campaign.objects.all() if user.role == "admin" or c.leads.contains(user)]
    open_ = sorted((c.pk for c in led if c.state != "closed"), reverse=True)
    assert ([c.pk for c, _ in panel["campaigns"]], panel["more"]) == first(open_)
    for made, progress in panel["campaigns"]:
        ordinary = [t for t in made.tasks.all() if t.role == "normal" and t.state != "withdrawn"]
        slots = Assignment.objects.filter(task__in=ordinary, slot__isnull=False)
        there = slots.filter(state__in=["submitted", "accepted", "adjudicated"]).count()
        full = [t for t in ordinary if t.annotations.filter(current=True, assignment__slot__isnull=False).exclude(state__in=["rejected", "returned"]).count() == t.overlap]  # fmt: skip
        found = (progress.tasks, progress.done, progress.wanted, progress.submitted)
        assert found == (len(ordinary), len(full), len(ordinary) * made.overlap, there), made.pk
    waits = {
        "threads": [t.campaign_id for t in Thread.objects.all() if t.open],
        "flags": [f.campaign_id for f in Flag.objects.select_related("annotation") if f.state == "open" and f.annotation.state != "undone"],
        "contested": [a.campaign_id for a in Annotation.objects.all() if a.current and a.contested and a.state == "submitted"],
        "time": [e.campaign_id for e in TimeEntry.objects.all() if e.state == "pending"],
        "paused": [m.campaign_id for m in Member.objects.all() if m.state == "paused"],
    }  # fmt: skip
    mine = {made.pk for made in led}
    for name, where in waits.items():
        per = Counter(pk for pk in where if pk in mine)
        assert panel["totals"][name] == per.total(), name
        assert {w.campaign.pk: n for w in panel["waiting"].rows if (n := getattr(w, name))} == dict(per), name
    paused = Member.objects.filter(state="paused", campaign__in=open_)
    assert len(panel["paused"].rows) + panel["paused"].more == paused.count()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_figure_of_the_home_page_is_counted_as_by_hand(seed, people, cast, monkeypatch, client_for):
    history = History(people, cast, seed, monkeypatch)
    history.run(330)
    Campaign.objects.filter(pk=history.campaigns[0].pk).update(state="closed")
    Campaign.objects.filter(pk=history.campaigns[1].pk).update(state="paused")
    assert Review.objects.filter(decision="adjudicate").exists() and AuditEntry.objects.filter(verb="annotation.reverse").exists()  # fmt: skip
    assert Assignment.objects.values("state").order_by().distinct().count() >= 5
    for user in cast:
        check_labeler(user)
    for actor in history.reviewers:
        check_reviewer(actor.user)
    check_lead(people["lead"])
    check_lead(people["admin"])
    for role in people:
        assert client_for(role).get("/").status_code == 200


def test_the_accepted_rate_is_one_figure_on_every_page(people, cast, monkeypatch):
    crowd = [*cast, *(User.objects.create(email=f"c{n}@example.org", role=Role.LABELER) for n in range(3))]
    history = History(people, crowd, 4, monkeypatch)
    history.run(300)
    for made in history.campaigns:
        by_person = {line.user.pk: line.accepted for line in labelers.labelers(made)}
        for user in crowd:
            counts = decisions(user, campaign=made)
            total = counts["accept"] + counts["return"] + counts["reject"]
            assert (by_person[user.pk].hits, by_person[user.pk].total) == (counts["accept"], total)
        groups = [g for g in quality.slices(made, "region") if g.accepted is not None]
        for group in groups:
            working = [by_person[u.pk] for u in crowd if Annotation.objects.filter(labeler=u, campaign=made).exclude(state="undone").exists()]  # fmt: skip
            assert (group.accepted.hits, group.accepted.total) == (
                sum(s.hits for s in working), sum(s.total for s in working),
            )  # fmt: skip


def test_what_is_cut_leads_to_the_rest(people, client_for, as_role):
    for n in range(7):
        made = campaign(tasks=1, lead=people["lead"], review_rate=1.0, guideline=guideline(f"g{n}"))
        join(made, people["labeler"])
        done = label(people["labeler"], made)
        reviews.decide(as_role("reviewer"), done, Verdict("return", note=f"Reason {n}."))
    page = client_for("labeler").get("/").content.decode()
    assert "2 more returned" in page and "and 2 more guidelines" in page
    assert "Reason 6." in page and "Reason 1." not in page
    lead = client_for("lead").get("/").content.decode()
    assert f'{reverse("labeling:campaigns")}?mine=1">2 more campaigns' in lead


def test_a_first_reviewer_s_word_is_not_told_before_the_second_has_decided(people, cast, client_for):
    made = campaign(tasks=1, review_rate=1.0, reviews_each=2)
    join(made, people["labeler"])
    done = label(people["labeler"], made)
    first_, second = Actor(user=people["reviewer"]), Actor(user=people["lead"])
    reviews.decide(first_, done, Verdict("reject", note="Wrong altogether."))
    client = client_for("labeler")
    address = reverse("labeling:my_annotation", args=[done.pk])
    workspace = reverse("labeling:assignment", args=[done.assignment_id])
    for page in ("/", address, workspace):
        assert "Wrong altogether" not in client.get(page).content.decode(), page
    reviews.decide(second, done, Verdict("reject", note="Indeed."))
    assert "Wrong altogether" in client.get(address).content.decode()
    assert "Indeed." in client.get("/").content.decode()
