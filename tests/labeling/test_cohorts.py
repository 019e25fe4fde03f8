"""The groups by which quality is compared are offered where they are typed, and point at nobody."""

import re

from django.urls import reverse

from labeling.models.campaigns import Member, Profile
from tests.labeling.campaigns import campaign, join, labelers


def offered(client, *arguments):
    """What the page offers to each field of a profile."""
    page = client.get(reverse("labeling:profile_of" if arguments else "labeling:profile", args=arguments))
    found = {}
    for name, body in re.findall(r'<datalist id="known-(\w+)">(.*?)</datalist>', page.content.decode(), re.S):
        assert f'list="known-{name}"' in page.content.decode()
        found[name] = re.findall(r'<option value="(.*?)"', body)
    return found


def said(people, **fields):
    for user in people:
        Profile.objects.update_or_create(user=user, defaults=fields)


def test_a_lead_is_offered_every_group_and_a_labeler_only_large_ones(client_for, people):
    made, other = campaign(lead=people["lead"]), campaign()
    crowd = labelers(9)
    join(made, people["labeler"], *crowd[:8])
    join(other, crowd[8])
    said(crowd[:3], expertise="nursing", region="Delta")
    said(crowd[3:5], expertise=" Nursing", region="")
    said(crowd[5:7], expertise="<b>law", region="Delta")
    said([crowd[8]], expertise="physics")
    lead, labeler = client_for("lead"), client_for("labeler")
    everything = {"expertise": ["nursing", "&lt;b&gt;law"], "region": ["Delta"], "language": []}
    assert offered(lead, people["labeler"].pk) == everything
    assert offered(labeler) == {"expertise": ["nursing"], "region": ["Delta"], "language": []}
    roster = lead.get(reverse("labeling:campaign_roster", args=[made.pk])).content.decode()
    assert "Expertise said so far: nursing; &lt;b&gt;law" in roster
    Member.objects.filter(user=crowd[0]).update(state="left")
    assert offered(labeler) == {"expertise": [], "region": [], "language": []}
