"""The preflight: each check with rows that pass and rows that fail, and the whole list on tiny runs."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, processors

from tests.training.conftest import events, publish, publish_texts, sentences, start
from tests.training.posttraining import CONTEXT, conversations, pairs, put
from tilth.datasets.manifest import Manifest
from tilth.errors import TilthError
from tilth.storage import Storage
from training.llm.chat import Chat
from training.llm.configs.dpo import DpoConfig
from training.llm.configs.grpo import GrpoConfig
from training.llm.configs.posttraining import PosttrainingConfig
from training.llm.configs.pretrain import PretrainConfig
from training.llm.configs.reward import RewardConfig
from training.llm.configs.sft import SftConfig
from training.llm.inputs import Inputs
from training.llm.preflight import checklist, contamination, disk, masks, overlap, rehearsal, sources
from training.llm.preflight import verifiers as verifier_check
from training.llm.preflight.reading import Seen
from training.llm.preflight.rehearse import rehearse
from training.llm.preflight.result import Check, State, plain
from training.llm.preflight.schema import schema
from training.llm.preflight.stand_in import SMALL, stand_in
from training.llm.preflight.survey import Reading, Survey, look, pieces, samples, survey
from training.llm.program import Workspace
from training.llm.spec import Part, Source, Spec
from training.llm.special_tokens import END, END_OF_TEXT, PAD
from training.llm.vocabulary import Vocabulary

Make = Callable[..., Workspace]
SMALL_RUN = {"batch": 4, "micro_batch": 4}


def talk(*texts: str) -> dict[str, Any]:
    """Messages of user and assistant in turn."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]}


def problem(question: str, answer: str, verifier: str = "exact") -> dict[str, Any]:
    return {"prompt": [{"role": "user", "content": question}], "answer": answer, "verifier": verifier}


def seen(row: dict[str, Any], kind: str = "conversations", number: int = 1) -> Seen:
    return Seen(Source(f"{kind}@1", kind, f"datasets/{kind}/1"), number, {"id": f"{number:032x}", **row})


def reading(chat: Chat, folder: Path, config: PosttrainingConfig, context: int = CONTEXT) -> Reading:
    return Reading(chat, folder, context, CONTEXT, config)


def surveyed(read: Reading, *rows: dict[str, Any]) -> Survey:
    found = Survey()
    for number, row in enumerate(rows):
        one = seen(row, number=number + 1)
        line, texts = look(read, one)
        found.lines.append(line)
        found.samples.extend(samples(read, one, texts) if texts else [])
    return found


def by_name(checks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in checks}


# Template, masks


def test_the_template_is_shown_as_it_writes_with_what_is_trained_marked(chat: Chat, folder: Path):
    found = masks.template(surveyed(reading(chat, folder, SftConfig()), talk("The cat?", "The dog.")))
    assert found.state == State.PASSED
    (sample,) = found.samples
    assert [text for text, kind in sample.excerpt if kind == "trained"] == [f"The dog.{END}"]
    assert "The cat?" in "".join(text for text, kind in sample.excerpt if not kind)


def test_what_lies_beyond_the_context_is_shown_as_cut(chat: Chat, folder: Path):
    encoded = chat.encode(talk("The cat?", "The dog.")["messages"])
    cut = pieces(encoded, len(encoded.ids) - 2, False)
    assert [kind for _, kind in cut] == ["", "trained", "cut"]
    assert "".join(text for text, _ in cut) == encoded.text
    everything = pieces(encoded, CONTEXT, True)
    assert everything == [(encoded.text, "trained")]


def test_rows_that_the_template_refuses_are_named(chat: Chat, folder: Path):
    read = reading(chat, folder, SftConfig())
    odd = {"messages": [{"role": "critic", "content": "Bad <b>play</b>"}]}
    found = masks.template(surveyed(read, talk("A", "B"), odd))
    assert (found.state, found.rows[0].number) == (State.FAILED, 2)
    assert "no role critic" in found.rows[0].why and "Bad <b>play</b>" in found.rows[0].excerpt[0][0]


