"""The labeling part of the demonstration: people rate curated documents, and their ratings are published.

The people are scripted, their way is the labelers' own: each sits before a real browser with a session of
their own. Nobody can sign in as one of them: they have no password.
"""

import time
from collections.abc import Callable

from django.conf import settings
from django.test import Client
from django.urls import reverse

from labeling.actions import campaigns, guidelines, imports, publications, roster
from labeling.models.annotations import UNDO
from labeling.models.campaigns import Campaign
from labeling.models.guidelines import Guideline, GuidelineVersion
from tilth.accounts.actors import Actor
from tilth.accounts.models import Role, User
from tilth.datasets.models import DatasetVersion
from tilth.errors import TilthError
from tilth.jobs.models import Job, JobState
from tilth.jobs.runner import run_inline
from tilth.loop import demo_people
from tilth.loop.served import served

ACTOR = Actor.system("demonstration")
NAME = "demo-ratings"
BACKEND = "tilth.accounts.backends.AuthenticationBackend"
GUIDELINE = """# Documents worth learning from

## Rule: Rate what the text teaches {#teaches}
Serves: user

Rate how much somebody would learn who reads the text, not whether you like it.

## Rule: Boilerplate teaches nothing {#boilerplate}
Serves: user

Menus, cookie notices and lists of links are useless, however long they are.
"""


def by_length(text: str) -> int:
    """One scripted opinion: who writes more has more to say."""
    return 1 + min(4, len(text.split()) // 150)


def by_words(text: str) -> int:
    """Another scripted opinion: long words tell an expert."""
    words = text.split()
    return 1 + min(4, int(16 * sum(len(word) > 8 for word in words) / max(1, len(words))))


PEOPLE: dict[str, Callable[[str], int]] = {"Ada": by_length, "Ben": by_words}
"""Everybody with how they rate; they disagree, as people do."""


def guideline() -> GuidelineVersion:
    """The newest version of the demonstration's guideline; the first is made here."""
    found = Guideline.objects.filter(name=NAME).first()
    if found is None:
        found = guidelines.create(ACTOR, name=NAME, title="Documents worth learning from", source=GUIDELINE)
    newest = found.versions.order_by("-number").first()
    return newest or guidelines.publish(ACTOR, found, revision=found.draft_revision)


def carried_out(job: Job | None) -> Job:
    """A job run here; its own words where it fails."""
    assert job is not None
    ended = run_inline(job)
    if ended.state != JobState.SUCCEEDED:
        raise TilthError((ended.error or {}).get("message") or f"{job.reference} {ended.state}")
    return ended


def campaign_on(version: DatasetVersion, documents: int) -> Campaign:
    """A live campaign in which everybody rates the first documents of a version."""
    made = campaigns.create(
        ACTOR,
        name=f"{NAME}-{version.number}",
        kind="rating",
        title=f"Ratings of {version.reference}",
        guideline=guideline(),
        overlap=len(PEOPLE),
        review_rate=0.0,
    )
    source = imports.source_params(made, version=f"{version.dataset.name}@{version.number}")
    carried_out(imports.start(ACTOR, made, source, limit=documents).job)
    return campaigns.move(ACTOR, made, "live")


def label(campaign: Campaign) -> int:
    """Everybody rates, one after the other; how many ratings there are."""
    with served() as site:
        parts = [
            demo_people.Part(
                campaign=campaign.title,
                join=reverse("labeling:join", args=[campaign.pk]),
                work=reverse("labeling:work"),
                cookie=(settings.SESSION_COOKIE_NAME, session_of(person(name, campaign))),
                opinion=opinion,
            )
            for name, opinion in PEOPLE.items()
        ]
        return demo_people.play(site, parts)


def person(name: str, campaign: Campaign) -> User:
    """One of the scripted people, invited into the campaign."""
    known = {"name": f"{name} (demonstration)", "role": Role.LABELER}
    user, made = User.objects.get_or_create(email=f"{name.lower()}@demo.tilth.local", defaults=known)
    if made:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    roster.invite(ACTOR, campaign, user)
    return user


def session_of(user: User) -> str:
    """The key of a new session of this person's."""
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def publish(campaign: Campaign) -> DatasetVersion:
    """The ratings as the next version of their dataset, once nobody can take one back any more."""
    newest = campaign.annotations.order_by("-submitted_at")[0]
    while campaign.annotations.settled().filter(pk=newest.pk).first() is None:
        time.sleep(min(1.0, UNDO.total_seconds() / 20))
    made = publications.start(ACTOR, campaign, dataset=NAME, dataset_kind="ratings", rule="standing")
    assert made.version is not None
    carried_out(made.job)
    made.version.refresh_from_db()
    return made.version
