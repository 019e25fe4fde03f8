"""The filters of the jobs list."""

from typing import Any

from django import forms

from tilth.jobs import registry
from tilth.jobs.models import SUPERVISED, Job, JobQuerySet, JobState

ACTIVE = "active"


class JobFilter(forms.Form):
    """Words, state, kind, and whose; everything may be empty."""

    q = forms.CharField(
        label="Search", required=False, max_length=100, widget=forms.TextInput(attrs={"type": "search"})
    )
    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[("", "Any state"), (ACTIVE, "Queued or running"), *JobState.choices],
    )
    kind = forms.ChoiceField(label="Kind", required=False)
    mine = forms.BooleanField(label="Only mine", required=False)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        kinds = [(kind.name, kind.title) for kind in registry.all_kinds()]
        self.fields["kind"].choices = [("", "Any kind"), *kinds]  # type: ignore[attr-defined]

    def narrow(self, jobs: JobQuerySet, user: Any) -> JobQuerySet:
        """The jobs that fit; none when the filter itself is wrong."""
        if not self.is_valid():
            return jobs.none()
        wanted = self.cleaned_data
        if wanted["q"]:
            jobs = jobs.search(wanted["q"])
        if wanted["state"] == ACTIVE:
            jobs = jobs.filter(state__in=[JobState.QUEUED, *SUPERVISED])
        elif wanted["state"]:
            jobs = jobs.filter(state=wanted["state"])
        if wanted["kind"]:
            jobs = jobs.filter(kind=wanted["kind"])
        return jobs.filter(created_by=user) if wanted["mine"] else jobs


def newest_first() -> JobQuerySet:
    """Every job as the list shows it."""
    return Job.objects.select_related("created_by").order_by("-id")
