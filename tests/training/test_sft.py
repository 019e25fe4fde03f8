"""Fine-tuning: what is learned from, packing, losses, resuming, LoRA, and the checkpoint that comes out."""

import copy
import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import PeftModel
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from tests.training.conftest import events, publish, start
from tests.training.posttraining import CONTEXT, conversations, make_model, make_tokenizer, put
from tilth.errors import InvalidInput, TilthError
from tilth.storage import Storage
from training.llm import checkpoints, sft, sizes, trl_adapter
from training.llm.chat import Chat
from training.llm.chat_template import TEMPLATE
from training.llm.configs.sft import SftConfig
from training.llm.dressing import dress
from training.llm.program import Stopped, Workspace
from training.llm.record import tokenizer_hash
from training.llm.rows import drawn, examples, place
from training.llm.spec import Part, Source, Spec
from training.llm.special_tokens import END, END_OF_TEXT, PAD
from training.llm.trl_adapter import arguments, metric_name, ours

SMALL = {
    "batch": 4,
    "micro_batch": 4,
    "learning_rate": 5e-3,
    "log_every": 1,
    "warmup": 0.0,
    "schedule": "constant",
}


Make = Callable[..., Workspace]


@pytest.fixture
def job(storage: Storage, workspace: Make, base: Part) -> Callable[..., Workspace]:
    def make(rows: int = 40, run: int = 1, attempt: int = 1, **config: Any) -> Workspace:
        source = publish(storage, f"talks-{run}", "conversations", conversations(rows))
        spec = Spec("sft", run, {**SMALL, **config}, [source], base)
        return workspace(spec, attempt)

    return make


def series(workspace: Any, name: str) -> list[float]:
    return [event["value"] for event in workspace.events if event.get("name") == name]


def test_it_learns_to_answer_and_the_checkpoint_is_whole(
    job: Callable[..., Workspace], workspace: Any, storage: Storage, tmp_path: Path
):
    work = job(rows=64, steps=60, checkpoint_every=30, validation_share=0.1, packing=False)
    result = sft.run(work)
    assert result and result["checkpoint"] == "checkpoint:1/60"
    losses = series(workspace, "loss")
    assert losses[-1] < losses[0] / 2
    held = series(workspace, "validation_loss")
    assert held[-1] < held[0] / 2 and result["validation_rows"] >= 1
    assert series(workspace, "tokens") == sorted(series(workspace, "tokens"))
    assert checkpoints.read(storage, "checkpoints/1/30").step == 30
    checkpoint, made = checkpoints.load(work.cache, storage, "checkpoints/1/60", tmp_path)
    assert checkpoint.stage == "sft" and checkpoint.licence == "CC0-1.0" and checkpoint.tokens > 0
    assert checkpoint.parents == ["talks-1@1", "checkpoint:800/0"]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(made), AutoTokenizer.from_pretrained(made)
    assert (tokenizer.eos_token, tokenizer.pad_token) == (END, PAD)
    assert model.generation_config.eos_token_id == [
        tokenizer.convert_tokens_to_ids(t) for t in (END, END_OF_TEXT)
    ]
    chat = Chat.of(made)
    prompt = chat.encode(conversations(1)[0]["messages"][:1], prompt=True)
    written = model.generate(torch.tensor([prompt.ids]), max_new_tokens=30, do_sample=False)[0].tolist()
    answer = written[len(prompt.ids) :]
    assert answer[-1] in chat.stops, chat.tokenizer.decode(answer)
    assert chat.read(answer)["content"].startswith("The ")
    assert work.states.steps() == []
    shown = json.loads((made / "samples.json").read_text())
    assert len(shown) == 4 and shown[0]["prompt"].endswith("<|im_start|>assistant\n")
    assert any(one["ended"] and one["text"].startswith("The ") and END not in one["text"] for one in shown)


