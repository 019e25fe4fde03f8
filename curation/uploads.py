"""Uploads by the names people gave them: runs know them by their hash alone."""

import re
from collections.abc import Callable, Iterable

from tilth.datasets.models import Upload

_SPELLED = re.compile(r"upload:([0-9a-f]{64})")


def namer(texts: Iterable[str]) -> Callable[[str], str]:
    """A function that writes file names in place of the uploads spelled in any of ``texts``; one query for all."""
    digests = {digest for text in texts for digest in _SPELLED.findall(text)}
    names = dict(Upload.objects.filter(sha256__in=digests).values_list("sha256", "name")) if digests else {}

    def named(text: str) -> str:
        return _SPELLED.sub(lambda m: f"{names[m[1]]} (upload)" if m[1] in names else m[0], text)

    return named


def file_name(source: str) -> str:
    """An upload's file name; the source as it is spelled when nobody knows it."""
    row = Upload.objects.filter(sha256=source.removeprefix("upload:")).first()
    return row.name if row else source
