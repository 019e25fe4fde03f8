"""The shell's own small requests: the theme, and Markdown as it will look."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from tilth.accounts.actions.people import edit_profile
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.ui.markdown import render


@requires("account.own")
@require_POST
def theme(request: HttpRequest) -> HttpResponseBase:
    """Keep the person's choice of light, dark or the system's, and go back to the page they were on."""
    edit_profile(Actor.of(request), theme=request.POST.get("theme", ""))
    if request.headers.get("X-Requested-With") == "fetch":
        return HttpResponse(status=204)
    back = request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else "/")


@requires("home.view")
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """Markdown as HTML, for the preview beside a text field."""
    return HttpResponse(render(request.POST.get("text", "")))
