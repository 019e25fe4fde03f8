"""Words: the rules by example, and what must hold for any text whatever."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tilth.text import characters
from tilth.text.lookups import BASE
from tilth.text.tokens import estimate_tokens, hash_words, tokenise, word_hash
from tilth.text.word_counts import ENDS_SENTENCE, HAS_LETTER, HAS_TEXT, PUNCTUATES

RULES = {
    "Hello, world.": "Hello , world .",
    "(see below)": "( see below )",
    '"Quoted," she said!': '" Quoted , " she said !',
    "don't won’t they're we'd've I'm it's": "do n't wo n’t they 're we 'd 've I 'm it 's",
    "Mr. Smith vs. the U.S. at 5 p.m.": "Mr. Smith vs. the U.S. at 5 p.m.",
    "J. R. Tolkien": "J. R. Tolkien",
    "THE END.": "THE END .",
    "end.Next e.g. this": "end . Next e.g. this",
    "well-known — state-of-the-art": "well - known — state - of - the - art",
    "a--b a---b a -- b -5": "a -- b a --- b a -- b -5",
    "red,green 1,000 3.14": "red , green 1,000 3.14",
    "wait... what….": "wait ... what … .",
    "and/or key:value x=y 3/4 12:30": "and / or key : value x = y 3/4 12:30",
    "2+2 5*3 +44 +x 2017-05": "2 + 2 5 * 3 +44 + x 2017 - 05",
    "50% $5 5€ C#": "50 % $ 5 5 € C #",
    "5km 16GB 8am": "5 km 16 GB 8am",
    "see https://example.com/a-b,c or www.example.org.": "see https://example.com/a-b,c or www.example.org .",
    "mail jane-doe@example.com:": "mail jane-doe@example.com :",
    "🎉party🎉time": "🎉 party 🎉 time",
    "数据 is データ": "数 据 is デ ー タ",
    "one\u00a0two\u2003three\n\nfour": "one two three four",
    "": "",
    " \n\t ": "",
}


@pytest.mark.parametrize("text", RULES)
def test_words_are_cut_by_the_rules(text):
    assert tokenise(text).words == RULES[text].split()


@settings(deadline=None)  # the first call compiles
@given(st.text(max_size=400))
@example("x" * 3000 + ")." * 500)
@example("\ud800 lone half of a pair")
def test_every_character_but_white_space_is_in_exactly_one_word_in_order(text):
    tokens = tokenise(text)
    assert "".join(tokens.words) == "".join(text.split())
    assert np.all(tokens.starts < tokens.ends)
    assert np.all(tokens.ends[:-1] <= tokens.starts[1:])


@settings(deadline=None)  # the first call compiles
@given(st.text(alphabet="ab.,'nt()- \n…@:/1Z$%", max_size=120))
def test_words_of_marks_and_letters_hold_no_white_space_and_keep_their_offsets(text):
    tokens = tokenise(text)
    for word, start, end in zip(tokens.words, tokens.starts, tokens.ends, strict=True):
        assert text[start:end] == word
        assert word and not any(c.isspace() for c in word)


def test_marks_say_what_a_word_is_made_of():
    tokens = tokenise("Yes 42 -- . … $ ?! x1")
    marks = dict(zip(tokens.words, tokens.marks.tolist(), strict=True))
    assert marks["Yes"] == HAS_TEXT | HAS_LETTER
    assert marks["42"] == HAS_TEXT
    assert marks["--"] == PUNCTUATES
    assert marks["."] == PUNCTUATES | ENDS_SENTENCE
    assert marks["…"] == PUNCTUATES
    assert marks["$"] == 0
    assert marks["?"] == marks["!"] == PUNCTUATES | ENDS_SENTENCE
    assert marks["x1"] == HAS_TEXT | HAS_LETTER


@settings(deadline=None)  # the first call compiles
@given(st.text(alphabet="abcdé中", min_size=1, max_size=8), st.text(alphabet="xyz", min_size=1, max_size=8))
def test_the_hash_of_a_run_follows_from_the_hashes_of_its_words(first, second):
    whole, left, right = word_hash(first + second), word_hash(first), word_hash(second)
    assert whole == (left * pow(int(BASE), len(second), 2**64) + right) % 2**64


def test_the_compiled_hash_is_the_one_that_word_lists_are_looked_up_with():
    tokens = tokenise("the quick brown fox")
    assert tokens.hashes.tolist() == [word_hash(word) for word in ("the", "quick", "brown", "fox")]
    assert hash_words(frozenset({"fox", "the"})).tolist() == sorted([word_hash("fox"), word_hash("the")])


def test_a_span_runs_from_the_first_word_to_the_end_of_the_last():
    text = "one  two,\nthree four"
    start, end = tokenise(text).span(1, 3)
    assert text[start:end] == "two,\nthree"


def test_tokens_are_estimated_at_four_bytes():
    assert estimate_tokens("") == 0
    assert estimate_tokens("a" * 400) == 100
    assert estimate_tokens("é" * 400) == 200


def test_the_table_agrees_with_python_on_letters_and_spaces():
    kinds = characters.table()
    for code in (*range(0x3000), *range(0x1F000, 0x1F700), 0x4E2D, 0xAC00):
        assert bool(kinds[code] & characters.LETTER) == chr(code).isalpha()
        assert bool(kinds[code] & characters.SPACE) == chr(code).isspace()


def test_sentence_ends_and_symbols_are_those_that_fineweb_counts_with():
    text = pytest.importorskip("datatrove.utils.text")
    assert characters.SENTENCE_ENDS == text.TERMINAL_PUNCTUATION
    assert characters.SYMBOLS | characters.SENTENCE_ENDS == text.PUNCTUATION_SET
