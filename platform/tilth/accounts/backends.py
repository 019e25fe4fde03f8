"""Who is signed in: allauth's sign-in by e-mail address, the person read by a statement that is compiled once."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend as ByEmail
from django.core.exceptions import ValidationError

from tilth.accounts.models import User
from tilth.statements import Select, given

BY_PK = Select(lambda: User.objects.filter(pk=given("pk", User)))


class AuthenticationBackend(ByEmail):
    """allauth's rules; only reading the person of a session is our own."""

    def get_user(self, user_id: Any) -> User | None:
        """The person of a session, unless they may not sign in any more."""
        try:
            user = BY_PK.first(pk=user_id)
        except (ValueError, TypeError, ValidationError):
            return None
        return user if user is not None and self.user_can_authenticate(user) else None
