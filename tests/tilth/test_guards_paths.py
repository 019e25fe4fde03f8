"""The path guard: only what really lies under an allowed folder is read."""

from pathlib import Path

import pytest

from tilth.guards.paths import PathRefused, inside


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox" / "deep").mkdir(parents=True)
    (tmp_path / "inbox" / "a.txt").write_text("a")
    (tmp_path / "inbox-other").mkdir()
    (tmp_path / "secret.txt").write_text("s")
    (tmp_path / "inbox" / "out").symlink_to(tmp_path)
    (tmp_path / "inbox" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "inbox" / "loop").symlink_to(tmp_path / "inbox" / "loop")
    return tmp_path / "inbox"


@pytest.mark.parametrize("typed", ["a.txt", "deep/../a.txt", "./a.txt"])
def test_a_path_inside_is_found(inbox: Path, typed: str):
    assert inside([inbox], typed) == inbox.resolve() / "a.txt"
    assert inside([inbox], inbox / typed) == inbox.resolve() / "a.txt"


def test_the_root_itself_and_what_is_not_there_yet_are_inside(inbox: Path):
    assert inside([inbox], inbox) == inbox.resolve()
    assert inside([inbox], "new.txt") == inbox.resolve() / "new.txt"


@pytest.mark.parametrize(
    "typed",
    [
        "../secret.txt",
        "/etc/passwd",
        "out/secret.txt",
        "link.txt",
        "deep/../../secret.txt",
        "../inbox-other",
        "/",
    ],
)
def test_a_path_that_leads_out_is_refused_and_the_roots_are_named(inbox: Path, typed: str):
    with pytest.raises(PathRefused, match=str(inbox.resolve())):
        inside([inbox], typed)


def test_outside_it_tells_nothing_about_what_exists(inbox: Path):
    messages = set()
    for typed in (inbox.parent / "secret.txt", inbox.parent / "nothing.txt"):
        with pytest.raises(PathRefused) as caught:
            inside([inbox], typed)
        messages.add(str(caught.value).replace(str(typed), "X"))
    assert len(messages) == 1


@pytest.mark.parametrize("typed", ["", "  ", "a\x00b", "loop/x", "x" * 5000])
def test_odd_paths_do_not_crash(inbox: Path, typed: str):
    with pytest.raises(PathRefused):
        inside([inbox], typed)


def test_the_second_root_is_tried_and_a_root_may_be_a_link(inbox: Path, tmp_path: Path):
    (tmp_path / "alias").symlink_to(inbox)
    assert inside([tmp_path / "inbox-other", tmp_path / "alias"], "a.txt") == inbox.resolve() / "a.txt"


def test_without_roots_nothing_is_read(tmp_path: Path):
    with pytest.raises(PathRefused, match="TILTH_SOURCE_ROOTS"):
        inside([], tmp_path)
