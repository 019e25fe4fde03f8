"""A whole run: what is published, what is counted, what is kept to be read, and what a change reruns."""

import json
import random
from pathlib import Path

import pytest

from curation.pipeline import publish
from curation.pipeline.dedup import cluster
from tests.curation.pipeline_runs import RECIPE, Bench, steered
from tests.curation.small_warcs import page, paragraphs, write_corpus, write_warc
from tilth.datasets.schemas import schema
from tilth.errors import Conflict, InvalidInput, NotFound, TilthError


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "crawl", 6)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, corpus: list[Path]):
    bench = Bench.at(tmp_path_factory.mktemp("finished"))
    return bench, bench.run("whole", corpus)


def test_published_rows_follow_the_schema_and_the_order(finished) -> None:
    bench, result = finished
    rows = bench.rows("whole", result)
    assert [shard.rows for shard in result.dataset_shards] == [len(rows)]
    assert set(rows[0]) == {column.name for column in schema("documents").columns}
    places = [(row["crawl"], row["source"], row["record_offset"]) for row in rows]
    assert places == sorted(places)
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(row["signals"]["tokens"] > 0 for row in rows)


def test_copies_are_dropped_and_the_first_one_stays(finished) -> None:
    bench, result = finished
    rows = bench.rows("whole", result)
    reasons = {name: a.documents for step in result.funnel.steps for name, a in step.reasons.items()}
    assert reasons["same_text"] == 5
    assert reasons["near_copy"] == 4
    assert len(rows) == 24 - 9
    assert sum(row["cluster_size"] for row in rows) == 24
    kept = {row["url"].removeprefix("https://www.example.org/") for row in rows}
    assert "0/1" in kept and "1/0" not in kept
    assert "0/3" in kept and "2/2" not in kept


def test_the_funnel_adds_up_from_step_to_step(finished) -> None:
    _, result = finished
    for before, after in zip(result.funnel.steps, result.funnel.steps[1:], strict=False):
        assert before.left.documents == after.entered.documents
        assert before.left.tokens == after.entered.tokens or before.name == "read"
    for step in result.funnel.steps:
        dropped = sum(amount.documents for amount in step.reasons.values())
        assert step.entered.documents == step.left.documents + dropped
    assert result.funnel.kept.documents == sum(shard.rows for shard in result.dataset_shards)


def test_dropped_copies_name_their_survivor(finished) -> None:
    bench, result = finished
    ids = {row["id"]: row["url"] for row in bench.rows("whole", result)}
    rows = [json.loads(line) for line in bench.text("whole", "drops.jsonl").splitlines()]
    copies = [row for row in rows if row["step"] in {"exact", "minhash"}]
    assert len(copies) == 9
    for row in copies:
        assert ids[row["survivor"]["id"]] == row["survivor"]["url"]
        assert row["text"]
    by_url = {row["url"]: row["survivor"]["url"] for row in copies}
    assert by_url["https://www.example.org/1/0"] == "https://www.example.org/0/1"
    assert by_url["https://www.example.org/2/2"] == "https://www.example.org/0/3"


def test_dropped_pages_show_rule_value_and_limit(tmp_path: Path) -> None:
    short = write_warc(
        tmp_path / "short.warc.gz", [("https://a.example/", page(["Only a few words are here."]))]
    )
    bench = Bench.at(tmp_path)
    result = bench.run("short", [short])
    [row] = [json.loads(line) for line in bench.text("short", "drops.jsonl").splitlines()]
    assert (row["step"], row["reason"], row["limit"]) == ("gopher_quality", "too_few_words", 20)
    assert row["value"] < 20 and "few words" in row["text"]
    assert result.funnel.kept.documents == 0
    assert bench.rows("short", result) == []


def test_the_order_of_sources_and_the_number_of_workers_change_nothing(
    finished, corpus, tmp_path: Path
) -> None:
    bench, result = finished
    other = Bench.at(tmp_path)
    shuffled = random.Random(5).sample(corpus, len(corpus))
    again = other.run("whole", shuffled, workers=1)
    assert other.published("whole", again) == bench.published("whole", result)
    assert other.text("whole", "funnel.json") == bench.text("whole", "funnel.json")
    assert other.text("whole", "drops.jsonl") == bench.text("whole", "drops.jsonl")


