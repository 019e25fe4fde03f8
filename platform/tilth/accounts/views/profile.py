"""A person's own page: name, theme, password, second factor, API tokens."""

from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tilth.accounts.actions import api_tokens, people
from tilth.accounts.actors import Actor
from tilth.accounts.forms import ProfileForm, TokenForm
from tilth.accounts.models import ApiToken
from tilth.accounts.permissions import requires
from tilth.accounts.views.helpers import put_error
from tilth.errors import TilthError


@requires("account.own")
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Show and save a person's own details."""
    user = Actor.of(request).user
    assert user is not None
    form = ProfileForm(request.POST or None, initial={"name": user.name, "theme": user.theme})
    if request.method == "POST" and form.is_valid():
        try:
            people.edit_profile(Actor.of(request), **form.cleaned_data)
        except TilthError as error:
            put_error(form, error)
        else:
            messages.success(request, "Profile saved.")
            return redirect("accounts:profile")
    context = {"form": form, "tokens": user.api_tokens.filter(revoked_at=None), "mfa": is_mfa_enabled(user)}
    return render(request, "accounts/profile.html", context)


@requires("account.own")
@require_http_methods(["GET", "POST"])
@never_cache
def create_token(request: HttpRequest) -> HttpResponse:
    """Make an API token; the answer shows it, once."""
    user = Actor.of(request).user
    assert user is not None
    form = TokenForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            token, secret = api_tokens.create_token(Actor.of(request), **form.cleaned_data)
        except TilthError as error:
            put_error(form, error)
        else:
            return render(request, "accounts/token_created.html", {"token": token, "secret": secret})
    return render(request, "accounts/token_new.html", {"form": form})


@requires("account.own")
@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of one's own tokens."""
    token = get_object_or_404(ApiToken, pk=pk, user=Actor.of(request).user)
    api_tokens.revoke_token(Actor.of(request), token)
    messages.success(request, f"The token {token.name} does not work any more.")
    return redirect("accounts:profile")