def test_accumulated_steps_have_the_loss_of_whole_ones(job: Callable[..., Workspace], workspace: Any):
    curves = []
    for run, micro in ((1, 4), (2, 1)):
        workspace.events.clear()
        sft.run(job(run=run, steps=4, micro_batch=micro, packing=False))
        curves.append(series(workspace, "loss"))
    assert curves[0] == pytest.approx(curves[1], rel=1e-5) and len(curves[0]) == 4


def test_a_stopped_run_goes_on_as_if_nothing_had_been(
    job: Callable[..., Workspace], workspace: Any, monkeypatch: pytest.MonkeyPatch
):
    sft.run(job(run=1, steps=8))
    whole = series(workspace, "loss"), series(workspace, "tokens")
    workspace.events.clear()
    work = job(run=2, steps=8)
    monkeypatch.setattr(
        type(work.report), "stopping", property(lambda self: len(series(workspace, "loss")) == 3)
    )
    with pytest.raises(Stopped):
        sft.run(work)
    monkeypatch.undo()
    assert work.states.steps() == [4] or work.states.steps() == [3]
    workspace.events.clear()  # what was reported and perhaps read by nobody is reported again
    assert sft.run(job(run=2, attempt=2, steps=8))
    assert (series(workspace, "loss"), series(workspace, "tokens")) == whole


