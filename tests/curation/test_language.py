"""Language: what is kept, what is only tagged, and what a missing model says."""

from pathlib import Path

import pytest

from curation.pipeline import language as step
from curation.pipeline.step import Resources
from tests.curation.judging import document, judge, reason
from tilth.errors import TilthError

ENGLISH = "The committee met on Thursday to discuss the new library, which will open in the spring.\n" * 3
GERMAN = "Der Ausschuss traf sich am Donnerstag, um über die neue Bibliothek zu sprechen.\n" * 3
NEITHER = "ok 12 34 x"


def test_the_threshold_is_that_of_fineweb():
    assert step.Settings().minimum == 0.65
    assert step.Settings().languages == ("en",)


@pytest.mark.parametrize(
    ("text", "languages", "expected"),
    [
        (ENGLISH, ("en",), None),
        (GERMAN, ("en",), "other_language"),
        (GERMAN, ("en", "de"), None),
        (ENGLISH, (), None),
        (GERMAN, (), None),
        ("", ("en",), "empty"),
        (" \n ", (), None),
    ],
)
def test_pages_in_the_languages_asked_for_are_kept(text, languages, expected):
    assert reason(step, text, languages=languages) == expected


def test_every_page_is_tagged_whether_kept_or_not():
    for text, expected in ((ENGLISH, "en"), (GERMAN, "de")):
        page = document(text)
        judge(step, page, languages=("en",))
        assert page.language == expected
        assert 0.9 < page.language_score <= 1.0


def test_the_score_must_reach_the_minimum():
    page = document(NEITHER)
    judge(step, page, languages=())
    language, score = page.language, page.language_score
    assert 0.05 < score < 0.95
    assert reason(step, NEITHER, languages=(language,), minimum=score) is None
    drop = judge(step, NEITHER, languages=(language,), minimum=score + 0.001)
    assert (drop.reason, drop.value) == ("uncertain", score)


def test_line_breaks_and_broken_characters_do_no_harm():
    assert reason(step, ENGLISH.replace(" ", "\n")) is None
    assert reason(step, ENGLISH + "\ud800 é") is None


def test_the_same_text_always_gets_the_same_score():
    pages = [document(GERMAN) for _ in range(3)]
    for page in pages:
        judge(step, page, languages=())
    assert len({(page.language, page.language_score) for page in pages}) == 1


def test_a_missing_model_says_what_to_do(tmp_path: Path):
    with pytest.raises(TilthError, match=r"requirements/no-deps\.txt.*TILTH_LID_MODEL"):
        step.build(step.Settings(), Resources(language_model=tmp_path / "none.ftz"))


def test_a_file_that_is_no_model_says_so(tmp_path: Path):
    (tmp_path / "model.ftz").write_bytes(b"not a model")
    with pytest.raises(TilthError, match="is no fastText model"):
        step.build(step.Settings(), Resources(language_model=tmp_path / "model.ftz"))