@pytest.mark.parametrize(
    ("config", "good", "silent"),
    [
        (SftConfig(), talk("The cat?", "The dog."), talk("The cat?")),
        (RewardConfig(), pairs(1)[0], {**pairs(1)[0], "chosen": []}),
        (DpoConfig(), pairs(1)[0], {**pairs(1)[0], "rejected": []}),
    ],
    ids=["sft", "reward", "dpo"],
)
def test_a_row_without_an_answer_stops_a_run(
    chat: Chat, folder: Path, config: PosttrainingConfig, good: Any, silent: Any
):
    read = reading(chat, folder, config)
    assert masks.trained(surveyed(read, good), read).state == State.PASSED
    found = masks.trained(surveyed(read, *[good] * 20, silent), read)
    assert (found.state, [row.number for row in found.rows]) == (State.FAILED, [21])
    assert found.figures["rows that teach nothing"] == 1 and "have no answer" in found.rows[0].why
    assert masks.trained(Survey(), read).state == State.FAILED


def test_a_few_rows_that_are_too_long_are_a_warning_and_many_a_fault(chat: Chat, folder: Path):
    good, long = talk("The cat?", "The dog."), talk("The cat? " * 60, "The dog.")
    read = reading(chat, folder, SftConfig(), 64)
    few = masks.trained(surveyed(read, *[good] * 9, long), read)
    assert (few.state, few.rows[0].number) == (State.WARNED, 10)
    assert "within the context" in few.rows[0].why
    many = masks.trained(surveyed(read, good, long), read)
    assert many.state == State.FAILED and f"takes up to {CONTEXT:,} tokens" in many.words


def test_a_prompt_needs_room_for_its_completion(chat: Chat, folder: Path):
    good = problem("Pick.", "cat")
    config = GrpoConfig(completion_tokens=40)
    wide, narrow = reading(chat, folder, config, 64), reading(chat, folder, config, 44)
    assert masks.trained(surveyed(wide, good), wide).state == State.PASSED
    found = masks.trained(surveyed(narrow, good), narrow)
    assert found.state == State.FAILED and "no room" in found.rows[0].why


def test_the_stop_token_must_be_trained(chat: Chat, folder: Path):
    read = reading(chat, folder, SftConfig())
    found = masks.stop(surveyed(read, talk("A", "B", "C", "D")), chat)
    assert found.state == State.PASSED and END in found.words
    endless = "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}\n{% else %}{{ m.content }}\n{% endif %}{% endfor %}"
    other = Chat.of(folder, endless)
    found = masks.stop(surveyed(reading(other, folder, SftConfig()), talk("A", "B")), other)
    assert (found.state, found.rows[0].number) == (State.FAILED, 1)


def test_padding_is_not_the_end(chat: Chat):
    known = chat.tokenizer
    assert masks.padding({"pad_token": PAD, "eos_token": END}, known).state == State.PASSED
    same = masks.padding({"pad_token": END_OF_TEXT, "eos_token": END_OF_TEXT}, known)
    assert same.state == State.FAILED and "never" not in same.words and "stop" in same.words
    assert masks.padding({"eos_token": END}, known).state == State.FAILED
    assert masks.padding({"pad_token": "[none]", "eos_token": END}, known).state == State.FAILED


def with_bos(folder: Path, into: Path, template: str, adds: bool = False) -> Chat:
    """The tokenizer with a beginning, which it puts before texts itself where it ``adds``."""
    into.mkdir()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens([AddedToken("<s>", special=True, normalized=False)])
    if adds:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
        )
    tokenizer.save(str(into / "tokenizer.json"))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (into / "tokenizer_config.json").write_text(json.dumps({**settings, "bos_token": "<s>"}))
    return Chat.of(into, template)


ONE = "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}"


