"""A stranger adds a filter: one file in the filters' folder, one entry in a recipe, as the documents show."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import curation.pipeline.filters as package
from curation.pipeline.passage import Passage, build
from curation.pipeline.recipe import load_recipe
from curation.pipeline.samples import Samples
from curation.pipeline.step import Resources, registry
from tests.curation.judging import document
from tilth.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[2]
RECIPE = 'name = "mine"\nversion = 1\ntitle = "Mine"\n\n'
CALM = "The committee met on Thursday and talked about the library."
LOUD = "BUY NOW!!! THE BEST OFFERS OF THE YEAR!!!"


def block(name: str, language: str) -> str:
    """The document's example: its block in this language that speaks of the filter."""
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
    return next(text for text in blocks if '"shouting"' in text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files count as files of ``curation/pipeline/filters``."""
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    registry.cache_clear()
    yield tmp_path
    registry.cache_clear()
    for name in [m for m in sys.modules if m.startswith("curation.pipeline.filters.shouting")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["README.md", "docs/curation-filters.md"])
def test_one_file_and_one_recipe_entry_add_a_filter(folder, name):
    (folder / "shouting.py").write_text(block(name, "python"))
    recipe = load_recipe(RECIPE + block(name, "toml"))
    passage = Passage(build(recipe, Resources()), Samples(per_reason=5))
    assert passage.take(document(CALM)) is not None
    assert passage.take(document(LOUD)) is None
    step = passage.funnel.step("shouting")
    assert (step.entered.documents, step.left.documents) == (2, 1)
    (reason, amount), *others = step.reasons.items()
    assert amount.documents == 1 and not others
    assert reason in registry()["shouting"].REASONS
    (sample,) = passage.samples.rows()
    assert sample["reason"] == reason and sample["text"] == LOUD


def test_its_settings_are_checked_like_any_other(folder):
    (folder / "shouting.py").write_text(block("README.md", "python"))
    entry = '[[step]]\nuse = "shouting"\n'
    assert load_recipe(RECIPE + entry).steps[0].changed() == {}
    with pytest.raises(InvalidInput, match=r"shouting\.\w+ must lie between 0 and 1, not 2"):
        load_recipe(RECIPE + re.sub(r"= 0\.\d+", "= 2.0", block("README.md", "toml")))
    with pytest.raises(InvalidInput, match="has no setting 'volume'"):
        load_recipe(RECIPE + entry + "volume = 11\n")


def test_without_its_file_the_recipe_says_what_steps_there_are():
    with pytest.raises(InvalidInput, match=r"uses 'shouting'; steps are .*gopher_quality"):
        load_recipe(RECIPE + '[[step]]\nuse = "shouting"\n')


def test_two_steps_of_one_name_are_refused(folder):
    (folder / "shouting.py").write_text(block("README.md", "python"))
    (folder / "shouting_again.py").write_text(block("README.md", "python"))
    with pytest.raises(RuntimeError, match="two steps are called 'shouting'"):
        registry()
