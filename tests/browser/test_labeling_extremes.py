"""What strains a workspace: scripts from right to left, very long texts, a hundred turns, files of all kinds."""

import io
import zipfile

import pytest
from playwright.sync_api import expect

from labeling.actions import attachments
from labeling.models.annotations import Annotation
from tests.browser.test_labeling_kinds import axe_clean, open_task
from tests.labeling.campaigns import campaign, join, task
from tilth.accounts.actors import Actor

ARABIC = "السماء زرقاء.\n\nIn English: it scatters.\n\n> اقتباس\n\n```python\nprint('مرحبا')\n```\n"
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_text_from_right_to_left_reads_so_and_code_never_does(page_for, people):
    made = campaign()
    task(made, answers=[ARABIC, "It scatters.\n\nהשמיים כחולים."])
    join(made, people["labeler"])
    page = page_for("labeler", viewport={"width": 1280, "height": 800})
    open_task(page, made)

    def side(text: str) -> str:
        """The edge of its block at which a text begins."""
        return (
            page.locator(".answer .prose :is(p, pre)")
            .filter(has_text=text)
            .last.evaluate(
                """(block) => {
              const text = document.createRange();
              text.selectNodeContents(block);
              const [around, line] = [block.getBoundingClientRect(), text.getBoundingClientRect()];
              return line.left - around.left < around.right - line.right ? "left" : "right";
            }"""
            )
        )

    begins = {text: side(text) for text in ("السماء", "In English", "print", "It scatters.", "השמיים")}
    assert begins == {
        "السماء": "right",
        "In English": "left",
        "print": "left",
        "It scatters.": "left",
        "השמיים": "right",
    }
    first_letter, bracket = page.locator(".answer pre").evaluate(
        """(code) => [0, code.textContent.indexOf(")")].map((at) => {
          const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
          for (let node = walker.nextNode(); node; at -= node.data.length, node = walker.nextNode()) {
            if (at >= node.data.length) continue;
            const one = document.createRange();
            one.setStart(node, at);
            one.setEnd(node, at + 1);
            return one.getBoundingClientRect().left;
          }
        })"""
    )
    assert first_letter < bracket
    quote = page.locator(".answer blockquote")
    assert quote.evaluate(
        "e => [getComputedStyle(e).borderRightWidth, getComputedStyle(e).borderLeftWidth]"
    ) == ["3px", "0px"]


@pytest.mark.parametrize("width", [1000, 1280, 1600])
def test_no_word_of_a_grade_is_wider_than_its_box(page_for, people, width):
    made = campaign(tasks=1)
    join(made, people["labeler"])
    page = page_for("labeler", viewport={"width": width, "height": 800})
    open_task(page, made)
    boxes = page.locator(".grade").evaluate_all(
        """(grades) => grades.map((box) => {
          const words = document.createRange();
          words.selectNodeContents(box.querySelector("span"));
          return words.getBoundingClientRect().width <= box.clientWidth;
        })"""
    )
    assert boxes == [True] * 8
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_answers_of_200_kilobytes_are_shown_to_their_end_and_scroll_in_step(page_for, people):
    made = campaign()
    texts = [
        "\n\n".join([f"{name} says **why** the sky is blue. " * 9] * 650 + [f"The end of {name}."])
        for name in ("one", "two")
    ]
    task(made, answers=texts)
    join(made, people["labeler"])
    assert min(map(len, texts)) > 200_000
    page = page_for("labeler", viewport={"width": 1280, "height": 800})
    open_task(page, made)
    first, second = page.locator(".answers > .answer").all()
    for answer in (first, second):
        expect(answer).to_contain_text("The end of ")
    share = "e => e.scrollTop / (e.scrollHeight - e.clientHeight)"
    first.evaluate("e => (e.scrollTop = (e.scrollHeight - e.clientHeight) / 2)")
    expect(page.locator(".answers")).to_be_visible()
    page.wait_for_function("() => document.querySelectorAll('.answers > .answer')[1].scrollTop > 0")
    assert second.evaluate(share) == pytest.approx(0.5, abs=0.01)
    page.wait_for_timeout(300)
    page.keyboard.press("s")
    second.evaluate("e => (e.scrollTop = 0)")
    page.wait_for_timeout(300)
    assert first.evaluate(share) == pytest.approx(0.5, abs=0.01), "each alone"


