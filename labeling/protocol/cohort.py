"""Groups of people by what they say of themselves: however it is spelled, one answer is one group. Pure: no Django."""

import unicodedata
from collections import Counter
from collections.abc import Mapping

NOT_GIVEN = "not given"


def tidy(said: str) -> str:
    """The answer without what nobody means: width, runs of spaces, spaces around."""
    return " ".join(unicodedata.normalize("NFKC", said).split())


def cohorts(said: Mapping[int, str]) -> dict[str, list[int]]:
    """People by group; spellings that differ in case or spacing are one, named as most spell it."""
    spelled: dict[str, Counter[str]] = {}
    people: dict[str, list[int]] = {}
    for person, answer in said.items():
        text = tidy(answer) or NOT_GIVEN
        spelled.setdefault(text.casefold(), Counter())[text] += 1
        people.setdefault(text.casefold(), []).append(person)
    names = {key: max(sorted(counted), key=counted.__getitem__) for key, counted in spelled.items()}
    return {names[key]: found for key, found in people.items()}
