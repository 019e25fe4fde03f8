"""What the training views share: finding the object of an address."""

from collections.abc import Iterable

from tilth.errors import InvalidInput, NotFound
from training.models.checkpoints import Checkpoint
from training.models.runs import Run

MOST_COMPARED = 8


def find_run(pk: int) -> Run:
    """A run with everything its page shows, or :class:`NotFound`."""
    run = Run.objects.with_objects().filter(pk=pk).first()
    if run is None:
        raise NotFound(f"There is no run {pk}.")
    return run


def find_runs(numbers: Iterable[str]) -> list[Run]:
    """The runs of these numbers in the order given; raises for what is none, and for more than eight."""
    wanted = list(dict.fromkeys(numbers))
    if not all(number.isdecimal() and len(number) < 18 for number in wanted):
        raise InvalidInput("Runs are named by their numbers.", field="run")
    if len(wanted) > MOST_COMPARED:
        raise InvalidInput(f"At most {MOST_COMPARED} runs can be compared at once.", field="run")
    found = {run.pk: run for run in Run.objects.with_objects().filter(pk__in=[int(n) for n in wanted])}
    missing = [number for number in wanted if int(number) not in found]
    if missing:
        raise NotFound(f"There is no run {missing[0]}.")
    return [found[int(number)] for number in wanted]


def find_checkpoint(run: int, step: int) -> Checkpoint:
    """A checkpoint, or :class:`NotFound`."""
    found = Checkpoint.objects.by_reference(f"checkpoint:{run}/{step}")
    if found is None:
        raise NotFound(f"There is no checkpoint {run}/{step}.")
    return found
