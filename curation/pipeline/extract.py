"""The main text of a page, without menus, adverts and footers, by trafilatura.

Any page may come in, so every cost is bounded by the page's *structure*, before the dear part runs:
bytes and attributes before parsing (libxml2 compares each attribute of a tag with all others), then
elements, depth and length of a text node on the tree. The outcome never depends on the machine's load.
Within the default limits the slowest page that could be made takes about 4 s of CPU (30,000 elements in
180 levels), the slowest of the eight largest real ones 0.5 s; what still outlasts that is killed from outside.

Chosen on 944 hand-annotated pages by 4-word shingle F1 (pages a second on one core): all of trafilatura
0.832 (18), ``fast`` 0.805 (38), favouring recall 0.820 or precision 0.787, with comments 0.824, without
tables 0.824; resiliparse's main content 0.807 (340). ``bench/curation_quality.py`` measures it again.
"""

import re
from dataclasses import dataclass

import lxml.html
import trafilatura
from lxml import etree

from curation.pipeline.decode import decode
from curation.pipeline.document import Document
from curation.pipeline.step import Apply, Drop, Resources, setting

NAME = "extract"
TITLE = "Main text of the page (trafilatura)"
SOURCE = "Barbaresi 2021, Trafilatura (ACL demo); FineWeb (Penedo et al. 2024) extracts with it too"
REASONS = {
    "too_large": "The page has more bytes than the limit",
    "too_many_attributes": "An element has more attributes than the limit",
    "too_many_nodes": "The page has more elements than the limit",
    "too_deep": "Elements are nested deeper than the limit",
    "long_text_node": "One unbroken text node is longer than the limit",
    "no_text": "No main text was found",
    "failed": "The page could not be parsed or taken apart",
    "killed": "Extraction used up its CPU time and was killed",
}

_TAG = re.compile(
    r"<[a-z][^\s/>]*+(?:[\s/]++|=\s*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^\s>]*+)|[^\s/>=]++)*+",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"[\s/\"'][^\s/>=\"']++")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_count_nodes = etree.XPath("count(//*)")
_WITHOUT_TEXT = ("style", "svg", "template", "iframe", "canvas", "object", "embed")


@dataclass(frozen=True)
class Settings:
    """How pages are taken apart, and which are too much."""

    thorough: bool = setting(
        True,
        "Compare with two other extractors where the first finds little; off is twice as fast and less exact",
    )
    tables: bool = setting(True, "Keep the text of tables")
    comments: bool = setting(False, "Keep readers' comments")
    max_bytes: int = setting(5 << 20, "Bytes of a page", minimum=1000, maximum=64 << 20)
    max_attributes: int = setting(1000, "Attributes of one element", minimum=10, maximum=20_000)
    max_nodes: int = setting(30_000, "Elements of a page", minimum=100, maximum=1_000_000)
    max_depth: int = setting(200, "Levels of nesting; libxml2 itself stops at 256", minimum=10, maximum=250)
    max_text_node: int = setting(1_000_000, "Characters of one text node", minimum=1000, maximum=64 << 20)


class PageRefused(Exception):
    """A page has no main text to give: the drop reason, the value measured and the limit it passed."""

    def __init__(self, reason: str, value: int | str | None = None, limit: int | None = None) -> None:
        super().__init__(reason)
        self.drop = Drop(reason, value, limit)


def build(settings: Settings, resources: Resources) -> Apply:
    """A function that turns a document's page into text; one that has text already passes through."""

    def apply(document: Document) -> Drop | None:
        if not document.content:
            return None if document.text.strip() else Drop("no_text")
        content, document.content = document.content, b""
        try:
            document.text = main_text(content, document.charset, settings)
        except PageRefused as refused:
            return refused.drop
        return None

    return apply


def main_text(html: bytes, charset: str = "", settings: Settings | None = None) -> str:
    """The main text of a page's bytes (``charset`` as the HTTP header has it).

    Raises :class:`PageRefused` where there is none to be had. The page's URL plays no part: trafilatura
    would only resolve links with it, and crawled URLs can be malformed.
    """
    settings = settings or Settings()
    if len(html) > settings.max_bytes:
        raise PageRefused("too_large", len(html), settings.max_bytes)
    page = _CONTROLS.sub(" ", decode(html, charset))
    _check_attributes(page, settings.max_attributes)
    tree = _parse(page)
    _drop_what_has_no_text(tree)
    _check_tree(tree, settings)
    text = _extract(tree, settings)
    if not text.strip():
        raise PageRefused("no_text")
    return text


def _check_attributes(page: str, limit: int) -> None:
    """Refuse a tag with too many attributes; only tags long enough to hold as many are counted."""
    for tag in _TAG.finditer(page):
        if tag.end() - tag.start() > 2 * limit:
            bare = re.sub(r"=\s*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^\s>]*+)", '"', tag[0])
            attributes = len(_ATTRIBUTE.findall(bare))
            if attributes > limit:
                raise PageRefused("too_many_attributes", attributes, limit)


def _parse(page: str) -> lxml.html.HtmlElement:
    """The page's tree, parsed once; comments and processing instructions are left out."""
    parser = lxml.html.HTMLParser(
        collect_ids=False, default_doctype=False, encoding="utf-8", remove_comments=True, remove_pis=True
    )
    try:
        return lxml.html.document_fromstring(page.encode("utf-8"), parser=parser)
    except etree.ParserError:
        raise PageRefused("no_text") from None
    except (etree.LxmlError, ValueError) as fault:
        raise PageRefused("failed", str(fault)[:200]) from None


def _drop_what_has_no_text(tree: lxml.html.HtmlElement) -> None:
    """Take out scripts (but for linked data, which trafilatura reads), styles and drawings, once for all passes."""
    for script in list(tree.iter("script")):
        if "ld+json" not in (script.get("type") or ""):
            script.drop_tree()
    etree.strip_elements(tree, *_WITHOUT_TEXT, with_tail=False)


def _check_tree(tree: lxml.html.HtmlElement, settings: Settings) -> None:
    nodes = int(_count_nodes(tree))
    if nodes > settings.max_nodes:
        raise PageRefused("too_many_nodes", nodes, settings.max_nodes)
    if tree.xpath(f"boolean({'/*' * (settings.max_depth + 1)})"):
        raise PageRefused("too_deep", f"more than {settings.max_depth}", settings.max_depth)
    if tree.xpath(f"boolean(//text()[string-length() > {settings.max_text_node}])"):
        raise PageRefused("long_text_node", f"more than {settings.max_text_node}", settings.max_text_node)


def _extract(tree: lxml.html.HtmlElement, settings: Settings) -> str:
    try:
        text = trafilatura.extract(
            tree,
            fast=not settings.thorough,
            include_comments=settings.comments,
            include_tables=settings.tables,
        )
    except Exception as fault:
        # Whatever a page provokes in the extractor is that page's loss, named and counted, never the shard's.
        raise PageRefused("failed", f"{type(fault).__name__}: {fault}"[:200]) from fault
    return text or ""
