"""``manage.py rotate_secrets``: rewrites stored secrets under the newest of TILTH_ENCRYPTION_KEYS."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from tilth.accounts import audit, secrets
from tilth.accounts.actors import Actor
from tilth.errors import TilthError

ENCRYPTED_FIELDS = ("secret", "seed")
"""What allauth keeps encrypted of an authenticator: the app's secret, the seed of the recovery codes."""


class Command(BaseCommand):
    """Afterwards the older keys can be taken away."""

    help = "Rewrite every stored secret under the newest encryption key."

    def handle(self, *args: Any, **options: Any) -> None:
        """All or nothing: one transaction."""
        try:
            with transaction.atomic():
                count = _rotate_authenticators() + sum(rotate_own() for rotate_own in secrets.ROTATIONS)
                audit.record(Actor.system("command line"), "secrets.rotated", "", count=count)
        except TilthError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{count} secrets are now under the newest key; older keys can be taken away.")


def _rotate_authenticators() -> int:
    count = 0
    for authenticator in Authenticator.objects.select_for_update():
        held = [name for name in ENCRYPTED_FIELDS if name in authenticator.data]
        for name in held:
            authenticator.data[name] = secrets.rotate(authenticator.data[name])
        authenticator.save(update_fields=["data"])
        count += len(held)
    return count
