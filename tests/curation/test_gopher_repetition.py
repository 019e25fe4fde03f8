"""Gopher's repetition rules at, just below and just above each published limit."""

import pytest

from curation.pipeline.filters import gopher_repetition as step
from tests.curation.judging import distinct_words, judge, marked, reason

OFF = dict.fromkeys(
    (
        *(
            "repeated_paragraphs",
            "repeated_paragraph_characters",
            "repeated_lines",
            "repeated_line_characters",
        ),
        *(f"top_{n}gram" for n in (2, 3, 4)),
        *(f"repeated_{n}grams" for n in range(5, 11)),
    ),
    1.0,
)


def only(*rules: str) -> dict[str, float]:
    """Settings under which the named rules stand at their published limits and all others are off."""
    defaults = step.Settings()
    return OFF | {rule: getattr(defaults, rule) for rule in rules}


def test_the_limits_are_those_of_the_paper():
    s = step.Settings()
    assert (s.repeated_lines, s.repeated_paragraphs) == (0.30, 0.30)
    assert (s.repeated_line_characters, s.repeated_paragraph_characters) == (0.20, 0.20)
    assert (s.top_2gram, s.top_3gram, s.top_4gram) == (0.20, 0.18, 0.16)
    assert [getattr(s, f"repeated_{n}grams") for n in range(5, 11)] == [0.15, 0.14, 0.13, 0.12, 0.11, 0.10]


def test_a_page_without_text_is_empty():
    assert reason(step, "") == "empty"


def test_a_page_that_never_repeats_itself_is_kept():
    assert reason(step, " ".join(distinct_words(200))) is None


@pytest.mark.parametrize(("repeats", "expected"), [(2, None), (3, None), (4, "repeated_lines")])
def test_three_repeated_lines_in_ten_are_kept_and_four_are_not(repeats, expected):
    lines = [f"line {i}" for i in range(10 - repeats)] + ["line 0"] * repeats
    assert reason(step, "\n".join(lines), **only("repeated_lines")) == expected


@pytest.mark.parametrize(("repeats", "expected"), [(2, None), (3, None), (4, "repeated_paragraphs")])
def test_three_repeated_paragraphs_in_ten_are_kept_and_four_are_not(repeats, expected):
    paragraphs = [f"line {i}" for i in range(10 - repeats)] + ["line 0"] * repeats
    assert reason(step, "\n\n".join(paragraphs), **only("repeated_paragraphs")) == expected


@pytest.mark.parametrize("rule", ["line", "paragraph"])
@pytest.mark.parametrize(("length", "over"), [(19, False), (20, False), (21, True)])
def test_a_fifth_of_the_characters_may_be_in_repeated_parts(rule, length, over):
    break_ = "\n" if rule == "line" else "\n\n"
    repeat = "r" * length
    filler = "f" * (100 - 2 * length - 2 * len(break_))
    text = break_.join([repeat, filler, repeat])
    assert len(text) == 100
    name = f"repeated_{rule}_characters"
    assert reason(step, text, **only(name)) == (name if over else None)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_commonest_run_may_make_up_its_share_and_no_more(size):
    limit = getattr(step.Settings(), f"top_{size}gram")
    run = " ".join(distinct_words(size, 4))
    counted = 2 * len(run)
    at_limit = round(counted / limit)
    for total in (at_limit + 3, at_limit, at_limit - 3):
        middle = "".join(distinct_words(200, 3))[: total - counted - 2]
        text = f"{run} {middle} {run}"
        assert len(text) == total
        over = counted / total > limit
        assert reason(step, text, **only(f"top_{size}gram")) == (f"top_{size}gram" if over else None)
        assert over == (total < counted / limit)


@pytest.mark.parametrize("size", range(5, 11))
def test_repeated_runs_may_make_up_their_share_and_no_more(size):
    name = f"repeated_{size}grams"
    limit = getattr(step.Settings(), name)
    run = distinct_words(size, 4)  # counted without the spaces between the words
    counted = 4 * size
    for total in (int(counted / limit) + 1, int(counted / limit) - 1):
        middle = "".join(distinct_words(200, 3))[: total - 2 * len(" ".join(run)) - 2]
        text = f"{' '.join(run)} {middle} {' '.join(run)}"
        assert len(text) == total
        assert reason(step, text, **only(name)) == (name if counted / total > limit else None)
        assert (counted / total > limit) == (total < counted / limit)


def test_repeated_lines_are_marked_where_they_come_again():
    text = "one\ntwo\none\ntwo\none"
    drop = judge(step, text, **only("repeated_lines"))
    assert drop.value == 3 / 5 and drop.limit == 0.3
    assert drop.spans == ((8, 11), (12, 15), (16, 19))
    assert marked(text, drop) == ["one", "two", "one"]


def test_the_commonest_run_is_marked_everywhere_it_stands():
    text = "buy now or else buy now and then buy now"
    drop = judge(step, text, **only("top_2gram"))
    assert drop.reason == "top_2gram"
    assert drop.value == 3 * len("buy now") / len(text)
    assert marked(text, drop) == ["buy now"] * 3


def test_repeated_runs_are_marked_where_they_come_again():
    text = "aa bb cc dd ee. x aa bb cc dd ee. y"
    drop = judge(step, text, **only("repeated_5grams"))
    assert marked(text, drop) == ["aa bb cc dd ee"]
    assert drop.spans[0][0] == text.rindex("aa")


def test_at_most_fifty_places_are_marked():
    assert len(judge(step, "same\n" * 200, **only("repeated_lines")).spans) == 50
