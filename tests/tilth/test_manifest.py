"""Manifests: nothing is lost on the way to JSON and back, equal content gives equal bytes."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilth.datasets.manifest import File, Manifest, Shard, manifest_key
from tilth.errors import InvalidInput

NAMES = st.text("abcdef0123456789", min_size=1, max_size=8)
FILES = st.builds(File, NAMES, st.integers(0), NAMES)
SHARDS = st.builds(Shard, NAMES, st.integers(0), st.integers(0), NAMES, st.none() | FILES)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)


@given(
    st.builds(
        Manifest,
        NAMES,
        st.integers(1),
        NAMES,
        st.integers(1),
        shards=st.lists(SHARDS, max_size=3),
        statistics=OBJECTS,
        parents=st.lists(NAMES),
        producer=NAMES,
        recipe=st.none() | OBJECTS,
        missing=st.lists(OBJECTS, max_size=2),
        code_version=NAMES,
        tokens=OBJECTS,
        contributions=st.lists(OBJECTS, max_size=2),
    )
)
def test_a_manifest_comes_back_equal(manifest):
    text = manifest.to_json()
    again = Manifest.from_json(text)
    assert again == manifest
    assert again.to_json() == text


def test_totals_count_shards_and_what_lies_beside_them():
    beside = File("1/b.parquet", 5, "bb")
    manifest = Manifest(
        "x", 3, "tokens", 1, [Shard("1/a.bin", 2, 10, "aa", beside), Shard("1/c.bin", 3, 20, "cc")]
    )
    assert (manifest.rows, manifest.total_bytes, manifest.reference) == (5, 35, "x@3")
    assert [file.path for file in manifest.files] == ["1/a.bin", "1/b.parquet", "1/c.bin"]
    assert manifest_key("x", 3) == f"{manifest.folder}/manifest.json" == "datasets/x/3/manifest.json"


def test_what_is_no_manifest_is_refused():
    for text in ["", "[]", "{}", '{"format": "other"}']:
        with pytest.raises(InvalidInput):
            Manifest.from_json(text)
    newer = json.loads(Manifest("x", 1, "tokens", 1).to_json()) | {"version": 99}
    with pytest.raises(InvalidInput, match="newer Tilth"):
        Manifest.from_json(json.dumps(newer))


def test_a_shard_path_that_leaves_the_folder_is_refused():
    manifest = Manifest("x", 1, "choices", 1, [Shard("../../secrets", 1, 1, "aa")])
    with pytest.raises(InvalidInput, match="not a path"):
        Manifest.from_json(manifest.to_json())


def test_a_manifest_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Manifest("x", 1, "choices", 1).number = 2
