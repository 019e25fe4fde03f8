"""The table of Django's database cache: rate limits and used one-time codes, shared by every process."""

from typing import Any

from django.core.management import call_command
from django.db import migrations


def create(apps: Any, schema_editor: Any) -> None:
    """Make the table where it is missing; ``createcachetable`` knows each backend's types."""
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


def drop(apps: Any, schema_editor: Any) -> None:
    """Remove it."""
    schema_editor.execute("DROP TABLE IF EXISTS tilth_cache")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_invitations_tokens_skills")]
    operations = [migrations.RunPython(create, drop)]
