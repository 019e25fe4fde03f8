"""The coverage matrix and forecasts against an independent count, and what a pilot changes in which figure."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import coverage, gold, pay, progress, quality
from labeling.actions import campaigns, claims, submissions, tasks
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Tally
from labeling.models.tasks import Task
from tests.labeling.campaigns import campaign, join, task
from tests.labeling.work import earned, hand_in, label
from tilth.accounts.actors import Actor


@pytest.fixture
def lead(as_role):
    return as_role("lead")


def matrix(made):
    cache.clear()
    made.refresh_from_db()
    return coverage.matrix(made)


def test_each_cell_is_counted_as_by_hand(lead, cast):
    made = campaign(lead=lead.user, overlap=2)
    join(made, *cast)
    drawn = random.Random(7)
    facets = [
        (drawn.choice(["", "law", "art"]), drawn.choice(["", "hard"]), drawn.choice(["", "en", "de"]))
        for _ in range(30)
    ]
    for topic, difficulty, language in facets:
        task(made, topic=topic, difficulty=difficulty, language=language)
    quotas = [
        ("law", "", "", 9),
        ("law", "hard", "en", 2),
        ("", "", "de", 6),
        ("", "", "", 40),
        ("sea", "", "", 3),
    ]
    for topic, difficulty, language, target in quotas:
        campaigns.set_quota(lead, made, topic=topic, difficulty=difficulty, language=language, target=target)
    made.refresh_from_db()
    for user in cast:
        for _ in range(5):
            label(user, made)
    tasks.withdraw(lead, made, made.tasks.filter(position__in=[1, 2, 3]))
    done = Counter()
    for one in Annotation.objects.filter(current=True).select_related("task"):
        done[one.task.topic, one.task.difficulty, one.task.language] += 1
    wanted = Counter()
    for one in made.tasks.filter(state="open"):
        wanted[one.topic, one.difficulty, one.language] += one.overlap - one.submitted

    def inside(counts, cell):
        return sum(
            n for key, n in counts.items() if all(a in {"", b} for a, b in zip(cell, key, strict=True))
        )

    cells = matrix(made)
    for cell in cells:
        key = (cell.topic, cell.difficulty, cell.language)
        if cell.target is not None:
            assert (cell.submitted, cell.open) == (inside(done, key), inside(wanted, key)), key
            assert made.quotas.get(topic=key[0], difficulty=key[1], language=key[2]).filled == cell.submitted
        else:
            assert (cell.submitted, cell.open) == (done[key], wanted[key]), key
    asked = {quota[:3] for quota in quotas}
    assert {(c.topic, c.difficulty, c.language) for c in cells} == asked | set(done) | {*+wanted}
    assert sum(done.values()) == 15


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("known", [True, False], ids=["changed", "new"])
def test_a_quota_counts_what_is_handed_in_while_it_is_set(known, people, cast):
    lead = Actor(user=people["lead"])
    made = campaign(tasks=3, lead=lead.user, has_quotas=True)
    join(made, cast[0])
    cell = {"topic": "", "difficulty": "", "language": ""}
    if known:
        campaigns.set_quota(lead, made, **cell, target=5)
    held = claims.claim(Actor(user=cast[0]), made)
    inside, out = threading.Event(), threading.Event()

    def hand_in_slowly():
        try:
            with transaction.atomic():
                hand_in(cast[0], held)
                inside.set()
                out.wait(20)
        finally:
            connection.close()

    def ask():
        try:
            return campaigns.set_quota(lead, made, **cell, target=6)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(hand_in_slowly)
        assert inside.wait(20)
        asked = pool.submit(ask)
        time.sleep(0.5)
        assert not asked.done(), "it waits for the submission"
        out.set()
        slow.result()
        asked.result()
    assert (made.quotas.get().target, made.quotas.get().filled) == (6, 1)


def test_the_widest_gap_is_served_first_so_that_quotas_fill_together(lead, cast):
    made = campaign(lead=lead.user)
    join(made, cast[0])
    for topic in ("law", "art", "sea") * 8:
        task(made, topic=topic)
    for topic, target in (("law", 6), ("art", 2)):
        campaigns.set_quota(lead, made, topic=topic, difficulty="", language="", target=target)
    made.refresh_from_db()
    served = [label(cast[0], made).task.topic for _ in range(8)]
    assert Counter(served) == {"law": 6, "art": 2}
    assert set(served[:2]) == {"law", "art"}, "neither waits for the other"
    assert [cell.gap for cell in matrix(made) if cell.target] == [0, 0]


def worked(made, user, days, each):
    """So many ordinary tasks handed in on each of the last days."""
    today = timezone.now().date()
    for ago in range(days):
        Tally.objects.create(
            campaign=made, labeler=user, day=today - timedelta(days=ago), submitted=each, filled=each
        )


def test_a_forecast_closes_all_gaps_that_can_be_closed(lead, cast):
    made = campaign(lead=lead.user)
    for _ in range(30):
        task(made, topic="law")
        task(made, topic="art")
    task(made, topic="sea")
    for topic, target in (("law", 20), ("art", 20), ("sea", 5)):
        campaigns.set_quota(lead, made, topic=topic, difficulty="", language="", target=target)
    today = timezone.now().date()
    assert {cell.finish for cell in matrix(made)} == {None}, "nothing is known yet"
    worked(made, cast[0], 7, 4)
    found = {cell.topic: cell for cell in matrix(made)}
    # 20 + 20 + the one task about the sea, 4 a day: also where a cell has none so far.
    assert found["law"].finish == found["art"].finish == today + timedelta(days=11)
    assert (found["sea"].finish, found["sea"].short) == (None, True), "no task could fill it"
    for state in ("draft", "paused", "closed"):
        made.state = state
        made.save(update_fields=["state"])
        assert {cell.finish for cell in matrix(made)} == {None}, state
    made.state = "live"
    made.save(update_fields=["state"])
    made.tasks.update(submitted=1, live=1, state="done")
    found = {cell.topic: cell for cell in matrix(made)}
    assert (found["law"].gap, found["law"].open, found["law"].finish) == (0, 0, None)


def test_the_rate_counts_what_brings_tasks_nearer_to_their_end(lead, cast):
    made = campaign(tasks=4, lead=lead.user, gold_rate=1.0)
    gold_task = task(made, role="gold", gold={"grade": "0:2"})
    join(made, cast[0])
    assert label(cast[0], made).task == gold_task
    assert progress.per_day(made) == 0
    done = label(cast[0], made)
    Annotation.objects.filter(pk=done.pk).update(submitted_at=timezone.now())
    assert progress.per_day(made) == 1
    submissions.undo(Actor(user=cast[0]), done)
    assert progress.per_day(made) == 0
    hand_in(cast[0], done.assignment)
    assert progress.per_day(made) == 1
    assert Tally.objects.get().submitted == 2


def test_a_rate_is_of_the_last_week_whenever_the_campaign_was_resumed(lead, cast):
    made = campaign(tasks=4, lead=lead.user)
    worked(made, cast[0], 10, 5)
    campaigns.move(lead, made, "paused")
    campaigns.move(lead, made, "live")
    assert progress.per_day(made) == 5
    Tally.objects.exclude(day=timezone.now().date()).delete()
    assert progress.per_day(made) == 5, "of the one day that there is"


def test_no_more_cells_are_listed_than_anybody_reads_those_with_a_quota_first(lead, cast):
    made = campaign(lead=lead.user)
    Task.objects.bulk_create(
        (
            Task(
                campaign=made,
                position=n,
                key="",
                payload={},
                overlap=1,
                topic=f"t{n % 600}",
                language="en",
            )
            for n in range(1, 3_001)
        ),
        batch_size=2_000,
    )
    for topic in range(300):
        made.quotas.create(topic=f"t{topic}", target=9)
    cells = matrix(made)
    assert (len(cells), cells[0].open, cells[0].gap) == (coverage.MOST_CELLS, 5, 9)


# ---- with and without the pilot


def piloted(lead, cast):
    """Two pilot tasks done by three people, then two ordinary ones done by two."""
    made = campaign(
        state="pilot", lead=lead.user, overlap=2, pay_basis="task", pay_amount=Decimal("2"), gold_rate=0.0
    )
    for _ in range(2):
        task(made, role="pilot", topic="law")
    for _ in range(2):
        task(made, topic="law")
    join(made, *cast)
    for number, user in enumerate(cast):
        for _ in range(2):
            label(user, made, {"grade": f"{number % 2}:2", "reason": "x", "clauses": []})
    campaigns.move(lead, made, "live")
    for user in cast[:2]:
        for _ in range(2):
            label(user, made, {"grade": "0:2", "reason": "x", "clauses": []})
    return made


def choice(found):
    return next(item for item in found.agreement if item.measure.name == "choice")


def test_the_pilot_is_paid_and_counts_in_no_other_figure(lead, cast):
    made = piloted(lead, cast)
    campaigns.set_quota(lead, made, topic="law", difficulty="", language="", target=9)
    today = timezone.now().date()
    assert pay.spent(made) == Decimal("20")
    assert earned(made, cast[2], today, today).tasks == 2, "who did the pilot alone is paid for it"
    found = progress.progress(made)
    assert (found.tasks, found.submitted, found.wanted, found.per_day) == (2, 4, 4, 4)
    (cell,) = matrix(made)
    assert (cell.submitted, cell.open, made.quotas.get().filled) == (4, 0, 4)
    assert not gold.by_labeler(made)


def test_agreement_is_told_apart_for_the_pilot_and_the_campaign(client_for, lead, cast):
    made = piloted(lead, cast)
    ordinary, pilot = quality.measure(made), quality.measure(made, "pilot")
    assert (ordinary.annotations, pilot.annotations) == (4, 6)
    assert (choice(ordinary).labelers, choice(pilot).labelers) == (2, 3)
    assert choice(pilot).alpha.value < 0, "they disagreed in the pilot"
    assert choice(ordinary).alpha.value is None, "nothing but one answer: not defined"
    client, address = client_for("lead"), reverse("labeling:campaign_quality", args=[made.pk])
    assert "annotations of ordinary tasks" in client.get(address).content.decode()
    assert "newest 6 annotations of the pilot" in client.get(address, {"of": "pilot"}).content.decode()
    campaigns.move(lead, made, "paused")
    campaigns.move(lead, made, "pilot")
    assert "annotations of the pilot" in client.get(address).content.decode()
    assert "annotations of ordinary tasks" in client.get(address, {"of": "normal"}).content.decode()


def test_everybody_does_the_same_pilot_tasks_and_nothing_else(lead, cast):
    piloted(lead, cast)
    assert set(Annotation.objects.filter(role="pilot").values_list("task__role", flat=True)) == {"pilot"}
    assert Counter(Annotation.objects.filter(role="pilot").values_list("labeler", flat=True)) == {
        user.pk: 2 for user in cast
    }
