"""FineWeb's line rules at, just below and just above each published limit."""

import pytest

from curation.pipeline.filters import fineweb as step
from tests.curation.judging import judge, marked, reason

FREE = {
    "line_punctuation": 0.0,
    "short_lines": 1.0,
    "repeated_characters": 1.0,
    "line_breaks": 1e9,
}


def only(rule: str) -> dict[str, float]:
    """Settings under which the named rule stands at its published limit and all others are off."""
    return FREE | {rule: getattr(step.Settings(), rule)}


def test_the_limits_are_those_of_the_paper():
    s = step.Settings()
    assert (s.line_punctuation, s.short_lines, s.short_line_length) == (0.12, 0.67, 30)
    assert (s.repeated_characters, s.line_breaks) == (0.01, 0.3)
    assert not s.accept_no_punctuation


@pytest.mark.parametrize("text", ["", "\n\n", "  \n \t \n"])
def test_a_page_of_white_space_is_empty(text):
    assert reason(step, text) == "empty"


def test_prose_is_kept():
    assert (
        reason(step, "A sentence that goes on for quite a while, and ends.\nAnother one that does so too.")
        is None
    )


@pytest.mark.parametrize(("ended", "expected"), [(2, "line_punctuation"), (3, None), (4, None)])
def test_twelve_lines_in_a_hundred_must_end_a_sentence(ended, expected):
    lines = [f"line {i}{'.' if i < ended else ''}" for i in range(25)]
    assert ended / 25 >= 0.12 or expected
    assert reason(step, "\n".join(lines), **only("line_punctuation")) == expected


@pytest.mark.parametrize("mark", [".", "!", "?", "。", "؟", "।"])
def test_sentences_end_in_every_script(mark):
    assert reason(step, f"line one{mark}", **only("line_punctuation")) is None


@pytest.mark.parametrize("mark", [",", ":", '"', "…", ".)", ". "])
def test_other_marks_do_not_end_a_sentence(mark):
    assert reason(step, f"line one{mark}", **only("line_punctuation")) == "line_punctuation"


def test_pages_where_no_line_ends_a_sentence_can_be_accepted():
    lenient = only("line_punctuation") | {"accept_no_punctuation": True}
    assert reason(step, "no end\n" * 30, **lenient) is None
    assert reason(step, "no end\n" * 30 + "one end.", **lenient) == "line_punctuation"


@pytest.mark.parametrize(("short", "expected"), [(66, None), (67, None), (68, "short_lines")])
def test_two_lines_in_three_may_be_short(short, expected):
    lines = ["s" * 30] * short + ["l" * 31] * (100 - short)
    assert reason(step, "\n".join(lines), **only("short_lines")) == expected


def test_blank_lines_are_no_lines():
    text = "\n \n".join(["s" * 30] * 2 + ["l" * 31])
    assert reason(step, text, **only("short_lines")) is None
    assert judge(step, text, **only("short_lines") | {"short_lines": 0.6}).value == 2 / 3


@pytest.mark.parametrize(("length", "expected"), [(1, None), (2, None), (3, "repeated_characters")])
def test_one_character_in_a_hundred_may_be_in_repeated_lines(length, expected):
    repeat = "r" * length
    filler = "f" * (200 - 2 * length)
    assert reason(step, f"{repeat}\n{filler}\n{repeat}", **only("repeated_characters")) == expected


@pytest.mark.parametrize(("breaks", "expected"), [(2, None), (3, None), (4, "line_breaks")])
def test_three_line_breaks_in_ten_words_are_allowed(breaks, expected):
    words = ["word"] * 10
    text = "\n".join([*words[:breaks], " ".join(words[breaks:])])
    assert reason(step, text, **only("line_breaks")) == expected


def test_short_and_repeated_lines_are_marked():
    text = "short\n" + "l" * 40 + "\ntiny\nshort"
    assert marked(text, judge(step, text, **only("short_lines"))) == ["short", "tiny", "short"]
    drop = judge(step, text, **only("repeated_characters"))
    assert drop.spans == ((len(text) - 5, len(text)),)
