"""Publishing a campaign: the form, and what came of earlier ones."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from labeling.actions import publications
from labeling.models.campaigns import Campaign
from labeling.publish.rules import rules_for
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import can, requires
from tilth.accounts.views.helpers import put_error
from tilth.errors import TilthError


class PublishForm(forms.Form):
    """What becomes of a campaign's annotations."""

    what = forms.ChoiceField(label="As", widget=forms.RadioSelect)
    dataset = forms.CharField(
        max_length=100, help_text="A name that is in use for the same kind gets another version."
    )
    licence = forms.CharField(max_length=100, required=False, help_text="Such as CC-BY-4.0.")
    pilot = forms.BooleanField(label="With the pilot's annotations", required=False)
    gold = forms.BooleanField(label="With tasks whose answer is known", required=False)

    def __init__(self, campaign: Campaign, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = ("annotations", *campaign.task_kind.publishes)
        self.fields["what"].choices = [  # type: ignore[attr-defined]
            (f"{kind}/{rule}", f"{kind.capitalize()}: {text[0].lower()}{text[1:]}")
            for kind in kinds
            for rule, text in rules_for(kind).items()
        ]


@requires("campaigns.publish")
@require_http_methods(["GET", "POST"])
def publish(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose what to publish and by which rule; below, what was published before."""
    campaign = get_object_or_404(Campaign, pk=pk)
    initial = {"dataset": campaign.name, "what": "annotations/everything"}
    form = PublishForm(campaign, request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = dict(form.cleaned_data)
        kind, _, rule = data.pop("what").partition("/")
        try:
            publications.start(Actor.of(request), campaign, dataset_kind=kind, rule=rule, **data)
            messages.success(request, "It is being published; this page follows it.")
            return redirect("labeling:campaign_publish", pk)
        except TilthError as error:
            put_error(form, error)
    made = list(campaign.publications.select_related("version__dataset", "job", "created_by")[:50])
    context = {
        "campaign": campaign,
        "tab": "publish",
        "form": form,
        "made": made,
        "moving": any(item.job and item.job.is_moving for item in made),
        "settled": campaign.annotations.settled().count(),
        "sees_data": can(me(request), "data.view"),
        "sees_jobs": can(me(request), "jobs.view"),
    }
    template = "labeling/_publications.html" if request.htmx else "labeling/publish.html"  # type: ignore[attr-defined]
    return render(request, template, context)
