"""Recipes: what ships reads back, what is wrong is named, and hashes say what a change touches."""

import tomllib
from dataclasses import fields, make_dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.pipeline import recipe as recipes
from curation.pipeline.recipe import document_hash, key_hash, load_recipe, parse_recipe
from curation.pipeline.step import read_settings, registry, scope, setting
from tilth.errors import InvalidInput, NotFound, TilthError

HEAD = 'name = "mine"\nversion = 1\n'


def with_steps(*steps: str) -> str:
    return HEAD + "".join(f"[[step]]\n{step}\n" for step in steps)


@pytest.mark.parametrize("name", recipes.builtin())
def test_built_in_recipes_read_back_as_they_are(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert parse_recipe(recipe.to_toml()) == recipe


def test_fineweb_has_its_steps_in_order() -> None:
    recipe = load_recipe("fineweb")
    expected = "url extract language gopher_repetition gopher_quality c4 fineweb pii exact minhash"
    assert [step.name for step in recipe.steps] == expected.split()
    assert [step.name for step in recipe.corpus_steps] == ["exact", "minhash"]


def test_minimal_drops_by_no_filter() -> None:
    assert [step.name for step in load_recipe("minimal").steps] == ["extract", "language"]
    assert load_recipe("minimal").steps[1].settings.languages == ()


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        (with_steps('use = "minhash"\nbandz = 3'), "minhash.bandz", "no setting 'bandz'"),
        (with_steps('use = "minhash"\nbands = 0'), "minhash.bands", "between 1 and 256"),
        (with_steps('use = "minhash"\nbands = 2.5'), "minhash.bands", "whole number"),
        (with_steps('use = "minhash"\nscope = "planet"'), "minhash.scope", "per-crawl, global"),
        (with_steps('use = "exact"\nurl = 1'), "exact.url", "true or false"),
        (with_steps('use = "nothing"'), "step.1.use", "steps are"),
        (with_steps("bands = 3"), "step.1.use", "uses None"),
        (with_steps('use = "exact"', 'use = "exact"'), "exact", "twice"),
        (with_steps('use = "exact"', 'use = "language"'), "language", "before 'exact'"),
        (with_steps('use = "language"', 'use = "extract"'), "language", "after 'extract'"),
        (HEAD, "step", "at least one"),
        (with_steps('use = "exact"').replace("version = 1\n", ""), "version", "version"),
        (with_steps('use = "exact"').replace("version = 1", 'version = "1"'), "version", "whole number"),
        (with_steps('use = "exact"').replace("version = 1", "version = true"), "version", "whole number"),
        ("colour = 1\n" + with_steps('use = "exact"'), "colour", "no key 'colour'"),
        (with_steps('use = "exact"').replace("mine", "My Recipe"), "name", "not a name"),
        ("name = \nx", "recipe", "not TOML"),
        (HEAD + "step = 3\n", "step", "tables"),
        (HEAD + "step = [3]\n", "step.1.use", "uses None"),
    ],
)
def test_what_is_wrong_is_named(text: str, field: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        parse_recipe(text)
    assert caught.value.field == field


def test_a_number_out_of_range_is_told_the_range_that_there_is() -> None:
    def said(low: float | None, high: float | None) -> str:
        made = make_dataclass("Made", [("size", int, setting(2, "", minimum=low, maximum=high))], frozen=True)
        with pytest.raises(InvalidInput) as caught:
            read_settings(SimpleNamespace(NAME="cut", Settings=made), {"size": 0 if low else 9})
        return caught.value.message

    assert said(1, None) == "cut.size must be at least 1, not 0"
    assert said(None, 8) == "cut.size must be at most 8, not 9"
    assert said(1, 8) == "cut.size must lie between 1 and 8, not 0"


def test_an_unknown_recipe_lists_the_built_in_ones() -> None:
    with pytest.raises(NotFound, match="fineweb, minimal"):
        load_recipe("finewebb")
    with pytest.raises(TilthError):
        load_recipe("../secrets")


def test_a_recipe_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(with_steps('use = "exact"'))
    assert load_recipe(path).name == "mine"


def test_one_setting_is_changed_by_an_assignment() -> None:
    recipe = load_recipe("fineweb")
    changed = recipe.with_setting("minhash.bands=20").with_setting("exact.scope=global")
    changed = changed.with_setting('language.languages=["de", "fr"]')
    by_name = {step.name: step.settings for step in changed.steps}
    assert by_name["minhash"].bands == 20
    assert by_name["exact"].scope == "global"
    assert by_name["language"].languages == ("de", "fr")
    for wrong in ("minhash", "minhash=3", "nothing.bands=3", "minhash.nothing=3", "minhash.bands=many"):
        with pytest.raises(InvalidInput):
            recipe.with_setting(wrong)


def test_a_late_change_leaves_the_documents_stage_alone() -> None:
    recipe = load_recipe("fineweb")
    late, early = recipe.with_setting("minhash.bands=20"), recipe.with_setting("language.minimum=0.7")
    assert document_hash(late) == document_hash(recipe)
    assert key_hash(late) != key_hash(recipe)
    assert document_hash(early) != document_hash(recipe)
    assert key_hash(early) != key_hash(recipe)


def test_names_and_prose_change_no_hash() -> None:
    recipe = load_recipe("fineweb")
    renamed = parse_recipe(recipe.to_toml().replace('"fineweb"\nversion = 1', '"other"\nversion = 7'))
    assert (renamed.name, renamed.version) == ("other", 7)
    assert key_hash(renamed) == key_hash(recipe)


def values_of(spec) -> st.SearchStrategy:
    """Any value that the field's own checks accept."""
    low, high = spec.metadata["minimum"], spec.metadata["maximum"]
    if spec.metadata["choices"]:
        return st.sampled_from(spec.metadata["choices"])
    if isinstance(spec.default, bool):
        return st.booleans()
    if isinstance(spec.default, int):
        top = int(high if high is not None else 10**9)
        return st.integers(int(low if low is not None else 0), top)
    if isinstance(spec.default, float):
        bounds = {
            "min_value": low if low is not None else 0.0,
            "max_value": high if high is not None else 1e9,
        }
        return st.floats(**bounds, allow_nan=False)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    return st.lists(text, max_size=3) if isinstance(spec.default, tuple) else text


@st.composite
def any_recipe(draw) -> str:
    """TOML-ready data of a recipe over any steps, document steps first."""
    names = draw(st.lists(st.sampled_from(sorted(set(registry()) - {"extract"})), unique=True, min_size=1))
    names.sort(key=lambda name: (scope(registry()[name]) == "corpus", hasattr(registry()[name], "EDITS")))
    steps = []
    for name in names:
        specs = draw(st.lists(st.sampled_from(fields(registry()[name].Settings)), unique_by=lambda f: f.name))
        steps.append({"use": name, **{spec.name: draw(values_of(spec)) for spec in specs}})
    title = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
    lines = [f"title = {recipes._toml(title)}", 'name = "any"', "version = 3"]
    for step in steps:
        lines += ["[[step]]", *(f"{key} = {recipes._toml(value)}" for key, value in step.items())]
    return "\n".join(lines)


@settings(max_examples=80, deadline=None)
@given(any_recipe())
def test_every_recipe_survives_the_round_trip(text: str) -> None:
    recipe = parse_recipe(text)
    again = parse_recipe(recipe.to_toml())
    assert again == recipe
    assert key_hash(again) == key_hash(recipe)
    assert tomllib.loads(recipe.to_toml())["title"] == recipe.title
