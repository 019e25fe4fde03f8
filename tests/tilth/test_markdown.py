"""Markdown from outside: what it becomes, and what it can never become."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xss_corpus import EVERYTHING, PAYLOADS
from tilth.ui import maths
from tilth.ui.markdown import _CLASSES, MAX_CHARACTERS, MAX_MATH, MAX_SHOWN, render


def _names(text: str) -> set[str]:
    return set(text.split())


TAGS = _names(
    "div p h2 h3 h4 h5 h6 em strong s del code pre blockquote ul ol li hr br a table thead tbody tr th td span "
    "math mrow mi mo mn ms mtext mspace msup msub msubsup mover munder munderover mfrac msqrt mroot mtable mtr "
    "mtd mstyle mpadded mphantom menclose mfenced mmultiscripts mprescripts"
)
ATTRIBUTES = _names(
    "href title rel class start align display stretchy fence separator lspace rspace minsize maxsize form accent "
    "mathvariant linethickness width linebreak columnalign rowspacing columnlines rowlines displaystyle "
    "scriptlevel notation accentunder"
)


class Walker(HTMLParser):
    """Asserts that nothing but harmless tags, attributes and addresses is there."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES, (tag, name)
            if name == "href":
                scheme = re.match(r"\s*([a-zA-Z][a-zA-Z0-9+.-]*):", value or "")
                assert scheme is None or scheme[1] in {"http", "https", "mailto"}, value
            if name == "class":
                known = {"prose", "help"} | _CLASSES["span"] | _CLASSES["div"]
                assert set((value or "").split()) <= known, value

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def assert_harmless(html: str) -> None:
    walker = Walker()
    walker.feed(html)
    walker.close()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_leaves_anything_but_harmless_markup(payload: str) -> None:
    assert_harmless(render(payload))


def test_all_payloads_at_once_are_harmless() -> None:
    assert_harmless(render(EVERYTHING))


@given(
    st.lists(
        st.sampled_from([*"<>\"'&/=`$\\{}[]()!*_|#-\n ", *PAYLOADS[:60], "\\text{", "javascript:"]),
        max_size=40,
    )
)
def test_no_combination_of_pieces_is_harmful(pieces: list[str]) -> None:
    assert_harmless(render("".join(pieces)))


@given(st.text())
def test_any_text_renders_and_can_be_sent(text: str) -> None:
    render(text).encode()
    render(text + "\ud800").encode()


def test_it_knows_tables_lists_code_and_quotes() -> None:
    html = render("| a | b |\n|:--|--:|\n| 1 | 2 |\n\n> q\n\n1. x\n\n~~gone~~")
    assert '<td align="right">2</td>' in html
    assert "<blockquote>" in html and "<ol>" in html and "<s>gone</s>" in html


def test_headings_start_below_the_page_heading() -> None:
    assert "<h2>Top</h2>" in render("# Top")
    assert "<h6>Low</h6>" in render("###### Low")


def test_code_is_coloured_for_known_languages_only() -> None:
    assert 'class="tok-k"' in render("```python\ndef f(): pass\n```")
    assert "tok-" not in render("```brainfuck\n+++\n```")


def test_links_carry_rel_and_images_become_links() -> None:
    html = render("[a](https://example.org) ![chart](https://example.org/x.png)")
    assert html.count('rel="nofollow noopener noreferrer"') == 2
    assert "<img" not in html and ">chart</a>" in html


def test_formulas_become_mathml_inline_and_display() -> None:
    html = render("$x^2$\n\n$$\\frac{a}{b}$$")
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in html
    assert '<div class="math-block"><math display="block">' in html and "<mfrac>" in html


def test_money_is_no_formula() -> None:
    assert "<math" not in render("It costs $5 and then $6.")


def test_text_inside_a_formula_stays_text() -> None:
    assert "<mtext>a&nbsp;&lt;&nbsp;b</mtext>" in render(r"$\text{a < b}$").replace("\u00a0", "&nbsp;")


def test_a_formula_that_cannot_be_read_is_shown_as_typed() -> None:
    assert "<code>\\left( x</code>" in render(r"$\left( x$")


@pytest.mark.parametrize(
    "bomb",
    [
        r"\frac" * 300,
        "{" * 900 + "}" * 900,
        "^" * 900,
        r"\left(" * 300,
        "a_" * 900,
        r"\sqrt" * 300,
        "x" * 5000,
    ],
)
def test_formula_bombs_are_shown_as_typed(bomb: str) -> None:
    assert maths.to_mathml(bomb).startswith("<code>")


def test_many_formulas_stop_being_set_at_the_limit() -> None:
    formula = "x" * 500
    html = render(f"${formula}$ " * 90)
    assert html.count("<math") == MAX_MATH // 500


def test_what_is_too_long_to_be_formatted_is_shown_all_the_same() -> None:
    paragraph = "Some **bold** words.\n\n"
    html = render(paragraph * 10_000 + "<b>the</b> end")
    assert html.count("<strong>") == (MAX_CHARACTERS - 2) // len(paragraph), "up to the end of a paragraph"
    assert html.count("**bold**") == 10_000 - html.count("<strong>")
    assert "too long to be formatted" in html and html.endswith("&lt;b&gt;the&lt;/b&gt; end</div></div>")
    assert "too long" not in render("word " * (MAX_CHARACTERS // 5))
    assert render("line\n" * MAX_CHARACTERS).count("line") == MAX_CHARACTERS
    assert render("x" * (MAX_CHARACTERS + 7)).endswith(f"{'x' * 7}</div></div>")


def test_text_without_end_is_cut_and_says_so() -> None:
    html = render("word " * MAX_SHOWN)
    assert f"Cut after {MAX_SHOWN:,} characters." in html
    assert len(html) < MAX_SHOWN + 500


def test_deep_nesting_is_bounded() -> None:
    assert render("> " * 5000).count("<blockquote>") <= 20


def test_nothing_renders_as_an_empty_block() -> None:
    assert render(None) == render("") == '<div class="prose"></div>'