def test_many_small_files_are_cut_alike(
    finished, corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, result = finished
    monkeypatch.setattr(publish, "TARGET_TEXT", 6_000)
    monkeypatch.setattr(cluster, "KEYS_PER_TASK", 7)
    other = Bench.at(tmp_path)
    again = other.run("whole", corpus)
    assert len(again.dataset_shards) > 3
    assert other.rows("whole", again) == bench.rows("whole", result)


def test_appending_reads_new_files_alone_and_equals_a_run_over_all(corpus, finished, tmp_path: Path) -> None:
    whole_bench, whole = finished
    bench = Bench.at(tmp_path)
    # The new file sorts before some old ones: survivors must change hands.
    bench.run("base", [*corpus[:2], *corpus[3:]])
    child = bench.run("child", [corpus[2]], base="jobs/base")
    read = bench.storage.list("jobs/child/shards", "kept.rows")
    assert len(read) == 1
    assert bench.published("child", child) == whole_bench.published("whole", whole)
    assert bench.text("child", "funnel.json") == whole_bench.text("whole", "funnel.json")


def test_a_changed_late_step_reuses_the_documents(corpus, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path)
    bench.run("base", corpus[:3])
    strict = RECIPE.replace('use = "minhash"', 'use = "minhash"\nbands = 1\nrows = 64')
    changed = bench.run("late", [], strict, base="jobs/base")
    assert bench.storage.list("jobs/late/shards", "kept.rows") == []
    assert len(bench.storage.list("jobs/late/shards", "keys.bin")) == 3
    assert "near_copy" not in changed.funnel.step("minhash").reasons
    early = RECIPE.replace("minimum_words = 20", "minimum_words = 21")
    bench.run("early", [], early, base="jobs/base")
    assert len(bench.storage.list("jobs/early/shards", "kept.rows")) == 3


def test_a_limit_takes_the_first_documents(corpus, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path)
    result = bench.run("limited", corpus, limit=6)
    assert result.funnel.steps[0].left.documents == 6
    sources = {row["source"] for row in bench.rows("limited", result)}
    assert len(sources) == 2
    with pytest.raises(Conflict, match="another recipe or limit"):
        bench.run("limited", corpus, limit=7)


def test_the_same_prefix_takes_no_other_run(corpus, finished) -> None:
    bench, _ = finished
    with pytest.raises(Conflict, match="other sources"):
        bench.run("whole", corpus[:2])


def test_what_cannot_be_planned_is_named(corpus, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path)
    with pytest.raises(InvalidInput, match="share"):
        bench.run("x", corpus, required_share=0.0)
    with pytest.raises(InvalidInput, match="limit"):
        bench.run("x", corpus, limit=-1)
    with pytest.raises(InvalidInput, match="nothing to read"):
        bench.run("x", [])
    with pytest.raises(NotFound, match="no finished run"):
        bench.run("x", corpus, base="jobs/nowhere")


def test_too_few_shards_publish_nothing_and_enough_name_the_missing(corpus, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.warc.gz"
    wrong.write_bytes(b"this is a letter, not an archive" * 10)
    bench = Bench.at(tmp_path)
    with pytest.raises(TilthError, match=r"1 of 3 shards failed.*wrong\.warc\.gz") as caught:
        bench.run("strict", [*corpus[:2], wrong])
    assert caught.value.code == "shards_failed"
    assert not bench.storage.exists("datasets/strict")
    result = bench.run("lenient", [*corpus[:2], wrong], required_share=0.6)
    assert result.failed == ["file:wrong.warc.gz"]
    assert result.missing[0]["reason"]
    alone = Bench.at(tmp_path / "alone")
    assert bench.rows("lenient", result) == alone.rows("two", alone.run("two", corpus[:2]))


def test_a_page_that_burns_its_time_is_dropped_by_name(corpus, tmp_path: Path) -> None:
    cells = "".join(f"<tr><td>cell {n}</td></tr>" for n in range(12_000))
    heavy = f"<html><body><table>{cells}</table></body></html>".encode()
    pages = [(f"https://a.example/{n}", page(paragraphs(n))) for n in range(3)]
    pages.insert(1, ("https://a.example/heavy", heavy))
    slow = write_warc(tmp_path / "slow.warc.gz", pages)
    bench = Bench.at(tmp_path)
    extract_only = 'name = "x"\nversion = 1\n[[step]]\nuse = "extract"\n'
    result = bench.run("slow", [slow], extract_only, cpu_limit=0.35)
    urls = {row["url"] for row in bench.rows("slow", result)}
    assert "https://a.example/heavy" not in urls
    assert result.funnel.step("extract").reasons["killed"].documents >= 1
    assert result.funnel.steps[0].left.documents == 4


def test_live_figures_and_flags(tmp_path: Path) -> None:
    pages = [
        [(f"https://a.example/{s}/{n}", page(paragraphs(100 * s + n))) for n in range(30)] for s in range(6)
    ]
    pages[5] = [(url, page(["Too short to be kept."])) for url, _ in pages[5]]
    files = [write_warc(tmp_path / f"{n}.warc.gz", listed) for n, listed in enumerate(pages)]
    bench = Bench.at(tmp_path)
    result = bench.run("flags", files, reporter=steered(tmp_path / "r", lambda: {"workers": 1}))
    live = json.loads(bench.text("flags", "live.json"))
    assert live["stage"] == "done"
    assert live["shards"] == {"total": 6, "done": 6, "failed": 0}
    assert live["documents"] == 180
    assert live["workers"] == 1
    assert live["funnel"]["steps"] == result.funnel.to_json()["steps"]
    flagged = [row for row in live["table"] if row["flags"]]
    assert [row["source"] for row in flagged] == ["file:5.warc.gz"]
    assert live["table"][0] == flagged[0]
    assert any("keeps 0.0%" in sentence for sentence in flagged[0]["flags"])