def test_a_text_begins_once(chat: Chat, folder: Path, tmp_path: Path):
    plain_read = reading(chat, folder, SftConfig())
    assert masks.beginning(surveyed(plain_read, talk("A", "B")), plain_read).state == State.PASSED
    for name, template, adds, state in (
        ("once", ONE, False, State.PASSED),
        ("twice", "{{ bos_token }}" + ONE, False, State.FAILED),
        ("added", ONE, True, State.WARNED),
    ):
        read = reading(with_bos(folder, tmp_path / name, template, adds), tmp_path / name, SftConfig())
        found = masks.beginning(surveyed(read, talk("A")), read)
        assert found.state == state, name
        assert [row.number for row in found.rows] == ([1] if state == State.FAILED else [])


def test_lengths_are_counted_and_what_is_cut_is_said(chat: Chat, folder: Path):
    short, long = talk("The cat?", "The dog."), talk("The cat? " * 20, "The dog. " * 20)
    read = reading(chat, folder, SftConfig(), 64)
    found = masks.lengths(surveyed(read, *[short] * 30, long), read)
    assert found.state == State.PASSED and found.figures["share cut"] == round(1 / 31, 4)
    assert sum(count for _, count in found.bins) == 31 and found.bins[0][1] == 30
    assert masks.lengths(surveyed(read, *[short] * 9, long), read).state == State.WARNED
    found = masks.lengths(surveyed(read, short, long, long), read)
    assert found.state == State.FAILED and found.rows[0].number == 2
    assert f"raise the context (the model takes up to {CONTEXT:,} tokens)" in found.words
    whole = replace(read, longest=64)
    assert "choose a base that takes more than 64 tokens" in masks.lengths(surveyed(whole, long), whole).words
    assert masks.histogram([9, 16, 17, 65]) == ((16, 2), (32, 1), (64, 0), (128, 1))


# Schema


def schema_of(storage: Storage, cache: Any, *read: Source, stage: str = "sft") -> Check:
    return schema(Spec(stage, 1, {}, list(read)), Inputs(storage, cache))


def test_sources_hold_what_the_stage_reads(storage: Storage, workspace: Make):
    cache = workspace(Spec("sft", 1, {})).cache
    talks = publish(storage, "talks", "conversations", conversations(3))
    assert schema_of(storage, cache, talks).state == State.PASSED
    texts = publish_texts(storage, "texts", sentences(2))
    found = schema_of(storage, cache, texts)
    assert found.state == State.FAILED and "holds documents" in found.words
    # What the run was told and what the manifest says must be one.
    found = schema_of(storage, cache, replace(texts, kind="conversations"))
    assert found.state == State.FAILED
    found = schema_of(storage, cache, publish(storage, "none", "conversations", []))
    assert found.state == State.FAILED and "no row" in found.words


@pytest.mark.parametrize(
    ("kind", "stage", "row", "why"),
    [
        ("conversations", "sft", {"messages": []}, "messages is empty"),
        ("conversations", "sft", {"messages": [{"role": "critic", "content": "x"}]}, "no role 'critic'"),
        ("preferences", "dpo", {**pairs(1)[0], "rejected": []}, "rejected is empty"),
        ("documents", "pretrain", {"text": " \n", "source": "s", "record_offset": 0}, "text is empty"),
    ],
)
def test_rows_that_say_nothing_are_named(
    storage: Storage, workspace: Make, kind: str, stage: str, row: Any, why: str
):
    source = publish(storage, "odd", kind, [row])
    found = schema_of(storage, workspace(Spec("sft", 1, {})).cache, source, stage=stage)
    assert (found.state, found.rows[0].number) == (State.FAILED, 1)
    assert why in found.rows[0].why


# Sources


def test_a_source_that_is_never_drawn_stops_a_run():
    two = [Source("a@1", "documents", "a"), Source("b@1", "documents", "b")]
    assert sources.verdict(two, [100, 50], "rows").state == State.PASSED
    assert sources.verdict(two, [100, 3], "rows").state == State.WARNED
    found = sources.verdict(two, [100, 0], "rows")
    assert found.state == State.FAILED and "b@1" in found.words and "a@1" not in found.words


