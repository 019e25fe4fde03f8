"""The shell without a browser: navigation, references, formats, errors, toasts, charts, components."""

import json
from datetime import timedelta

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from tilth.errors import InvalidInput, NotFound
from tilth.text.reference import Reference
from tilth.ui import charts, finders, formats, home, navigation, references
from tilth.ui.toasts import toast, toast_only

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery(settings):
    settings.ROOT_URLCONF = "tests.browser.gallery"


def render(source: str, **context: object) -> str:
    return Template("{% load tilth_ui %}" + source).render(Context(context))


# navigation


def test_every_registered_page_exists():
    for entry in navigation._entries.values():
        assert reverse(entry.url_name)


def test_the_nearest_page_is_the_active_one(people):
    found = navigation.sections(people["admin"], "/")
    assert [link.url for section in found for link in section.links if link.active] == ["/"]


def test_strangers_see_no_navigation():
    assert navigation.sections(None, "/") == []


def test_nobody_sees_a_page_that_they_may_not_open(client_for, people):
    for role in people:
        for section in navigation.sections(people[role], "/"):
            for link in section.links:
                assert client_for(role).get(link.url).status_code == 200, (role, link.url)


def test_registering_an_unknown_section_or_permission_is_refused():
    with pytest.raises(KeyError):
        navigation.register("Elsewhere", "x", "loop:home", "home.view")
    with pytest.raises(KeyError):
        navigation.register("Home", "x", "loop:home", "no.such")


# references


@pytest.fixture
def plots(monkeypatch):
    """A prefix of this test's own."""
    monkeypatch.setattr(references, "_resolvers", dict(references._resolvers))

    def resolve(reference: Reference) -> references.Resolved | None:
        if reference.key != "1":
            return None
        return references.Resolved("<b>North</b>", "/plots/1", "people.manage", "published")

    references.register("plot", resolve)


def test_a_reference_resolves_to_its_object(plots):
    assert references.resolve("plot:1").url == "/plots/1"


@pytest.mark.parametrize("text", ["plot:2", "unknown:1"])
def test_a_reference_to_nothing_says_so(plots, text):
    with pytest.raises(NotFound, match=text):
        references.resolve(text)


def test_a_malformed_reference_shows_how_one_looks(plots):
    with pytest.raises(InvalidInput, match="fineweb-mini@3"):
        references.resolve("no reference")


def test_the_reference_tag_links_only_for_those_who_may_open_it(plots, people):
    assert render("{% reference 'plot:1' %}", user=people["admin"]).startswith(
        '<a class="reference" href="/plots/1"'
    )
    assert "&lt;b&gt;North" in render("{% reference 'plot:1' %}", user=people["admin"])
    assert (
        render("{% reference 'plot:1' %}", user=people["labeler"]) == '<code class="reference">plot:1</code>'
    )
    assert render("{% reference text %}", text="<i>") == '<code class="reference">&lt;i&gt;</code>'


def test_two_apps_cannot_claim_one_prefix(plots):
    with pytest.raises(ValueError, match="twice"):
        references.register("plot", lambda reference: None)


