"""What leads tell everybody: new until it is read, and the lead sees by how many it was."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling import announcements as reads
from labeling import panels
from labeling.actions import announcements, roster
from labeling.models.campaigns import Campaign, Member
from tests.labeling.campaigns import campaign, join
from tilth.accounts.actors import Actor
from tilth.errors import InvalidInput, NotFound


@pytest.fixture
def lead(as_role):
    return as_role("lead")


def new_to(user):
    return [(one.campaign.pk, [row.text for row in one.rows]) for one in reads.news(user)]


def test_a_word_is_new_to_each_until_they_have_read_it(lead, people, cast, client_for):
    made, other = campaign(lead=lead.user), campaign(lead=lead.user)
    me, client = people["labeler"], client_for("labeler")
    join(made, me, *cast)
    join(other, cast[1])
    announcements.announce(lead, made, "Welcome <b>all</b>")
    second = announcements.announce(lead, made, "Second word")
    announcements.announce(lead, other, "Not for you")
    assert new_to(me) == [(made.pk, ["Second word", "Welcome <b>all</b>"])]
    assert {pk for pk, _ in new_to(cast[1])} == {made.pk, other.pk}
    home, work = client.get("/").content.decode(), client.get(reverse("labeling:work")).content.decode()
    assert "2 new announcements" in home
    assert "Second word" in work and "Not for you" not in work and "<b>all</b>" not in work
    third = announcements.announce(lead, made, "Third, while the page is open")
    client.post(reverse("labeling:announcements_read", args=[made.pk]), {"newest": second.pk})
    assert new_to(me) == [(made.pk, ["Third, while the page is open"])], "what was not shown stays new"
    assert "1 new announcement<" in client.get("/").content.decode()
    page = client.get(reverse("labeling:announcements", args=[made.pk])).content.decode()
    assert page.count("badge-info") == 1 and "Second word" in page
    client.post(reverse("labeling:announcements_read", args=[made.pk]), {"newest": third.pk})
    client.post(reverse("labeling:announcements_read", args=[made.pk]), {"newest": second.pk})
    assert new_to(me) == [], "nothing becomes new again"
    assert "I have read" not in client.get(reverse("labeling:announcements", args=[made.pk])).content.decode()
    overview = client_for("lead").get(reverse("labeling:campaign", args=[made.pk])).content.decode()
    assert "read by 1 of 4" in overview
    assert [(n, of) for _, n, of in reads.read_by(made, list(made.announcements.all()))] == [(1, 4)] * 3


def test_paused_campaigns_speak_and_those_left_do_not(lead, people, cast):
    made, me = campaign(lead=lead.user), people["labeler"]
    member, *_ = join(made, me, *cast)
    announcements.announce(lead, made, "We pause for a week")
    Campaign.objects.update(state="paused")
    assert panels.my_work(me)["announcements"] == 1
    Member.objects.filter(user=cast[0]).update(state="left")  # somebody else's leaving changes nothing
    assert new_to(me) == [(made.pk, ["We pause for a week"])]
    roster.leave(Actor(user=me), member)
    assert new_to(me) == []
    assert [of for _, _, of in reads.read_by(made, list(made.announcements.all()))] == [2]


def test_what_is_not_one_s_own_cannot_be_read_or_marked(lead, people, client_for, cast):
    made, other = campaign(lead=lead.user), campaign(lead=lead.user)
    (member,) = join(made, people["labeler"])
    row = announcements.announce(lead, other, "Elsewhere")
    client = client_for("labeler")
    assert client.get(reverse("labeling:announcements", args=[other.pk])).status_code == 404
    for newest in (row.pk, "", "x", "-1", "9" * 30):
        address = reverse("labeling:announcements_read", args=[made.pk])
        assert client.post(address, {"newest": newest}).status_code == 404, newest
    with pytest.raises(NotFound):
        announcements.read(Actor(user=people["labeler"]), made, row.pk)
    member.refresh_from_db()
    assert member.news_read == 0


def test_an_announcement_has_words_and_a_length(lead):
    made = campaign(lead=lead.user)
    with pytest.raises(InvalidInput, match="5,000"):
        announcements.announce(lead, made, "x" * 5_001)
    with pytest.raises(InvalidInput, match="Write what"):
        announcements.announce(lead, made, " ")


def test_many_announcements_and_campaigns_cost_three_queries(lead, people):
    for _ in range(4):
        made = campaign(lead=lead.user)
        join(made, people["labeler"])
        for n in range(6):
            announcements.announce(lead, made, f"Word {n}")
    with CaptureQueriesContext(connection) as found:
        assert len(reads.news(people["labeler"])) == 4
        reads.read_by(made, list(made.announcements.all()))
    assert len(found) == 3