def test_rows_are_drawn_by_the_order_of_the_run(storage: Storage, workspace: Make, base: Part):
    large = publish(storage, "large", "conversations", conversations(60), weight=1000.0)
    small = publish(storage, "small", "conversations", conversations(12))
    config = SftConfig(steps=5, batch=4, micro_batch=4)
    for weights, state in (((1000.0, 1.0), State.FAILED), ((1.0, 1.0), State.PASSED)):
        read = [
            replace(source, weight=weight) for source, weight in zip((large, small), weights, strict=True)
        ]
        work = workspace(Spec("sft", 1, config.to_json(), read, base))
        found = sources.drawn_rows(work, config, survey(work, Reading.of(work, config)))
        assert found.state == state


def test_windows_are_drawn_by_share(storage: Storage, workspace: Make, tokenizer_part: Part):
    read = [
        publish_texts(storage, "large", sentences(80), weight=500.0),
        publish_texts(storage, "small", sentences(40, 100)),
    ]
    config = PretrainConfig(context=32, batch=4, micro_batch=4, steps=20, depth=1, width=32, heads=1)
    work = workspace(Spec("pretrain", 1, config.to_json(), read, tokenizer=tokenizer_part))
    _, folder = work.load(tokenizer_part)
    vocabulary = Vocabulary.of(folder, "t")
    found = sources.drawn_windows(work, config, vocabulary)
    assert found.state == State.FAILED and "small@1" in found.words
    assert sources.drawn_windows(work, replace(config, steps=None), vocabulary).state == State.PASSED
    tiny = replace(config, context=100_000)
    assert "less than one window" in sources.drawn_windows(work, tiny, vocabulary).words
    exact = sum(len(ids) + 1 for ids in encoded(vocabulary, sentences(80)))
    assert sources.tokens_of(work, read[0], vocabulary) == exact


def encoded(vocabulary: Vocabulary, texts: list[str]) -> list[list[int]]:
    return [one.ids for one in vocabulary.tokenizer.encode_batch(texts, add_special_tokens=False)]


# Overlap, contamination


def test_validation_rows_are_not_trained_on():
    held = [seen(talk("Where is the cat?", "There."), number=7)]
    apart = [seen(talk("Where is the dog?", "There."))]
    assert overlap.compare(apart, held, True).state == State.PASSED
    same = overlap.compare([*apart, seen(talk("Where is the cat?", "Here."), number=2)], held, True)
    assert (same.state, same.rows[0].number) == (State.WARNED, 2)
    assert overlap.compare([seen(talk("2 + 3?", "5"))], [seen(talk("2 - 3?", "-1"))], True).state == "passed"
    near = overlap.compare([*apart, seen(talk("where is THE cat", "Here."), number=2)], held, True)
    assert (near.state, near.rows[0].number, near.figures["nearly the same"]) == (State.FAILED, 2, 1)


def test_documents_overlap_by_their_text():
    def text(words: str, number: int = 1) -> Seen:
        return seen({"text": words}, "documents", number)

    held = [text("A cat sat.")]
    assert overlap.compare([text("A dog sat.")], held, False).state == State.PASSED
    assert overlap.compare([text("A cat sat.", 3)], held, False).rows[0].number == 3
    assert overlap.compare([text("A cat sat.")], held, False).state == State.FAILED
    assert overlap.compare([text("A cat sat.")], held, True).state == State.WARNED
    assert overlap.compare([text("A cat sat!")], held, True).state == State.FAILED


QUESTION = " ".join(f"word{n}" for n in range(20))


