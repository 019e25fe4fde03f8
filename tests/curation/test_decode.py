"""Bytes to text: labels that are right, wrong or missing."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.pipeline.decode import decode, encoding_of, looks_binary, looks_like_html

GERMAN = (
    "<html><body><p>Die Gemeinde hat für nächstes Jahr größere Änderungen beschlossen; Straßen müssen überprüft werden.</p>"
    * 4
)
RUSSIAN = (
    "<html><body><p>Городской совет обсудил бюджет на следующий год и принял решение о ремонте дорог и мостов.</p>"
    * 4
)
CHINESE = (
    "<html><body><p>市政府昨天宣布，明年将增加对公共交通的投资，并改善城市的道路和桥梁。市民对此表示欢迎。</p>"
    * 4
)
JAPANESE = (
    "<html><body><p>市議会は来年の予算について話し合い、道路と橋の改修を決定しました。市民はこれを歓迎しています。</p>"
    * 4
)


@pytest.mark.parametrize(
    ("text", "encoding", "label"),
    [
        (GERMAN, "utf-8", "ISO-8859-1"),
        (GERMAN, "utf-8", "foo-bar-9"),
        (GERMAN, "utf-8", ""),
        (GERMAN, "cp1252", ""),
        (GERMAN, "cp1252", "utf-8"),
        (GERMAN, "iso-8859-1", "iso-8859-1"),
        (GERMAN, "utf-16-le", ""),
        (GERMAN, "utf-16-be", "utf-8"),
        (RUSSIAN, "windows-1251", "windows-1251"),
        (RUSSIAN, "windows-1251", ""),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (CHINESE, "gb18030", "utf-8"),
        (CHINESE, "gb18030", "gb2312"),
        (CHINESE, "gb18030", "iso-8859-1"),
        (JAPANESE, "euc_jp", "euc-jp"),
        (JAPANESE, "shift_jis", "Shift_JIS"),
        (JAPANESE, "shift_jis", ""),
        (JAPANESE, "iso2022_jp", "iso-2022-jp"),
    ],
)
def test_text_comes_out_as_it_was_written(text: str, encoding: str, label: str):
    assert decode(text.encode(encoding), label) == text


@pytest.mark.parametrize(
    "mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE]
)
def test_a_byte_order_mark_decides_and_is_taken_off(mark: bytes):
    name = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(
        mark, "utf-32-le"
    )
    assert decode(mark + GERMAN.encode(name), "windows-1251") == GERMAN


def test_a_meta_label_counts_where_the_header_is_silent():
    page = (
        '<html><head><meta http-equiv="Content-Type" content="text/html; charset=windows-1251"></head>'
        + RUSSIAN
    )
    assert decode(page.encode("cp1251")) == page


def test_a_few_western_bytes_in_utf8_become_what_they_were():
    mixed = GERMAN.encode() + "<p>café</p>".encode("cp1252")
    assert decode(mixed) == GERMAN + "<p>café</p>"


def test_a_character_cut_at_the_end_does_not_change_the_encoding():
    assert decode(CHINESE.encode()[:-5]).startswith(CHINESE[:-8])
    assert encoding_of(CHINESE.encode() + "中".encode()[:2]) == ("utf-8", 0)


def test_utf7_is_never_decoded():
    smuggled = b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-"
    assert decode(smuggled, "utf-7") == smuggled.decode("ascii")


@given(
    st.binary(max_size=3000),
    st.sampled_from(["", "utf-8", "gbk", "base64", "rot13", "idna", "unicode_escape", "x"]),
)
def test_any_bytes_under_any_label_give_text(body: bytes, label: str):
    assert isinstance(decode(body, label), str)


@given(st.text(max_size=500))
def test_what_was_utf8_stays_what_it_was(text: str):
    body = text.encode("utf-8", "ignore")
    if body.startswith((codecs.BOM_UTF8,)) or b"\x1b" in body or b"\0" in body:
        return
    assert decode(body) == body.decode()


def test_binaries_and_pages_are_told_apart():
    for body in (
        b"%PDF-1.7 x",
        b"PK\x03\x04 x",
        b"\x1f\x8b\x08 x",
        bytes(500),
        b"<p>" + bytes(range(32)) * 30,
    ):
        assert looks_binary(body)
    for body in (
        GERMAN.encode(),
        GERMAN.encode("utf-16-le"),
        CHINESE.encode("gb18030"),
        b"hi",
        JAPANESE.encode("iso2022_jp"),
    ):
        assert not looks_binary(body)
    assert looks_like_html("text/html", b"x") and looks_like_html("", b" <!DOCTYPE html>")
    assert not looks_like_html("text/plain", b"<html>") and not looks_like_html("application/pdf", b"%PDF")
