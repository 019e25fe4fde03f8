"""Safeguards around a submission: what the labeler is shown before, and what is noted for a person to read.

They never reject anything. Personal data and what teaches a model badly are shown before submitting; the
rest is noticed afterwards. Gold below the floor pauses new claims, never work that is held.
"""

from typing import Any

from labeling.models.annotations import Annotation, Flag
from labeling.models.campaigns import Campaign, Member
from labeling.protocol import lint, personal
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.errors import TilthError

ACTOR = Actor.system("safeguards")


class Noticed(TilthError):
    """Something to look at before submitting; submitting again with ``noticed`` goes ahead."""

    code = "noticed"
    status = 422

    def __init__(self, findings: list[dict[str, Any]]) -> None:
        super().__init__("Please look at this before you submit. You can submit all the same.")
        self.findings = findings
