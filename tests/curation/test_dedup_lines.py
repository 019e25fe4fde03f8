"""Line deduplication: what repeats goes from all but the first document, and nothing else."""

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from curation.pipeline.dedup import cluster, lines, repeats
from curation.pipeline.dedup.keyfile import write_many
from curation.pipeline.document import Document
from curation.pipeline.recipe import parse_recipe
from tests.curation.pipeline_runs import Bench
from tests.curation.small_warcs import paragraphs
from tilth.errors import InvalidInput
from tilth.storage import Storage

RECIPE = """
name = "lines"
version = 1
[[step]]
use = "exact"
[[step]]
use = "lines"
documents = 2
minimum_words = 8
"""
NOTICE = "Copyright 2026 by the Harbour Press, all rights reserved"


def corpus(folder: Path) -> list[Path]:
    """Three files of rows; every text ends with the notice, whose year differs."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(3):
        rows = []
        for place in range(4):
            body = "\n".join(paragraphs(10 * number + place, 3))
            text = f"{body}\n{NOTICE.replace('2026', str(2000 + place))}"
            rows.append({"url": f"https://a.example/{number}/{place}", "text": text})
        if number == 2:
            rows.append({"url": "https://a.example/only", "text": f"{NOTICE}\nShort line"})
            rows.append({"url": "https://a.example/copy", "text": rows[0]["text"]})
        path = folder / f"rows-{number}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        files.append(path)
    return files


def test_repeated_lines_go_from_all_but_the_first_document(tmp_path: Path) -> None:
    bench = Bench.at(tmp_path)
    result = bench.run("run", corpus(tmp_path / "rows"), RECIPE)
    rows = bench.rows("run", result)
    assert len(rows) == 12
    assert "Harbour" in rows[0]["text"]
    for number, row in enumerate(rows):
        file, place = divmod(number, 4)
        body = "\n".join(paragraphs(10 * file + place, 3))
        assert row["text"] == (body if number else f"{body}\n{NOTICE.replace('2026', '2000')}")
        assert row["signals"]["tokens"] == round(len(row["text"]) / 4)


def test_the_funnel_counts_what_is_left(tmp_path: Path) -> None:
    bench = Bench.at(tmp_path)
    result = bench.run("run", corpus(tmp_path / "rows"), RECIPE)
    step = result.funnel.step("lines")
    assert step.entered.documents == 13
    assert step.reasons["nothing_left"].documents == 1
    assert step.left.bytes == sum(len(row["text"]) for row in bench.rows("run", result))
    drops = [json.loads(line) for line in bench.text("run", "drops.jsonl").splitlines()]
    [row] = [row for row in drops if row["step"] == "lines"]
    assert (row["url"], row["value"], row["limit"]) == ("https://a.example/only", 2, 8)
    assert NOTICE in row["text"]


def test_slices_and_resuming_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = corpus(tmp_path / "rows")
    whole, sliced = Bench.at(tmp_path / "a"), Bench.at(tmp_path / "b")
    expected = whole.rows("run", whole.run("run", files, RECIPE))
    monkeypatch.setattr(cluster, "KEYS_PER_TASK", 5)
    monkeypatch.setattr("curation.pipeline.publish.TARGET_TEXT", 2_000)
    first = sliced.run("run", files, RECIPE)
    assert len(first.dataset_shards) > 2
    assert sliced.rows("run", first) == expected
    sliced.storage.delete(sliced.storage.list("jobs/run", "part-00001.json")[0])
    assert sliced.rows("run", sliced.run("run", files, RECIPE, attempt="2")) == expected


def test_removals_equal_a_count_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(4)
    monkeypatch.setattr(cluster, "KEYS_PER_TASK", 30)
    shards = [[[rng.randrange(1, 40) << 57 | 7 for _ in range(5)] for _ in range(20)] for _ in range(3)]
    storage = Storage(str(tmp_path))
    placed = []
    for number, rows in enumerate(shards):
        write_many(storage, f"lines-{number}", (np.array(row, dtype=np.uint64) for row in rows))
        placed.append((f"lines-{number}", len(rows)))
    tasks = repeats.line_tasks(storage, "out", placed, 300, "", 3)
    assert len(tasks) == 10
    for task in tasks:
        repeats.find_lines(task)
    documents = [set(row) for rows in shards for row in rows]
    counts = Counter(key for row in documents for key in row)
    expected, seen = set(), set()
    for number, row in enumerate(documents):
        expected |= {(number, key) for key in row if counts[key] > 3 and key in seen}
        seen |= row
    found = set()
    for shard in range(3):
        part = repeats.removals_of(storage, [task.where.out for task in tasks], 3, shard)
        assert part["number"].tolist() == sorted(part["number"].tolist())
        assert all(20 * shard <= number < 20 * shard + 20 for number in part["number"].tolist())
        found |= set(zip(part["number"].tolist(), part["key"].tolist(), strict=True))
    assert found == expected


def test_short_lines_are_left_alone_and_crawls_kept_apart() -> None:
    document = Document("https://a.example/", "s", 0, 1, crawl="CC-MAIN-2026-20")
    document.text = "Home\nThis line has quite enough words"
    here = lines.line_keys(document, lines.Settings())
    assert here[0] == 0 and here[1] != 0
    document.crawl = "CC-MAIN-2026-25"
    assert lines.line_keys(document, lines.Settings())[1] != here[1]
    everywhere = lines.Settings(scope="global")
    assert lines.without_lines(document, everywhere, lines.line_keys(document, everywhere)[1:]) == "Home"


def test_it_must_come_last() -> None:
    steps = ['[[step]]\nuse = "lines"\n', '[[step]]\nuse = "minhash"\n']
    with pytest.raises(InvalidInput, match="must come last"):
        parse_recipe('name = "x"\nversion = 1\n' + "".join(steps))
