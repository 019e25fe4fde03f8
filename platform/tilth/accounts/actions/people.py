"""Writers of people: profile, role, skills, deactivation and anonymisation. Nobody is ever deleted."""

from collections.abc import Iterable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from axes.models import AccessAttempt
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from tilth.accounts import audit
from tilth.accounts.actions.checks import clean_name, clean_role
from tilth.accounts.actors import Actor
from tilth.accounts.models import Invitation, Role, Skill, User
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput, PermissionDenied

THEMES = dict(User._meta.get_field("theme").choices or [])


def _keep_an_admin(person: User) -> None:
    """Raise unless somebody else can still manage people; locks the admins until the transaction ends."""
    admins = list(User.objects.active_admins().select_for_update().order_by("pk"))
    if [admin.pk for admin in admins] == [person.pk]:
        raise Conflict(
            f"{person} is the last active admin; make somebody else an admin first.", code="last_admin"
        )


def _change(person: User, condition: dict[str, Any], values: dict[str, Any]) -> None:
    """A conditional write of one person; raises :class:`Conflict` when the condition no longer holds."""
    if not User.objects.filter(pk=person.pk, anonymised_at=None, **condition).update(**values):
        raise Conflict("This person was changed by somebody else meanwhile; reload the page and look again.")
    person.refresh_from_db()


@transaction.atomic
def edit_profile(actor: Actor, *, name: str | None = None, theme: str | None = None) -> User:
    """A person's own name and theme; what is not given stays."""
    require(actor, "account.own")
    if actor.user is None:
        raise PermissionDenied("Only a person has a profile.")
    if theme is not None and theme not in THEMES:
        raise InvalidInput(f"{theme!r} is no theme; choose one of {', '.join(THEMES)}.", field="theme")
    given = {"name": None if name is None else clean_name(name), "theme": theme}
    values = {key: value for key, value in given.items() if value is not None}
    if values:
        _change(actor.user, {}, values)
        audit.record(actor, "user.profile_edited", actor.user.reference, **values)
    return actor.user


@transaction.atomic
def change_role(actor: Actor, person: User, role: str) -> User:
    """Give a person another role; the last active admin keeps theirs."""
    require(actor, "people.manage")
    new, old = clean_role(role), person.role
    if new == old:
        return person
    if old == Role.ADMIN and person.is_active:
        _keep_an_admin(person)
    _change(person, {"role": old}, {"role": new})
    audit.record(actor, "user.role_changed", person.reference, before=old, after=new)
    return person


@transaction.atomic
def deactivate(actor: Actor, person: User) -> User:
    """Shut a person out at once: no sign-in, no open session, no API token works any more."""
    require(actor, "people.manage")
    if person.role == Role.ADMIN:
        _keep_an_admin(person)
    _change(person, {"is_active": True}, {"is_active": False})
    audit.record(actor, "user.deactivated", person.reference)
    return person


@transaction.atomic
def reactivate(actor: Actor, person: User) -> User:
    """Let a deactivated person in again, with their role and password as they were."""
    require(actor, "people.manage")
    if person.anonymised_at:
        raise Conflict("An anonymised person cannot come back; invite them anew.", code="anonymised")
    _change(person, {"is_active": False}, {"is_active": True})
    audit.record(actor, "user.reactivated", person.reference)
    return person


@transaction.atomic
def anonymise(actor: Actor, person: User) -> User:
    """Clear a deactivated person's details for good. Their work stays, under the pseudonym."""
    require(actor, "people.manage")
    if person.is_active:
        raise Conflict("Deactivate this person before their details are cleared.", code="still_active")
    old = person.email
    EmailAddress.objects.filter(user=person).delete()
    Authenticator.objects.filter(user=person).delete()
    AccessAttempt.objects.filter(username=old).delete()
    person.skills.clear()
    person.api_tokens.filter(revoked_at=None).update(revoked_at=timezone.now())
    Invitation.objects.filter(email__iexact=old).update(email=f"{person.pseudonym}@anonymised.invalid")
    values = {
        "email": f"{person.pseudonym}@anonymised.invalid",
        "name": "",
        "password": make_password(None),
        "anonymised_at": timezone.now(),
    }
    _change(person, {"is_active": False}, values)
    _blank_in_audit(person)
    audit.record(actor, "user.anonymised", person.reference)
    return person


def _blank_in_audit(person: User) -> None:
    """The log keeps what was done, not the name or address it was done to."""
    for entry in audit.entries_about(person):
        entry.data = {key: value for key, value in entry.data.items() if key not in audit.PERSONAL}
        entry.save(update_fields=["data"])


@transaction.atomic
def set_skills(actor: Actor, person: User, skills: Iterable[Skill]) -> User:
    """Say what a person can do."""
    require(actor, "people.manage")
    chosen = list(skills)
    if any(skill.archived for skill in chosen):
        raise InvalidInput("An archived skill cannot be given to anybody.", field="skills")
    person.skills.set(chosen)
    audit.record(actor, "user.skills_set", person.reference, skills=sorted(s.name for s in chosen))
    return person


@transaction.atomic
def save_skill(actor: Actor, skill: Skill | None, *, name: str, description: str = "") -> Skill:
    """Make a skill, or (given one) rename and describe it; names are unique whatever their case."""
    require(actor, "people.manage")
    title = clean_name(name, 80)
    if len(description) > 300:
        raise InvalidInput("The description is longer than 300 characters.", field="description")
    others = Skill.objects.filter(name__iexact=title)
    if (others.exclude(pk=skill.pk) if skill else others).exists():
        raise Conflict(f"There is a skill named {title} already.", code="name_taken", field="name")
    verb = "skill.edited" if skill else "skill.created"
    saved = skill or Skill()
    saved.name, saved.description = title, description.strip()
    saved.save()
    audit.record(actor, verb, f"skill:{saved.pk}", name=title)
    return saved


@transaction.atomic
def archive_skill(actor: Actor, skill: Skill, archived: bool = True) -> Skill:
    """Take a skill out of the choices (or put it back); people who have it keep it."""
    require(actor, "people.manage")
    if Skill.objects.filter(pk=skill.pk, archived=not archived).update(archived=archived):
        audit.record(actor, "skill.archived" if archived else "skill.restored", f"skill:{skill.pk}")
    skill.refresh_from_db()
    return skill
