"""The checklist of a run as pages, the API and the command show it."""

from dataclasses import dataclass
from typing import Any

from tilth.jobs.models import Job
from training.llm.preflight.titles import TITLES
from training.models.runs import Run

TONES = {"passed": "ok", "warned": "warn", "failed": "bad"}


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of a length: up to ``edge`` tokens, ``count`` of them, ``share`` of the fullest bin."""

    edge: int
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Line:
    """One check as it is shown; ``rows`` and ``samples`` are as :class:`training.llm.preflight.result.Offender`."""

    name: str
    title: str
    state: str
    words: str
    figures: dict[str, Any]
    rows: list[dict[str, Any]]
    more: int
    samples: list[dict[str, Any]]
    bins: list[Bin]

    @property
    def tone(self) -> str:
        """The colour of its state."""
        return TONES.get(self.state, "")

    @classmethod
    def of(cls, check: dict[str, Any]) -> "Line":
        """A check out of a preflight's result."""
        fullest = max((count for _, count in check["bins"]), default=0)
        return cls(
            name=check["name"],
            title=TITLES.get(check["name"], check["name"]),
            state=check["state"],
            words=check["words"],
            figures=check["figures"],
            rows=check["rows"],
            more=check["more"],
            samples=check["samples"],
            bins=[Bin(edge, count, count / fullest) for edge, count in check["bins"]],
        )


def checklist(run: Run) -> list[Line]:
    """A run's newest checks in their order; empty before they are done."""
    result = run.preflight.result if run.preflight is not None else None
    return [Line.of(check) for check in (result or {}).get("checks", [])]


def brief(run: Run) -> list[dict[str, str]]:
    """The same without figures and rows."""
    return [
        {"name": line.name, "title": line.title, "state": line.state, "words": line.words}
        for line in checklist(run)
    ]


def whole(run: Run) -> dict[str, Any]:
    """A run's preflight with all that its checks found."""
    job = run.preflight
    result: dict[str, Any] = (job.result if job is not None else None) or {}
    return {
        "job": job.reference if job is not None else None,
        "state": job.state if job is not None else None,
        "passed": result.get("passed"),
        "checks": result.get("checks", []),
        "error": job.error if job is not None else None,
    }


def why(run: Run) -> str:
    """Why a run was stopped, in lines: the checks that failed with their first rows, or what kept them from being made."""
    failed = [line for line in checklist(run) if line.state == "failed"]
    if not failed:
        job: Job | None = run.preflight
        return ((job.error if job is not None else None) or {}).get("message", "")
    said = []
    for line in failed:
        said.append(f"{line.title}: {line.words}")
        said += [f"  {row['source']} row {row['number']}: {row['why']}" for row in line.rows]
    return "\n".join(said)
