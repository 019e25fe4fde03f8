"""Invitations: sending and taking back (admins), accepting (whoever holds the link)."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tilth.accounts.actions import invitations
from tilth.accounts.actors import Actor
from tilth.accounts.forms import AcceptForm, InviteForm
from tilth.accounts.models import Invitation
from tilth.accounts.permissions import public, requires
from tilth.accounts.views.helpers import put_error
from tilth.errors import TilthError


@requires("people.manage")
@require_http_methods(["GET", "POST"])
@never_cache
def invite(request: HttpRequest) -> HttpResponse:
    """Invite somebody; the answer shows the link, once."""
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            issued = invitations.invite(Actor.of(request), **form.cleaned_data)
        except TilthError as error:
            put_error(form, error)
        else:
            return render(request, "accounts/invited.html", {"issued": issued})
    return render(request, "accounts/invite.html", {"form": form})


@requires("people.manage")
@require_POST
@never_cache
def resend(request: HttpRequest, pk: int) -> HttpResponse:
    """A new link for an open invitation, shown once."""
    issued = invitations.resend(Actor.of(request), get_object_or_404(Invitation, pk=pk))
    return render(request, "accounts/invited.html", {"issued": issued})


@requires("people.manage")
@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an invitation back."""
    revoked = invitations.revoke(Actor.of(request), get_object_or_404(Invitation, pk=pk))
    messages.success(request, f"The invitation of {revoked.email} is revoked.")
    return redirect("accounts:people")


@public
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("password")
@never_cache
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Turn an invitation into an account, then go to sign in."""
    invitation = invitations.find(token)
    form = AcceptForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = invitations.accept(token, **form.cleaned_data)
        except TilthError as error:
            put_error(form, error)
        else:
            messages.success(request, f"Welcome. Sign in as {user.email}.")
            return redirect("account_login")
    return render(request, "accounts/accept.html", {"form": form, "invitation": invitation})


@public
@require_GET
def sign_up(request: HttpRequest) -> HttpResponse:
    """Says that accounts come from invitations."""
    return render(request, "account/signup_closed.html")
