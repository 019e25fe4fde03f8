"""The person behind a request, for views whose guard has made sure that there is one."""

from django.http import HttpRequest

from tilth.accounts.models import User


def me(request: HttpRequest) -> User:
    """The signed-in person."""
    assert isinstance(request.user, User)
    return request.user
