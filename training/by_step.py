"""How a run's checkpoints were measured because the run asked for it: figures by step, as rows and as curves."""

from collections.abc import Iterable
from dataclasses import dataclass

from tilth.jobs.models import JobState
from training.models.checkpoints import Checkpoint
from training.models.runs import Run
from training.present import shown


@dataclass(frozen=True, slots=True)
class Line:
    """The evaluation of one checkpoint; a value for each column, a dash where it has none."""

    checkpoint: Checkpoint
    run: Run
    values: list[str]


@dataclass(frozen=True, slots=True)
class Course:
    """A run's measured checkpoints, the newest first; ``columns`` are ``NAME@V/FIGURE``."""

    columns: list[str]
    lines: list[Line]

    @property
    def is_moving(self) -> bool:
        """Whether an evaluation is still to come."""
        return any(line.run.is_moving for line in self.lines)


def evaluations_of(runs: Iterable[Run]) -> dict[int, list[Run]]:
    """The evaluations of each run's checkpoints in the order of their steps, by the run's number."""
    found: dict[int, list[Run]] = {run.pk: [] for run in runs}
    made = Run.objects.filter(measured__run__in=found).select_related("job", "preflight", "measured__run")
    for run in made.order_by("measured__step"):
        if run.measured is not None:
            found[run.measured.run_id].append(run)
    return found


def figures_of(evaluation: Run) -> dict[str, float | None]:
    """What an evaluation came to, by ``NAME@V/FIGURE``; nothing unless it has ended well."""
    job = evaluation.job
    if job is None or job.state != JobState.SUCCEEDED or not job.result:
        return {}
    return {
        f"{version}/{name}": figure.get("value")
        for version, figures in (job.result.get("figures") or {}).items()
        for name, figure in figures.items()
    }


def course(run: Run) -> Course:
    """The table of a run's page."""
    known = [(made, figures_of(made)) for made in reversed(evaluations_of([run])[run.pk])]
    columns = list(dict.fromkeys(name for _, figures in known for name in figures))
    lines = [
        Line(made.measured, made, [shown(figures.get(name)) for name in columns])
        for made, figures in known
        if made.measured is not None
    ]
    return Course(columns, lines)
