"""The components that pages are made of, as template tags and filters."""

import json
from datetime import datetime
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput
from django.template import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tilth.accounts.permissions import can
from tilth.errors import TilthError
from tilth.ui import charts, formats, markdown, navigation, references

register = template.Library()
register.filter("bytes", formats.size)
register.filter("si", formats.si)
register.filter("duration", formats.duration)
register.filter("markdown", markdown.render)
register.filter("may", can)  # {% if user|may:"data.view" %}: no page links to what its reader may not open

STATE_KIND = {
    **dict.fromkeys(
        ("succeeded", "published", "active", "alive", "ready", "ok", "passed", "kept", "done"), "ok"
    ),
    **dict.fromkeys(("running", "publishing", "building", "checking"), "info"),
    **dict.fromkeys(("paused", "pausing", "cancelling", "warning", "invited", "partial"), "warn"),
    **dict.fromkeys(("failed", "withdrawn", "lost", "error", "locked", "stopped by preflight"), "bad"),
}
"""Which colour a state has; whatever is not listed is muted."""

ICON_OF = {"ok": "check", "info": "running", "warn": "pause", "bad": "alert"}


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """A symbol of ``icons.svg``; decorative unless it has a label."""
    sprite = static("ui/icons.svg")
    if label:
        shape = '<svg class="icon" role="img" aria-label="{}"><use href="{}#{}"></use></svg>'
        return format_html(shape, label, sprite, name)
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', sprite, name)


@register.simple_tag
def badge(state: object, kind: str = "") -> SafeString:
    """A state as a coloured word; never colour alone, so the word is always there."""
    text = str(state)
    tone = kind or STATE_KIND.get(text.lower(), "muted")
    return format_html('<span class="badge badge-{}">{}</span>', tone, text.replace("_", " "))


@register.simple_tag
def ago(moment: datetime | None) -> SafeString:
    """How long ago, with the exact UTC time on hover and for machines."""
    if moment is None:
        return format_html('<span class="muted">{}</span>', formats.NOTHING)
    exact = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    shape = '<time datetime="{}" title="{}">{}</time>'
    return format_html(shape, moment.isoformat(), exact, formats.ago(moment))


@register.simple_tag(takes_context=True)
def reference(context: Context, text: object) -> SafeString:
    """A reference as a link with its title, where the reader may open it; else as plain text."""
    plain = format_html('<code class="reference">{}</code>', text)
    try:
        found = references.resolve(str(text))
    except TilthError:
        return plain
    if not can(context.get("user"), found.permission):
        return plain
    shape = '<a class="reference" href="{}" title="{}">{}</a>'
    return format_html(shape, found.url, found.title, text)


@register.inclusion_tag("ui/_field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """A form field whole: label, help, input, errors, tied together for screen readers."""
    return {"field": bound, "checkbox": isinstance(bound.field.widget, CheckboxInput)}


@register.inclusion_tag("ui/_form_errors.html")
def form_errors(form: Any) -> dict[str, Any]:
    """What is wrong with a form as a whole, with links to the fields at fault."""
    wrong = [bound for bound in form if bound.errors]
    return {"form": form, "wrong": wrong, "count": len(wrong) + len(form.non_field_errors())}


@register.inclusion_tag("ui/_pager.html", takes_context=True)
def pager(context: Context, page: Any) -> dict[str, Any]:
    """Previous and next, keeping the filters in the address."""
    return {"page": page, "query": context["request"].GET.copy()}


@register.simple_tag
def page_query(query: Any, number: int) -> str:
    """The current query string with another page number."""
    changed = query.copy()
    changed["page"] = number
    return f"?{changed.urlencode()}"


@register.inclusion_tag("ui/_empty.html")
def empty(title: str, text: str, url: str = "", label: str = "", icon_name: str = "empty") -> dict[str, str]:
    """An empty state: what is missing, what to do, and the button that does it."""
    return {"title": title, "text": text, "url": url, "label": label, "icon_name": icon_name}


@register.inclusion_tag("ui/_charts_head.html", takes_context=True)
def charts_head(context: Context) -> dict[str, Any]:
    """The scripts and the style element that charts need; put it in block ``head`` of a chart page."""
    return {"nonce": context["request"].csp_nonce}


@register.inclusion_tag("ui/_chart.html")
def chart(figure: dict[str, Any], title: str = "", height: int = 0) -> dict[str, Any]:
    """A Plotly figure (``data``, ``layout``) with its numbers as a table for those who cannot see it."""
    drawn = charts.prepare(figure, title, height)
    return {"chart": drawn}


@register.simple_tag(takes_context=True)
def navigation_sections(context: Context) -> list[navigation.Section]:
    """The side navigation of the person who looks at the page."""
    return navigation.sections(context.get("user"), context["request"].path)


@register.simple_tag
def htmx_config() -> str:
    """htmx's settings for a strict CSP: nothing evaluated, no style injected, no script in fragments."""
    config = {
        "includeIndicatorStyles": False,
        "allowEval": False,
        "allowScriptTags": False,
        "selfRequestsOnly": True,
        "historyCacheSize": 0,
        "timeout": 60000,
    }
    return json.dumps(config)
