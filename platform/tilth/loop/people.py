"""People in the shell: the Admin section, and what ``labeler:<pseudonym>`` points at.

The accounts app lies below the shell and cannot register itself; this app lies above both.
"""

from django.urls import reverse

from tilth.accounts.models import User
from tilth.text.reference import Reference
from tilth.ui import navigation, references

navigation.register("Admin", "People", "accounts:people", "people.manage", order=10, icon="person")
navigation.register("Admin", "Skills", "accounts:skills", "people.manage", order=20, icon="skill")
navigation.register("Admin", "Audit", "accounts:audit", "audit.view", order=90, icon="audit")


def resolve_labeler(reference: Reference) -> references.Resolved | None:
    """A person by pseudonym; only those who manage people learn who it is."""
    person = User.objects.filter(pseudonym=reference.key).first()
    if person is None:
        return None
    state = "active" if person.is_active else "deactivated"
    url = reverse("accounts:person", args=[person.pk])
    return references.Resolved(str(person), url, "people.manage", state)


references.register("labeler", resolve_labeler)
