"""``manage.py reset_password EMAIL``: lets somebody back in when mail cannot."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tilth.accounts.actions.passwords import reset_password
from tilth.accounts.actors import Actor
from tilth.errors import TilthError


class Command(BaseCommand):
    """Gives a person a new one-time password."""

    help = "Give a person a new one-time password, to be changed at the next sign-in."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose."""
        parser.add_argument("email")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        """Print the password, once."""
        try:
            password = reset_password(Actor.system("command line"), email)
        except TilthError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"One-time password of {email}: {password}\nIt must be changed at the next sign-in."
        )
