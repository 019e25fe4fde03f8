"""Curves: as numbers for the page's script, as a file, and those of several runs over each other."""

from collections.abc import Iterator
from itertools import chain

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tilth.accounts.permissions import requires
from tilth.errors import InvalidInput
from tilth.text.cells import Table
from training.bands import bands
from training.measured import tables
from training.models.runs import Run
from training.present import differences
from training.series import is_live, newest_values, overlay, points, stamp
from training.views.common import find_run, find_runs


@requires("models.view")
@require_GET
def series(request: HttpRequest) -> HttpResponse:
    """``{stamp, live, runs, groups}``; 204 where nothing is new since the ``stamp`` that is sent along."""
    runs = find_runs(request.GET.getlist("run"))
    # Asked before reading: points that came with the last state are then surely among those read.
    live = is_live(runs)
    now = stamp(runs)
    if live and request.GET.get("stamp") == now:
        return HttpResponse(status=204)
    drawn = overlay(runs)
    return JsonResponse({"stamp": now, "live": live, "runs": drawn, "groups": bands(runs, drawn)})


@requires("models.view")
@require_GET
def table(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Every point of a run's curves as CSV."""
    run = find_run(pk)
    response = StreamingHttpResponse(_lines(run), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="run-{run.pk}-curves.csv"'
    return response


@requires("models.view")
@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """Runs side by side: in what they differ, newest values, evaluations beside ``?baseline=``, curves over each other."""
    runs = find_runs(request.GET.getlist("run"))
    if len(runs) < 2:
        raise InvalidInput("Choose two runs or more in the list, then press Compare.", field="run")
    baseline = _baseline(runs, request.GET.get("baseline", ""))
    values = [
        {item["name"]: item for item in newest_values(run.job)} if run.job is not None else {} for run in runs
    ]
    names = sorted({name for known in values for name in known})
    context = {
        "runs": runs,
        "differences": differences(runs),
        "newest": [(name, [known.get(name) for known in values]) for name in names],
        "baseline": baseline,
        "evaluations": tables(runs, baseline),
    }
    return render(request, "training/compare.html", context)


def _baseline(runs: list[Run], number: str) -> Run:
    """The run that the others are compared with: the first one where none is named."""
    found = next((run for run in runs if str(run.pk) == number), None)
    if number and found is None:
        raise InvalidInput("The baseline is one of the compared runs.", field="baseline")
    return found or runs[0]


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        """The text itself."""
        return text


def _lines(run: Run) -> Iterator[str]:
    table = Table(_Echo())
    found = points(run.job) if run.job is not None else iter(())
    rows = (
        (name, step, value, at.isoformat() if at else "", attempt) for name, step, value, at, attempt in found
    )
    for row in chain([("name", "step", "value", "at", "attempt")], rows):
        yield table.write(row)
