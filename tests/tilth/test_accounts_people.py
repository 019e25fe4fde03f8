"""What admins do to people, through the pages: roles, deactivation, anonymisation, skills."""

import pytest
from allauth.account.models import EmailAddress
from axes.models import AccessAttempt
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from tests.conftest import PASSWORD
from tilth.accounts.actions import api_tokens
from tilth.accounts.actions import people as actions
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, Role, Skill, User
from tilth.errors import Conflict, InvalidInput, PermissionDenied


def post(client, path, **data):
    return client.post(path, data)


def test_an_address_belongs_to_one_person_whatever_its_case(people):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(email="LEAD@Example.org")
    assert User.objects.get_by_natural_key("LEAD@EXAMPLE.ORG") == people["lead"]


def test_the_list_searches_filters_and_hides_the_deactivated(client_for, people):
    admin = client_for("admin")
    assert b"lead@example.org" in admin.get("/admin/people/").content
    found = admin.get("/admin/people/?q=RESEARCH").content
    assert b"researcher@example.org" in found
    assert b"lead@example.org" not in found
    assert b"reviewer@example.org" not in admin.get("/admin/people/?role=lead").content
    actions.deactivate(Actor(user=people["admin"]), people["lead"])
    assert b"lead@example.org" not in admin.get("/admin/people/").content
    assert b"lead@example.org" in admin.get("/admin/people/?state=inactive").content
    assert b"Nobody matches" in admin.get("/admin/people/?q=nonesuch").content


def test_the_list_is_paged(client_for, people):
    for number in range(60):
        User.objects.create_user(f"crowd{number:02}@example.org", name=f"Crowd {number}")
    answer = client_for("admin").get("/admin/people/?q=crowd&page=2")
    assert answer.context["page"].number == 2
    assert len(answer.context["page"].object_list) == 10


def test_a_role_is_changed_and_written_down(client_for, people):
    person = people["labeler"]
    answer = post(client_for("admin"), f"/admin/people/{person.pk}/role/", role="reviewer")
    assert answer.status_code == 302
    person.refresh_from_db()
    assert person.role == Role.REVIEWER
    entry = AuditEntry.objects.get(verb="user.role_changed")
    assert (entry.user, entry.target) == (people["admin"], f"labeler:{person.pseudonym}")
    assert entry.data == {"before": "labeler", "after": "reviewer"}


def test_an_unknown_role_is_refused_with_the_choices(people):
    with pytest.raises(InvalidInput, match="labeler, reviewer, lead, researcher, admin"):
        actions.change_role(Actor(user=people["admin"]), people["lead"], "king")


@pytest.mark.parametrize("role", ["labeler", "reviewer", "lead", "researcher"])
def test_only_admins_manage_people(people, role):
    for action in (actions.deactivate, actions.reactivate, actions.anonymise):
        with pytest.raises(PermissionDenied):
            action(Actor(user=people[role]), people["labeler"])
    with pytest.raises(PermissionDenied):
        actions.change_role(Actor(user=people[role]), people[role], "admin")
    assert not AuditEntry.objects.exists()


def test_the_last_admin_stays(client_for, people):
    admin = people["admin"]
    answer = post(client_for("admin"), f"/admin/people/{admin.pk}/role/", role="lead")
    assert answer.status_code == 409
    assert b"last active admin" in answer.content
    assert post(client_for("admin"), f"/admin/people/{admin.pk}/deactivate/").status_code == 409
    admin.refresh_from_db()
    assert admin.is_active
    assert admin.role == Role.ADMIN
    second = User.objects.create_user("second@example.org", role=Role.ADMIN)
    actions.deactivate(Actor(user=admin), second)
    with pytest.raises(Conflict):
        actions.change_role(Actor(user=admin), admin, "lead")
    actions.reactivate(Actor(user=admin), second)
    assert actions.change_role(Actor(user=admin), admin, "lead").role == Role.LEAD


