"""Each kind of task in a real browser, from claim to submission."""

from datetime import datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from labeling.models.annotations import Annotation, Message
from labeling.models.tasks import Assignment
from tests.labeling.campaigns import ANSWERS, campaign, join, task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def open_task(page: Page, made) -> None:
    """From the work page over the offer into the workspace, by keyboard."""
    page.goto("/labeling/")
    page.get_by_role("link", name="Look at the next task").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Start").wait_for()
    page.keyboard.press("Enter")
    page.locator("#workspace[data-ready]").wait_for()


def axe_clean(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_comparison_by_keyboard_alone(page_for, people, shoot):
    made = campaign(tasks=2, lead=people["lead"], schema={"edit_winner": True})
    join(made, people["labeler"])
    page = page_for("labeler", viewport={"width": 1440, "height": 900})
    open_task(page, made)
    axe_clean(page)
    page.keyboard.press("?")
    listed = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(listed).to_contain_text("Scroll both answers in step")
    expect(listed).to_contain_text("Skip this task")
    page.keyboard.press("Escape")
    page.keyboard.press("6")
    for key in "qwer":
        page.keyboard.press(key)
    page.keyboard.press("f")
    page.keyboard.type("It names the reason.")
    for key in ("Tab", "Tab", "Enter", "Tab", "Enter", "Control+End"):
        page.keyboard.press(key)
    page.keyboard.type(" Always.")
    expect(page.get_by_role("button", name="Start from the better answer")).to_be_disabled()
    expect(page.locator("[data-status]")).to_contain_text("Saved", timeout=5000)
    shoot(page, "preference")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".callout.ok", has_text="Submitted.")).to_be_visible()
    done = Annotation.objects.get()
    right = done.display["order"][1]
    assert done.payload["grade"] == f"{right}:2"
    assert list(done.payload["marks"].values()) == [str(done.display["order"][0]), "equal", str(right), "na"]
    assert done.payload["edited"] == {
        str(right): f"{ANSWERS['preference'][right]} Always.",
        str(1 - right): "",
    }
    assert done.inputs["typed"] == len("It names the reason. Always.")
    assert "model-0" not in page.content()


def test_what_was_written_for_one_answer_is_never_taken_for_the_others(page_for, people, shoot):
    made = campaign(tasks=1, schema={"edit_winner": True, "marks": []})
    join(made, people["labeler"])
    page = page_for("labeler", viewport={"width": 1280, "height": 900}, color_scheme="dark")
    open_task(page, made)
    page.locator("[data-edit-winner] > summary").click()
    start, of_a, of_b = (
        page.get_by_role("button", name="Start from the better answer"),
        page.get_by_label("Answer A, better still"),
        page.get_by_label("Answer B, better still"),
    )
    expect(page.get_by_text("Say first which answer is better.")).to_be_visible()
    expect(start).to_be_disabled()
    expect(of_a).to_be_hidden()
    page.keyboard.press("2")
    start.click()
    expect(of_a).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type(" Always.")
    page.keyboard.press("Escape")
    page.keyboard.press("5")
    expect(page.get_by_label("B is slightly better")).to_be_checked()
    expect(of_b).to_have_value("")
    expect(page.get_by_text("counts only if answer A is the better one")).to_be_visible()
    start.click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" Never.")
    page.locator("#reason").fill("It is right.")
    expect(page.locator("[data-status]")).to_contain_text("Saved", timeout=5000)
    axe_clean(page)
    shoot(page, "preference-two-edits-dark")
    source = page.content()
    assert '"0:' not in source and '"1:' not in source
    page.reload()
    page.locator("#workspace[data-ready]").wait_for()
    expect(page.get_by_label("B is slightly better")).to_be_checked()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".callout.ok", has_text="Submitted.")).to_be_visible()
    done = Annotation.objects.get()
    left, right = done.display["order"]
    texts = ANSWERS["preference"]
    assert done.payload["grade"] == f"{right}:1"
    assert done.payload["edited"] == {
        str(left): f"{texts[left]} Always.",
        str(right): f"{texts[right]} Never.",
    }


