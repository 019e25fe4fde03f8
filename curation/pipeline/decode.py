"""Bytes of a page become text, whatever its labels say.

Labels lie: servers send one default charset for everything, pages are copied between encodings. What
the bytes themselves prove comes first (byte-order mark, UTF-16 pattern, valid UTF-8), then a label that
fits the bytes, then detection. UTF-7 is never decoded: no browser does, and it smuggles markup.
"""

import codecs
import re

from resiliparse.parse.encoding import detect_encoding

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What pages mean by a label: the superset that browsers decode it with (WHATWG Encoding Standard).
_SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
_ALIASES = {"x-sjis": "cp932", "windows-31j": "cp932", "x-gbk": "gb18030", "x-euc-jp": "euc_jp"}
_ALIASES |= {"windows-874": "cp874", "x-mac-cyrillic": "mac_cyrillic", "macintosh": "mac_roman"}
_UNSAFE = {"utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"}
_MULTIBYTE = {"gb18030", "cp932", "cp949", "big5hkscs", "euc_jp", "iso2022_jp"}

_META = re.compile(rb"<meta[^>]{0,500}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_XML = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_MARKUP = re.compile(rb"<(?:script|style)\b.*?(?:</(?:script|style)|\Z)|<[^>]*>", re.IGNORECASE | re.DOTALL)
_HTML_START = re.compile(rb"<(?:!doctype\s+html|html|head|title|body|meta)\b", re.IGNORECASE)
_HTML_TYPES = {"text/html", "application/xhtml+xml"}
_UNSURE_TYPES = {"", "application/xml", "text/xml", "unknown/unknown", "application/unknown", "*/*"}
_MAGICS = tuple(
    b"\x89PNG|%PDF-|\x1f\x8b|PK\x03\x04|GIF8|\xff\xd8\xff|RIFF|\x7fELF|OggS|\x00\x00\x01\x00|ID3|Rar!|7z\xbc\xaf"
    b"|BZh|\x28\xb5\x2f\xfd|wOFF|wOF2|\xca\xfe\xba\xbe|\xd0\xcf\x11\xe0|MZ\x90".split(b"|")
)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_LOOK = 4096
_SAMPLE = 64 << 10


def looks_like_html(media_type: str, body: bytes) -> bool:
    """Whether a body is HTML: by its content type, or where that says nothing by how it begins."""
    if media_type in _HTML_TYPES:
        return True
    unsure = media_type in _UNSURE_TYPES or "/" not in media_type
    return unsure and bool(_HTML_START.search(body[:1024].replace(b"\0", b"")))


def looks_binary(body: bytes) -> bool:
    """Whether bytes labelled as a page are an image, an archive or noise."""
    head = body[:_LOOK]
    if head.lstrip().startswith(_MAGICS):
        return True
    if _bom(head) or _utf16_pattern(head):
        return False
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls > 0.02 * len(head)


def decode(body: bytes, charset: str = "") -> str:
    """The text of a page; ``charset`` is the HTTP header's label, or empty. Never fails."""
    encoding, mark = encoding_of(body, charset)
    return body[mark:].decode(encoding, "latin1_for_strays" if encoding == "utf-8" else "replace")


def encoding_of(body: bytes, charset: str = "") -> tuple[str, int]:
    """The Python codec that a page's bytes are in, and how many bytes of byte-order mark to skip."""
    if found := _bom(body):
        return found
    if wide := _utf16_pattern(body[:_LOOK]):
        return wide, 0
    if b"\x1b$" in body[:_SAMPLE] or b"\x1b(" in body[:_SAMPLE]:
        return "iso2022_jp", 0
    if _mostly_utf8(body):
        return "utf-8", 0
    return _legacy(body, charset), 0


def _bom(body: bytes) -> tuple[str, int] | None:
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return encoding, len(mark)
    return None


def _utf16_pattern(head: bytes) -> str | None:
    """UTF-16 without its mark: markup is ASCII, so every other byte of it is zero."""
    half = len(head) // 2
    if half < 8:
        return None
    even, odd = head[0 : 2 * half : 2].count(0), head[1 : 2 * half : 2].count(0)
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None


def _mostly_utf8(body: bytes) -> bool:
    """Valid UTF-8, or so nearly that the strays are a few pasted bytes (or the cut end of the page)."""
    try:
        body.decode("utf-8")
        return True
    except UnicodeDecodeError as fault:
        if fault.start >= len(body) - 3:
            return True
    text = body.decode("utf-8", "replace")
    strays = text.count("\ufffd")
    beyond_ascii = len(body) - len(body.translate(None, bytes(range(128, 256))))
    whole = sum(1 for character in text[: 4 * _SAMPLE] if character > "\x7f" and character != "\ufffd")
    whole = whole if len(text) <= 4 * _SAMPLE else beyond_ascii // 3
    return strays * 10 < whole


def _legacy(body: bytes, charset: str) -> str:
    """An encoding from before UTF-8: the first label that fits the bytes, unless detection is sure of another."""
    labels = [
        charset,
        *(
            match[1].decode("ascii")
            for match in (_XML.search(body[:1024]), _META.search(body[:8192]))
            if match
        ),
    ]
    known = [name for name in map(_codec, labels) if name and name != "utf-8"]
    fitting = [name for name in known if _fits(body, name)]
    detected = _codec(detect_encoding(_MARKUP.sub(b" ", body[: 4 * _SAMPLE])[:_SAMPLE]) or "") or "cp1252"
    if detected in _MULTIBYTE and not set(fitting) & _MULTIBYTE and _fits(body, detected):
        return detected
    if detected in fitting:
        return detected
    if fitting:
        # A bare "latin1" is a server's default more often than an author's word.
        return next((name for name in fitting if name != "cp1252"), fitting[0])
    return detected if detected != "utf-8" else "cp1252"


def _codec(label: str) -> str | None:
    """Python's name of the codec that browsers mean by a label, or ``None`` for one that is no charset."""
    label = label.strip().lower()
    try:
        name = codecs.lookup(_ALIASES.get(label, label)).name
    except (LookupError, ValueError):
        return None
    return None if name in _UNSAFE else _SUPERSETS.get(name, name)


def _fits(body: bytes, encoding: str) -> bool:
    """Whether the bytes decode, but for a stray or a cut end (at most one fault in a thousand bytes)."""
    try:
        text = body.decode(encoding, "replace")
    except (LookupError, UnicodeError):
        return False
    return text.count("\ufffd") <= 1 + len(body) // 1000


def _strays(fault: UnicodeError) -> tuple[str, int]:
    """Error handler: bytes that are no UTF-8 were pasted from a Western page."""
    if not isinstance(fault, UnicodeDecodeError):
        raise fault
    return fault.object[fault.start : fault.end].decode("cp1252", "replace"), fault.end


codecs.register_error("latin1_for_strays", _strays)
