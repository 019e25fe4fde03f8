"""The funnel, the samples of drops and the flags: sums and choices that do not depend on order."""

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from curation.pipeline import samples
from curation.pipeline.anomalies import flag, rates
from curation.pipeline.document import Document
from curation.pipeline.funnel import Funnel, FunnelStep, merge, table
from curation.pipeline.step import Drop


def shard_funnel(kept: int, dropped: dict[str, int], size: int = 100) -> Funnel:
    read, step = FunnelStep("read", "Reading"), FunnelStep("c4", "C4")
    total = kept + sum(dropped.values())
    for _ in range(total):
        read.entered.add(size, 0)
        read.left.add(size, 0)
        step.entered.add(size, 25)
    for _ in range(kept):
        step.left.add(size, 25)
    for reason, count in dropped.items():
        for _ in range(count):
            step.drop(reason, size, 25)
    return Funnel([read, step])


COUNTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 9))


@given(st.lists(st.tuples(st.integers(0, 9), COUNTS), max_size=6), st.randoms())
def test_merging_adds_up_in_any_order(shards, rng) -> None:
    funnels = [shard_funnel(kept, dropped) for kept, dropped in shards]
    total = merge(funnels)
    rng.shuffle(funnels)
    assert merge(funnels).to_json() == total.to_json()
    assert total.kept.documents == sum(kept for kept, _ in shards)
    for step in total.steps:
        dropped = sum(amount.documents for amount in step.reasons.values())
        assert step.entered.documents == step.left.documents + dropped


def test_json_reads_back() -> None:
    funnel = shard_funnel(3, {"curly_bracket": 2})
    funnel.steps[1].not_run = ["category 'adult' is not there"]
    data = json.loads(json.dumps(funnel.to_json()))
    assert Funnel.from_json(data).to_json() == data
    assert data["tokenizer"] == "estimated from bytes"
    assert data["steps"][1]["in"] == {"documents": 5, "bytes": 500, "tokens": 125}
    assert data["steps"][1]["reasons"]["curly_bracket"]["documents"] == 2


def test_the_table_says_everything() -> None:
    funnel = shard_funnel(3, {"curly_bracket": 1})
    funnel.steps[1].not_run = ["category 'adult' is not there"]
    shown = table(funnel)
    for words in (
        "c4",
        "25.0%",
        "curly_bracket",
        "not run: category 'adult'",
        "kept 3 documents",
        "estimated",
    ):
        assert words in shown


def dropped(number: int, text: str = "x", spans: tuple[tuple[int, int], ...] = ()) -> tuple[Drop, Document]:
    document = Document(
        url=f"https://example.org/{number}", source="s", record_offset=number, record_length=1
    )
    document.text = text
    return Drop("short", 1, 2, spans), document


def test_the_sample_is_the_same_whatever_the_sharding_and_the_order() -> None:
    whole = samples.Samples(5)
    parts = [samples.Samples(5) for _ in range(7)]
    numbers = list(range(200))
    random.Random(3).shuffle(numbers)
    for number in numbers:
        whole.offer("c4", *dropped(number))
        parts[number % 7].offer("c4", *dropped(number))
    assert len(whole.rows()) == 5
    assert samples.merge((part.rows() for part in parts), 5) == whole.rows()
    assert samples.merge((part.rows() for part in reversed(parts)), 5) == whole.rows()


def test_each_reason_has_its_own_sample_and_none_is_allowed() -> None:
    kept = samples.Samples(2)
    for number in range(10):
        drop, document = dropped(number)
        kept.offer("c4", drop, document)
        kept.offer("fineweb", drop, document)
    assert [row["step"] for row in kept.rows()] == ["c4", "c4", "fineweb", "fineweb"]
    none = samples.Samples(0)
    none.offer("c4", *dropped(1))
    assert none.rows() == []


def test_a_long_text_is_cut_around_the_first_fault() -> None:
    text = "a" * 50_000 + "BAD" + "b" * 50_000 + "WORSE"
    drop, document = dropped(1, text, ((50_000, 50_003), (100_003, 100_008)))
    row = samples.sample_row("c4", drop, document)
    assert len(row["text"]) == samples.TEXT_CHARACTERS
    [[start, stop]] = row["spans"]
    assert row["text"][start:stop] == "BAD"
    assert row["text_characters"] == len(text)


def test_a_span_that_leaves_the_cut_is_cut_too() -> None:
    drop, document = dropped(1, "a" * 30_000, ((10, 25_000),))
    assert samples.sample_row("c4", drop, document)["spans"] == [[10, samples.TEXT_CHARACTERS]]


def test_a_shard_unlike_its_siblings_is_flagged() -> None:
    shards = {n: rates(shard_funnel(600 + n % 3 * 10, {"x": 400 - n % 3 * 10})) for n in range(12)}
    assert flag(shards) == {}
    shards[12] = rates(shard_funnel(100, {"x": 900}))
    flags = flag(shards)
    assert set(flags) == {12}
    assert any("keeps 10.0%" in sentence for sentence in flags[12])
    assert any("c4 drops 90.0%" in sentence for sentence in flags[12])


def test_small_shards_raise_no_flag_by_chance() -> None:
    rng = random.Random(11)
    shards = {}
    for number in range(100):
        kept = sum(rng.random() < 0.5 for _ in range(20))
        shards[number] = rates(shard_funnel(kept, {"x": 20 - kept}))
    assert flag(shards) == {}


def test_few_or_empty_shards_are_not_judged() -> None:
    assert flag({0: rates(shard_funnel(1, {})), 1: rates(shard_funnel(0, {"x": 9}))}) == {}
    assert rates(shard_funnel(0, {})) == {}
    assert rates(Funnel()) == {}
