"""The labeling part of the demonstration: people rate curated documents, and their ratings are published.

The people are scripted, their way is the labelers' own: a session each, and the pages and requests that
the browser makes (take part, open the next task, save the draft, submit), with their permissions and
their CSRF tokens. Nobody can sign in as one of them: they have no password.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client
from django.urls import reverse
from lxml import html

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


class Visitor:
    """One person at Tilth's own pages."""

    def __init__(self, user: User) -> None:
        site = urlsplit(settings.SITE_URL)
        self.secure = site.scheme == "https"
        self.client = Client(enforce_csrf_checks=True, headers={"host": site.netloc})
        self.client.force_login(user, backend=BACKEND)

    def open(self, address: str) -> Any:
        """A page, following redirects, as parsed HTML."""
        return self._page(self.client.get(address, follow=True, secure=self.secure))

    def send(self, address: str, **fields: str) -> Any:
        """A form of a page just opened, and the page that comes of it."""
        token = {"csrfmiddlewaretoken": self.client.cookies[settings.CSRF_COOKIE_NAME].value}
        answer = self.client.post(
            address, {**fields, **token}, follow=True, secure=self.secure, headers=self._origin()
        )
        return self._page(answer)

    def ask(self, address: str, body: dict[str, Any]) -> dict[str, Any]:
        """A request of the workspace."""
        token = self.client.cookies[settings.CSRF_COOKIE_NAME].value
        answer = self.client.post(
            address,
            json.dumps(body),
            content_type="application/json",
            secure=self.secure,
            headers={"X-CSRFToken": token, **self._origin()},
        )
        found: dict[str, Any] = answer.json()
        if answer.status_code != 200:
            raise TilthError(f"{address} answered {answer.status_code}: {found.get('message')}")
        return found

    def _origin(self) -> dict[str, str]:
        return {"Referer": f"{settings.SITE_URL}/"}

    def _page(self, answer: Any) -> Any:
        if answer.status_code != 200:
            raise TilthError(f"{answer.request['PATH_INFO']} answered {answer.status_code}")
        return html.fromstring(answer.content)


def take_part(person: Visitor, campaign: Campaign) -> None:
    """Read what taking part means, and agree."""
    address = reverse("labeling:join", args=[campaign.pk])
    read = person.open(address).xpath("//input[@name='read']/@value")
    person.send(address, consented="on", read=str(read[0]))


def work(person: Visitor, campaign: Campaign, opinion: Callable[[str], int]) -> int:
    """Rate whatever the campaign has for this person; how many that were."""
    done = 0
    for page in tasks(person, campaign):
        data = json.loads(page.get_element_by_id("workspace").get("data-workspace"))
        document = page.get_element_by_id("rated").text_content()
        scores = {"quality": opinion(document)}
        save = {"token": data["token"], "payload": {**data["payload"], "scores": scores}, "tab": "demo"}
        save |= {"inputs": {}, "active": 1, "idle": 0}
        draft = person.ask(data["urls"]["draft"], {**save, "revision": data["revision"]})
        key = f"demo-{campaign.pk}-{data['id']}"
        person.ask(data["urls"]["submit"], {**save, "revision": draft["revision"], "key": key, "next": False})
        done += 1
    return done


def tasks(person: Visitor, campaign: Campaign) -> Iterator[Any]:
    """The workspace of one task after the other, each claimed when the one before is done."""
    claim = reverse("labeling:claim", args=[campaign.pk])
    person.open(reverse("labeling:work"))
    while (page := person.send(claim)).get_element_by_id("workspace", None) is not None:
        yield page


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
    """Everybody rates; how many ratings there are."""
    done = 0
    for name, opinion in PEOPLE.items():
        known = {"name": f"{name} (demonstration)", "role": Role.LABELER}
        user, made = User.objects.get_or_create(email=f"{name.lower()}@demo.tilth.local", defaults=known)
        if made:
            user.set_unusable_password()
            user.save(update_fields=["password"])
        roster.invite(ACTOR, campaign, user)
        person = Visitor(user)
        take_part(person, campaign)
        done += work(person, campaign, opinion)
    return done


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
