"""C4's rules: which lines go, which pages go, and what is counted."""

import pytest

from curation.pipeline.filters import c4 as step
from tests.curation.judging import document, judge, marked, reason

FREE = {"minimum_sentences": 0, "terminal_punctuation": False, "minimum_words": 0}


def cleaned(text: str, **settings: object) -> tuple[str, dict[str, int]]:
    """The text that is kept, and how many lines each rule removed."""
    page = document(text)
    assert judge(step, page, **FREE | settings) is None
    assert set(page.signals) == set(step.SIGNALS)
    return page.text, {name.removeprefix("c4_lines_"): n for name, n in page.signals.items() if n}


def test_a_good_page_keeps_every_line():
    text = "\n".join(["This line is a whole sentence."] * 5)
    page = document(text)
    assert judge(step, page) is None
    assert page.text == text and not any(page.signals.values())


@pytest.mark.parametrize("line", ["It ends.", "Does it?", "It does!", '"It ends."', "It ends.'", "It ends."])
def test_lines_that_end_a_sentence_stay(line):
    assert cleaned(line, terminal_punctuation=True) == (line, {})


@pytest.mark.parametrize("line", ["It does not end", "It trails off...", "It stops,", "It ends.)"])
def test_lines_that_do_not_end_a_sentence_go(line):
    assert cleaned(f"{line}\nIt ends.", terminal_punctuation=True) == ("It ends.", {"no_end_mark": 1})


@pytest.mark.parametrize(
    ("line", "kept"), [("two words.", False), ("three words here.", True), ("a b c d", True)]
)
def test_lines_need_three_words(line, kept):
    assert cleaned(line, minimum_words=3) == ((line, {}) if kept else ("", {"few_words": 1}))


@pytest.mark.parametrize(("length", "kept"), [(999, True), (1000, True), (1001, False)])
def test_a_word_may_have_a_thousand_characters(length, kept):
    line = f"see {'x' * length} there"
    assert cleaned(line) == ((line, {}) if kept else ("", {"long_word": 1}))


def test_lines_that_speak_of_javascript_go():
    text = "Please enable JavaScript.\nThe news of today."
    assert cleaned(text) == ("The news of today.", {"javascript": 1})
    assert cleaned(text, javascript=False) == (text, {})


@pytest.mark.parametrize(
    "phrase",
    ["Terms of Use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"],
)
def test_policy_lines_go(phrase):
    text = f"Read our {phrase} today.\nThe news."
    assert cleaned(text) == ("The news.", {"policy": 1})
    assert cleaned(text, policies=False) == (text, {})


def test_citations_are_cut_out_of_lines():
    text = "Rome[1] is old[citation needed].[edit] It has seven[23] hills[]."
    assert cleaned(text)[0] == "Rome is old. It has seven hills."
    assert cleaned(text, citations=False)[0] == text


def test_lines_are_trimmed_and_blank_ones_go_with_the_short_ones():
    assert cleaned("  one two three  \n\n\tfour five six ", minimum_words=3) == (
        "one two three\nfour five six",
        {"few_words": 1},
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good line here.\nLorem ipsum dolor sit.", "lorem_ipsum"),
        ("Good line here.\nfunction f() { return }", "curly_bracket"),
        ("Good line here.\nA closing bracket } alone.", None),
    ],
)
def test_filler_and_code_drop_the_page(text, expected):
    assert reason(step, text, **FREE) == expected
    assert reason(step, text, **FREE | {"lorem_ipsum": False, "curly_brackets": False}) is None


def test_a_forbidden_phrase_in_a_line_that_goes_anyway_does_not_drop_the_page():
    text = "{ lorem ipsum\nThis is a line. And two. And three. And four. And five."
    assert reason(step, text) is None


def test_the_forbidden_phrase_is_marked():
    text = "One line.\nLOREM IPSUM dolor and lorem ipsum."
    drop = judge(step, text, **FREE)
    assert marked(text, drop) == ["LOREM IPSUM", "lorem ipsum"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One two three. Four five six! Seven eight?", 3),
        ("Mr. Smith went to the U.S. in Jan. and stayed.", 1),
        ('He said "no." Then he left.', 2),
        ("One two three.\nFour five six.", 2),
        ("A list of things: one, two", 1),
        ("Really?! Yes... no", 2),
    ],
)
def test_sentences_are_counted(text, sentences):
    settings = FREE | {"minimum_sentences": sentences}
    assert reason(step, text, **settings) is None
    drop = judge(step, text, **FREE | {"minimum_sentences": sentences + 1})
    assert (drop.reason, drop.value, drop.limit) == ("too_few_sentences", sentences, sentences + 1)


def test_a_page_needs_five_sentences_after_the_line_rules():
    four = "\n".join(["This line is a sentence."] * 4)
    assert reason(step, four + "\nThis one is not") == "too_few_sentences"
    assert reason(step, four + "\nThis one is one.") is None


def test_a_dropped_page_keeps_its_text_for_the_reader():
    page = document("Too short")
    assert judge(step, page).reason == "too_few_sentences"
    assert page.text == "Too short" and not page.signals
