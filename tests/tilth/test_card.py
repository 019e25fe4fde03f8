"""The dataset card: it says what is known, names estimates as such, and shows outside text literally."""

from tilth.datasets.card import About, dataset_card
from tilth.datasets.manifest import ESTIMATED, Manifest, Shard

FUNNEL = {
    "version": 1,
    "tokenizer": ESTIMATED,
    "steps": [
        {
            "name": "gopher_quality",
            "title": "Gopher quality",
            "in": {"documents": 1000, "bytes": 9000, "tokens": 2250},
            "out": {"documents": 750, "bytes": 7000, "tokens": 1750},
            "reasons": {
                "gopher.words": {"documents": 50, "bytes": 1, "tokens": 1},
                "gopher.stop_words": {"documents": 200, "bytes": 1, "tokens": 1},
            },
            "not_run": ["blocklist adult: no file"],
        }
    ],
}


def manifest(**changes: object) -> Manifest:
    fields = {
        "dataset": "notes",
        "number": 2,
        "kind": "documents",
        "schema_version": 1,
        "shards": [Shard("1/a.parquet", 750, 5000, "0" * 64)],
        "statistics": {"funnel": FUNNEL},
        "parents": ["raw@1"],
        "producer": "job:9",
        "tokens": {"count": 1750, "tokenizer": ESTIMATED},
    }
    return Manifest(**{**fields, **changes})


def test_it_counts_every_step_with_its_reasons() -> None:
    card = dataset_card(manifest(), About("Notes", licence="CC0-1.0"))
    assert (
        "| Gopher quality | 1,000 | 750 | 7,000 | 1,750 | 75.0% | gopher.stop\\_words: 200, gopher.words: 50 |"
        in card
    )
    assert "not run: blocklist adult: no file" in card
    assert "`raw@1`" in card and "job:9" in card


def test_estimates_are_called_estimates_and_counts_name_their_tokenizer() -> None:
    assert "1,750 (estimated from bytes)" in dataset_card(manifest(), About())
    assert "Tokens are estimated from bytes" in dataset_card(manifest(), About())
    counted = manifest(tokens={"count": 5, "tokenizer": "gpt2"}, statistics={})
    card = dataset_card(counted, About())
    assert "5 (counted with gpt2)" in card and "estimated" not in card


def test_what_nobody_knows_is_said() -> None:
    card = dataset_card(manifest(statistics={}, missing=[{"source": "7.warc.gz", "reason": "404"}]), About())
    assert "not stated" in card and "Nobody stated a licence" in card
    assert "source: 7.warc.gz, reason: 404" in card
    assert "No filtering was recorded" in card


def test_outside_text_is_shown_literally() -> None:
    hostile = "<script>alert(1)</script> | [click](javascript:alert(1)) \n# Heading"
    card = dataset_card(manifest(missing=[{"url": hostile}]), About(title=hostile, licence=hostile))
    assert "<script>" not in card
    assert "[click](" not in card
    assert "\n# Heading" not in card


def test_a_recipe_is_listed_with_its_settings() -> None:
    recipe = {
        "name": "fineweb",
        "steps": [{"use": "c4", "min_words": 3}, {"use": "exact"}, "pii"],
    }
    card = dataset_card(manifest(recipe=recipe), About())
    assert "- Recipe: fineweb" in card
    assert "- Step 1: c4 (min\\_words = 3)" in card
    assert "- Step 2: exact\n- Step 3: pii" in card


def test_word_lists_are_counted_and_other_lists_read_like_prose() -> None:
    banned = [f"rude{n}" for n in range(130)]
    step = {"use": "url", "banned_words": banned, "languages": ["en", "de"], "strict": True, "ends": []}
    ratios = list(range(9))
    recipe = {
        "name": "x",
        "mapping": {"prompt": "question"},
        "steps": [step, {"use": "c4", "ratios": ratios}],
    }
    card = dataset_card(manifest(recipe=recipe), About())
    assert "rude" not in card and "130 words (in manifest.json)" in card
    assert "languages = en / de, strict = yes, ends = none" in card
    assert "ratios = 9 values (in manifest.json)" in card
    assert "- Recipe mapping: prompt from question" in card


def test_what_did_not_run_is_one_sentence_a_step() -> None:
    parts = [f"blocklist {name}: no file in TILTH_BLOCKLISTS" for name in ("adult", "drugs", "games")]
    step = {**FUNNEL["steps"][0], "not_run": [*parts, "language model: no file"]}  # type: ignore[index]
    card = dataset_card(manifest(statistics={"funnel": {**FUNNEL, "steps": [step]}}), About())
    assert card.count("not run:") == 1 and card.count("BLOCKLISTS") == 1
    assert "blocklist adult, drugs, games: no file in TILTH\\_BLOCKLISTS; language model: no file" in card