def test_in_a_conversation_of_a_hundred_turns_the_turn_at_hand_stays_in_sight(page_for, people):
    turns = [
        {"role": ("user", "assistant")[n % 2], "content": f"Turn {n}. " * (1 + 9 * (n % 3))}
        for n in range(100)
    ]
    made = campaign("conversation")
    task(made, payload={"messages": turns})
    join(made, people["labeler"])
    page = page_for("labeler", viewport={"width": 1280, "height": 700})
    open_task(page, made)
    page.keyboard.press("1")
    seen = """() => {
      const row = document.querySelector(".judged.current .judgement").getBoundingClientRect();
      return [row.top >= document.querySelector(".topbar, header").getBoundingClientRect().bottom - 1,
              row.bottom <= document.querySelector(".work-bar").getBoundingClientRect().top + 1];
    }"""
    for _ in range(8):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("-")
        assert page.evaluate(seen) == [True, True]
    page.keyboard.press("c")
    page.keyboard.type("Why?")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".callout.ok", has_text="Submitted.")).to_be_visible()
    marked = {n: e for n, e in Annotation.objects.get().payload["turns"].items() if e["mark"]}
    assert set(marked) == {str(n) for n in range(3, 19, 2)}
    assert marked["17"]["comment"] == "Why?"


def test_files_of_a_task_are_named_shown_and_reach_nothing(page_for, people, storage):
    made = campaign("demonstration", lead=people["lead"])
    row = task(made)
    join(made, people["labeler"])
    picture = page_for(None, viewport={"width": 300, "height": 200})
    picture.set_content("<body style='background: teal'>")
    project = io.BytesIO()
    with zipfile.ZipFile(project, "w") as archive:
        archive.writestr("src/main.py", "def main():\n    print('hello')\n")
        archive.writestr("<b>שלום</b>.txt", "טקסט")
    web = b"<h1>Report</h1><script>fetch('/evil')</script><img src='/beacon.png'><p>The end.</p>"
    files = {
        "sky.png": picture.screenshot(),
        "paper.pdf": PDF,
        "all.zip": project.getvalue(),
        "page.html": web,
    }
    for name, data in files.items():
        attachments.add(Actor(user=people["lead"]), data, name, task=row)
    page = page_for("labeler", viewport={"width": 1280, "height": 800}, color_scheme="dark")
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    open_task(page, made)
    listed = page.get_by_role("region", name="Files")
    for name in ("sky.png", "paper.pdf", "all.zip"):
        expect(listed.get_by_role("link", name=name)).to_be_visible()
    listed.locator("details > summary").click()
    framed = page.frame_locator("iframe[title*='page.html']")
    expect(framed.get_by_text("The end.")).to_be_visible()
    assert page.locator("iframe[title*='page.html']").get_attribute("sandbox") == ""
    assert not [url for url in asked if "evil" in url or "beacon" in url]
    expect(listed.locator("img")).to_have_js_property("naturalWidth", 300)
    axe_clean(page)
    with page.expect_download() as got:
        listed.get_by_role("link", name="paper.pdf").click()
    assert got.value.suggested_filename == "paper.pdf"
    page.goto(listed.get_by_role("link", name="all.zip").get_attribute("href"))
    expect(page.get_by_text("<b>שלום</b>.txt")).to_be_visible()
    inside = page.locator("details").filter(has_text="src/main.py")
    if inside.get_attribute("open") is None:
        inside.locator("summary").click()
    expect(inside.get_by_text("print('hello')")).to_be_visible()


def test_an_answer_too_long_to_be_compared_while_writing_says_so_and_is_measured_all_the_same(
    page_for, people
):
    words = [f"word{number % 700}" for number in range(40_000)]
    made = campaign("edit", schema={"reasons_required": False})
    task(made, answers=[" ".join(words)])
    join(made, people["labeler"])
    page = page_for("labeler", allow=[r"status of 400"])
    open_task(page, made)
    area = page.get_by_label("The answer as it should be")
    area.press("Control+End")
    page.keyboard.type(" end.")
    page.locator("[data-diff] > summary").click()
    expect(page.locator("[data-diff-text]")).to_contain_text("too long to be compared while you write")
    expect(page.locator("[data-diff-text]")).to_contain_text("measured when you submit")
    area.fill(" ".join([*words[:10_000], "two words", *words[10_000:15_000]]))
    expect(page.locator("[data-diff-text] ins").first).to_contain_text("two words")
    area.fill(" ".join([*words, "end."]))
    expect(page.locator("[data-status]")).to_contain_text("Saved", timeout=10_000)
    page.keyboard.press("Control+Enter")
    page.get_by_role("dialog", name="Submit this work?").get_by_role("button", name="Submit").click()
    expect(page.locator(".callout.ok", has_text="Submitted.")).to_be_visible(timeout=20_000)
    done = Annotation.objects.get()
    assert len(done.payload["text"]) > 200_000
    assert done.measures["edit_distance"] == pytest.approx(1 / 40_001, abs=1e-6)