def test_thirteen_words_of_an_evaluation_in_training_are_found_with_their_span():
    chosen = contamination.Eval.of("exam@1", [QUESTION])
    assert chosen.size == 13
    clean = " ".join(f"word{n}" for n in range(12)) + " and more"
    assert contamination.compare([seen({"text": clean}, "documents")], [chosen]).state == State.PASSED
    shared = "It went: " + " ".join(f"Word{n}," for n in range(3, 16)) + " he said"
    chosen = contamination.Eval.of("exam@1", [QUESTION])
    found = contamination.compare([seen({"text": shared}, "documents", 4)], [chosen])
    assert (found.state, found.rows[0].number) == (State.FAILED, 4)
    assert {kind: text for text, kind in found.rows[0].excerpt}["mark"].split() == [
        f"word{n}" for n in range(3, 16)
    ]
    assert "item 1 of exam@1" in found.rows[0].why
    assert found.figures["exam@1"] == "1 of 1 items, by 13 words"


def test_the_length_of_a_run_follows_the_evaluation_and_short_items_are_counted():
    eight = contamination.Eval.of("a@1", ["one two three"] * 3 + [QUESTION])
    assert (eight.size, eight.short, eight.items) == (8, 3, 4)
    ten = contamination.Eval.of("a@1", [" ".join("abcdefghij")] * 3)
    assert ten.size == 10


def test_runs_that_stand_in_many_rows_are_told_as_a_warning():
    rows = [seen({"text": f"{n} {QUESTION}"}, "documents", n) for n in range(11)]
    few = contamination.compare(rows[:10], [contamination.Eval.of("a@1", [QUESTION])])
    many = contamination.compare(rows, [contamination.Eval.of("a@1", [QUESTION])])
    assert (few.state, many.state) == (State.FAILED, State.WARNED)


def test_evaluations_are_looked_for_in_every_kind_of_row(storage: Storage, workspace: Make):
    exam = publish(storage, "exam", "problems", [problem(QUESTION, "12")], role="eval")
    for name, kind, row in (
        ("talks", "conversations", talk("Hello", QUESTION)),
        ("pairs", "preferences", {**pairs(1)[0], "rejected": [{"role": "assistant", "content": QUESTION}]}),
        ("texts", "documents", {"text": QUESTION, "source": "s", "record_offset": 0}),
    ):
        source = publish(storage, name, kind, [row])
        found = contamination.contamination(workspace(Spec("sft", 1, {}, [source, exam])))
        assert found.state == State.FAILED, kind
    source = publish(storage, "clean", "conversations", [talk("Hello", "Hi")])
    assert contamination.contamination(workspace(Spec("sft", 1, {}, [source, exam]))).state == State.PASSED


# Verifiers, disk


def test_problems_must_fit_their_verifiers(monkeypatch: pytest.MonkeyPatch):
    good = seen(problem("2 + 2?", "4"), "problems")
    assert verifier_check.judge([good]).state == State.PASSED
    tagged = {**problem("2 + 2?", "4"), "verifier_args": '{"after": "####"}'}
    assert verifier_check.judge([seen(tagged, "problems")]).state == State.PASSED
    for row, why in (
        (problem("Say nothing.", ""), "an empty answer is found right"),
        (problem("2?", "4", "telepathy"), "no verifier 'telepathy'"),
        (problem("2?", ".*", "regex"), "an empty answer is found right"),
    ):
        found = verifier_check.judge([good, seen(row, "problems", 2)])
        assert (found.state, found.rows[0].number) == (State.FAILED, 2), row
        assert why in found.rows[0].why
    monkeypatch.setattr(
        verifier_check.unit_cases, "verify", lambda claim, allow: type("V", (), {"right": True})
    )
    assert "wrongly" in verifier_check.judge([good]).words


def test_room_is_needed_for_states_and_checkpoints(tmp_path: Path, storage: Storage):
    wanted = disk.need(SftConfig(checkpoint_every=10), 1_000_000, 100)
    assert wanted.storage == disk.FLOOR + 3 * 12_000_000 + 11 * 4_000_000
    assert disk.need(SftConfig(lora=True), 1_000_000, None).storage < wanted.storage / 1.5
    both = wanted.storage + wanted.scratch

    def check(free: float) -> Check:
        return disk.disk(wanted, storage, tmp_path, lambda path: int(free))

    assert check(both * 2).state == State.PASSED
    assert check(both * 1.1).state == State.WARNED
    found = check(both * 0.9)
    assert found.state == State.FAILED and "free" in found.words


