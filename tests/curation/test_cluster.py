"""Clusters over spilled keys: equal to a brute-force search, whatever the order of tasks and the size of slices."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.pipeline.dedup import cluster
from curation.pipeline.dedup.keyfile import KeyFile, write_keys
from curation.pipeline.dedup.scopes import Pass
from tilth.errors import TilthError
from tilth.storage import Storage

SPREAD = 0x9E3779B97F4A7C15


def run_in_turn(function, tasks) -> None:
    for task in tasks:
        function(task)


def run_shuffled(function, tasks) -> None:
    for task in random.Random(7).sample(list(tasks), len(tasks)):
        function(task)


def brute_force(rows: list[list[int]], passes: list[Pass]) -> list[tuple[int, int]]:
    """(survivor, reason) per document, by comparing every pair."""
    answer = [(n, 0) for n in range(len(rows))]
    bucket = 0
    for number, part in enumerate(passes, 1):
        alive = [n for n in range(len(rows)) if answer[n][1] == 0]
        root = {n: n for n in alive}

        def find(n: int, root: dict[int, int] = root) -> int:
            return n if root[n] == n else find(root[n])

        for i in alive:
            for j in alive:
                shared = range(bucket, bucket + part.buckets)
                if i < j and any(rows[i][b] == rows[j][b] != 0 for b in shared):
                    a, b = sorted((find(i), find(j)))
                    root[b] = a
        for n in alive:
            if find(n) != n:
                answer[n] = (find(n), number)
        bucket += part.buckets

    def final(n: int) -> int:
        return n if answer[n][1] == 0 else final(answer[n][0])

    return [(final(n), answer[n][1]) for n in range(len(rows))]


def store(storage: Storage, shards: list[list[list[int]]], buckets: int) -> list[tuple[str, int]]:
    placed = []
    for number, rows in enumerate(shards):
        values = [(np.array(row, dtype=np.uint64), 10 + n) for n, row in enumerate(rows)]
        write_keys(storage, f"keys-{number}", values, buckets)
        placed.append((f"keys-{number}", len(rows)))
    return placed


KEY = st.integers(0, 6).map(lambda n: n * SPREAD % 2**64)
SHARDS = st.lists(st.lists(st.lists(KEY, min_size=3, max_size=3), max_size=8), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(SHARDS)
def test_equals_brute_force(tmp_path_factory: pytest.TempPathFactory, shards: list[list[list[int]]]) -> None:
    storage = Storage(str(tmp_path_factory.mktemp("clusters")))
    passes = [Pass("first", 1), Pass("second", 2)]
    found = cluster.decide(storage, "dedup", store(storage, shards, 3), passes, run_in_turn)
    expected = brute_force([row for shard in shards for row in shard], passes)
    assert list(zip(found["survivor"].tolist(), found["reason"].tolist(), strict=True)) == expected
    kept = found["reason"] == 0
    assert found["size"][kept].sum() == len(expected)
    for n in np.flatnonzero(kept):
        assert found["size"][n] == (found["survivor"] == n).sum()


def random_shards(count: int) -> list[list[list[int]]]:
    rng = random.Random(3)
    return [
        [[rng.randrange(1, 300) * SPREAD % 2**64 for _ in range(4)] for _ in range(60)] for _ in range(count)
    ]


def test_task_order_and_slice_size_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = random_shards(5)
    whole, sliced = Storage(str(tmp_path / "a")), Storage(str(tmp_path / "b"))
    passes = [Pass("first", 1), Pass("second", 3)]
    first = cluster.decide(whole, "dedup", store(whole, shards, 4), passes, run_in_turn)
    monkeypatch.setattr(cluster, "KEYS_PER_TASK", 20)
    second = cluster.decide(sliced, "dedup", store(sliced, shards, 4), passes, run_shuffled)
    assert len(sliced.list("dedup", ".bin")) > 4 * 10
    assert first.tobytes() == second.tobytes()


def test_edges_that_are_there_are_not_looked_for_again(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    placed = store(storage, random_shards(2), 4)
    first = cluster.decide(storage, "dedup", placed, [Pass("only", 4)], run_in_turn)
    seen: list[int] = []
    again = cluster.decide(
        storage, "dedup", placed, [Pass("only", 4)], lambda f, tasks: seen.append(len(tasks))
    )
    assert seen == [0]
    assert first.tobytes() == again.tobytes()


def test_key_file_reads_back_by_range(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    rng = random.Random(1)
    rows = [[rng.choice([0, rng.randrange(2**64)]), rng.randrange(1, 2**64)] for _ in range(500)]
    store(storage, [rows], 2)
    opened = KeyFile.open(storage, "keys-0")
    assert (opened.rows, opened.buckets) == (500, 2)
    assert opened.sizes().tolist() == [10 + n for n in range(500)]
    for bucket in (0, 1):
        expected = sorted((row[bucket], n) for n, row in enumerate(rows) if row[bucket])
        keys, numbers = opened.read(bucket, 0, 256)
        assert list(zip(keys.tolist(), numbers.tolist(), strict=True)) == expected
        keys, numbers = opened.read(bucket, 64, 128)
        part = [(k, n) for k, n in expected if 64 <= k >> 56 < 128]
        assert list(zip(keys.tolist(), numbers.tolist(), strict=True)) == part


def test_a_file_that_is_not_of_keys_is_refused(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write_bytes("wrong", b"something else")
    with pytest.raises(TilthError, match="not a file of deduplication keys"):
        KeyFile.open(storage, "wrong")


def test_no_documents_give_no_decisions(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    assert (
        len(cluster.decide(storage, "dedup", store(storage, [[], []], 2), [Pass("only", 2)], run_in_turn))
        == 0
    )
