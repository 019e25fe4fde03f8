"""The accounts app: who may do what, and who did what."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, roles, invitations, tokens and the audit log."""

    name = "tilth.accounts"
    label = "accounts"