# Rehearsal


def spec_of(stage: str, storage: Storage, base: Part) -> Spec:
    if stage == "pretrain":
        read = publish_texts(storage, "texts", sentences(80))
        settings = {"context": 64, "depth": 2, "width": 32, "heads": 2, "validation_share": 0.05}
        return Spec(stage, 7, settings | SMALL_RUN, [read], base)
    kind, rows = {
        "sft": ("conversations", conversations(30)),
        "reward": ("preferences", pairs(30)),
        "dpo": ("preferences", pairs(30)),
        "grpo": ("problems", [problem(f"Pick {n}.", "cat") for n in range(30)]),
    }[stage]
    more = {"group": 2, "completion_tokens": 8} if stage == "grpo" else {}
    return Spec(stage, 7, SMALL_RUN | more, [publish(storage, stage, kind, rows)], base)


@pytest.mark.parametrize("stage", ["pretrain", "sft", "reward", "dpo", "grpo"])
def test_every_stage_is_rehearsed_with_a_stop_in_between(
    stage: str, storage: Storage, workspace: Make, base: Part, tmp_path: Path
):
    work = workspace(spec_of(stage, storage, base))
    facts = checklist.Facts(work)
    rows = facts.vocabulary if stage == "pretrain" else facts.survey
    small = stand_in(work, facts.config, tmp_path / "small", rows)
    outcome = rehearse(tmp_path / "small", small.spec)
    assert len(outcome["losses"]) == 2 and outcome["parameters"] > 1000
    assert rehearsal.judge(outcome, 0, "").state == State.PASSED, outcome
    assert not storage.list("checkpoints/7"), "a rehearsal leaves nothing in the storage"


def test_what_a_rehearsal_means():
    good = {"losses": [2.0, 1.5], "resumed": 1.5, "parameters": 9}
    assert rehearsal.judge(good, 0, "").state == State.PASSED
    found = rehearsal.judge({**good, "resumed": 1.6}, 0, "")
    assert found.state == State.FAILED and "another loss" in found.words
    assert rehearsal.judge({"fault": "No rows."}, 0, "").words == "No rows."
    killed = rehearsal.judge(None, -9, "Out of memory")
    assert killed.state == State.FAILED and "signal 9" in killed.words and "Out of memory" in killed.words


def test_a_rehearsal_that_breaks_is_a_line_of_the_list(
    storage: Storage, workspace: Make, base: Part, monkeypatch: pytest.MonkeyPatch
):
    work = workspace(spec_of("sft", storage, base))
    monkeypatch.setattr(rehearsal, "PROGRAM", "training.llm.no_such_program")
    found = rehearsal.rehearsal(work, SftConfig(**SMALL_RUN), survey_of(work))
    assert found.state == State.FAILED and "ended with status 1" in found.words
    assert "no_such_program" in found.words
    assert not (work.scratch / "rehearsal").exists()


def survey_of(work: Workspace) -> Survey:
    config = SftConfig(**SMALL_RUN)
    return survey(work, Reading.of(work, config))


def test_a_large_base_is_rehearsed_with_few_layers(
    storage: Storage, workspace: Make, folder: Path, tmp_path: Path
):
    base = put(storage, folder, 801, parameters=SMALL + 1)
    work = workspace(spec_of("sft", storage, base))
    small = stand_in(work, SftConfig(**SMALL_RUN), tmp_path / "small", survey_of(work))
    copied = json.loads(small.storage.read_bytes(f"{base.folder}/attempt-1/config.json"))
    assert copied["num_hidden_layers"] == 2
    whole = put(storage, folder, 802)
    work = workspace(spec_of("sft", storage, whole))
    kept = stand_in(work, SftConfig(**SMALL_RUN), tmp_path / "kept", survey_of(work))
    one, two = (
        place.read_bytes(f"{part.folder}/attempt-1/model.safetensors")
        for place, part in ((kept.storage, whole), (small.storage, base))
    )
    assert one == (folder / "model.safetensors").read_bytes() and one != two


