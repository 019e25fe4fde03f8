"""Alerts: curves are watched as they come in, what is found is written down, told, and may pause the run."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.errors import InvalidInput, TilthError
from tilth.jobs.models import Attempt, Job, JobMetric, JobState
from training.actions import runs
from training.llm.alerts.evaluations import Value, judge
from training.llm.alerts.finding import NOT_FINITE, RULES, SILENT, Finding, Point
from training.llm.alerts.watch import Watch
from training.models.alerts import Alert, RunWatch
from training.models.runs import Run
from training.notices import send

ACTOR = Actor.system("alerts")
DIVERGED = "diverged"
"""The fault of a program that saw for itself that its loss is no number."""
LOOK_BACK = timedelta(days=1)


def watch_points(job: Job, attempt: int, points: Iterable[JobMetric]) -> None:
    """Look at a batch of points of a run; called in the transaction that stores them."""
    run = Run.objects.filter(job=job).first()
    if run is None:
        return
    with transaction.atomic():
        RunWatch.objects.get_or_create(run=run)
        kept = RunWatch.objects.select_for_update().get(run=run)
        watch = Watch.from_json(run.stage, kept.memory)
        found = watch.take(attempt, [_point(point) for point in points], _began(job, attempt))
        RunWatch.objects.filter(pk=kept.pk).update(memory=watch.to_json())
        for finding in found:
            raise_alert(ACTOR, run, attempt, finding, pause=finding.rule in kept.pauses)


def watch_end(run: Run, job: Job) -> None:
    """A run has failed: one whose loss is no number any more says so itself and stores nothing over what is good."""
    error = job.error or {}
    if error.get("code") == DIVERGED:
        finding = Finding(NOT_FINITE, "loss", 0, str(error["message"]))
        raise_alert(ACTOR, run, job.attempt, finding)


def watch_silence() -> None:
    """Look for runs at work that report nothing, and for those whose worker fell silent."""
    at_work = Run.objects.filter(job__state=JobState.RUNNING).select_related("job", "watch")
    now = timezone.now().timestamp()
    for run in at_work.exclude(watch=None):
        watch = Watch.from_json(run.stage, run.watch.memory)
        found = watch.silence(now) if run.job is not None and watch.attempt == run.job.attempt else None
        if found is not None:
            raise_alert(ACTOR, run, watch.attempt, found, pause=SILENT in run.watch.pauses)
    known = Alert.objects.filter(
        run__job=OuterRef("job"), attempt=OuterRef("number"), rule=SILENT, series="worker"
    )
    lost = Attempt.objects.filter(
        state=Attempt.State.LOST, finished_at__gte=timezone.now() - LOOK_BACK, job__training_run__isnull=False
    )
    for attempt in lost.filter(~Exists(known)).select_related("job__training_run"):
        message = f"{attempt.reason or 'Its worker fell silent.'} Attempt {attempt.number} on {attempt.worker_name}."
        raise_alert(ACTOR, attempt.job.training_run, attempt.number, Finding(SILENT, "worker", 0, message))


def watch_evaluation(run: Run, result: dict[str, Any]) -> None:
    """Set what an evaluation has measured beside the earlier checkpoints of the run that made the model."""
    if run.base is None or not result.get("figures"):
        return
    history = _history(run, result)
    for version, figures in result["figures"].items():
        for name, figure in figures.items():
            now = _value(run.base.step, figure)
            series = f"{version}/{name}"
            found = judge(series, history.get(series, []), now) if now else None
            if found is not None and run.job is not None:
                named = replace(found, message=f"{run.base.reference}: {found.message}")
                raise_alert(ACTOR, run, run.job.attempt, named)


@transaction.atomic
def raise_alert(actor: Actor, run: Run, attempt: int, finding: Finding, pause: bool = False) -> Alert | None:
    """Write a finding down, once, and tell those who want to hear; ``None`` where it is known already.

    With ``pause`` the run saves and pauses, if it is at work.
    """
    require(actor, "training.run")
    alert, made = Alert.objects.get_or_create(
        run=run,
        attempt=attempt,
        rule=finding.rule,
        series=finding.series[:100],
        step=finding.step,
        defaults={"message": finding.message[:1000]},
    )
    if not made:
        return None
    audit.record(actor, "alert.raise", run.reference, rule=finding.rule, step=finding.step)
    if pause and _pause(actor, run):
        Alert.objects.filter(pk=alert.pk).update(paused=True)
        alert.refresh_from_db()
    send(actor, alert)
    return alert


@transaction.atomic
def see(actor: Actor, alert: Alert) -> Alert:
    """Take note of an alert; who came first stays."""
    require(actor, "training.run")
    if Alert.objects.filter(pk=alert.pk, seen_at=None).update(seen_at=timezone.now(), seen_by=actor.user):
        audit.record(actor, "alert.see", alert.run.reference, rule=alert.rule, step=alert.step)
    alert.refresh_from_db()
    return alert


@transaction.atomic
def set_pauses(actor: Actor, run: Run, rules: Iterable[str]) -> RunWatch:
    """Choose the rules that save and pause this run."""
    require(actor, "training.run")
    wanted = sorted(set(rules))
    unknown = set(wanted) - set(RULES)
    if unknown:
        raise InvalidInput(
            f"There is no rule {min(unknown)!r}; there are {', '.join(RULES)}.", field="pauses"
        )
    watch, _ = RunWatch.objects.update_or_create(run=run, defaults={"pauses": wanted})
    audit.record(actor, "run.pauses", run.reference, rules=wanted)
    return watch


def _pause(actor: Actor, run: Run) -> bool:
    try:
        with transaction.atomic():
            runs.pause(actor, run)
    except TilthError:
        # It is ending, being cancelled or paused already.
        return False
    return True


def _began(job: Job, attempt: int) -> float:
    started = job.attempts.filter(number=attempt).values_list("started_at", flat=True).first()
    return started.timestamp() if started else 0.0


def _point(point: JobMetric) -> Point:
    return Point(point.name, point.step, point.value, point.at.timestamp() if point.at else None)


def _value(step: int, figure: dict[str, Any]) -> Value | None:
    if figure.get("value") is None:
        return None
    return Value(step, figure["value"], figure.get("low"), figure.get("high"))


def _history(run: Run, result: dict[str, Any]) -> dict[str, list[Value]]:
    """Figures of checkpoints before this one of the same run, measured in the same way, by series."""
    assert run.base is not None
    earlier = Run.objects.filter(
        stage=run.stage,
        base__run=run.base.run_id,
        base__step__lt=run.base.step,
        job__state=JobState.SUCCEEDED,
    )
    history: dict[str, dict[int, Value]] = {}
    for other in earlier.select_related("job", "base").order_by("pk"):
        if other.job is None or other.base is None or other.config != run.config:
            continue
        earlier_result = other.job.result or {}
        for version, figures in (earlier_result.get("figures") or {}).items():
            if _digest(earlier_result, version) != _digest(result, version):
                continue
            for name, figure in figures.items():
                if value := _value(other.base.step, figure):
                    history.setdefault(f"{version}/{name}", {})[value.step] = value
    return {series: [found[step] for step in sorted(found)] for series, found in history.items()}


def _digest(result: dict[str, Any], name: str) -> str:
    """What a task was made of, for its files may change; empty for a dataset version, which does not."""
    return (result.get("tasks") or {}).get(name, {}).get("sha256", "")
