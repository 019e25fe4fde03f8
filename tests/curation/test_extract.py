"""Main text: found on honest pages, bounded on hostile ones."""

import pytest

from curation.pipeline.document import Document
from curation.pipeline.extract import NAME, REASONS, PageRefused, Settings, build, main_text
from curation.pipeline.step import Drop, Resources, read_settings, registry
from tests.curation.warcs import page
from tilth.errors import InvalidInput


def document(content: bytes, charset: str = "") -> Document:
    return Document("https://a.example.org/", "file:x", 0, 10, content=content, charset=charset)


def test_the_article_is_kept_and_the_menu_is_not():
    text = main_text(page("Report"))
    assert "Paragraph 4 of Report says that the council met" in text
    assert "Home" not in text and "All rights reserved" not in text


def test_the_step_fills_the_text_and_lets_go_of_the_page():
    one = document(page("Grüße").decode().encode("cp1252"), "iso-8859-1")
    assert build(Settings(), Resources())(one) is None
    assert "Paragraph 0 of Grüße" in one.text and one.content == b""


def test_a_document_that_has_text_passes_through():
    one = document(b"")
    one.text = "A line.\n\nAnother."
    assert build(Settings(), Resources())(one) is None
    assert one.text == "A line.\n\nAnother."


def test_a_document_with_neither_page_nor_text_is_dropped():
    assert build(Settings(), Resources())(document(b"")) == Drop("no_text")


def refusal(content: bytes, **changes) -> Drop:
    with pytest.raises(PageRefused) as caught:
        main_text(content, settings=Settings(**changes))
    assert caught.value.drop.reason in REASONS
    return caught.value.drop


@pytest.mark.parametrize("tag", ["div", "b", "ul><li", "table><tr><td", "font", "span"])
def test_deep_nesting_is_refused_without_a_crash(tag: str):
    opened = f"<{tag}>".encode()
    assert refusal(b"<html><body>" + opened * 20_000 + b"text").reason == "too_deep"


def test_nesting_within_the_limit_is_read():
    content = b"<html><body>" + b"<div>" * 150 + page("Deep") + b"</div>" * 150
    assert "Paragraph 0 of Deep" in main_text(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<p>" + b"x " * 3_000_000, "too_large"),
        (b"<html><body>" + b"<p>line</p>" * 31_000, "too_many_nodes"),
        (b"<html><body><p>" + b"x" * 1_000_001, "long_text_node"),
        (b"<html><body></body></html>", "no_text"),
        (b"<!-- nothing but a comment -->", "no_text"),
        (b"   ", "no_text"),
    ],
)
def test_what_is_too_much_or_nothing_is_named(content: bytes, reason: str):
    assert refusal(content).reason == reason


@pytest.mark.parametrize(
    "attributes",
    [
        " ".join(f"a{n}=1" for n in range(1500)),
        " ".join(f'a{n}="<b>"' for n in range(1500)),
        " ".join(f"a{n}='>'" for n in range(1500)),
        "".join(f"/a{n}" for n in range(1500)),
    ],
)
def test_many_attributes_are_refused_however_they_are_written(attributes: str):
    drop = refusal(f"<html><body><p {attributes}>text</p>".encode())
    assert (drop.reason, drop.limit) == ("too_many_attributes", 1000)
    assert 1400 < drop.value < 1600


def test_one_long_attribute_is_no_crime():
    image = b"<img src='data:image/png;base64," + b"A" * 300_000 + b"'>"
    assert "Paragraph 1 of Pic" in main_text(image + page("Pic"))


def test_control_characters_do_not_stop_the_parser():
    assert "Paragraph 1 of Nul" in main_text(page("Nul").replace(b"council", b"coun\x00\x0bcil"))


def test_the_outcome_is_the_same_every_time():
    content = page("Same", 40)
    assert len({main_text(content) for _ in range(3)}) == 1


def test_it_is_registered_and_its_limits_are_checked():
    assert registry()[NAME].build is build
    with pytest.raises(InvalidInput, match=r"extract\.max_depth must lie between"):
        read_settings(registry()[NAME], {"max_depth": 5000})
