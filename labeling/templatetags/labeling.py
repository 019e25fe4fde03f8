"""What labeling's templates need beside the components: differences, and look-ups by a number as text."""

from typing import Any

from django import template

from tilth.text.diff import Piece
from tilth.text.diff import word_diff as differences

register = template.Library()


@register.simple_tag
def word_diff(old: object, new: object) -> list[Piece]:
    """The pieces of a word-level difference."""
    return differences(str(old or ""), str(new or ""))


@register.filter
def entry(mapping: Any, key: object) -> Any:
    """The entry of a JSON object under a key that may be a number."""
    return (mapping or {}).get(str(key)) or {}
