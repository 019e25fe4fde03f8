"""Alerts: the list, taking note, which of them pause a run, and where they are sent."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tilth.accounts.actors import Actor
from tilth.accounts.permissions import can, requires
from tilth.errors import TilthError
from training.actions import alerts as actions
from training.actions import channels
from training.llm.alerts.finding import RULES
from training.models.alerts import Alert, AlertChannel, RunWatch, default_pauses
from training.models.runs import Run
from training.views.common import find_run

PER_PAGE = 50


class WebhookForm(forms.Form):
    """Where to post alerts."""

    url = forms.CharField(
        label="Address", max_length=2000, help_text="https://… of a service that takes JSON by POST."
    )
    all_runs = forms.BooleanField(label="Of everybody's runs, not only of mine", required=False)


@requires("models.view")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Alerts, the open ones unless ``?all=1``, and the reader's channels."""
    everything = bool(request.GET.get("all"))
    found = Alert.objects.order_by("-pk") if everything else Alert.objects.unseen()
    page = Paginator(found.select_related("run", "seen_by"), PER_PAGE).get_page(request.GET.get("page"))
    open_ = channels.open_to(Actor.of(request))
    context = {
        "page": page,
        "everything": everything,
        "channels": open_,
        "mailed": open_.filter(owner=Actor.of(request).user, kind=AlertChannel.Kind.EMAIL).exists(),
        "may_run": can(request.user, "training.run"),
    }
    return render(request, "training/alerts.html", context)


@requires("training.run")
@require_POST
def see(request: HttpRequest, pk: int) -> HttpResponse:
    """Take note of an alert, and go back to where the button was."""
    alert = actions.see(Actor.of(request), get_object_or_404(Alert.objects.select_related("run"), pk=pk))
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, None) and back.startswith("/"):
        return redirect(back)
    return redirect("training:run", pk=alert.run_id)


@requires("training.run")
@require_POST
def pauses(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose the rules that save and pause a run."""
    run = find_run(pk)
    actions.set_pauses(Actor.of(request), run, request.POST.getlist("rule"))
    messages.success(request, "Saved.")
    return redirect("training:run", pk=run.pk)


@requires("training.run")
@require_POST
def mailbox(request: HttpRequest) -> HttpResponse:
    """Send alerts to the reader's own address."""
    channels.add_mailbox(Actor.of(request), bool(request.POST.get("all_runs")))
    messages.success(request, "Alerts are sent to your address.")
    return redirect("training:alerts")


@requires("training.run")
@require_http_methods(["GET", "POST"])
@never_cache
def webhook(request: HttpRequest) -> HttpResponse:
    """Post alerts to an address; the answer shows the secret that signs them, once."""
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = channels.add_webhook(Actor.of(request), **form.cleaned_data)
        except TilthError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            return render(request, "training/webhook_made.html", {"channel": made, "secret": secret})
    status = 422 if form.errors else 200
    return render(request, "training/webhook_new.html", {"form": form}, status=status)


@requires("training.run")
@require_POST
def end_channel(request: HttpRequest, pk: int) -> HttpResponse:
    """Send nothing there any more."""
    channels.end(Actor.of(request), get_object_or_404(AlertChannel, pk=pk))
    messages.success(request, "Nothing is sent there any more.")
    return redirect("training:alerts")


def pause_choices(run: Run) -> list[dict[str, Any]]:
    """Every rule, with whether it pauses this run."""
    watch = RunWatch.objects.filter(run=run).first()
    chosen = watch.pauses if watch is not None else default_pauses()
    return [{"name": name, "title": title, "chosen": name in chosen} for name, title in RULES.items()]
