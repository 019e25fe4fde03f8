"""The accounts app: who may do what, and who did what."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, roles, invitations, tokens and the audit log."""

    name = "tilth.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Listen to allauth, and register the checks of the settings."""
        from tilth.accounts import checks, entry_audit

        entry_audit.connect()
        checks.register_all()
