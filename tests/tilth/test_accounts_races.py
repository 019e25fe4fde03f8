"""Two requests at the same moment: the last admin stays, a link makes one account, a name is taken once."""

import pytest

from tests.conftest import PASSWORD
from tests.racing import at_once, refused
from tilth.accounts.actions import api_tokens, invitations
from tilth.accounts.actions import people as actions
from tilth.accounts.actors import Actor
from tilth.accounts.models import ApiToken, Invitation, Role, User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("round_", range(5))
def test_two_admins_cannot_demote_each_other(people, round_):
    one = people["admin"]
    other = User.objects.create_user("other@example.org", role=Role.ADMIN)
    results = at_once(
        lambda: actions.change_role(Actor(user=one), User.objects.get(pk=other.pk), "lead"),
        lambda: actions.deactivate(Actor(user=other), User.objects.get(pk=one.pk)),
    )
    assert User.objects.active_admins().count() == 1
    assert [error.code for error in refused(results)] == ["last_admin"]


def test_one_link_makes_one_account(people):
    link = invitations.invite(Actor(user=people["admin"]), "new@example.org", "labeler").link
    token = link.rstrip("/").rsplit("/", 1)[1]
    results = at_once(*[lambda: invitations.accept(token, name="N", password=PASSWORD)] * 4)
    assert len(refused(results)) == 3
    assert User.objects.filter(email="new@example.org").count() == 1
    assert Invitation.objects.get().accepted_by.email == "new@example.org"


def test_an_address_is_invited_once(people):
    admin = Actor(user=people["admin"])
    results = at_once(*[lambda: invitations.invite(admin, "New@example.org", "lead")] * 4)
    assert {error.code for error in refused(results)} == {"already_invited"}
    assert Invitation.objects.count() == 1


def test_a_token_name_is_taken_once(people):
    owner = Actor(user=people["lead"])
    make = [lambda: api_tokens.create_token(owner, name="t", scopes=["account.own"], days=1)]
    assert {error.code for error in refused(at_once(*make * 4))} == {"name_taken"}
    assert ApiToken.objects.count() == 1
