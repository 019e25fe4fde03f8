"""Every page that shows text from outside, with hostile text in it.

Each function below makes the objects that carry the payloads through the product's own actions and yields
the visits that show them. A new page joins by one more function with ``@shows("what")``.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from django.urls import reverse
from django.utils.html import escape
from playwright.sync_api import Page

from curation import actions as curation
from curation.models import CurationRun
from tests.browser import gallery
from tests.curation import runs, warcs
from tests.tilth.published import conversation, document, preference, publish
from tests.training import launching
from tests.xss_corpus import EVERYTHING, PAGES, PAYLOADS
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job, JobState
from tilth.jobs.runner import run_inline
from tilth.storage import Storage
from training.actions import checkpoints
from training.llm.checkpoints import Checkpoint as StoredCheckpoint
from training.llm.checkpoints import store as store_checkpoint

TEXTS = [payload.replace("\x00", "") for payload in PAYLOADS]
"""The payloads as a database takes them: PostgreSQL refuses NUL."""

ALL = EVERYTHING.replace("\x00", "")


@dataclass(frozen=True)
class Stage:
    """What a function has to work with."""

    people: dict[str, User]
    storage: Storage

    @property
    def researcher(self) -> Actor:
        return Actor(user=self.people["researcher"])


@dataclass(frozen=True)
class Visit:
    """A page to open, who opens it, what to do there, and which complaints of the browser are expected."""

    url: str
    role: str = "admin"
    act: Callable[[Page], None] | None = None
    allow: list[str] = field(default_factory=list)


Show = Callable[[Stage], Iterator[Visit]]
SHOWS: dict[str, Show] = {}


def shows(what: str) -> Callable[[Show], Show]:
    """Register a function under the name of what it shows."""

    def register(function: Show) -> Show:
        SHOWS[what] = function
        return function

    return register


@shows("every component of the shell, Markdown and charts")
def components(stage: Stage) -> Iterator[Visit]:
    def open_all(page: Page) -> None:
        page.locator("[data-drawn]").first.wait_for()
        page.locator("button[data-confirm]").first.click()
        page.keyboard.press("Escape")

    gallery.HOSTILE[:] = [*PAYLOADS, EVERYTHING]
    yield Visit("/gallery/hostile", act=open_all)


@shows("Markdown one by one")
def markdown(stage: Stage) -> Iterator[Visit]:
    gallery.HOSTILE[:] = PAYLOADS
    yield Visit("/gallery/prose")


@shows("the address of a page that is not there")
def addresses(stage: Stage) -> Iterator[Visit]:
    for payload in PAYLOADS[::9]:
        yield Visit("/nothing/" + quote(payload[:300], safe=""), allow=["status of 404"])
    yield Visit("/nothing?" + quote(ALL[:2000], safe="&="), allow=["status of 404"])


@shows("toasts of full pages and of htmx answers")
def toasts(stage: Stage) -> Iterator[Visit]:
    def press(page: Page) -> None:
        page.get_by_role("button", name="Note", exact=True).click()
        page.get_by_role("status").get_by_text("last note").wait_for()

    gallery.HOSTILE[:] = PAYLOADS
    yield Visit("/gallery/say", act=press)


@shows("a web page as crawled")
def crawled(stage: Stage) -> Iterator[Visit]:
    gallery.HOSTILE[:] = PAGES
    for index in (*range(0, len(PAGES), 12), *range(len(PAYLOADS), len(PAGES))):
        yield Visit(f"/gallery/crawled/{index}")
    yield Visit("/gallery/crawled/all")
    yield Visit("/gallery/frame/all")


@shows("names of people")
def people(stage: Stage) -> Iterator[Visit]:
    for number, payload in enumerate(TEXTS):
        User.objects.create_user(f"hostile-{number}@example.org", name=payload[:150])
    User.objects.filter(pk=stage.people["admin"].pk).update(name=TEXTS[18][:150])
    User.objects.filter(pk=stage.people["researcher"].pk).update(name=TEXTS[0][:150])
    yield Visit(reverse("accounts:people"))
    yield Visit(reverse("accounts:people") + "?" + "q=" + quote(TEXTS[20]))
    yield Visit(reverse("accounts:profile"), role="researcher")
    yield Visit(reverse("accounts:audit"))


@shows("titles, parameters and logs of jobs")
def job_pages(stage: Stage) -> Iterator[Visit]:
    job = jobs.submit(stage.researcher, "demo", {"print": ALL, "note": ALL}, title=TEXTS[18][:200])
    run_inline(job)
    for payload in TEXTS[::8]:
        jobs.submit(stage.researcher, "demo", {"note": payload}, title=payload[:200])
    yield Visit(reverse("jobs:list"), role="researcher")
    yield Visit(reverse("jobs:detail", args=[job.pk]), role="researcher")
    yield Visit("/", role="researcher")


@shows("datasets: titles, cards, rows of all shapes, statistics, lineage")
def datasets(stage: Stage) -> Iterator[Visit]:
    rows = [
        document(
            n,
            text=text,
            url=f"http://example.org/{text}"[:500],
            domain=text[:60],
            source=text[:200],
            language=text[:8],
        )
        for n, text in enumerate(TEXTS)
    ]
    fields = {"title": TEXTS[18][:200], "description": ALL}
    publish(stage.storage, "hostile", "documents", rows, recipe={"name": TEXTS[0]}, **fields)
    publish(stage.storage, "talk", "conversations", [conversation(text, text) for text in TEXTS], **fields)
    publish(stage.storage, "taste", "preferences", [preference(text, text, text + ".") for text in TEXTS])
    yield Visit(reverse("datasets:list"))
    for name, row in (("hostile", rows[0]["id"]), ("talk", ""), ("taste", "")):
        yield Visit(reverse("datasets:detail", args=[name]))
        yield Visit(reverse("datasets:version", args=[name, 1]))
        for tab in ("statistics", "card", "lineage", "rows", "exports"):
            yield Visit(reverse(f"datasets:{tab}", args=[name, 1]))
        yield Visit(reverse("datasets:row-at", args=[name, 1, 18]))
        if row:
            yield Visit(reverse("datasets:row", args=[name, 1, row]))
    yield Visit(reverse("datasets:rows", args=["hostile", 1]) + "?q=" + quote(TEXTS[20]))
    yield Visit(reverse("datasets:edit", args=["hostile"]))


@shows("curation: pages as crawled, through the whole pipeline")
def curated(stage: Stage) -> Iterator[Visit]:
    run = run_of_hostile_pages(stage)
    yield Visit(reverse("curation:runs"))
    yield Visit(reverse("curation:run", args=[run.pk]))
    yield Visit(reverse("datasets:rows", args=["as-crawled", 1]))
    for at in range(run.version.rows):
        yield Visit(reverse("datasets:row-at", args=["as-crawled", 1, at]), act=open_as_crawled)


def run_of_hostile_pages(stage: Stage) -> CurationRun:
    """A finished run of the recipe ``minimal`` over web pages that hold the payloads raw and as text."""
    groups = [PAGES[start : start + 25] for start in range(0, len(PAGES), 25)]
    records = [
        warcs.record(f"http://example.org/{n}?{quote(group[0])}", warcs.http(hostile_page(group)))
        for n, group in enumerate(groups)
    ]
    file = Path(stage.storage.url).parent / "hostile.warc.gz"
    file.write_bytes(warcs.members(warcs.info(), *records))
    run = curation.start_run(runs.ACTOR, runs.draft("as-crawled", (str(file),), workers=1))
    job = run_inline(run.job)
    assert job.state == JobState.SUCCEEDED, job.error
    return CurationRun.objects.with_objects().get(pk=run.pk)


def hostile_page(payloads: list[str]) -> bytes:
    """A web page with enough prose for extraction, the payloads as its text and as its markup."""
    prose = warcs.page("The council's budget").decode()
    shown = "".join(
        f"<p>Somebody wrote {escape(payload)} into the minutes of the meeting.</p>" for payload in payloads
    )
    raw = "\n".join(payloads)
    return prose.replace("</article>", f"{shown}</article>{raw}").encode("utf-8", "replace")


def open_as_crawled(page: Page) -> None:
    """Follow the row's link to the frame with the original page."""
    page.get_by_role("link", name="Show the page as crawled").click()
    page.frame_locator("iframe").locator("body").wait_for()


