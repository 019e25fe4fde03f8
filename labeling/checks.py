"""A system check: no key of a workspace may mean two things."""

from collections.abc import Iterable
from typing import Any

from django.core.checks import CheckMessage, Error

from labeling.protocol.registry import all_kinds, collisions


def task_kinds(app_configs: Any = None, **kwargs: Any) -> Iterable[CheckMessage]:
    """One error per key that collides in the default schema of a kind."""
    return [
        Error(
            f"In tasks of kind {kind.name}, {text}.", hint="Give one of them another key.", id="labeling.E001"
        )
        for kind in all_kinds().values()
        for text in collisions(kind, kind.default_schema())
    ]