# formats


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (950, "950"),
        (1000, "1k"),
        (1234, "1.2k"),
        (999_950, "1M"),
        (3.4e6, "3.4M"),
        (5e9, "5B"),
        (None, "–"),
    ],
)
def test_counts(value, shown):
    assert formats.si(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (999_999, "1 MB"), (4_567_890_123, "4.6 GB"), ("x", "–")],
)
def test_sizes(value, shown):
    assert formats.size(value).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.25, "250 ms"),
        (4, "4 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (7512, "2 h 5 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_durations(value, shown):
    assert formats.duration(value).replace("\u00a0", " ") == shown


@given(st.one_of(st.floats(), st.integers(), st.text(), st.none()))
def test_no_value_breaks_a_format(value):
    for show in (formats.si, formats.size, formats.duration):
        assert show(value)


def test_times_are_told_as_distance_with_the_exact_time_beside():
    html = render("{% ago at %}", at=timezone.now() - timedelta(minutes=5))
    assert "5 min ago" in html and "UTC" in html
    assert formats.ago(timezone.now() - timedelta(days=30)).count("-") == 2


# errors


def test_a_missing_page_says_what_to_do_and_escapes_the_path(client_for):
    response = client_for("admin").get("/nothing/<script>alert(1)</script>")
    assert response.status_code == 404
    body = response.content.decode()
    assert "There is nothing here" in body and "<script>alert" not in body


def test_a_fault_is_a_page_a_toast_or_json(gallery, client_for):
    client = client_for("admin")
    page = client.get("/gallery/conflict")
    assert page.status_code == 409 and "is taken; choose another" in page.content.decode()
    fragment = client.get("/gallery/conflict", headers={"HX-Request": "true"})
    assert fragment.status_code == 409 and fragment.content == b""
    assert json.loads(fragment["HX-Trigger"])["toast"]["notes"][0]["level"] == "error"
    assert fragment["HX-Reswap"] == "none"
    missing = client.get("/api/nothing")
    assert missing.status_code == 404 and missing.json()["error"] == "not_found"


def test_a_bug_shows_a_page_without_details(gallery, client_for):
    client = client_for("admin", raise_request_exception=False)
    page = client.get("/gallery/broken")
    assert page.status_code == 500
    assert "Something broke on our side" in page.content.decode() and "a bug" not in page.content.decode()
    fragment = client.get("/gallery/broken", headers={"HX-Request": "true"})
    assert "toast" in fragment["HX-Trigger"]


def test_a_form_without_its_token_is_refused_with_advice(client_for):
    response = client_for("admin", enforce_csrf_checks=True).post("/ui/theme", {"theme": "dark"})
    assert response.status_code == 403 and "reload the page" in response.content.decode()


def test_a_role_that_may_not_gets_a_403_page(client_for):
    response = client_for("labeler").get(reverse("accounts:people"))
    assert response.status_code == 403 and "ask an admin" in response.content.decode()


def test_an_ended_session_sends_the_whole_page_to_sign_in_when_htmx_asks(gallery, client_for):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/gallery?page=2"}
    response = client_for(None).get("/gallery/slow", headers=headers)
    assert response.status_code == 204
    assert response["HX-Redirect"] == f"{reverse('account_login')}?next=/gallery%3Fpage%3D2"


def test_messages_of_an_htmx_form_become_toasts_but_survive_a_redirect(gallery, client_for):
    response = client_for("admin").post("/gallery/do", headers={"HX-Request": "true"})
    assert response.status_code == 302 and "HX-Trigger" not in response


# toasts


def test_toasts_add_up_and_stay_ascii():
    response = toast_only("Gespeichert – ü", "success")
    toast(response, "second")
    notes = json.loads(response["HX-Trigger"])["toast"]["notes"]
    assert [note["message"] for note in notes] == ["Gespeichert – ü", "second"]
    assert response["HX-Trigger"].isascii()


def test_a_toast_cannot_break_the_header():
    header = toast_only("a\r\nSet-Cookie: x=1" + "x" * 100_000)["HX-Trigger"]
    assert "\n" not in header and len(header) < 8000


# theme and preview


def test_the_theme_is_kept(client_for, people):
    client = client_for("labeler")
    assert client.post("/ui/theme", {"theme": "dark"}).status_code == 302
    assert 'data-theme="dark"' in client.get("/").content.decode()
    assert client.post("/ui/theme", {"theme": "neon"}).status_code == 400


def test_the_theme_form_does_not_redirect_to_other_sites(client_for):
    response = client_for("labeler").post(
        "/ui/theme", {"theme": "dark"}, headers={"Referer": "https://evil.example/"}
    )
    assert response["Location"] == "/"


def test_the_preview_is_the_sanitised_text(client_for):
    response = client_for("labeler").post("/ui/preview", {"text": "**a** <script>x</script>"})
    assert (
        response.content.decode()
        == '<div class="prose"><p><strong>a</strong> &lt;script&gt;x&lt;/script&gt;</p>\n</div>'
    )


# charts


def figure(**layout: object) -> dict:
    return {"data": [{"type": "bar", "name": "a", "x": ["p", "q"], "y": [1, 2]}], "layout": layout}


def test_a_chart_escapes_labels_and_drops_what_json_cannot_hold():
    data = [{"x": ["<a href='javascript:x'>"], "y": [float("nan")], "hovertemplate": "<b>%{x}</b>"}]
    drawn = json.loads(charts.prepare({"data": data}).figure)["data"][0]
    assert drawn == {"x": ["&lt;a href='javascript:x'>"], "y": [None], "hovertemplate": "<b>%{x}</b>"}


def test_a_chart_has_its_numbers_as_a_table():
    two = {"data": [*figure()["data"], {"name": "b", "x": ["p", "q"], "y": [3, 4]}], "layout": {}}
    assert charts.numbers(two) == (["", "a", "b"], [["p", 1, 3], ["q", 2, 4]])
    assert charts.numbers({"data": [{"orientation": "h", "x": [5], "y": ["z"]}]}) == (
        ["", "value"],
        [["z", 5]],
    )


def test_traces_with_different_x_are_listed_point_by_point():
    two = {"data": [*figure()["data"], {"name": "b", "x": ["r"], "y": [3]}], "layout": {}}
    assert charts.numbers(two)[1] == [["a", "p", 1], ["a", "q", 2], ["b", "r", 3]]


def test_a_chart_tag_says_how_many_numbers_it_leaves_out():
    html = render("{% chart f 'T' %}", f={"data": [{"y": list(range(500))}]})
    assert "300 more rows" in html and html.count("<tr>") == 201


def test_only_the_bundle_of_plotly_is_served():
    finder = finders.PlotlyFinder()
    assert finder.find("plotly/plotly.min.js") and not finder.find("plotly/widgetbundle.js")
    assert not finder.find("plotly/../plotly/plotly.min.js")
    assert [name for name, _ in finder.list(None)] == ["plotly.min.js"]


# home panels


def test_panels_show_for_those_who_may_and_only_with_news(people, monkeypatch):
    monkeypatch.setattr(home, "_panels", {})
    home.register(home.Panel("Quiet", "x.html", "home.view", lambda user: None))
    home.register(home.Panel("People", "x.html", "people.manage", lambda user: {"n": 1}, order=1))
    home.register(home.Panel("All", "x.html", "home.view", lambda user: {}, order=0))
    assert [panel.title for panel in home.panels(people["admin"])] == ["All", "People"]
    assert [panel.title for panel in home.panels(people["labeler"])] == ["All"]


# components


def test_an_invalid_form_ties_its_errors_to_its_fields(gallery, client_for):
    html = client_for("admin").get("/gallery").content.decode()
    assert 'aria-describedby="id_name_helptext id_name_error"' in html
    assert 'id="id_name_helptext"' in html and 'id="id_name_error"' in html and 'aria-invalid="true"' in html


def test_the_pager_keeps_the_filters():
    from django.core.paginator import Paginator

    request = RequestFactory().get("/?q=a%26b&page=2")
    html = render("{% pager page %}", page=Paginator(range(100), 10).page(2), request=request)
    assert 'href="?q=a%26b&amp;page=3"' in html and 'href="?q=a%26b&amp;page=1"' in html


def test_a_badge_always_has_its_word_and_is_escaped():
    assert render("{% badge 'failed' %}") == '<span class="badge badge-bad">failed</span>'
    assert "&lt;i&gt;" in render("{% badge '<i>' %}")
