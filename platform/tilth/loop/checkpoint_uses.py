"""Checkpoints whose answers people label: training keeps them, and only this app knows of both."""

from labeling.models.tasks import Candidate
from training import uses


def labeled(references: list[str]) -> uses.Uses:
    """The checkpoints among these that candidates of tasks came from."""
    found = (
        Candidate.objects.filter(checkpoint__in=references)
        .exclude(checkpoint="")  # the index leaves out answers of no checkpoint
        .values_list("checkpoint", flat=True)
        .distinct()
    )
    return {reference: ["labeled"] for reference in found}


uses.register("labeling", labeled)
