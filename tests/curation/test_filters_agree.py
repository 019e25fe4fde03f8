"""Our filters decide as datatrove's do, given the same words: property tests, and texts of our own.

datatrove's English words come from spaCy, which is not installed here, so its filters are given our words;
how near those are to spaCy's is recorded in docs/curation-filters.md.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from curation.pipeline import pii
from curation.pipeline.filters import c4, fineweb, gopher_quality, gopher_repetition
from tests.curation.judging import document, judge
from tilth.text.tokens import tokenise
from tilth.text.word_counts import extra_sentences

pytest.importorskip("datatrove")
from datatrove.data import Document as TheirDocument
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.base_filter import get_filter_result
from datatrove.pipeline.formatters.pii import PIIFormatter
from datatrove.utils import text as their_text
from datatrove.utils import word_tokenizers

REASONS = {
    "dup_para_frac": "repeated_paragraphs",
    "dup_para_char_frac": "repeated_paragraph_characters",
    "dup_line_frac": "repeated_lines",
    "dup_line_char_frac": "repeated_line_characters",
    **{f"top_{n}_gram": f"top_{n}gram" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"repeated_{n}grams" for n in range(5, 11)},
    "gopher_short_doc": "too_few_words",
    "gopher_long_doc": "too_many_words",
    "gopher_below_avg_threshold": "short_words",
    "gopher_above_avg_threshold": "long_words",
    "gopher_too_many_hashes": "hashes",
    "gopher_too_many_ellipsis": "ellipses",
    "gopher_too_many_bullets": "bullets",
    "gopher_too_many_end_ellipsis": "ellipsis_lines",
    "gopher_below_alpha_threshold": "few_letters",
    "gopher_enough_stop_words": "few_stop_words",
    "line_punct_ratio": "line_punctuation",
    "short_line_ratio": "short_lines",
    "char_dup_ratio": "repeated_characters",
    "list_ratio": "line_breaks",
}


class OurWords(word_tokenizers.WordTokenizer):
    """datatrove's interface over our words and sentences."""

    def word_tokenize(self, text: str) -> list[str]:
        return tokenise(text).words

    def sent_tokenize(self, text: str) -> list[str]:
        return [text[start:end] for start, end in self.span_tokenize(text)]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        tokens = tokenise(text)
        extra = extra_sentences(tokens.codes, tokens.starts, tokens.ends, tokens.marks)
        return [(0, 0)] * extra + [(0, len(text))]


@pytest.fixture(autouse=True)
def same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give datatrove's filters our words."""
    words = OurWords()
    monkeypatch.setattr(word_tokenizers, "load_word_tokenizer", lambda language: words)
    their_text.split_into_parts.cache_clear()


LINES = st.sampled_from(
    [
        *(
            "The quick brown fox jumps over the lazy dog, and that is that.",
            "- item one",
            "• item two",
            "Read more...",
        ),
        *(
            "It was the best of times, it was the worst of times.",
            "# # #",
            "… and so on …",
            "",
            "   ",
            "12 34 56",
        ),
        *(
            "Terms of use and privacy policy",
            "Enable JavaScript to go on.",
            "a{b}",
            "Lorem ipsum dolor",
            "Menu",
        ),
        *(
            "Home",
            "You have to be there with the rest of them, don't you?",
            "see[1] this[citation needed] line.",
            "{",
        ),
        *(
            "Mr. Smith lives in the U.S. He is old! Is he?",
            "x" * 1200,
            "one\x0btwo\x85three four.",
            "a b c d e f g h",
        ),
    ]
)
PAGES = st.one_of(
    st.lists(LINES, max_size=14).map("\n".join),
    st.lists(LINES, max_size=8).map("\n\n".join),
    st.lists(
        st.sampled_from(["a", "the", "of", "dog", "ab.", "#", "...", "\n", "\n\n", "3"]), max_size=90
    ).map(" ".join),
    st.text(alphabet="ab .\n#…-•[]{}!3", max_size=200),
)
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def compare(step: Any, ours: dict[str, Any], theirs: Any, text: str) -> None:
    """Both decide alike, for the same reason, and keep the same text."""
    page, other = document(text), TheirDocument(text=text, id="1")
    try:
        kept, why = get_filter_result(theirs.filter(other))
    except ZeroDivisionError:  # datatrove divides by a number of words or lines that may be none
        return
    drop = judge(step, page, **ours)
    assert (drop.reason if drop else None) == (None if kept else REASONS.get(why, why))
    if kept:
        assert page.text == other.text


@MANY
@given(PAGES)
def test_gopher_repetition_agrees(text):
    compare(gopher_repetition, {}, GopherRepetitionFilter(), text)


@MANY
@given(st.lists(st.sampled_from(["a", "bb", "ccc", "ab", "abc"]), max_size=60).map(" ".join))
@example("a b c d e f g h i j k l m n o p q r s t u v w x y z " * 2)
def test_runs_of_words_agree(text):
    off = dict.fromkeys(("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac"), 1.0)
    loose = tuple((n, 0.9) for n in (2, 3, 4))
    theirs = GopherRepetitionFilter(**off, top_n_grams=loose)
    compare(gopher_repetition, {"top_2gram": 0.9, "top_3gram": 0.9, "top_4gram": 0.9}, theirs, text)


@MANY
@given(PAGES, st.sampled_from([1, 5, 50]))
def test_gopher_quality_agrees(text, minimum):
    compare(gopher_quality, {"minimum_words": minimum}, GopherQualityFilter(min_doc_words=minimum), text)


@MANY
@given(PAGES, st.booleans(), st.sampled_from([0, 2, 5]))
def test_c4_agrees(text, terminal, sentences):
    ours = {"terminal_punctuation": terminal, "minimum_sentences": sentences}
    theirs = C4QualityFilter(filter_no_terminal_punct=terminal, min_num_sentences=sentences or -1)
    compare(c4, ours, theirs, text)


@MANY
@given(PAGES, st.booleans())
def test_fineweb_agrees(text, lenient):
    theirs = FineWebQualityFilter(line_punct_exclude_zero=lenient)
    compare(fineweb, {"accept_no_punctuation": lenient}, theirs, text)


@MANY
@given(st.text(alphabet="ab.@-_é \n8", max_size=80))
@example("write to jane@example.net or joe@example.net, host 8.8.8.8 or 10.1.1.1")
def test_emails_are_replaced_alike(text):
    page = document(text)
    judge(pii, page, ip_addresses=False)
    assert page.text == PIIFormatter(remove_ips=False).format(text)


@pytest.mark.parametrize("text", ["at 8.8.4.4, 1.1.1.1; 10.0.0.1", "no 8.8.04.4", "[93.184.216.34]:80"])
def test_ip_addresses_that_stand_alone_are_replaced_alike(text):
    page = document(text)
    judge(pii, page)
    assert page.text == PIIFormatter().format(text)
