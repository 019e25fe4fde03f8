"""Which checkpoints of a run stay: the rules, what they would take away now, and the button that does."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.errors import InvalidInput
from training.actions import retention as actions
from training.models.retention import Retention
from training.models.runs import Run
from training.retention import Policy
from training.views.common import find_run

MOST_SHOWN = 500


class RetentionForm(forms.Form):
    """The rules; all may be empty, then everything stays."""

    every = forms.IntegerField(
        label="Every Nth",
        required=False,
        min_value=1,
        max_value=actions.MOST,
        help_text="Empty: none for this.",
    )
    last = forms.IntegerField(
        label="The last",
        required=False,
        min_value=1,
        max_value=actions.MOST,
        help_text="Empty: only the newest.",
    )
    metric = forms.ChoiceField(label="The best by", required=False)
    lowest = forms.ChoiceField(
        label="Best is", choices=[("1", "the lowest"), ("", "the highest")], required=False
    )
    automatic = forms.BooleanField(label="Prune the others by itself, as new ones are stored", required=False)

    def __init__(self, run: Run, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = Retention.objects.filter(run=run).first()
        names = {*run.checkpoints.measured(), *([kept.metric] if kept and kept.metric else [])}
        self.fields["metric"].choices = [("", "nothing"), *((name, name) for name in sorted(names))]  # type: ignore[attr-defined]
        if kept is not None:
            self.initial = {
                "every": kept.every,
                "last": kept.last,
                "metric": kept.metric,
                "lowest": "1" if kept.lowest else "",
                "automatic": kept.automatic,
            }

    def policy(self) -> Policy:
        """The rules as they were typed."""
        given = self.cleaned_data
        return Policy(
            every=given["every"], last=given["last"], metric=given["metric"], lowest=bool(given["lowest"])
        )


@requires("training.run")
@require_POST
def policy(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the rules; nothing is pruned by that, unless the run is to do so by itself."""
    run = find_run(pk)
    form = RetentionForm(run, request.POST)
    if not form.is_valid():
        field, faults = next(iter(form.errors.items()))
        raise InvalidInput(f"{form.fields[field].label}: {faults[0]}", field=field)
    actions.set_policy(Actor.of(request), run, form.policy(), form.cleaned_data["automatic"])
    messages.success(request, "Saved. The list shows what may go now.")
    return redirect("training:run", pk=run.pk)


@requires("training.run")
@require_POST
def prune(request: HttpRequest, pk: int) -> HttpResponse:
    """Prune the checkpoints that the list showed, if they may still go."""
    steps = request.POST.getlist("step")
    if not all(step.isdecimal() and len(step) < 18 for step in steps):
        raise InvalidInput("Checkpoints are named by their steps.", field="step")
    run = find_run(pk)
    gone = actions.prune(Actor.of(request), run, map(int, steps))
    messages.success(request, f"Pruned: {', '.join(one.reference for one in gone[:5])}.")
    return redirect("training:run", pk=run.pk)


def kept_context(run: Run) -> dict[str, Any]:
    """What the section of a run's page shows."""
    lines = actions.preview(run)
    going = [line for line in lines if not line.reasons]
    return {
        "kept_lines": lines[:MOST_SHOWN],
        "going": going[:MOST_SHOWN],
        "going_bytes": sum(line.checkpoint.bytes for line in going[:MOST_SHOWN]),
        "retention_form": RetentionForm(run),
        "retention": Retention.objects.filter(run=run).first(),
    }
