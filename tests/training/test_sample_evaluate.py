"""Sampling into a dataset version, and evaluation: figures that were computed by hand, items, resuming."""

import json
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.training.conftest import publish, publish_texts
from tests.training.posttraining import CONTEXT, conversations, make_tokenizer, pairs, put
from tilth.datasets.manifest import Manifest
from tilth.errors import InvalidInput
from tilth.storage import Storage
from training.llm import evaluate, generation, measures, sample
from training.llm.cache import Cache
from training.llm.chat import Chat
from training.llm.configs.evaluate import EvaluateConfig
from training.llm.configs.sample import SampleConfig
from training.llm.generation import Sampling, loaded, write
from training.llm.inputs import Inputs, messages
from training.llm.likelihood import bits_per_byte, logprobs
from training.llm.program import Stopped, Workspace
from training.llm.rowsout import stored
from training.llm.spec import Part, Source, Spec
from training.llm.student import SCORES

DATASET = {"name": "made", "number": 1}


def prompts(count: int) -> list[dict[str, Any]]:
    return [{"messages": [{"role": "user", "content": f"Say {n}."}]} for n in range(count)]


def published(storage: Storage, tmp_path: Path, result: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The rows behind a result's manifest."""
    manifest = Manifest.from_json(storage.read_bytes(result["manifest_key"]))
    storage.write_bytes("datasets/made/1/manifest.json", manifest.to_json().encode())
    rows = Inputs(storage, Cache(tmp_path / "cache")).rows(Source("made@1", kind, "datasets/made/1"))
    return list(rows)


def sampling_job(storage: Storage, workspace: Any, base: Part, count: int = 5, run: int = 1, **config: Any):
    source = publish(storage, f"prompts-{run}", "prompts", prompts(count))
    settings = {"samples": 2, "max_tokens": 6, "batch": 4, **config}
    return workspace(Spec("sample", run, settings, [source], base, dataset=DATASET))


def test_completions_become_rows_of_a_version(storage: Storage, workspace: Any, base: Part, tmp_path: Path):
    work = sampling_job(storage, workspace, base)
    result = sample.run(work)
    assert result and result["rows"] == 10 and result["prompts"] == 5
    rows = published(storage, tmp_path, result, "completions")
    assert len({row["id"] for row in rows}) == 10
    assert {row["prompt_id"] for row in rows} == {f"{n:032x}" for n in range(5)}
    assert rows[0]["prompt"] == prompts(1)[0]["messages"]
    assert rows[0]["completion"][0]["role"] == "assistant" and rows[0]["checkpoint"] == "checkpoint:800/0"
    assert rows[0]["sampling"]["max_tokens"] == 6 and rows[0]["sampling"]["seed"] == 0
    assert rows[0]["completion"] != rows[1]["completion"]
    again = sample.run(sampling_job(storage, workspace, base, run=2))
    assert [row["completion"] for row in published(storage, tmp_path, again, "completions")] == [
        row["completion"] for row in rows
    ]
    other = sample.run(sampling_job(storage, workspace, base, run=3, seed=1))
    assert [row["completion"] for row in published(storage, tmp_path, other, "completions")] != [
        row["completion"] for row in rows
    ]


def test_a_stopped_sampling_keeps_what_it_has(
    storage: Storage, workspace: Any, base: Part, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sample, "PROMPTS_IN_PART", 2)
    work = sampling_job(storage, workspace, base)
    kept = f"{work.report.prefix}/parts"
    monkeypatch.setattr(type(work.report), "stopping", property(lambda self: len(storage.list(kept)) == 2))
    with pytest.raises(Stopped):
        sample.run(work)
    monkeypatch.undo()
    monkeypatch.setattr(sample, "PROMPTS_IN_PART", 2)
    calls: list[int] = []
    monkeypatch.setattr(sample, "write", lambda *rest: calls.append(1) or write(*rest))
    result = sample.run(workspace(work.spec, attempt=2))
    assert result and result["rows"] == 10 and len(calls) == 1


def test_what_cannot_be_sampled_is_said(storage: Storage, workspace: Any, base: Part):
    with pytest.raises(InvalidInput, match="name the dataset"):
        work = sampling_job(storage, workspace, base)
        sample.run(workspace(Spec("sample", 1, work.spec.config, work.spec.sources, base)))
    with pytest.raises(InvalidInput, match="No row came of it"):
        sample.run(sampling_job(storage, workspace, base, run=2, max_tokens=CONTEXT - 1))
    with pytest.raises(InvalidInput, match="ask for one"):
        SampleConfig(temperature=0.0, samples=2)


def test_stored_messages_come_back_as_they_were():
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": {"é": [1]}}}
    told = [{"role": "assistant", "content": "x", "tool_calls": [call]}, {"role": "user", "content": "y"}]
    kept = stored(told)
    assert kept[0]["tool_calls"][0]["function"]["arguments"] == '{"é": [1]}'
    assert messages(kept) == told and stored(kept) == kept


def test_greedy_writing_is_the_likeliest_token_each_time(folder: Path):
    model, chat = loaded(folder), Chat.of(folder)
    asked = [chat.encode(row["messages"], prompt=True).ids for row in (prompts(1)[0], conversations(1)[0])]
    pad = model.config.pad_token_id
    written = write(model, asked, chat.stops, pad, Sampling(temperature=0, max_tokens=4))
    for prompt, ids in zip(asked, written, strict=True):
        grown = list(prompt)
        for id in ids:
            assert id == int(model(torch.tensor([grown])).logits[0, -1].argmax())
            grown.append(id)
    before = torch.get_rng_state()
    write(model, asked, chat.stops, pad, Sampling(max_tokens=4, seed=3))
    assert torch.equal(before, torch.get_rng_state())


def test_log_probabilities_are_those_of_the_model(folder: Path):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    asked = [([5, 6, 7], [8, 9]), ([1], [2, 3, 4, 5, 6]), ([9, 8, 7, 6], [5])]
    for (prompt, answer), found in zip(asked, logprobs(model, asked, 100), strict=True):
        scores = model(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
        expected = [scores[len(prompt) + n - 1, id].item() for n, id in enumerate(answer)]
        assert found == pytest.approx(expected, abs=1e-4)
    (short,) = logprobs(model, [([1, 2, 3, 4], [5, 6])], 3)
    scores = model(torch.tensor([[4, 5, 6]])).logits[0].log_softmax(-1)
    assert short == pytest.approx([scores[0, 5].item(), scores[1, 6].item()], abs=1e-4)
    assert bits_per_byte(8 * log(2), 4) == 2


def evaluating(workspace: Any, base: Part, sources: list[Source], run: int = 1, **config: Any) -> Workspace:
    return workspace(Spec("evaluate", run, {"max_tokens": 4, **config}, sources, base, dataset=DATASET))


def test_problems_are_tried_and_judged(
    storage: Storage,
    workspace: Any,
    base: Part,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
):
    chat = Chat.of(folder)
    rows = [
        {"prompt": [{"role": "user", "content": f"{n}?"}], "answer": str(n), "verifier": "exact"}
        for n in range(3)
    ]
    source = publish(storage, "sums", "problems", rows, role="eval")
    told = iter(["0", "0", "0", "0", "1", "x", "1", "x", "x", "x", "x", "x"])

    def scripted(model: Any, asked: list[list[int]], *rest: Any) -> list[list[int]]:
        return [chat.tokenizer.encode(next(told)).ids + [chat.stops[0]] for _ in asked]

    monkeypatch.setattr(measures, "write", scripted)
    work = evaluating(workspace, base, [source], samples=4, temperature=1.0, tries="1,2,4")
    result = evaluate.run(work)
    figures = result["figures"]["sums@1"]
    assert figures["pass@1"]["value"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert figures["pass@2"]["value"] == pytest.approx((1 + (1 - 1 / 6) + 0) / 3)
    assert figures["pass@4"]["value"] == pytest.approx(2 / 3)
    assert figures["all@2"]["value"] == pytest.approx((1 + 1 / 6 + 0) / 3)
    assert figures["all@4"]["value"] == pytest.approx(1 / 3)
    assert figures["pass@1"]["low"] < figures["pass@1"]["value"] < figures["pass@1"]["high"]
    items = published(storage, tmp_path, result, "eval_items")
    assert [row["score"] for row in items] == [1.0, 0.5, 0.0] and items[0]["prediction"] == "0"
    assert {row["evaluation"] for row in items} == {"sums@1"}
    model = loaded(folder)
    answer = chat.tokenizer.encode("1").ids + [chat.stops[0]]
    (values,) = logprobs(model, [(chat.encode(rows[1]["prompt"], prompt=True).ids, answer)], CONTEXT)
    assert items[1]["logprob"] == pytest.approx(sum(values), abs=1e-4)
    metrics = {event["name"]: event["value"] for event in workspace.events if event.get("name")}
    assert metrics["sums@1/pass@2"] == figures["pass@2"]["value"]


def test_a_real_model_tries_problems_again_the_same(
    storage: Storage, workspace: Any, base: Part, tmp_path: Path
):
    rows = [
        {"prompt": [{"role": "user", "content": f"{n}?"}], "answer": "x", "verifier": "exact"}
        for n in range(3)
    ]
    source = publish(storage, "sums", "problems", rows, role="eval")
    told = []
    for run in (1, 2):
        work = evaluating(workspace, base, [source], run=run, samples=2, temperature=1.0, batch=3)
        told.append(
            [row["prediction"] for row in published(storage, tmp_path, evaluate.run(work), "eval_items")]
        )
    assert told[0] == told[1] and any(told[0])
    full = evaluate.run(evaluating(workspace, base, [source], run=3, max_tokens=CONTEXT - 1))
    assert full["figures"]["sums@1"]["left_no_room"]["count"] == 3


@pytest.mark.parametrize("format", ["chat", "plain"])
def test_the_likeliest_option_is_chosen(
    format: str, storage: Storage, workspace: Any, base: Part, folder: Path, tmp_path: Path
):
    rows = [
        {"question": "What does the cat see?", "options": ["the dog", "a very long river", "x"], "answer": 1},
        {"question": "Who?", "options": ["the cat", "it"], "answer": 0},
    ]
    source = publish(storage, "quiz", "choices", rows, role="eval")
    result = evaluate.run(evaluating(workspace, base, [source], format=format))
    items = published(storage, tmp_path, result, "eval_items")
    model, chat = loaded(folder), Chat.of(folder)
    encode = chat.tokenizer.encode
    right = by_byte = 0
    for row, item in zip(rows, items, strict=True):
        values = []
        for option in row["options"]:
            if format == "chat":
                prompt = chat.encode([{"role": "user", "content": row["question"]}], prompt=True).ids
                answer = encode(option).ids + [chat.stops[0]]
            else:
                prompt = [chat.tokenizer.token_to_id("<|endoftext|>"), *encode(row["question"] + "\n").ids]
                answer = encode(option).ids
            values.append(sum(logprobs(model, [(prompt, answer)], CONTEXT)[0]))
        assert item["prediction"] == row["options"][values.index(max(values))]
        assert item["logprob"] == pytest.approx(values[row["answer"]], abs=1e-3)
        right += values.index(max(values)) == row["answer"]
        each = [value / len(option) for value, option in zip(values, row["options"], strict=True)]
        by_byte += each.index(max(each)) == row["answer"]
    figures = result["figures"]["quiz@1"]
    assert (figures["accuracy"]["value"], figures["accuracy_by_byte"]["value"]) == (right / 2, by_byte / 2)
    assert (
        figures["accuracy"]["count"] == 2 and 0 <= figures["accuracy"]["low"] <= figures["accuracy"]["high"]
    )


def test_preferences_are_measured_by_likelihood_and_by_score(
    storage: Storage, workspace: Any, base: Part, folder: Path, tmp_path: Path
):
    source = publish(storage, "pairs", "preferences", pairs(6), role="eval")
    figures = evaluate.run(evaluating(workspace, base, [source]))["figures"]["pairs@1"]
    assert figures["accuracy"]["count"] == 6 and "accuracy_by_token" in figures
    scorer = SCORES.load(folder)
    scorer.config.pad_token_id = loaded(folder).config.pad_token_id
    made = tmp_path / "scorer"
    make_tokenizer(made)
    scorer.save_pretrained(made)
    part = put(storage, made, 801, architecture="LlamaForSequenceClassification")
    figures = evaluate.run(evaluating(workspace, part, [source], run=2))["figures"]["pairs@1"]
    assert figures["accuracy"]["count"] == 6 and "lead" in figures
    quiz = publish(
        storage, "quiz", "choices", [{"question": "a", "options": ["b"], "answer": 0}], role="eval"
    )
    with pytest.raises(InvalidInput, match="nothing to say on quiz@1"):
        evaluate.run(evaluating(workspace, part, [quiz], run=3))


def test_bits_per_byte_count_every_token_of_a_text_once(
    storage: Storage, workspace: Any, base: Part, folder: Path
):
    texts = ["The cat sees the dog.", "The child finds the garden near the lake. é " * 60, ""]
    source = publish_texts(storage, "texts", texts, role="eval")
    figures = evaluate.run(evaluating(workspace, base, [source]))["figures"]["texts@1"]
    model, chat = loaded(folder), Chat.of(folder)
    nats = 0.0
    for text in texts:
        ids = [0, *chat.tokenizer.encode(text).ids]
        assert text != texts[1] or len(ids) > CONTEXT
        for first in range(0, len(ids) - 1, CONTEXT - 1):
            window = ids[first : first + CONTEXT]
            logits = model(torch.tensor([window])).logits[0, :-1]
            nats += torch.nn.functional.cross_entropy(
                logits, torch.tensor(window[1:]), reduction="sum"
            ).item()
    size = sum(len(text.encode()) for text in texts)
    assert figures["bits_per_byte"]["value"] == pytest.approx(nats / log(2) / size, rel=1e-4)
    assert figures["bits_per_byte_of_a_text"]["count"] == 2


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"samples": 2, "temperature": 0.0}, "ask for one"),
        ({"tries": "1,2"}, "from 1 to 1"),
        ({"tries": "0"}, "from 1 to 1"),
        ({"tries": "a"}, "from 1 to 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(config: dict[str, Any], words: str):
    with pytest.raises(InvalidInput, match=words):
        EvaluateConfig.from_json(config)


def test_an_evaluation_needs_something_to_measure_on(storage: Storage, workspace: Any, base: Part):
    with pytest.raises(InvalidInput, match="Choose a version"):
        evaluate.run(evaluating(workspace, base, []))
    with pytest.raises(InvalidInput, match="holds no row"):
        evaluate.run(evaluating(workspace, base, [publish(storage, "none", "choices", [], role="eval")]))


def test_prompts_to_look_at_come_from_validation_first(storage: Storage, workspace: Callable[..., Workspace]):
    train = publish(storage, "t", "conversations", conversations(3))
    held = publish(storage, "v", "prompts", prompts(1), role="validation")
    spec = Spec("sft", 1, {}, [train, held])
    assert generation.asked(workspace(spec), 2) == [prompts(1)[0]["messages"]]
    only = generation.asked(workspace(Spec("sft", 2, {}, [train])), 2)
    assert only == [row["messages"][:1] for row in conversations(2)]
    assert json.dumps(only)