@pytest.mark.parametrize("at", [3, 4, 5])
def test_weights_that_are_no_numbers_are_never_kept(
    at: int, job: Callable[..., Workspace], storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    work = job(steps=5, save_every=2, checkpoint_every=3)
    real = trl_adapter.Telling.on_step_end

    def lost(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.global_step == at:
            next(more["model"].parameters()).data[0, 0] = float("nan")
        real(self, args, state, control, **more)

    monkeypatch.setattr(trl_adapter.Telling, "on_step_end", lost)
    with pytest.raises(TilthError) as caught:
        sft.run(work)
    assert caught.value.code == "diverged"
    assert work.states.steps() == ([2, 4] if at == 5 else [2])
    assert storage.list("checkpoints/1", "checkpoint.json") == (
        [] if at == 3 else ["checkpoints/1/3/checkpoint.json"]
    )


def test_a_killed_run_goes_on_from_its_last_state(
    job: Callable[..., Workspace], workspace: Any, monkeypatch: pytest.MonkeyPatch
):
    whole = sft.run(job(run=1, steps=8))
    curve = series(workspace, "loss")
    workspace.events.clear()
    work = job(run=2, steps=8, save_every=2)

    def killed(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.global_step == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trl_adapter.Telling, "on_step_begin", killed)
        sft.run(work)
    assert work.states.steps() == [2, 4]
    assert series(workspace, "loss") == curve[:5]
    again = sft.run(job(run=2, attempt=2, steps=8, save_every=2))
    assert series(workspace, "loss") == [*curve[:5], *curve]
    assert again["metrics"]["validation_loss"] == whole["metrics"]["validation_loss"]


def test_a_run_killed_before_its_report_is_not_run_again(
    job: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
):
    first = sft.run(job(steps=1))
    monkeypatch.setattr(sft, "prepare", None)
    assert sft.run(job(steps=1, attempt=2)) == first


@pytest.mark.parametrize("where", ["storage", "scratch"])
def test_a_full_disk_keeps_the_state_before_and_says_so(
    where: str, job: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
):
    work = job(steps=6, save_every=2)
    put_, save = Storage.put, torch.save

    def full_storage(self: Storage, local: Path, key: str) -> None:
        if "state/000000004" in key:
            raise OSError(errno.ENOSPC, "No space left on device")
        put_(self, local, key)

    def full_scratch(value: Any, path: Any, *rest: Any, **more: Any) -> None:
        if "checkpoint-4" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        save(value, path, *rest, **more)

    with (
        monkeypatch.context() as patch,
        pytest.raises(TilthError, match="the one before it is kept") as caught,
    ):
        if where == "storage":
            patch.setattr(Storage, "put", full_storage)
        else:
            patch.setattr(torch, "save", full_scratch)
        sft.run(work)
    assert caught.value.code == "disk_full" and work.states.steps() == [2]
    assert sft.run(job(steps=6, save_every=2, attempt=2))


def test_the_program_runs_from_the_command_line(storage: Storage, base: Part, job_dir: Callable[..., Path]):
    """The program itself, in a process of its own: events, a result, nothing that needs the network."""
    source = publish(storage, "talks", "conversations", conversations(8))
    folder = job_dir(Spec("sft", 30, {**SMALL, "steps": 2}, [source], base))
    process = start("training.llm.sft", folder, HF_HUB_OFFLINE="1")
    assert process.wait() == 0
    result = json.loads((folder / "attempt-1" / "result.json").read_text())
    assert result["checkpoint"] == "checkpoint:30/2"
    assert [e["value"] for e in events(folder) if e.get("name") == "loss"]


def test_lora_trains_few_weights_and_stores_a_whole_model(
    job: Callable[..., Workspace], storage: Storage, folder: Path, tmp_path: Path
):
    work = job(steps=6, lora=True, lora_rank=4, lora_alpha=8)
    assert sft.run(work)
    _, made = checkpoints.load(work.cache, storage, "checkpoints/1/6", tmp_path)
    whole = AutoModelForCausalLM.from_pretrained(made)
    base = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.arange(20)[None]
    before = base(ids).logits
    adapted = PeftModel.from_pretrained(base, made / "adapter").eval()
    assert not torch.allclose(before, adapted(ids).logits)
    torch.testing.assert_close(whole(ids).logits, adapted(ids).logits, rtol=1e-4, atol=1e-5)
    assert torch.equal(whole.model.embed_tokens.weight, base.get_input_embeddings().weight)


def test_every_example_has_something_to_learn(chat: Chat):
    rows = conversations(5)
    for row in rows:
        made = sft.example(chat, row, CONTEXT, True)
        assert isinstance(made, dict) and any(label != -100 for label in made["labels"][1:])
        learned = [label for label in made["labels"] if label != -100]
        assert chat.tokenizer.decode(learned, skip_special_tokens=False) == (
            row["messages"][1]["content"] + END
        )
    everything = sft.example(chat, rows[0], CONTEXT, False)
    assert isinstance(everything, dict)
    assert everything["labels"] == [-100, *everything["input_ids"][1:]]
    prompt = len(chat.encode(rows[0]["messages"][:1], prompt=True).ids)
    cut = sft.example(chat, rows[0], prompt + 1, True)
    assert isinstance(cut, dict) and [label != -100 for label in cut["labels"]] == [False] * prompt + [True]
    assert sft.example(chat, rows[0], prompt, True) == "have no answer within the context"
    assert sft.example(chat, {"messages": rows[0]["messages"][:1]}, CONTEXT, True) == "have no answer"
    completion = {"prompt": rows[0]["messages"][:1], "completion": rows[0]["messages"][1:]}
    assert sft.example(chat, completion, CONTEXT, True) == sft.example(chat, rows[0], CONTEXT, True)


def test_packed_rows_hold_whole_examples(chat: Chat):
    made = [sft.example(chat, row, CONTEXT, True) for row in conversations(12)]
    found = sft.packed(Dataset.from_list(made), 3 * CONTEXT, 3)
    assert len(found) < 12
    pieces = []
    for row in found:
        start = 0
        assert sum(row["seq_lengths"]) == len(row["input_ids"]) <= 3 * CONTEXT
        for length in row["seq_lengths"]:
            pieces.append((row["input_ids"][start : start + length], row["labels"][start : start + length]))
            start += length
    assert sorted(pieces) == sorted((one["input_ids"], one["labels"]) for one in made)


@pytest.mark.parametrize("family", [sizes.LLAMA, sizes.GPT2])
def test_packed_examples_do_not_see_one_another(
    family: str, job: Callable[..., Workspace], chat: Chat, tmp_path: Path
):
    """The loss of packed rows is that of the same examples one by one, computed by hand."""
    work, folder = job(rows=12), tmp_path / "model"
    make_tokenizer(folder)
    make_model(folder, family=family)
    made = [sft.example(chat, row, CONTEXT, True) for row in conversations(12)]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    by_hand, count = 0.0, 0
    for one in made:
        logits = model(torch.tensor([one["input_ids"]])).logits[0, :-1]
        labels = torch.tensor(one["labels"][1:])
        by_hand += torch.nn.functional.cross_entropy(
            logits, labels, ignore_index=-100, reduction="sum"
        ).item()
        count += int((labels != -100).sum())
    config = SftConfig.from_json(work.spec.config)
    args = arguments(
        work, config, SFTConfig, 1, False, max_length=None, padding_free=True, shuffle_dataset=False
    )
    trainer = ours(SFTTrainer)(
        model=copy.deepcopy(model),
        args=args,
        train_dataset=sft.packed(Dataset.from_list(made), 3 * CONTEXT, 0),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    batch = trainer.data_collator([trainer.train_dataset[n] for n in range(len(trainer.train_dataset))])
    assert int((batch["labels"] != -100).sum()) == count
    trainer.model.eval()
    assert trainer.compute_loss(trainer.model, dict(batch)).item() == pytest.approx(by_hand / count, rel=1e-5)


def test_a_base_without_marks_gets_them_and_another_stays_as_it_is(folder: Path, tmp_path: Path):
    dress(folder, tmp_path / "same")
    assert tokenizer_hash(tmp_path / "same") == tokenizer_hash(folder)
    bare = tmp_path / "bare"
    bare.mkdir()
    plain = Tokenizer.from_file(str(folder / "tokenizer.json")).to_str()
    data = json.loads(plain)
    data["added_tokens"] = data["added_tokens"][:1]  # <|endoftext|> alone, as GPT-2 has
    (bare / "tokenizer.json").write_text(json.dumps(data))
    (bare / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": END_OF_TEXT, "pad_token": {"content": END_OF_TEXT}, "chat_template": None})
    )
    dress(bare, tmp_path / "dressed")
    chat = Chat.of(tmp_path / "dressed")
    assert chat.template.source == TEMPLATE
    assert chat.template.variables["eos_token"] == END and chat.template.variables["pad_token"] == PAD
    encoded = chat.encode(conversations(1)[0]["messages"])
    assert encoded.ids.count(chat.tokenizer.token_to_id(END)) == 2


def test_a_model_grows_for_new_marks_but_not_under_lora(
    storage: Storage, workspace: Any, folder: Path, tmp_path: Path
):
    bare = tmp_path / "bare"
    bare.mkdir()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = data["added_tokens"][:1]
    vocabulary = {token: n for n, token in enumerate(["<|endoftext|>", *list(data["model"]["vocab"])[8:]])}
    data["model"]["vocab"] = vocabulary
    (bare / "tokenizer.json").write_text(json.dumps(data))
    (bare / "tokenizer_config.json").write_text(json.dumps({"eos_token": END_OF_TEXT}))
    make_bare(bare, len(vocabulary))
    part = put(storage, bare, 801)
    source = publish(storage, "talks", "conversations", conversations(8))
    config = {**SMALL, "steps": 1, "validation_share": 0.0}
    work = workspace(Spec("sft", 5, config, [source], part))
    assert sft.run(work)
    _, made = checkpoints.load(work.cache, storage, "checkpoints/5/1", tmp_path)
    assert AutoModelForCausalLM.from_pretrained(made).config.vocab_size >= len(
        AutoTokenizer.from_pretrained(made)
    )
    with pytest.raises(InvalidInput, match="LoRA trains no new tokens"):
        sft.run(workspace(Spec("sft", 6, {**config, "lora": True}, [source], part)))


def make_bare(folder: Path, vocabulary: int) -> None:
    from training.llm.model import build

    shape = sizes.llama(vocabulary=vocabulary, depth=1, context=CONTEXT, width=16, heads=1, ffn=32)
    build(shape, 0, None).save_pretrained(folder)


@pytest.mark.parametrize(
    ("config", "words"),
    [({"context": CONTEXT + 1}, "shorter context"), ({"context": 8}, "no row is left")],
)
def test_what_cannot_be_trained_is_said(job: Callable[..., Workspace], config: dict[str, int], words: str):
    with pytest.raises(InvalidInput, match=words):
        sft.run(job(**config))


def test_a_row_that_no_template_takes_is_named(storage: Storage, workspace: Any, base: Part):
    rows = [*conversations(2), {"messages": [{"role": "judge", "content": "x"}]}]
    source = publish(storage, "odd", "conversations", rows)
    with pytest.raises(InvalidInput, match=f"odd@1, row {2:032x}: .*no role judge"):
        sft.run(workspace(Spec("sft", 3, SMALL, [source], base)))


def test_another_trl_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trl_adapter.metadata, "version", lambda name: "2.0.0")
    with pytest.raises(TilthError, match="TRL 2.0.0"):
        trl_adapter.require_pin()


def test_metrics_have_our_names():
    assert metric_name("eval_rewards/accuracies") == "validation_accuracy"
    assert metric_name("loss") == "loss" and metric_name("eval_runtime") == metric_name("epoch") == ""


def source(name: str, **more: Any) -> Source:
    return Source(f"{name}@1", "conversations", f"datasets/{name}/1", **more)


def test_rows_are_drawn_by_epochs_and_weights_evenly_and_exactly():
    two = [source("a", epochs=3.0), source("b")]
    order = drawn([10, 100], two, 1.0, None, 0)
    assert sorted(order) == sorted([*range(10)] * 3 + [*range(10, 110)])
    quarters = [sum(1 for n in order[start : start + 33] if n < 10) for start in (0, 32, 64, 97)]
    assert all(6 <= count <= 11 for count in quarters)
    first = [n for n in order if n < 10]
    assert sorted(first[:10]) == list(range(10)) and first[:10] != first[10:20]
    assert order == drawn([10, 100], two, 1.0, None, 0) != drawn([10, 100], two, 1.0, None, 1)
    weighted = drawn([10, 100], [source("a", weight=1.0), source("b", weight=3.0)], 2.0, None, 0)
    assert len(weighted) == 220 and sum(1 for n in weighted if n < 10) == 55
    assert len(drawn([10], [source("a")], 2.5, None, 0)) == 25
    steps = drawn([10, 30], [source("a"), source("b")], 1.0, 8, 0)
    assert len(steps) == 8


def test_answers_to_one_prompt_are_held_out_together(job: Callable[..., Workspace], storage: Storage):
    work = job(rows=1)
    rows = [
        {"messages": [{"role": "user", "content": f"q{n // 3}"}, {"role": "assistant", "content": str(n)}]}
        for n in range(90)
    ]
    several = publish(storage, "several", "conversations", rows)
    spec = Spec("sft", 9, {**SMALL, "validation_share": 0.2}, [several])
    held = Workspace(spec, work.report, work.cache)
    found = examples(held, SftConfig.from_json(spec.config), lambda row: {"p": row["messages"][0]["content"]})
    trained, measured = {row["p"] for row in found.rows}, {row["p"] for row in found.validation}
    assert not trained & measured and len(trained | measured) == 30 and 2 <= len(measured) <= 12
    aside = publish(storage, "aside", "conversations", rows[:6], role="validation")
    named = Workspace(Spec("sft", 9, SMALL, [several, aside]), work.report, work.cache)
    found = examples(named, SftConfig.from_json(SMALL), lambda row: {"p": row["messages"][0]["content"]})
    assert {row["p"] for row in found.validation} == {"q0", "q1"} and len(found.rows) == 84
    assert place(rows[0]) == place(rows[1]) != place(rows[3])
