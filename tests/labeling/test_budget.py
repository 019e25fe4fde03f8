"""Budgets: where they end claims, what counts against them, and who is told."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling import budget, pay
from labeling.actions import campaigns, claims, guidelines, reviews
from labeling.actions.reviews import Verdict
from labeling.models.campaigns import Campaign
from labeling.models.guidelines import GuidelineVersion
from labeling.models.tasks import Assignment
from labeling.progress import progress
from tests.conftest import BACKEND
from tests.labeling.campaigns import CLAUSES, campaign, join
from tests.labeling.test_kinds import GOOD
from tests.labeling.work import hand_in, label
from tilth.accounts.actors import Actor
from tilth.errors import Conflict, InvalidInput


def stand(made):
    """Let the last count of the budget be old."""
    Campaign.objects.filter(pk=made.pk).update(budget_due=None)
    made.refresh_from_db()


def signed_in(user):
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def test_claims_end_where_the_budget_does_and_held_work_goes_on(cast, people):
    lead = people["lead"]
    made = campaign(tasks=9, lead=lead, pay_basis="task", pay_amount=Decimal("3"), budget=Decimal("10"))
    join(made, *cast)
    label(cast[0], made)
    assert progress(made).finish is not None
    held = [claims.claim(Actor(user=user), made) for user in cast[1:]]
    with pytest.raises(Conflict, match="your lead knows") as told:
        claims.claim(Actor(user=cast[0]), made)
    assert told.value.code == "out_of_budget"
    assert progress(made).finish is None, "nobody can claim: no day is promised"
    assert (pay.spent(made), budget.held(made)) == (Decimal("3.00"), Decimal("6.00"))
    assert "out of budget" in signed_in(cast[0]).get(reverse("labeling:work")).content.decode()
    assert signed_in(cast[0]).get(reverse("labeling:offer", args=[made.pk])).status_code == 302
    assert signed_in(cast[1]).get(reverse("labeling:offer", args=[made.pk])).status_code == 200
    for page in ("/", reverse("labeling:campaign", args=[made.pk])):
        text = signed_in(lead).get(page).content.decode()
        assert reverse("labeling:campaign_edit", args=[made.pk]) + "#id_budget" in text
    hand_in(cast[1], held[0])
    claims.skip(Actor(user=cast[2]), held[1], "Not my subject")
    stand(made)
    assert claims.claim(Actor(user=cast[0]), made), "what was skipped makes room again"
    with pytest.raises(Conflict):
        claims.claim(Actor(user=cast[2]), made)
    campaigns.edit(Actor(user=lead), made, budget=Decimal("12"))
    made.refresh_from_db()
    assert claims.claim(Actor(user=cast[2]), made), "a raised budget counts at once"


def test_what_is_handed_in_while_the_room_is_counted_counts_once(cast):
    made = campaign(tasks=9, pay_basis="task", pay_amount=Decimal("1"), budget=Decimal("20"))
    join(made, *cast)
    for number in range(6):
        held = claims.claim(Actor(user=cast[0]), made)
        asked = 0

        def counted(execute, *statement, after=number, held=held):
            nonlocal asked
            answer = execute(*statement)
            asked += 1
            if asked == after + 1:
                hand_in(cast[0], held)
            return answer

        with connection.execute_wrapper(counted):
            found = budget.room(made)
        assert found == 20 - (number + 1), f"handed in after statement {number + 1}"
        if asked <= number:
            hand_in(cast[0], held)


def counted(made):
    """Tasks paid so far, and those for which the budget has room."""
    return pay.spent(made), budget.room(made)


def test_what_comes_back_counts_once_whoever_sent_it_back(cast, people, as_role):
    reviewer, me = as_role("reviewer"), Actor(user=cast[0])
    made = campaign(
        tasks=9,
        pay_basis="task",
        pay_amount=Decimal("1"),
        budget=Decimal("9"),
        review_rate=1.0,
        lead=people["lead"],
    )
    join(made, *cast)
    body = {**GOOD["preference"], "clauses": [{"id": "honest"}]}
    one, two, three = (label(cast[0], made, body) for _ in range(3))
    assert counted(made) == (3, 6)
    reviews.decide(reviewer, one, Verdict("return", note="Why?"))
    assert counted(made) == (2, 6), "not paid until it comes back, and held for its labeler"
    reviews.decide(reviewer, two, Verdict("reject", note="Copied."))
    assert counted(made) == (2 - 1, 7), "rejected: room for somebody else"
    changed = GuidelineVersion.objects.create(
        guideline=made.guideline.guideline,
        number=2,
        source="# B",
        clauses=[{**CLAUSES[0], "body": "Else."}, CLAUSES[1]],
    )
    guidelines.pin(Actor(user=people["lead"]), made, changed, mark_stale=True, requeue=True)
    three.refresh_from_db()
    assert (three.state, three.stale) == ("returned", True)
    assert counted(made) == (1, 7), "given back by the guideline: it stays paid, and is not held on top"
    made.refresh_from_db()
    again = label(cast[0], made, body)  # what the reviewer returned, handed in again
    assert (again.assignment_id, counted(made)) == (one.assignment_id, (2, 7))
    anew = label(cast[0], made, body)  # what the guideline gave back
    assert (anew.assignment_id, counted(made)) == (three.assignment_id, (2, 7))
    reviews.decide(reviewer, anew, Verdict("return", note="Why?"))
    assert counted(made) == (1, 7), "a reviewer's word counts, whatever came before"
    claims.end(Actor(user=people["lead"]), anew.assignment, "Gone.")
    assert counted(made) == (1, 8), "returned and ended: room again"
    assert me.user.assignments.count() == 3


def test_hours_that_come_back_count_once(cast, as_role):
    made = campaign(
        tasks=9,
        pay_basis="hour",
        pay_amount=Decimal("30"),
        budget=Decimal("60"),
        expected_minutes=20,
        review_rate=1.0,
    )
    join(made, *cast)
    held = claims.claim(Actor(user=cast[0]), made)
    Assignment.objects.filter(pk=held.pk).update(active_seconds=1800)
    done = hand_in(cast[0], held)
    assert (pay.spent(made), budget.held(made), budget.room(made)) == (Decimal("15.00"), 0, 4)
    reviews.decide(as_role("reviewer"), done, Verdict("return", note="Why?"))
    assert (pay.spent(made), budget.held(made), budget.room(made)) == (Decimal("15.00"), 0, 4)
    Assignment.objects.filter(pk=held.pk).update(active_seconds=2400)
    hand_in(cast[0], held)
    assert (pay.spent(made), budget.held(made), budget.room(made)) == (Decimal("20.00"), 0, 4)


def test_hours_held_count_against_the_budget_as_expected_or_as_worked(cast, people):
    made = campaign(
        tasks=9, pay_basis="hour", pay_amount=Decimal("30"), budget=Decimal("20"), expected_minutes=20
    )
    join(made, *cast)
    first = claims.claim(Actor(user=cast[0]), made)
    assert budget.held(made) == Decimal("10.00")
    Assignment.objects.filter(pk=first.pk).update(active_seconds=1260)
    assert (budget.held(made), budget.room(made)) == (Decimal("10.50"), 0)
    stand(made)
    with pytest.raises(Conflict, match="out of budget"):
        claims.claim(Actor(user=cast[1]), made)


def test_a_budget_that_is_far_costs_a_claim_no_query(cast):
    free = campaign(tasks=9)
    limited = campaign(tasks=9, pay_basis="task", pay_amount=Decimal("1"), budget=Decimal("90000"))
    asked = []
    for made in (free, limited):
        join(made, *cast)
        claims.claim(Actor(user=cast[0]), made)
        with CaptureQueriesContext(connection) as found:
            claims.claim(Actor(user=cast[1]), made)
        asked.append(len(found))
    assert asked[0] == asked[1]


@pytest.mark.parametrize("wanted", ["0", "-5"])
def test_a_budget_is_more_than_nothing(people, wanted):
    made = campaign(lead=people["lead"])
    with pytest.raises(InvalidInput) as told:
        campaigns.edit(Actor(user=people["lead"]), made, budget=Decimal(wanted))
    assert told.value.field == "budget"
