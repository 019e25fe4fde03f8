"""Gopher's quality rules at, just below and just above each published limit."""

import pytest

from curation.pipeline.filters import gopher_quality as step
from tests.curation.judging import distinct_words, judge, marked, reason

FREE = {
    "minimum_words": 1,
    "maximum_words": 10**9,
    "minimum_word_length": 0.0,
    "maximum_word_length": 1e9,
    "symbol_ratio": 1e9,
    "bullet_lines": 1.0,
    "ellipsis_lines": 1.0,
    "lettered_words": 0.0,
    "minimum_stop_words": 0,
}


def only(*rules: str) -> dict[str, float]:
    """Settings under which the named rules stand at their published limits and all others are off."""
    return FREE | {rule: getattr(step.Settings(), rule) for rule in rules}


def words(count: int) -> str:
    return " ".join(distinct_words(count))


def test_the_limits_are_those_of_the_paper():
    s = step.Settings()
    assert (s.minimum_words, s.maximum_words) == (50, 100_000)
    assert (s.minimum_word_length, s.maximum_word_length) == (3, 10)
    assert (s.symbol_ratio, s.bullet_lines, s.ellipsis_lines, s.lettered_words) == (0.1, 0.9, 0.3, 0.8)
    assert s.minimum_stop_words == 2
    assert set(s.stop_words) == {"the", "be", "to", "of", "and", "that", "have", "with"}


def test_good_prose_is_kept():
    assert reason(step, "The cat sat with that dog, and it did not have to be told of the rain. " * 5) is None


@pytest.mark.parametrize(("count", "expected"), [(49, "too_few_words"), (50, None), (51, None)])
def test_a_page_needs_fifty_words_and_marks_are_none(count, expected):
    assert reason(step, words(count) + " . , !", **only("minimum_words")) == expected


@pytest.mark.parametrize(("count", "expected"), [(9, None), (10, None), (11, "too_many_words")])
def test_a_page_may_have_so_many_words_and_no_more(count, expected):
    assert reason(step, words(count) + " . ,", **only() | {"maximum_words": 10}) == expected


def test_a_page_without_any_word_has_too_few():
    assert reason(step, "", **only()) == "too_few_words"
    assert reason(step, "... !!! ---", **only()) == "too_few_words"


@pytest.mark.parametrize(
    ("text", "expected"), [("aaa bb cc", "short_words"), ("aaa aaa .", None), ("aaaa aaa", None)]
)
def test_words_must_be_three_characters_long_on_average(text, expected):
    assert reason(step, text, **only("minimum_word_length")) == expected


@pytest.mark.parametrize(("length", "expected"), [(9, None), (10, None), (11, "long_words")])
def test_words_may_be_ten_characters_long_on_average(length, expected):
    assert reason(step, " ".join(["w" * length] * 5) + " .", **only("maximum_word_length")) == expected


@pytest.mark.parametrize(("mark", "rule"), [("#", "hashes"), ("…", "ellipses"), ("...", "ellipses")])
@pytest.mark.parametrize(("others", "over"), [(10, False), (9, False), (8, True)])
def test_one_mark_in_ten_words_is_allowed(mark, rule, others, over):
    text = f"{words(others)} {mark}"
    assert reason(step, text, **only("symbol_ratio")) == (rule if over else None)


@pytest.mark.parametrize("bullet", ["•", "-", "  • ", "\t- "])
@pytest.mark.parametrize(("bulleted", "expected"), [(8, None), (9, None), (10, "bullets")])
def test_nine_lines_in_ten_may_begin_with_a_bullet(bullet, bulleted, expected):
    lines = [f"{bullet}item number" if i < bulleted else "plain-line... here" for i in range(10)]
    assert reason(step, "\n".join(lines), **only("bullet_lines")) == expected


@pytest.mark.parametrize("end", ["...", "…", "...  "])
@pytest.mark.parametrize(("ended", "expected"), [(2, None), (3, None), (4, "ellipsis_lines")])
def test_three_lines_in_ten_may_end_with_an_ellipsis(end, ended, expected):
    lines = [f"read more{end}" if i < ended else "plain-line... here" for i in range(10)]
    assert reason(step, "\n".join(lines), **only("ellipsis_lines")) == expected


@pytest.mark.parametrize(("lettered", "expected"), [(9, None), (8, None), (7, "few_letters")])
def test_four_words_in_five_need_a_letter_and_marks_count_as_words(lettered, expected):
    text = f"{words(lettered)} {' '.join('7' * (9 - lettered))} ."
    assert reason(step, text, **only("lettered_words")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the the the", "few_stop_words"),
        ("The And", "few_stop_words"),
        ("the and", None),
        ("that's all", "few_stop_words"),
        ("that's what we haven't", None),  # "haven't" begins with the word "have"
    ],
)
def test_two_different_stop_words_are_needed_in_small_letters(text, expected):
    assert reason(step, text, **only("minimum_stop_words")) == expected


def test_other_stop_words_can_be_given():
    assert (
        reason(step, "der Hund und die Katze", **only("minimum_stop_words") | {"stop_words": ("der", "und")})
        is None
    )


def test_bulleted_lines_are_marked_without_their_white_space():
    text = "- one\n  - two  \n- three"
    drop = judge(step, text, **only("bullet_lines") | {"bullet_lines": 0.5})
    assert drop.reason == "bullets" and drop.value == 1.0
    assert marked(text, drop) == ["- one", "  - two", "- three"]


def test_the_marks_that_are_too_many_are_marked():
    text = "#a #b #c"
    assert marked(text, judge(step, text, **only("symbol_ratio"))) == ["#", "#", "#"]
