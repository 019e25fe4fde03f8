"""A page with every component of the shell, mounted for tests beside the product's own addresses."""

import threading
from pathlib import Path

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template import Context, RequestContext, Template
from django.urls import include, path
from django.utils import timezone
from django.utils.html import escape

from tilth.accounts.permissions import requires
from tilth.errors import Conflict
from tilth.ui.sanitise import sandboxed_response
from tilth.ui.toasts import toast as add_toast
from tilth.ui.toasts import toast_only

PROSE = """# Card

Text from *many* pages; see [the paper](https://example.org). Loss is $L = -\\sum_i \\log p(x_i)$.

$$\\hat{r} = \\frac{1}{n}\\sum_{i=1}^{n} r_i$$

```python
def keep(document):
    return len(document.text) > 200  # characters
```

| step | kept |
|:--|--:|
| url | 97.1 % |

> Nothing silently falls back.
"""


FIGURE = {
    "data": [
        {"type": "bar", "name": "kept", "x": ["en", "de", "fr", "<b>x</b>"], "y": [402, 120, 88, 3]},
        {"type": "bar", "name": "dropped", "x": ["en", "de", "fr", "<b>x</b>"], "y": [32, 12, 8, 1]},
    ],
    "layout": {
        "barmode": "stack",
        "xaxis": {"title": {"text": "Language"}},
        "yaxis": {"title": {"text": "Documents"}},
    },
}


class SampleForm(forms.Form):
    """One field of each sort."""

    name = forms.CharField(help_text="Lower-case letters, digits, dots and dashes.")
    recipe = forms.ChoiceField(choices=[("fineweb", "fineweb"), ("minimal", "minimal")])
    scope = forms.ChoiceField(
        widget=forms.RadioSelect, choices=[("per-crawl", "Per crawl"), ("global", "Global")], initial="global"
    )
    file = forms.FileField(required=False)
    strict = forms.BooleanField(required=False, help_text="Publish only when every shard succeeded.")
    note = forms.CharField(widget=forms.Textarea, required=False)


@requires("home.view")
def gallery(request: HttpRequest) -> HttpResponse:
    """Every component once."""
    steps = [("Read", 1000000, "100 %"), ("URL filter", 964000, "96.4 %"), ("Extraction", 811000, "81.1 %")]
    steps += [
        ("Language", 402000, "40.2 %"),
        ("Quality", 187000, "18.7 %"),
        ("Near duplicates", 121000, "12.1 %"),
    ]
    context = {
        "funnel": steps,
        "figure": FIGURE,
        "prose": PROSE,
        "now": timezone.now(),
        "page": Paginator(range(200), 25).page(2),
        "form": SampleForm({"name": ""}),
    }
    template = Template((Path(__file__).parent / "gallery.html").read_text())
    return HttpResponse(template.render(RequestContext(request, context)))


SENT: list[str] = []
"""What arrived at ``/gallery/do``."""

HOLD = threading.Event()
"""While clear, ``/gallery/do`` does not answer."""
HOLD.set()


@requires("home.view")
def do(request: HttpRequest) -> HttpResponse:
    """Something that a button does."""
    SENT.append(request.method)
    HOLD.wait(10)
    messages.success(request, "Archived.")
    return redirect("/gallery")


@requires("home.view")
def toast(request: HttpRequest) -> HttpResponse:
    """An answer of nothing but a note."""
    return toast_only("Saved <b>draft</b>", "success")


@requires("home.view")
def conflict(request: HttpRequest) -> HttpResponse:
    """A fault that the reader can act on."""
    raise Conflict("The name <i>x</i> is taken; choose another.")


@requires("home.view")
def broken(request: HttpRequest) -> HttpResponse:
    """A bug."""
    raise RuntimeError("a bug")


@requires("home.view")
def slow(request: HttpRequest) -> HttpResponse:
    """A fragment that htmx swaps in."""
    return HttpResponse("<p>Swapped</p><script>window.__swapped = true</script>")


@requires("home.view")
def chart(request: HttpRequest) -> HttpResponse:
    """A fragment with a chart in it."""
    return HttpResponse(
        Template("{% load tilth_ui %}{% chart figure 'More' %}").render(Context({"figure": FIGURE}))
    )


HOSTILE: list[str] = []
"""The texts that the pages below show."""