def test_rehearsed_rows_are_few_and_apart(storage: Storage, workspace: Make, base: Part, tmp_path: Path):
    train = publish(storage, "train", "conversations", conversations(40), weight=3.0, epochs=5.0)
    held = publish(storage, "held", "conversations", conversations(50), role="validation")
    work = workspace(Spec("sft", 7, SMALL_RUN, [train, held], base))
    small = stand_in(work, SftConfig(**SMALL_RUN), tmp_path / "small", survey_of(work))
    counts = {
        source.role: Manifest.from_json(small.storage.read_bytes(f"{source.folder}/manifest.json")).rows
        for source in small.spec.sources
    }
    assert counts == {"train": 16, "validation": 16}
    assert all(source.epochs is None for source in small.spec.sources)


# The whole list


def test_each_stage_has_its_checks():
    names = {
        stage: [item.name for item in checklist.of_stage(stage)] for stage in ("tokenizer", "pretrain", "sft")
    }
    assert names["tokenizer"] == ["schema", "overlap", "disk"]
    assert names["pretrain"] == ["schema", "pad", "sources", "overlap", "contamination", "disk", "rehearsal"]
    assert {item.name for item in checklist.CHECKS} - set(names["sft"]) == {"verifiers", "tasks"}
    assert [item.name for item in checklist.of_stage("import")] == ["disk"]
    assert [item.name for item in checklist.of_stage("evaluate")] == ["schema", "verifiers", "tasks", "disk"]


def test_the_program_reads_the_run_of_its_stage_and_leaves_the_list(
    storage: Storage, base: Part, job_dir: Callable[..., Path]
):
    made = job_dir(spec_of("sft", storage, base))
    assert start("training.llm.preflight", made).wait() == 0
    result = json.loads((made / "attempt-1" / "result.json").read_text())
    assert result["passed"], result
    assert [check["name"] for check in result["checks"]] == [item.name for item in checklist.of_stage("sft")]
    assert by_name(result["checks"])["template"]["samples"]
    assert any(event["type"] == "progress" and event["message"] == "Chat template" for event in events(made))


def test_rows_that_cannot_be_read_stop_the_list_early(storage: Storage, workspace: Make, base: Part):
    bad = publish(storage, "bad", "conversations", [{"messages": []}])
    checks = list(checklist.made(workspace(Spec("sft", 7, SMALL_RUN, [bad], base))))
    assert [(check.name, check.state) for check in checks] == [("schema", "failed"), ("disk", "passed")]


def test_a_fault_in_a_check_is_its_answer(
    storage: Storage, workspace: Make, base: Part, monkeypatch: pytest.MonkeyPatch
):
    def fault(*args: Any) -> None:
        raise TilthError("No words.")

    monkeypatch.setattr(checklist, "survey", fault)
    monkeypatch.setattr(checklist.rehearsal, "rehearsal", fault)
    found = {check.name: check for check in checklist.made(workspace(spec_of("sft", storage, base)))}
    assert found["template"].state == found["lengths"].state == "failed"
    assert found["template"].words == "No words." and found["overlap"].state == "passed"


def test_a_list_is_json(chat: Chat, folder: Path):
    read = reading(chat, folder, SftConfig())
    check = masks.trained(surveyed(read, *[talk("only asked")] * 12), read)
    told = json.loads(json.dumps(check.to_json()))
    assert (told["state"], len(told["rows"]), told["more"]) == ("failed", 10, 2)
    assert plain("x" * 500)[0][0].endswith("…")
