"""Log text is hostile: what is kept of it, and that reading it back gives what was kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilth.jobs import loglines
from tilth.jobs.loglines import LINE_CHARACTERS, LogWriter, Redactor, chunk_key, clean
from tilth.storage import Storage


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("plain", "plain"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("10 %\r20 %\r30 %", "30 %"),
        ("done\r", "done"),
        ("a\x00b\x08c\x7fd", "abcd"),
        ("\u202etxt.exe", "txt.exe"),
        ("tab\tstays", "tab\tstays"),
        ("<b>stays for the page to escape</b>", "<b>stays for the page to escape</b>"),
    ],
)
def test_known_lines(raw: str, kept: str) -> None:
    assert clean(raw) == kept


@given(st.text())
def test_no_control_character_survives_and_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean(text)
    assert not any(ord(c) < 32 and c != "\t" for c in once)
    assert "\x1b" not in once
    assert clean(once) == once
    once.encode()


def test_a_long_line_is_clipped_and_says_by_how_much() -> None:
    kept = clean("x" * (LINE_CHARACTERS + 1234))
    assert kept.endswith("(1,234 more characters)")
    assert len(kept) < LINE_CHARACTERS + 50


def test_secrets_are_struck_out_and_short_values_are_not() -> None:
    redact = Redactor.of(["hunter2hunter2", "hunter2", "on", ""])
    assert redact("key=hunter2hunter2, on, hunter2") == "key=[secret], on, [secret]"


def test_full_chunks_never_change_and_the_last_one_grows(tmp_path: object, monkeypatch: object) -> None:
    monkeypatch.setattr(loglines, "CHUNK_BYTES", 400)
    storage = Storage(str(tmp_path))
    log = LogWriter(storage, 7, 2, Redactor())
    log.add("first")
    assert log.flush() == 1
    for n in range(20):
        log.add(f"line {n}")
    chunks = log.flush()
    assert chunks > 2
    first = storage.read_bytes(chunk_key(7, 2, 0))
    log.add("last")
    assert log.flush() == chunks or storage.exists(chunk_key(7, 2, chunks))
    assert storage.read_bytes(chunk_key(7, 2, 0)) == first
    kept = [
        json.loads(line)[2]
        for key in storage.list("jobs/7/log")
        for line in storage.read_bytes(key).splitlines()
    ]
    assert kept == ["first", *(f"line {n}" for n in range(20)), "last"]


def test_what_could_not_be_stored_is_stored_later(tmp_path: object) -> None:
    blocked = tmp_path / "jobs"
    blocked.write_text("a file where the folder should be")
    log = LogWriter(Storage(str(tmp_path)), 1, 1, Redactor())
    log.add("kept")
    with pytest.raises(OSError):
        log.flush()
    blocked.unlink()
    assert log.flush() == 1
    assert b"kept" in Storage(str(tmp_path)).read_bytes(chunk_key(1, 1, 0))


def test_a_flood_ends_with_a_notice(tmp_path: object, monkeypatch: object) -> None:
    monkeypatch.setattr(loglines, "LOG_BYTES", 1000)
    log = LogWriter(Storage(str(tmp_path)), 1, 1, Redactor())
    for n in range(1000):
        log.add(f"line {n}")
    log.flush()
    text = Storage(str(tmp_path)).read_bytes(chunk_key(1, 1, 0)).decode()
    assert len(text) < 1400
    assert "the rest is not kept" in text.splitlines()[-1]
