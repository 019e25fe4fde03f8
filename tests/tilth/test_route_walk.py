"""Walks every page and API route as a stranger and as every role; deny by default, proved from outside.

The walk finds routes by itself. A new URL that takes arguments needs a sample in ``tests/route_samples.py``.
"""

import types

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.urls import include, path
from django.views.decorators.http import require_POST
from ninja import NinjaAPI

import tests.labeling.samples  # noqa: F401 (adds labeling's samples)
import tests.training.samples  # noqa: F401 (adds training's samples)
from tests.conftest import BACKEND
from tests.route_samples import MAY_ANSWER, SAMPLES, sample
from tests.routes import Route, discover
from tilth.accounts.api_auth import bearer
from tilth.accounts.models import Role, User
from tilth.accounts.permissions import PERMISSIONS, public, requires

ROLES = [None, *(role.value for role in Role)]


def check_guarded(route: Route) -> None:
    """The route names a permission of the table, or says that it is public."""
    assert route.permission is not None, (
        f"{route.key} ({route.template}) is unguarded: decorate it with requires(…) or public, "
        "or give the API route auth=bearer(…)"
    )
    assert route.permission == "public" or route.permission in PERMISSIONS


def arguments(route: Route, people: dict[str, User]) -> dict:
    """Sample arguments, with the rows behind them."""
    if not route.arguments:
        return {}
    assert route.key in SAMPLES, (
        f"{route.key} takes {route.arguments}: add a sample to tests/route_samples.py"
    )
    return SAMPLES[route.key](people)


def check_answer(route: Route, role: str | None, method: str, response: HttpResponse) -> None:
    """The status is what the permission table says."""
    status, what = response.status_code, f"{method} {route.template} as {role or 'a stranger'}"
    if route.permission == "public":
        assert status not in {401, 403}, f"{what}: public, yet {status}"
    elif role is None:
        asked = status == 401 if route.api else status == 302 and response.url.startswith("/sign-in/?next=")
        assert asked, f"{what}: not asked to sign in but {status}"
        return
    elif role not in PERMISSIONS[route.permission]:
        assert status == 403, f"{what}: {route.permission} is denied, yet {status}"
        return
    assert status not in {401, 403}, f"{what}: {route.permission} is allowed, yet {status}"
    assert status < 500 or status in MAY_ANSWER.get(route.key, ()), f"{what}: {status}"


def walk(route: Route, client_class: type, people: dict[str, User]) -> None:
    """Ask as everybody with every method; whatever an answer changes is undone."""
    check_guarded(route)
    address = route.path(arguments(route, people))
    statuses = set()
    for role in ROLES:
        client = client_class(raise_request_exception=False)
        if role:
            client.force_login(people[role], backend=BACKEND)
        for method in route.methods:
            with transaction.atomic():
                options = (
                    {"data": "{}", "content_type": "application/json"}
                    if route.api and method != "GET"
                    else {}
                )
                response = client.generic(method, address, **options)
                transaction.set_rollback(True)
            check_answer(route, role, method, response)
            statuses.add(response.status_code)
    if route.arguments:
        found = statuses - {302, 401, 403, 404} or (302 in statuses and route.methods != ("GET",))
        assert found, f"{route.key}: the sample arguments lead nowhere ({statuses})"


@pytest.mark.parametrize("route", discover(), ids=lambda route: f"{route.key}-{'-'.join(route.methods)}")
def test_everybody_gets_what_the_table_says(route, people, client_class, storage):
    walk(route, client_class, people)


def test_the_walk_sees_the_whole_product():
    found = {route.key for route in discover()}
    assert {"loop:home", "account_login", "accounts:people", "accounts:audit_csv", "/api/v1/me"} <= found
    assert "api-1:openapi-json" in found


@pytest.fixture
def client_class():
    from django.test import Client

    return Client


# What follows breaks the rules on purpose: the walk must see each of these.


def bare(request, **kwargs):
    return HttpResponse("secret")


@requires("people.manage")
def guarded(request, **kwargs):
    return HttpResponse("fine")


@require_POST
@requires("people.manage")
def guarded_too_deep(request):
    return HttpResponse("a stranger's GET is answered before the guard")


def lying(request):
    return HttpResponse("says it is guarded and is not")


lying.tilth_permission = "people.manage"


@requires("people.manage")
def crashing(request):
    raise RuntimeError("boom")


@public
def shy(request):
    return HttpResponse(status=403)


def urlconf(*patterns):
    module = types.ModuleType("broken_urls")
    module.urlpatterns = [*patterns, path("", include("tilth.urls"))]
    module.handler403 = "tilth.ui.errors.permission_denied"
    return module


def api_urlconf(**options):
    api = NinjaAPI(urls_namespace=f"broken{len(options)}", docs_url=None, openapi_url=None)

    @api.get("/bare", **options)
    def route(request):
        return {}

    return urlconf(path("broken/", api.urls))


BROKEN = [
    (urlconf(path("bare/", bare, name="bare")), "is unguarded"),
    (urlconf(path("deep/", guarded_too_deep, name="deep")), "not asked to sign in but 405"),
    (urlconf(path("lying/", lying, name="lying")), "not asked to sign in but 200"),
    (urlconf(path("crashing/", crashing, name="crashing")), "as admin: 500"),
    (urlconf(path("shy/", shy, name="shy")), "public, yet 403"),
    (urlconf(path("nosample/<int:pk>/", guarded, name="nosample")), "add a sample"),
    (api_urlconf(), "is unguarded"),
    (api_urlconf(auth=lambda request: True), "is unguarded"),
]


@pytest.mark.parametrize(("module", "complaint"), BROKEN, ids=[complaint for _, complaint in BROKEN])
def test_the_walk_catches(module, complaint, people, client_class, settings):
    settings.ROOT_URLCONF = module
    with pytest.raises(AssertionError, match=complaint):
        walk(discover(module)[0], client_class, people)


def test_the_walk_accepts_what_is_right(people, client_class, settings, monkeypatch):
    monkeypatch.setitem(SAMPLES, "fine", lambda people: {"pk": 1})
    settings.ROOT_URLCONF = module = urlconf(path("fine/<int:pk>/", guarded, name="fine"))
    walk(discover(module)[0], client_class, people)
    settings.ROOT_URLCONF = module = api_urlconf(auth=bearer("people.manage"))
    module_route = discover(module)[0]
    assert (module_route.permission, module_route.api) == ("people.manage", True)


def test_a_sample_serves_several_urls(monkeypatch):
    monkeypatch.setattr("tests.route_samples.SAMPLES", {})
    sample("a", "b")(lambda people: {"pk": 1})
    from tests import route_samples

    assert set(route_samples.SAMPLES) == {"a", "b"}