def test_a_rating_by_keyboard_alone(page_for, people, shoot):
    two = "1: Bad\n2: Fair\n3: Good"
    criteria = [
        {"name": name, "title": name.title(), "help": "", "points": two} for name in ("style", "facts")
    ]
    made = campaign("rating", tasks=1, schema={"criteria": criteria})
    join(made, people["labeler"])
    page = page_for("labeler", color_scheme="dark", viewport={"width": 1280, "height": 800})
    open_task(page, made)
    axe_clean(page)
    page.keyboard.press("3")
    page.keyboard.press("x")
    expect(page.get_by_label("Cannot judge").nth(1)).to_be_checked()
    page.keyboard.press("2")
    expect(page.get_by_label("Cannot judge").nth(1)).not_to_be_checked()
    expect(page.locator(":focus")).to_be_checked()
    shoot(page, "rating-dark")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".callout.ok", has_text="Submitted.")).to_be_visible()
    payload = Annotation.objects.get().payload
    assert payload["scores"] == {"style": 3, "facts": 2}
    assert payload["cannot"] == {"style": False, "facts": False}


def test_an_ideal_conversation_is_written(page_for, people, shoot):
    made = campaign("demonstration", tasks=1)
    join(made, people["labeler"])
    page = page_for("labeler", viewport={"width": 1440, "height": 900})
    open_task(page, made)
    answer = page.get_by_label("Turn 2, assistant")
    answer.fill("Short waves scatter most.")
    page.locator("[data-sources] > summary").click()
    page.get_by_role("button", name="Add a source").click()
    page.get_by_label("URL or DOI").fill("https://example.org/sky")
    page.get_by_label("Quote", exact=True).fill("blue is scattered more")
    answer.focus()
    answer.press("End")
    page.get_by_role("button", name="Insert the quote").click()
    page.get_by_role("button", name="Add a turn").click()
    page.get_by_label("Turn 3, user").fill("And red at dusk?")
    page.get_by_role("button", name="Add a turn").click()
    last = page.get_by_label("Turn 4, assistant")
    last.fill("The path is **longer**: $\\lambda^{-4}$.")
    last.locator("xpath=following-sibling::details/summary").click()
    expect(page.locator(".live-preview math")).to_be_visible()
    axe_clean(page)
    shoot(page, "demonstration")
    page.keyboard.press("Control+Enter")
    page.get_by_role("dialog", name="Submit this work?").get_by_role("button", name="Submit").click()
    expect(page.locator(".callout.ok", has_text="Submitted.")).to_be_visible()
    payload = Annotation.objects.get().payload
    assert [turn["role"] for turn in payload["messages"]] == ["user", "assistant", "user", "assistant"]
    assert payload["messages"][1]["content"] == "Short waves scatter most.“blue is scattered more”"
    assert payload["sources"][0]["url"] == "https://example.org/sky"


def test_turns_are_added_moved_removed_and_put_back(page_for, people):
    made = campaign("demonstration", tasks=1)
    join(made, people["labeler"])
    page = page_for("labeler", allow=[r"status of 422"])
    open_task(page, made)
    page.get_by_role("button", name="Add a system message").click()
    page.keyboard.type("Be kind.")
    page.get_by_label("Turn 3, assistant").fill("Short waves scatter most.")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.keyboard.type("And at dusk?")
    page.get_by_role("button", name="Move this turn up").and_(page.locator(":enabled")).click()
    assert [box.input_value() for box in page.locator(".turn textarea").all()] == [
        "Be kind.", "Why is the sky blue?", "And at dusk?", "Short waves scatter most.",
    ]  # fmt: skip
    page.get_by_role("button", name="Move this turn down").and_(page.locator(":enabled")).click()
    page.get_by_role("button", name="Remove").nth(1).click()
    expect(page.get_by_label("Turn 3, user")).to_have_value("And at dusk?")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Turn 3, assistant")).to_have_value("Short waves scatter most.")
    expect(page.get_by_label("Turn 2, user")).not_to_be_editable()
    expect(page.locator("[data-status]")).to_contain_text("Saved", timeout=5000)
    said = [(turn["role"], turn["content"]) for turn in Assignment.objects.get().draft["messages"]]
    assert said == [
        ("system", "Be kind."),
        ("user", "Why is the sky blue?"),
        ("assistant", "Short waves scatter most."),
        ("user", "And at dusk?"),
    ]
    page.locator("[data-sources] > summary").click()
    page.get_by_role("button", name="Add a source").click()
    page.locator("[data-sources] > summary").click()
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("dialog", name="Submit this work?").get_by_role("button", name="Submit").click()
    page.locator("[data-problems]").get_by_role("button").last.click()
    expect(page.get_by_label("URL or DOI")).to_be_focused()


