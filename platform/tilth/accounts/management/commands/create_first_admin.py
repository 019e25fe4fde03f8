"""``manage.py create_first_admin``: the way into a fresh Tilth. Does nothing once there is an admin."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tilth.accounts.actions.passwords import create_first_admin
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.errors import TilthError


class Command(BaseCommand):
    """Makes the first admin and prints a one-time password, once."""

    help = "Make the first admin and print their one-time password; do nothing when there is an admin."

    def add_arguments(self, parser: CommandParser) -> None:
        """``--email`` and ``--json``."""
        parser.add_argument("--email", default="admin@tilth.local", help="the admin's e-mail address")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        """Print the e-mail address and the password, or that there is an admin."""
        if User.objects.active_admins().exists():
            self._print(options["json"], {"created": False}, "There is an admin already; nothing to do.")
            return
        try:
            user, password = create_first_admin(Actor.system("command line"), email)
        except TilthError as error:
            raise CommandError(str(error)) from None
        made = {"created": True, "email": user.email, "password": password}
        self._print(
            options["json"],
            made,
            f"First admin: {user.email}\nOne-time password: {password}\nChange it at the first sign-in.",
        )

    def _print(self, as_json: bool, fields: dict[str, Any], words: str) -> None:
        self.stdout.write(json.dumps(fields) if as_json else words)