def test_deactivation_ends_sessions_and_tokens_at_once(client_for, people):
    lead = client_for("lead")
    _, secret = api_tokens.create_token(Actor(user=people["lead"]), name="t", scopes=["account.own"], days=1)
    headers = {"Authorization": f"Bearer {secret}"}
    assert lead.get("/profile/").status_code == 200
    assert lead.get("/api/v1/me", headers=headers).status_code == 200
    actions.deactivate(Actor(user=people["admin"]), people["lead"])
    assert lead.get("/profile/").status_code == 302
    assert lead.get("/api/v1/me", headers=headers).status_code == 401
    signed = client_for(None).post("/sign-in/", {"login": "lead@example.org", "password": PASSWORD})
    assert signed.status_code == 302
    assert signed.url == "/inactive/"
    assert client_for(None).get("/inactive/").status_code == 200


def test_a_stale_page_is_told_so(people):
    admin, stale = Actor(user=people["admin"]), User.objects.get(pk=people["lead"].pk)
    actions.change_role(admin, people["lead"], "researcher")
    with pytest.raises(Conflict, match="meanwhile"):
        actions.change_role(admin, stale, "reviewer")
    people["lead"].refresh_from_db()
    assert people["lead"].role == Role.RESEARCHER


def test_anonymising_clears_details_and_keeps_the_pseudonym(client_for, people):
    admin, lead = Actor(user=people["admin"]), people["lead"]
    pseudonym = lead.pseudonym
    actions.edit_profile(Actor(user=lead), name="Ada Real Name", theme="dark")
    EmailAddress.objects.create(user=lead, email=lead.email)
    AccessAttempt.objects.create(username=lead.email, failures_since_start=1, get_data="", post_data="")
    api_tokens.create_token(Actor(user=lead), name="t", scopes=["account.own"], days=1)
    with pytest.raises(Conflict, match="Deactivate"):
        actions.anonymise(admin, lead)
    actions.deactivate(admin, lead)
    answer = post(client_for("admin"), f"/admin/people/{lead.pk}/anonymise/")
    assert answer.status_code == 302
    lead.refresh_from_db()
    assert (lead.pseudonym, lead.name, lead.email) == (pseudonym, "", f"{pseudonym}@anonymised.invalid")
    assert not lead.has_usable_password()
    assert not lead.api_tokens.filter(revoked_at=None).exists()
    assert not AccessAttempt.objects.exists()
    assert not EmailAddress.objects.exists()
    page = client_for("admin").get("/admin/audit/").content.decode()
    assert "Ada Real Name" not in page
    assert "lead@example.org" not in page
    assert "user.profile_edited" in page
    with pytest.raises(Conflict, match="invite them anew"):
        actions.reactivate(admin, lead)


def test_people_with_work_cannot_be_deleted(people):
    actions.edit_profile(Actor(user=people["lead"]), name="Ada")
    with pytest.raises(ProtectedError):
        people["lead"].delete()


def test_skills_are_made_given_and_archived(client_for, people):
    admin = client_for("admin")
    assert post(admin, "/admin/skills/", name=" Spoken   Dutch ").status_code == 302
    skill = Skill.objects.get()
    assert skill.name == "Spoken Dutch"
    double = post(admin, "/admin/skills/", name="spoken dutch")
    assert double.status_code == 200
    assert b"named spoken dutch already" in double.content
    path = f"/admin/people/{people['labeler'].pk}/skills/"
    assert post(admin, path, skills=[skill.pk]).status_code == 302
    assert list(people["labeler"].skills.all()) == [skill]
    post(admin, f"/admin/skills/{skill.pk}/archive/", archived="1")
    post(admin, path, skills=[skill.pk])
    assert list(people["labeler"].skills.all()) == [skill]
    for number in ("9" * 25, "9" * 5000, "-1", "x"):
        assert post(admin, path, skills=[number]).status_code == 302, number[:30]
    assert list(people["labeler"].skills.all()) == [skill]
    with pytest.raises(InvalidInput, match="archived"):
        actions.set_skills(Actor(user=people["admin"]), people["lead"], [Skill.objects.get()])


def test_the_profile_saves_name_and_theme(client_for, people):
    client = client_for("labeler")
    assert post(client, "/profile/", name="  Ada   L. ", theme="dark").status_code == 302
    people["labeler"].refresh_from_db()
    assert (people["labeler"].name, people["labeler"].theme) == ("Ada L.", "dark")
    assert b"valid choice" in post(client, "/profile/", name="Ada", theme="pink").content
    assert b"required" in post(client, "/profile/", name=" ", theme="dark").content