def test_an_answer_is_edited(page_for, people, shoot):
    made = campaign("edit", tasks=1)
    join(made, people["labeler"])
    page = page_for("labeler", color_scheme="dark", viewport={"width": 1280, "height": 800})
    open_task(page, made)
    area = page.get_by_label("The answer as it should be")
    area.fill("Because the blue light is scattered more.")
    page.locator("[data-diff] > summary").click()
    expect(page.locator("[data-diff] ins")).to_contain_text("scattered")
    page.get_by_role("button", name="Reset to the original").click()
    expect(area).to_have_value("Because the blue light is scatered more.")
    area.fill("Something else.")
    page.get_by_role("button", name="Undo the reset").click()
    expect(area).to_have_value("Because the blue light is scattered more.")
    page.get_by_role("button", name="Undo that").click()
    expect(area).to_have_value("Something else.")
    page.get_by_role("button", name="Undo that").click()
    page.get_by_label("Wrong", exact=True).check()
    shoot(page, "edit-dark")
    axe_clean(page)
    page.keyboard.press("Control+Enter")
    page.get_by_role("dialog", name="Submit this work?").get_by_role("button", name="Submit").click()
    expect(page.locator(".callout.ok", has_text="Submitted.")).to_be_visible()
    done = Annotation.objects.get()
    assert done.payload["text"] == "Because the blue light is scattered more."
    assert done.payload["reasons"] == ["Wrong"]
    assert done.measures["edit_distance"] == pytest.approx(1 / 7, abs=1e-6)


def test_a_conversation_is_judged_by_keyboard(page_for, people, shoot):
    made = campaign("conversation", tasks=1)
    join(made, people["labeler"])
    page = page_for("labeler", viewport={"width": 1440, "height": 900})
    open_task(page, made)
    page.keyboard.press("-")
    page.keyboard.press("-")
    expect(page.locator(".judged [type=radio]:checked")).to_have_count(0)
    for key in ("2", "+", "ArrowDown", "-"):
        page.keyboard.press(key)
    page.get_by_label("Unhelpful").nth(1).check()
    page.keyboard.press("c")
    page.keyboard.type("Which table?")
    page.get_by_text("A better answer").nth(1).click()
    page.get_by_label("A better answer for turn 4").fill("A table for two at seven is booked.")
    shoot(page, "conversation")
    axe_clean(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator(".callout.ok", has_text="Submitted.")).to_be_visible()
    payload = Annotation.objects.get().payload
    assert payload["outcome"] == "partly"
    assert payload["turns"]["1"]["mark"] == "good"
    assert payload["turns"]["3"] == {
        "mark": "bad",
        "reasons": ["Unhelpful"],
        "comment": "Which table?",
        "alternative": "A table for two at seven is booked.",
    }


def test_keys_held_down_and_keys_in_dialogs_do_only_what_is_meant(page_for, people):
    points = "1: Bad\n2: Fair"
    criteria = [{"name": name, "title": name, "help": "", "points": points} for name in ("style", "facts")]
    made = campaign("rating", tasks=2, schema={"criteria": criteria})
    join(made, people["labeler"])
    page = page_for("labeler")
    open_task(page, made)
    page.keyboard.down("1")
    page.keyboard.down("1")
    page.keyboard.up("1")
    expect(page.locator("#pane input:checked")).to_have_count(1)
    page.keyboard.press("2")
    expect(page.locator("[data-status]")).to_contain_text("Saved", timeout=5000)
    page.keyboard.press("h")
    page.get_by_label("Your question").fill("What is style?")
    page.keyboard.press("Control+Enter")
    page.get_by_text("Sent. You find the answer").first.wait_for()
    asked = Assignment.objects.get(prefetched=False).pk
    assert Message.objects.get().text == "What is style?" and not Annotation.objects.exists()
    page.locator("#workspace[data-ready]").wait_for()
    page.keyboard.press("n")
    page.get_by_label("Why?").fill("Not my subject")
    page.keyboard.press("Enter")
    expect(page.locator(f"#workspace:not([data-workspace*='\"id\": {asked},'])")).to_be_visible()
    assert Assignment.objects.get(state="skipped").reason == "Not my subject"


