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
from tilth.accounts.permissions import requires
from tilth.errors import Conflict
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


urlpatterns = [
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
