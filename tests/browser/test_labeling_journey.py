"""From an empty installation to a published, reviewed label, in a real browser; and every page looked at."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from labeling.actions import imports
from labeling.models.annotations import Annotation, Flag
from labeling.models.campaigns import Campaign, Quota
from labeling.models.guidelines import GuidelineRead
from labeling.models.tasks import TaskImport
from tests.labeling.campaigns import campaign, join, labelers, task
from tests.labeling.test_tasks import ROWS, run
from tests.labeling.work import label, settle
from tilth.accounts.models import Skill

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def submit(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).first.click()


def test_from_nothing_to_an_accepted_label(page_for, people, storage, tmp_path):
    lead = page_for("lead", viewport={"width": 1440, "height": 900})
    # A guideline out of the example, published.
    lead.goto("/labeling/guidelines/")
    lead.get_by_role("link", name="Write the first guideline").click()
    lead.get_by_label("Title").fill("Helpful answers")
    lead.get_by_label("Name").fill("helpful")
    submit(lead, "Begin writing")
    expect(lead.locator("#preview")).to_contain_text("6 clauses, all well formed")
    lead.locator("#id_source").fill("## Rule: No id\nServes: user\n")
    expect(lead.locator("#preview")).to_contain_text("Line 1: The clause needs an id")
    lead.reload()
    lead.locator("form[data-confirm]").get_by_role("button", name="Publish").click()
    lead.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(lead.get_by_role("heading", level=1)).to_contain_text("helpful@1")
    # A campaign under it, with one criterion less.
    lead.goto("/labeling/campaigns/new/")
    lead.get_by_role("link", name="Compare two answers").click()
    lead.get_by_label("Title", exact=True).first.fill("Sky")
    lead.get_by_label("Name", exact=True).first.fill("sky")
    lead.get_by_label("Guideline").select_option(label="helpful@1")
    lead.locator("[data-list=marks] [data-remove]").last.click()
    lead.get_by_label("Share that is reviewed").fill("1")
    submit(lead, "Create the campaign")
    expect(lead.get_by_role("heading", level=1)).to_contain_text("Sky")
    made = Campaign.objects.get()
    assert [mark["name"] for mark in made.schema["marks"]] == ["helpful", "truthful", "harmless"]
    # Tasks out of a file, looked at before they come in.
    file = tmp_path / "tasks.jsonl"
    file.write_text("\n".join(map(json.dumps, [*ROWS, {"prompt": "Why?", "response_a": "one"}])))
    lead.goto(f"/labeling/campaigns/{made.pk}/import/")
    lead.locator("#upload").set_input_files(str(file))
    expect(lead.get_by_text("the first rows as tasks")).to_be_visible()
    expect(lead.locator("details").filter(has_text="Row 1").first).to_contain_text("Why 0?")
    submit(lead, "Start the import")
    expect(lead.get_by_text("Waiting for a worker")).to_be_visible()
    row = TaskImport.objects.get()
    imports.finish(row.job, run(row, storage, tmp_path))
    expect(lead.get_by_text("Bad rows by number and field")).to_be_visible(timeout=10_000)
    # People, and off it goes.
    lead.goto(f"/labeling/campaigns/{made.pk}/roster/")
    lead.get_by_label("Person").first.select_option(label="Some Labeler")
    submit(lead, "Invite")
    lead.goto(f"/labeling/campaigns/{made.pk}/")
    submit(lead, "Go live")
    expect(lead.get_by_role("heading", level=1)).to_contain_text("live")
    # The labeler joins, reads, works.
    labeler = page_for("labeler", viewport={"width": 1280, "height": 800})
    labeler.goto("/labeling/")
    labeler.get_by_role("link", name="Take part").click()
    submit(labeler, "Take part")
    labeler.get_by_role("link", name="Look at the next task").click()
    submit(labeler, "Start")
    labeler.locator("#workspace[data-ready]").wait_for()
    labeler.get_by_role("button", name="I have read it").click()
    expect(labeler.get_by_text("Please read this guideline once.")).to_have_count(0)
    assert GuidelineRead.objects.get().user == people["labeler"]
    labeler.get_by_label("Search the guideline").fill("language of the question")
    expect(labeler.locator("#guideline [data-clause]:visible")).to_have_count(1)
    labeler.locator("body").click(position={"x": 5, "y": 5})
    labeler.keyboard.press("1")
    labeler.keyboard.press("f")
    labeler.keyboard.type("It is right, and it is short.")
    labeler.keyboard.press("Control+Enter")
    expect(labeler.locator(".callout.ok", has_text="Submitted.")).to_be_visible()
    settle(*Annotation.objects.all())
    # A reviewer returns it with a comment on a passage, the labeler answers, the reviewer accepts.
    reviewer = page_for("reviewer", viewport={"width": 1440, "height": 900})
    reviewer.goto("/labeling/review/")
    submit(reviewer, "Review the oldest")
    reviewer.locator("#review[data-ready]").wait_for()
    assert "Some Labeler" not in reviewer.content(), "review is blind"
    reviewer.locator("[data-passage=reason]").select_text()
    reviewer.get_by_role("button", name="Comment on this passage").click()
    reviewer.get_by_label("Comment", exact=True).fill("Why is it right?")
    submit(reviewer, "Add")
    reviewer.get_by_label("To the labeler").fill("Say what makes it right.")
    reviewer.get_by_role("button", name="Return").click()
    expect(reviewer.get_by_text("Nothing waits for review")).to_be_visible()
    labeler.goto("/labeling/")
    labeler.get_by_role("link", name="Go on").first.click()
    labeler.locator("#workspace[data-ready]").wait_for()
    expect(labeler.locator("#context")).to_contain_text("Why is it right?")
    labeler.get_by_label("Why?").fill("It names the scattering that makes the light blue.")
    labeler.keyboard.press("Control+Enter")
    expect(labeler.locator(".callout.ok", has_text="Submitted.")).to_be_visible()
    settle(*Annotation.objects.all())
    reviewer.goto("/labeling/review/")
    reviewer.get_by_role("button", name="Review the oldest").click()
    reviewer.locator("#review[data-ready]").wait_for()
    expect(reviewer.locator(".context-pane")).to_contain_text("Changed since the last attempt")
    reviewer.keyboard.press("a")
    expect(reviewer.get_by_text("Nothing waits for review")).to_be_visible()
    assert Annotation.objects.get(current=True).state == "accepted"


def rich(people) -> Campaign:
    """A campaign in which something of everything has happened."""
    users = labelers(3)
    made = campaign(
        tasks=9, overlap=3, lead=people["lead"], review_rate=0.3, gold_rate=0.1, instructions="Be *kind*."
    )
    made.expected_minutes = 7
    made.save()
    join(made, *users, people["labeler"])
    task(made, role="gold", gold={"grade": "0:2"}, topic="physics")
    task(made, role="pilot", topic="physics")
    for n, user in enumerate(users):
        for k in range(4):
            payload = {
                "grade": ["0:3", "1:1", "equal", "both_bad"][(n + k) % 4],
                "reason": "So it is.",
                "clauses": [],
            }
            label(user, made, payload)
    first = Annotation.objects.first()
    Flag.objects.create(
        annotation=first, campaign=made, kind="pasted", message="80% of the characters were pasted."
    )
    Quota.objects.create(campaign=made, topic="physics", target=20, filled=2)
    Skill.objects.create(name="Physics")
    return made


PAGES = [
    ("lead", "/"), ("lead", "/labeling/campaigns/"), ("lead", "/labeling/campaigns/{pk}/"),
    ("lead", "/labeling/campaigns/{pk}/edit/"), ("lead", "/labeling/campaigns/{pk}/tasks/"),
    ("lead", "/labeling/campaigns/{pk}/coverage/"), ("lead", "/labeling/campaigns/{pk}/roster/"),
    ("lead", "/labeling/campaigns/{pk}/quality/?by=expertise"), ("lead", "/labeling/campaigns/{pk}/labelers/"),
    ("lead", "/labeling/campaigns/{pk}/pilot/"), ("lead", "/labeling/campaigns/{pk}/time/"),
    ("lead", "/labeling/campaigns/{pk}/publish/"), ("lead", "/labeling/campaigns/{pk}/flags/"),
    ("lead", "/labeling/campaigns/{pk}/disagreements/"), ("lead", "/labeling/campaigns/{pk}/import/"),
    ("lead", "/labeling/guidelines/helpful/"), ("lead", "/labeling/guidelines/helpful/edit/"),
    ("lead", "/labeling/exams/new/"), ("lead", "/labeling/review/"), ("labeler", "/"), ("labeler", "/labeling/"),
    ("labeler", "/labeling/time/"), ("labeler", "/labeling/questions/"), ("labeler", "/labeling/profile/"),
    ("researcher", "/labeling/campaigns/{pk}/labelers/"),
]  # fmt: skip


def test_every_page_is_readable_for_everybody(page_for, people, shoot):
    made = rich(people)
    annotation = Annotation.objects.filter(current=True).first()
    more = [
        ("lead", f"/labeling/campaigns/tasks/{annotation.task_id}/"),
        ("lead", f"/labeling/campaigns/tasks/{annotation.task_id}/adjudicate/"),
        ("lead", f"/labeling/campaigns/annotations/{annotation.pk}/"),
        ("lead", f"/labeling/review/{annotation.pk}/"),
    ]
    pages: dict[str, Page] = {}
    for number, (role, address) in enumerate([*PAGES, *more]):
        if role not in pages:
            scheme = "dark" if role == "labeler" else "light"
            pages[role] = page_for(role, color_scheme=scheme, viewport={"width": 1280, "height": 800})
        page = pages[role]
        page.goto(address.format(pk=made.pk))
        page.wait_for_load_state("networkidle")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{address}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{address} is too wide"
        shoot(page, f"{number:02d}{address.replace('/', '-')[:60]}")
    assert "labeler0@example.org" not in pages["researcher"].content(), "researchers see pseudonyms"
    assert "Labeler 0" not in pages["researcher"].content()
