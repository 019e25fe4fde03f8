"""A web page from outside, shown without letting it do anything.

Three walls, each enough alone: nh3 leaves only harmless tags and no address that a browser would fetch;
the answer's own policy (``sandbox; default-src 'none'``) forbids scripts, forms and every request; and the
page shows it in an ``<iframe sandbox>``, which cannot reach the page around it.
"""

import nh3
from django.http import HttpResponse
from lxml import etree
from lxml.html import HTMLParser, document_fromstring, tostring

MAX_CHARACTERS = 2_000_000
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
"""Inline style is allowed for our own few lines of it: the cleaned page brings none."""

_STYLE = (
    "body{font:15px/1.55 system-ui,sans-serif;max-width:52rem;margin:1.5rem auto;padding:0 1rem;color:#1b1f1b;"
    "background:#fff;overflow-wrap:anywhere}table{border-collapse:collapse}td,th{border:1px solid #ddd;"
    "padding:.2rem .5rem;vertical-align:top}pre{white-space:pre-wrap}"
)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TAGS = _names(
    "a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code col colgroup data "
    "dd del details dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hgroup hr i ins kbd "
    "li main map mark menu nav ol p pre q rp rt ruby s samp section small span strike strong sub summary sup "
    "table tbody td tfoot th thead time tr tt u ul var wbr"
)
_SILENT = _names(
    "script style noscript template iframe frameset object embed applet svg math textarea select title"
)
_CLEANER = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags=set(_SILENT),
    attributes={
        "*": {"lang", "dir"},
        "ol": {"start"},
        "td": {"colspan", "rowspan"},
        "th": {"colspan", "rowspan", "scope"},
        "time": {"datetime"},
    },
    link_rel=None,
)


def page(html: bytes | str) -> str:
    """The readable skeleton of a page: text, headings, lists, tables; links and images gone inert.

    Bytes are read as UTF-8 with replacement characters: the caller decodes with the page's own charset
    where it knows it. Pages longer than ``MAX_CHARACTERS`` are cut.
    """
    text = html.decode("utf-8", "replace") if isinstance(html, bytes) else html
    text = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
    return _CLEANER.clean(_shallow(text))


def _shallow(html: str) -> str:
    """The page as libxml2 reads it, which gives up below 256 levels.

    The cleaner's time grows with the square of the depth: 100,000 open elements would hold it for 25 s.
    """
    parser = HTMLParser(remove_comments=True, remove_pis=True, huge_tree=False, encoding="utf-8")
    try:
        tree = document_fromstring(html.encode(), parser=parser)
    except etree.ParserError:  # nothing in it
        return ""
    etree.strip_tags(tree, "plaintext", "xmp", "listing")
    etree.strip_elements(tree, *_SILENT, with_tail=False)
    return tostring(tree, encoding="unicode")


def sandboxed_response(html: bytes | str) -> HttpResponse:
    """An answer for an ``<iframe sandbox>`` of the same site: the cleaned page under a policy of its own."""
    body = f'<!doctype html><html><head><meta charset="utf-8"><style>{_STYLE}</style></head><body>{page(html)}</body></html>'
    response = HttpResponse(body, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
