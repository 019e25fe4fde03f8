"""Markdown from outside, made into HTML that is safe to put into a page.

markdown-it-py without raw HTML, Pygments for a short list of languages, LaTeX as MathML, and at the end
nh3 with a list of what may stay, so that a fault in any of the former still cannot let a script through.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight as pygmentize
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

from tilth.ui import maths

MAX_CHARACTERS = 50_000
MAX_SHOWN = 2_000_000
MAX_CODE = 20_000
MAX_MATH = 20_000


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LANGUAGES = _names(
    "bash c cpp css diff go html ini java javascript js json python py r rust sh sql tex toml ts typescript "
    "xml yaml"
)
PREFIX = "tok-"

_TEXT_TAGS = _names(
    "p h2 h3 h4 h5 h6 em strong s del code pre blockquote ul ol li hr br a table thead tbody tr th td span div"
)
_MATH_TAGS = _names(
    "math mrow mi mo mn ms mtext mspace msup msub msubsup mover munder munderover mfrac msqrt mroot mtable "
    "mtr mtd mstyle mpadded mphantom menclose mfenced mmultiscripts mprescripts"
)
_ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
    "math": {"display"},
    "mo": {"stretchy", "fence", "separator", "lspace", "rspace", "minsize", "maxsize", "form", "accent"},
    "mi": {"mathvariant"},
    "mfrac": {"linethickness"},
    "mspace": {"width", "linebreak"},
    "mtable": {"columnalign", "rowspacing", "columnlines", "rowlines", "displaystyle"},
    "mtd": {"columnalign"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "menclose": {"notation"},
    "mover": {"accent"},
    "munder": {"accentunder"},
}
_CLASSES = {
    "span": {"math-block", *(PREFIX + name for name in STANDARD_TYPES.values() if name)},
    "div": {"math-block"},
}
_CLEANER = nh3.Cleaner(
    tags=set(_TEXT_TAGS | _MATH_TAGS),
    clean_content_tags={"script", "style"},
    attributes=_ATTRIBUTES,
    allowed_classes=_CLASSES,
    url_schemes={"http", "https", "mailto"},
    link_rel="nofollow noopener noreferrer",
)
_FORMATTER = HtmlFormatter(nowrap=True, classprefix=PREFIX)


def render(text: object) -> SafeString:
    """``text`` as safe HTML in a ``.prose`` block.

    Formatted are ``MAX_CHARACTERS``; what comes after them stands as plain text, for whoever judges a text must see
    all of it. Past ``MAX_SHOWN`` it is cut, and says so.
    """
    source = "" if text is None else str(text)
    cut = f'<p class="help">Cut after {MAX_SHOWN:,} characters.</p>' if len(source) > MAX_SHOWN else ""
    # One stray surrogate (JSON can carry it) would make the page impossible to encode.
    source = source[:MAX_SHOWN].encode("utf-8", "replace").decode()
    at = _break(source)
    html = _CLEANER.clean(_MARKDOWN.render(source[:at], {"math": 0}))
    rest = _PLAIN.format(escape(source[at:])) if at < len(source) else ""
    return mark_safe(f'<div class="prose">{html}{rest}{cut}</div>')  # noqa: S308 (cleaned, or escaped)


_PLAIN = (
    '<p class="help">From here on it is shown as it was written: it is too long to be formatted.</p>'
    '<div class="pre" dir="auto">{}</div>'
)


def _break(source: str) -> int:
    """Where formatting ends: the last end of a paragraph, else of a line, else as many characters as there may be."""
    if len(source) <= MAX_CHARACTERS:
        return len(source)
    for mark in ("\n\n", "\n"):
        if (at := source.rfind(mark, MAX_CHARACTERS // 2, MAX_CHARACTERS)) >= 0:
            return at + len(mark)
    return MAX_CHARACTERS


def _highlight(code: str, language: str, _attributes: str) -> str:
    """Coloured code, or nothing (which means: plain) for unknown languages and very long code."""
    if language.lower() not in LANGUAGES or len(code) > MAX_CODE:
        return ""
    return str(pygmentize(code, get_lexer_by_name(language.lower()), _FORMATTER))


def _adapt(state: StateCore) -> None:
    """Headings start one level below the page's own; cells are aligned by attribute, as styles are not allowed."""
    for token in state.tokens:
        if token.type in {"th_open", "td_open"} and token.attrs:
            token.attrs = {"align": str(token.attrs.get("style", "")).removeprefix("text-align:")}
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"


def _math(display: bool, wrapper: str = "") -> Any:
    def rule(
        _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: object, env: dict[str, int]
    ) -> str:
        source = tokens[index].content.strip()
        env["math"] += len(source)
        fits = env["math"] <= MAX_MATH
        html = maths.to_mathml(source, display) if fits else maths.as_source(source)
        return f'<{wrapper} class="math-block">{html}</{wrapper}>' if wrapper else html

    return rule


def _image(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: object, _env: object
) -> str:
    """Images are shown as links: a page must not fetch from wherever its author points."""
    token = tokens[index]
    source = escape(str(token.attrGet("src") or ""))
    return f'<a href="{source}">{escape(token.content) or "image"}</a>'


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "highlight": _highlight, "maxNesting": 20})
    parser.enable(["table", "strikethrough"])
    parser.use(dollarmath_plugin, allow_labels=False, allow_space=False, double_inline=True)
    parser.core.ruler.push("adapt", _adapt)
    parser.add_render_rule("math_inline", _math(display=False))
    parser.add_render_rule("math_inline_double", _math(display=True, wrapper="span"))
    parser.add_render_rule("math_block", _math(display=True, wrapper="div"))
    parser.add_render_rule("image", _image)
    return parser


_MARKDOWN = _parser()