def test_the_log_of_inputs_counts_compositions_once_and_no_sources(page_for, people):
    made = campaign("demonstration", tasks=1)
    join(made, people["labeler"])
    page = page_for("labeler", permissions=["clipboard-read", "clipboard-write"])
    open_task(page, made)
    answer = page.get_by_label("Turn 2, assistant")
    answer.focus()
    input_method = page.context.new_cdp_session(page)
    for text in ("n", "に", "にh", "にほ", "にほん"):
        input_method.send(
            "Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)}
        )
    input_method.send("Input.insertText", {"text": "日本"})
    page.evaluate("navigator.clipboard.writeText('a quote')")
    page.locator("[data-sources] > summary").click()
    page.get_by_role("button", name="Add a source").click()
    page.get_by_label("Quote", exact=True).press("Control+V")
    answer.press("Control+A")
    answer.dispatch_event("dragstart")
    answer.evaluate(
        "e => e.dispatchEvent(new InputEvent('beforeinput', "
        "{bubbles: true, inputType: 'insertFromDrop', data: '日本'}))"
    )
    answer.press("End")
    answer.press("Control+V")
    expect(answer).to_have_value("日本a quote")
    expect(page.locator("[data-status]")).to_contain_text("Saved", timeout=5000)
    page.wait_for_timeout(1000)
    assert Assignment.objects.get().inputs == {"typed": 2, "pasted_page": 2, "pasted_elsewhere": 7}


def test_the_log_of_inputs_tells_typing_correcting_and_dictating_apart(page_for, people):
    made = campaign("demonstration", tasks=1)
    join(made, people["labeler"])
    page = page_for("labeler")
    open_task(page, made)
    answer = page.get_by_label("Turn 2, assistant")
    answer.focus()
    page.keyboard.type("teh sky")
    change = """(area, [kind, text, told, announced]) => {
      const how = { bubbles: true, cancelable: true, inputType: kind, ...told };
      if (announced) area.dispatchEvent(new InputEvent("beforeinput", how));
      area.setRangeText(text, area.value.length, area.value.length, "end");
      area.dispatchEvent(new InputEvent("input", how));
    }"""
    # A spelling correction names its text by a data transfer where the field is rich text, else by data.
    answer.evaluate(change, ["insertReplacementText", "the", {"data": "the"}, True])
    answer.evaluate(
        """(area) => {
          const carried = new DataTransfer();
          carried.setData("text/plain", "blue");
          area.dispatchEvent(new InputEvent("beforeinput", { bubbles: true, inputType: "insertReplacementText", dataTransfer: carried }));
          area.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertReplacementText" }));
        }"""
    )
    page.keyboard.press("Control")  # held to speak, as some do: it writes nothing by itself
    page.wait_for_timeout(1100)
    answer.evaluate(change, ["insertText", " is blue", {"data": " is blue"}, True])
    answer.evaluate(change, ["", " today", {"data": " today"}, True])
    answer.evaluate(change, ["", " too", {"data": " too"}, False])
    page.keyboard.press("End")
    page.keyboard.type(" ok")
    expect(answer).to_have_value("teh skythe is blue today too ok")
    expect(page.locator("[data-status]")).to_contain_text("Saved", timeout=5000)
    page.wait_for_timeout(1000)
    assert Assignment.objects.get().inputs == {"typed": 10, "corrected": 7, "dictated": 18}


def test_a_streamed_answer_is_shown_whole_on_request_and_once_read(page_for, people):
    made = campaign(stream_rate=1)
    task(
        made, answers=["It falls as $\\lambda^{-4}$, far more for blue than for red.", "It reflects the sea."]
    )
    join(made, people["labeler"])
    page = page_for("labeler")
    open_task(page, made)
    expect(page.locator("math.unread")).to_have_count(1)
    expect(page.locator("math span")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator(".unread")).to_have_count(0)
    page.reload()
    page.locator("#workspace[data-ready]").wait_for()
    expect(page.locator(".unread")).to_have_count(0)


def test_the_next_task_was_fetched_ahead_and_offers_the_undo_of_the_last(page_for, people):
    made = campaign("rating", tasks=2, hold_minutes=240)
    join(made, people["labeler"])
    page = page_for("labeler")
    open_task(page, made)
    first = page.url
    with page.expect_request_finished(lambda sent: "/labeling/work/" in sent.url and sent.method == "GET"):
        page.keyboard.press("3")
    with page.expect_response(lambda got: got.url.endswith("/presence/")) as told:
        page.keyboard.press("Control+Enter")
    page.locator("#workspace[data-ready]").wait_for()
    assert page.url != first and "ahead" not in page.url
    assert page.evaluate("performance.getEntriesByType('navigation')[0].transferSize") == 0
    kept = datetime.fromisoformat(told.value.json()["hold_until"]) - timezone.now()
    assert kept > timedelta(hours=3), "the short hold has become a whole one"
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url(first)
    page.locator("#workspace[data-ready]").wait_for()
    expect(page.get_by_role("button", name="Undo")).to_be_hidden()
    expect(page.locator("#pane input:checked")).to_have_count(1)