EVERYWHERE = """{% extends "ui/base.html" %}{% load tilth_ui %}
{% block title %}{{ texts.0 }}{% endblock %}
{% block head %}{% charts_head %}{% endblock %}
{% block crumbs %}{% for text in texts|slice:':3' %}<li>{{ text }}</li>{% endfor %}{% endblock %}
{% block heading %}{{ texts.0 }}{% endblock %}
{% block content %}
{% for text in texts %}<div class="stack">
{% badge text %}{% reference text %}{{ text|markdown }}{% icon "home" text %}
{{ text|si }}{{ text|bytes }}{{ text|duration }}
<pre class="log">{{ text }}</pre><dl class="kv"><dt>{{ text }}</dt><dd title="{{ text }}">{{ text }}</dd></dl>
<button class="button" data-confirm="{{ text }}" data-confirm-label="{{ text }}">{{ text }}</button></div>{% endfor %}
{% for form in forms %}{% form_errors form %}{% for bound in form %}{% field bound %}{% endfor %}{% endfor %}
{% empty texts.0 texts.18 texts.19 texts.20 %}{% chart figure texts.0 %}
{% endblock %}"""


class HostileForm(forms.Form):
    """A form whose every part is from outside."""

    def __init__(self, text: str) -> None:
        super().__init__({"a": text, "b": text})
        self.fields["a"] = forms.CharField(label=text, help_text=text, max_length=1)
        self.fields["b"] = forms.ChoiceField(label=text, choices=[(text, text)])
        self.add_error(None, text)
        self.add_error("a", text)


def _figure(texts: list[str]) -> dict[str, object]:
    numbers = list(range(len(texts)))
    traces = [{"type": "bar", "name": texts[1], "x": texts, "y": numbers, "text": texts, "hovertext": texts}]
    titles = {"title": {"text": texts[2]}, "xaxis": {"title": {"text": texts[3]}}}
    return {"data": traces, "layout": titles}


def _show(request: HttpRequest, template: str, **context: object) -> HttpResponse:
    return HttpResponse(Template(template).render(RequestContext(request, {"texts": HOSTILE, **context})))


@requires("home.view")
def hostile(request: HttpRequest) -> HttpResponse:
    """Every component with every hostile text."""
    shown = [HostileForm(text) for text in HOSTILE]
    return _show(request, EVERYWHERE, forms=shown, figure=_figure(HOSTILE[:-1]))


@requires("home.view")
def prose(request: HttpRequest) -> HttpResponse:
    """Markdown."""
    inner = "{% for text in texts %}{{ text|markdown }}{% endfor %}"
    return _show(request, BASE % inner)


@requires("home.view")
def say(request: HttpRequest) -> HttpResponse:
    """Messages on a full page, and as toasts in answer to a button."""
    if request.method == "POST":
        response = toast_only("first note")
        for text in HOSTILE[:40]:
            add_toast(response, text, "error")
        add_toast(response, "last note")
        return response
    for text in HOSTILE:
        messages.error(request, text)
    return _show(request, BASE % '<button class="button" hx-post="/gallery/say" hx-swap="none">Note</button>')


@requires("home.view")
def crawled(request: HttpRequest, which: str) -> HttpResponse:
    """A page that frames a page as crawled."""
    return _show(
        request, BASE % f'<iframe class="frame" sandbox title="Page" src="/gallery/frame/{which}"></iframe>'
    )


@requires("home.view")
def frame(request: HttpRequest, which: str) -> HttpResponse:
    """A page as crawled, alone."""
    return sandboxed_response("\n".join(HOSTILE) if which == "all" else HOSTILE[int(which)])


@requires("home.view")
def unsafe(request: HttpRequest) -> HttpResponse:
    """What a careless template would do, under the product's policy."""
    return _show(request, BASE % "{{ texts.0|safe }}")


@requires("home.view")
def naked(request: HttpRequest) -> HttpResponse:
    """What the corpus does where neither escaping nor a policy stands in its way."""
    frames = "".join(f'<iframe srcdoc="{escape(text)}"></iframe>' for text in HOSTILE)
    response = HttpResponse("\n".join(HOSTILE[18:30]) + frames)
    response["Content-Security-Policy"] = "default-src * 'unsafe-inline' data:"
    return response


BASE = '{%% extends "ui/base.html" %%}{%% load tilth_ui %%}{%% block content %%}%s{%% endblock %%}'

urlpatterns = [
    path("gallery/hostile", hostile),
    path("gallery/prose", prose),
    path("gallery/say", say),
    path("gallery/crawled/<str:which>", crawled),
    path("gallery/frame/<str:which>", frame),
    path("gallery/unsafe", unsafe),
    path("gallery/naked", naked),
    path("gallery", gallery),
    path("gallery/do", do),
    path("gallery/toast", toast),
    path("gallery/conflict", conflict),
    path("gallery/broken", broken),
    path("gallery/slow", slow),
    path("gallery/chart", chart),
    path("", include("tilth.urls")),
]
handler400 = "tilth.ui.errors.bad_request"
handler403 = "tilth.ui.errors.permission_denied"
handler404 = "tilth.ui.errors.page_not_found"
handler500 = "tilth.ui.errors.server_error"
