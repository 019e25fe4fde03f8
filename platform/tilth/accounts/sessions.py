"""Sessions in the database as Django keeps them, read by a statement that is compiled once."""

from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from tilth.statements import Select, given

BY_KEY = Select(
    lambda: Session.objects.filter(
        session_key=given("session_key", Session), expire_date__gt=given("now", Session, "expire_date")
    )
)


class SessionStore(DatabaseStore):
    """Django's own store: the same rows, signatures and expiry."""

    def _get_session_from_db(self) -> Any:
        found = BY_KEY.first(session_key=self.session_key, now=timezone.now()) if self.session_key else None
        if found is None:
            self._session_key = None
        return found
