"""Finds every route of a URLconf by itself, pages and API alike, with the permission that guards it."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.resolvers import RegexPattern
from ninja.openapi.views import default_home
from ninja.operation import PathView

PAGE_METHODS = ("GET", "POST")
ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Route:
    """One address and how it is guarded; ``permission`` is ``None`` where nothing guards it."""

    key: str
    template: str
    methods: tuple[str, ...]
    permission: str | None
    api: bool
    arguments: tuple[str, ...]
    regex: bool = False

    def path(self, values: dict[str, Any]) -> str:
        """The address with its arguments filled in."""
        if self.regex:
            return reverse(self.key, kwargs=values)
        return ARGUMENT.sub(lambda match: str(values[match[1]]), self.template)


def discover(urlconf: Any = None) -> list[Route]:
    """Every route, in the order of the URLconf; once, though ninja lists an address for each of its names."""
    return list(dict.fromkeys(_walk(get_resolver(urlconf).url_patterns, "/", "")))


def _walk(patterns: list[URLPattern | URLResolver], prefix: str, namespace: str) -> Iterator[Route]:
    for item in patterns:
        template = prefix + str(item.pattern)
        if isinstance(item, URLResolver):
            inner = f"{namespace}{item.namespace}:" if item.namespace else namespace
            yield from _walk(item.url_patterns, template, inner)
        elif getattr(item.callback, "func", None) is not default_home:  # answers 404, always
            yield from _routes(item, template.replace("//", "/"), namespace)


def _routes(item: URLPattern, template: str, namespace: str) -> Iterator[Route]:
    arguments = tuple(item.pattern.regex.groupindex) or tuple(ARGUMENT.findall(template))
    path_view = inspect.getclosurevars(item.callback).nonlocals.get("self") if _is_ninja(item) else None
    if isinstance(path_view, PathView):
        for operation in path_view.operations:
            methods = tuple(operation.methods)
            yield Route(template, template, methods, _api_permission(operation), True, arguments)
        return
    permission = getattr(item.callback, "tilth_permission", None)
    name = f"{namespace}{item.name}" if item.name else template
    regex = isinstance(item.pattern, RegexPattern)
    yield Route(name, template, PAGE_METHODS, permission, False, arguments, regex)


def _is_ninja(item: URLPattern) -> bool:
    return getattr(item.callback, "__module__", "") == PathView.__module__


def _api_permission(operation: Any) -> str | None:
    found = {getattr(callback, "tilth_permission", None) for callback in operation.auth_callbacks}
    if not found:
        return getattr(operation.view_func, "tilth_permission", None)
    return found.pop() if len(found) == 1 else None