@shows("curation: samples of drops")
def drops(stage: Stage) -> Iterator[Visit]:
    rows = [
        runs.drop_row(
            n + 1,
            text=text,
            text_characters=len(text),
            spans=[[0, len(text) // 2]],
            url=text[:300],
            source=text[:100],
        )
        for n, text in enumerate(TEXTS)
    ]
    run = runs.finished(stage.storage, "drops", rows)
    for page in range(1, 14):
        yield Visit(reverse("curation:drops", args=[run.pk]) + f"?page={page}")
    for row in rows[::12]:
        yield Visit(reverse("curation:drop", args=[run.pk, row["id"]]))


@shows("curation: recipes, and a failed run with its sources, errors and drafts")
def recipes_and_failures(stage: Stage) -> Iterator[Visit]:
    text = "\n".join([f"title = {toml(TEXTS[18][:150])}", f"description = {toml(ALL[:4000])}"])
    recipe = curation.save_recipe(
        runs.ACTOR, f'name = "hostile"\nversion = 1\n{text}\n[[step]]\nuse = "extract"\n'
    )
    for address in ("recipe", "recipe_edit", "recipe_text"):
        yield Visit(reverse(f"curation:{address}", args=["hostile"]))
    yield Visit(reverse("curation:recipes"))
    draft = curation.draft_run(runs.ACTOR, dataset_name="failed", recipe=recipe, sources=TEXTS[:60])
    yield Visit(reverse("curation:run", args=[draft.pk]))
    run = curation.start_run(runs.ACTOR, draft)
    shown = [
        {"source": text, "state": "failed", "documents": 0, "kept": 0, "share": None, "seconds": 0}
        | {"flags": [text], "reason": text}
        for text in TEXTS[:60]
    ]
    step = {"name": "extract", "title": ALL, "in": AMOUNT, "out": AMOUNT}
    funnel = {"tokenizer": ALL, "steps": [{**step, "reasons": {ALL: AMOUNT}, "not_run": TEXTS[:30]}]}
    live = {"shards": {"total": 60, "done": 1, "failed": 59}, "table": shown, "funnel": funnel}
    stage.storage.write_json(f"{run.prefix}/live.json", live)
    Job.objects.filter(pk=run.job.pk).update(state=JobState.FAILED, error={"message": ALL})
    yield Visit(reverse("curation:run", args=[run.pk]), act=open_details)
    yield Visit(reverse("curation:runs"))
    yield Visit(reverse("curation:new") + "?recipe=" + quote(TEXTS[18]))


@shows("training: names, settings, curves, results, samples and records of runs")
def training_runs(stage: Stage) -> Iterator[Visit]:
    run = launching.launched(stage.storage, name=TEXTS[18])
    other = launching.launched(stage.storage, name=TEXTS[0])
    names = dict.fromkeys(text[:100] for text in TEXTS[:20])
    launching.metrics(run, **dict.fromkeys(names, {1: 1.0, 2: 2.0}))
    made = Path(stage.storage.url).parent / "made"
    made.mkdir()
    samples = [{"prompt": text, "text": text, "ended": False} for text in TEXTS[:60]]
    (made / "samples.json").write_text(json.dumps(samples))
    stored = StoredCheckpoint(
        run=run.pk,
        step=3,
        stage="tokenizer",
        holds="model",
        architecture=TEXTS[20][:100],
        licence=TEXTS[18][:100],
        metrics=dict.fromkeys(TEXTS[:20], 1.0),
        record={text: text for text in TEXTS[:60]},
    )
    store_checkpoint(stage.storage, made, stored, 1)
    checkpoints.register(launching.ACTOR, run, 3)
    launching.with_state(run, "failed", error={"message": ALL}, result={text: text for text in TEXTS[:60]})
    yield Visit(reverse("training:runs"))
    yield Visit(reverse("training:runs") + "?q=" + quote(TEXTS[20]))
    yield Visit(reverse("training:run", args=[run.pk]), act=see_curves)
    yield Visit(reverse("training:checkpoint", args=[run.pk, 3]))
    yield Visit(reverse("training:compare") + f"?run={run.pk}&run={other.pk}", act=see_curves)
    yield Visit(reverse("training:new") + f"?from={run.pk}")


def see_curves(page: Page) -> None:
    """Wait until the curves are drawn."""
    page.locator("[data-curve][data-drawn]").last.wait_for()


AMOUNT = {"documents": 9, "bytes": 9, "tokens": 9}


def toml(text: str) -> str:
    """A text as a TOML string."""
    return json.dumps(text, ensure_ascii=True).replace("\\ud", "?")


def open_details(page: Page) -> None:
    """Open everything that is folded."""
    for summary in page.locator("#live summary").all():
        summary.click()
