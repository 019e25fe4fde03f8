"""The path that every labeler walks all day asks the database little, and compiles nothing anew."""

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.db.models.sql.compiler import SQLCompiler
from django.test import Client
from django.test.utils import CaptureQueriesContext

from labeling.models.campaigns import Campaign, Member
from tests.labeling.campaigns import campaign
from tilth.accounts.models import AuditEntry, User

pytestmark = pytest.mark.django_db
ANSWER = {"grade": "A:2", "marks": {"helpful": "A"}, "reason": "It answers what was asked.", "clauses": []}


@pytest.fixture
def place(people: dict[str, User]) -> Campaign:
    made = campaign(tasks=8, overlap=2)
    Member.objects.create(campaign=made, user=people["labeler"], state=Member.State.ACTIVE)
    return made


def send(client: Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def cycle(client: Client, place: Campaign) -> dict[str, int]:
    """Claim, draft, submit; how many statements each took."""
    taken = {}

    def ask(what: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        with CaptureQueriesContext(connection) as asked:
            answer = send(client, path, body)
        taken[what] = len([q for q in asked.captured_queries if "SAVEPOINT" not in q["sql"]])
        return answer

    held = ask("claim", f"/labeling/ahead/{place.pk}/", {})
    base = held["url"].partition("?")[0].rstrip("/")
    save = {"token": held["token"], "payload": ANSWER, "tab": "t", "active": 0, "idle": 0}
    drafted = ask("draft", f"{base}/draft/", {**save, "revision": held["revision"]})
    last = {**save, "revision": drafted["revision"], "key": f"key-{held['id']}-xxxx", "next": False}
    ask("submit", f"{base}/submit/", last)
    return taken


def test_claim_draft_and_submit_take_few_statements(place: Campaign, client_for: Callable[..., Client]):
    client = client_for("labeler")
    cycle(client, place)
    taken = cycle(client, place)
    assert taken["claim"] <= 10 and taken["draft"] <= 6 and taken["submit"] <= 13, taken


def test_nothing_is_compiled_anew(place: Campaign, client_for: Callable[..., Client]):
    client = client_for("labeler")
    cycle(client, place)
    compiled: list[str] = []
    compile_it = SQLCompiler.as_sql

    def noticing(self: SQLCompiler, *args: Any, **kwargs: Any) -> Any:
        compiled.append(str(self.query.model))
        return compile_it(self, *args, **kwargs)

    with patch.object(SQLCompiler, "as_sql", noticing):
        cycle(client, place)
    assert compiled == []


def test_what_is_claimed_and_submitted_is_audited(place: Campaign, client_for: Callable[..., Client]):
    cycle(client_for("labeler"), place)
    verbs = list(AuditEntry.objects.order_by("id").values_list("verb", flat=True))
    assert verbs[-2:] == ["task.claim", "annotation.submit"]


@pytest.mark.parametrize("number", [0, 2**31, 2**63, 10**30])
def test_a_number_that_nothing_has_is_not_found(
    number: int, place: Campaign, client_for: Callable[..., Client]
):
    client, body = client_for("labeler"), json.dumps({"token": "x", "revision": 0, "payload": {}})
    for path in ("ahead/{}/", "work/{}/draft/", "work/{}/submit/", "work/{}/extend/", "work/{}/presence/"):
        answer = client.post(f"/labeling/{path.format(number)}", body, content_type="application/json")
        assert answer.status_code == 404, path


@pytest.mark.parametrize("change", ["deactivate", "password", "expire"])
def test_a_session_that_is_over_opens_nothing(
    change: str, place: Campaign, client_for: Callable[..., Client], people: dict[str, User]
):
    client, user = client_for("labeler"), people["labeler"]
    cycle(client, place)
    if change == "deactivate":
        User.objects.filter(pk=user.pk).update(is_active=False)
    elif change == "password":
        user.set_password("another password of mine")
        user.save()
    else:
        client.session.model.objects.update(expire_date="2020-01-01T00:00:00Z")
    answer = client.post(f"/labeling/ahead/{place.pk}/", "{}", content_type="application/json")
    assert answer.status_code == 302 and "/sign-in/" in answer["Location"]
