"""What refers to a checkpoint: runs that start from it or measure it, versions made of it, downloads, labels.

Other products tell of their own uses by :func:`register`; training knows nothing of them.
"""

from collections.abc import Callable, Iterable

from tilth.accounts.models import AuditEntry
from tilth.datasets.models import Lineage
from tilth.jobs.models import JobState
from training.models.runs import Run

Uses = dict[str, list[str]]
Finder = Callable[[list[str]], Uses]
DOWNLOADED = "checkpoint.download"
_finders: dict[str, Finder] = {}


def register(name: str, find: Finder) -> None:
    """Let ``find(references)`` tell what refers to checkpoints: by reference, in words."""
    _finders[name] = find


def uses_of(references: Iterable[str]) -> Uses:
    """What refers to each of some checkpoints, in words; one to which nothing does is left out."""
    asked = list(references)
    found: Uses = {}
    for find in (_lineage, _downloads, *_finders.values()):
        for reference, words in find(asked).items():
            found.setdefault(reference, []).extend(words)
    return found


def _lineage(references: list[str]) -> Uses:
    edges = Lineage.objects.filter(parent__in=references).order_by("pk")
    listed = list(edges.values_list("parent", "child"))
    done = _done(child for _, child in listed)
    found: Uses = {}
    for parent, child in listed:
        if child in done:
            continue
        found.setdefault(parent, []).append(f"used by {child}")
    return found


def _done(children: Iterable[str]) -> set[str]:
    """Evaluations that a run had asked for and that have ended well: their figures stay without the files."""
    numbers = [int(key) for child in children if (key := child.removeprefix("run:")).isdecimal()]
    ended = Run.objects.filter(pk__in=numbers, job__state=JobState.SUCCEEDED).exclude(measured=None)
    return {run.reference for run in ended}


def _downloads(references: list[str]) -> Uses:
    taken = AuditEntry.objects.filter(verb=DOWNLOADED, target__in=references)
    return {reference: ["exported"] for reference in taken.values_list("target", flat=True)}
