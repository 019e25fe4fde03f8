"""No page links to what its reader may not open: every role follows every link it is shown."""

import re
from collections import deque
from html import unescape
from urllib.parse import urldefrag, urljoin

import pytest

from labeling.actions import claims, threads
from labeling.models.tasks import TaskImport
from tests.labeling.campaigns import campaign, join, task
from tests.labeling.work import hand_in
from tilth.accounts.actors import Actor
from tilth.accounts.models import Role

LINK = re.compile(r"<a\b[^>]*?\bhref=\"([^\"]+)\"")
MOST_PAGES = 150


@pytest.fixture
def lively(people, cast):
    """A campaign with everything that pages link to: open and finished work, a question, a pilot, an import."""
    made = campaign(tasks=2, overlap=2, lead=people["lead"], review_rate=1.0)
    task(made, role="pilot")
    join(made, *cast, people["labeler"])
    hand_in(cast[0], claims.claim(Actor(user=cast[0]), made))
    hand_in(people["labeler"], claims.claim(Actor(user=people["labeler"]), made))
    held = claims.claim(Actor(user=people["labeler"]), made)
    threads.ask(Actor(user=people["labeler"]), held, topic="unclear", text="Why?")
    TaskImport.objects.create(campaign=made, source="tasks.jsonl", options={}, created_by=people["lead"])
    return made


@pytest.mark.parametrize("role", [role.value for role in Role])
def test_every_link_opens_for_whoever_is_shown_it(role, lively, client_for):
    client, waiting, seen, closed = client_for(role), deque([("", "/")]), {"/"}, []
    waiting.extend(("", path) for path in ("/labeling/", f"/labeling/campaigns/{lively.pk}/"))
    while waiting and len(seen) < MOST_PAGES:
        came_from, path = waiting.popleft()
        answer = client.get(path, follow=True)
        if answer.status_code >= 400:
            if came_from:
                closed.append(f"{came_from} → {path}: {answer.status_code}")
            continue
        if answer.streaming or "html" not in answer.headers["Content-Type"]:
            continue
        for found in LINK.findall(answer.content.decode()):
            to = urldefrag(urljoin(path, unescape(found))).url
            if to.startswith("/") and not to.startswith("/static/") and to not in seen:
                seen.add(to)
                waiting.append((path, to))
    assert closed == []
    assert len(seen) > 5
