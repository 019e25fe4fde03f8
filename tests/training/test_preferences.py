"""Reward model and DPO: losses with known answers, held-out accuracy, margins, and what is left out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import DPOConfig as TrlDpoConfig
from trl import DPOTrainer, RewardTrainer
from trl import RewardConfig as TrlRewardConfig

from tests.training.conftest import publish
from tests.training.posttraining import CONTEXT, make_model, make_tokenizer, pairs, put
from tilth.errors import InvalidInput
from tilth.storage import Storage
from training.llm import checkpoints, dpo, reward, sft
from training.llm.chat import Chat
from training.llm.chat_template import Template
from training.llm.configs.dpo import DpoConfig
from training.llm.configs.reward import RewardConfig
from training.llm.pairs import pair, preferred, scored
from training.llm.program import Workspace
from training.llm.rewards import conversation, scores
from training.llm.spec import Part, Spec
from training.llm.special_tokens import END, SPECIAL_TOKENS
from training.llm.student import SCORES, WRITES
from training.llm.trl_adapter import arguments, ours

SMALL = {"batch": 8, "micro_batch": 8, "log_every": 1, "warmup": 0.0, "schedule": "constant"}


@pytest.fixture
def job(storage: Storage, workspace: Any, base: Part) -> Callable[..., Workspace]:
    def make(stage: str, rows: int = 64, run: int = 1, **config: Any) -> Workspace:
        source = publish(storage, f"pairs-{run}", "preferences", pairs(rows))
        return workspace(Spec(stage, run, {**SMALL, **config}, [source], base))

    return make


def series(workspace: Any, name: str) -> list[float]:
    return [event["value"] for event in workspace.events if event.get("name") == name]


def test_a_reward_model_learns_what_people_preferred(
    job: Callable[..., Workspace], workspace: Any, storage: Storage, tmp_path: Path
):
    work = job("reward", steps=25, learning_rate=3e-3, validation_share=0.25, validate_every=10)
    result = reward.run(work)
    assert result and result["validation_rows"] >= 5
    accuracy = series(workspace, "validation_accuracy")
    assert accuracy[-1] > 0.9 and len(accuracy) >= 3
    assert series(workspace, "loss")[-1] < series(workspace, "loss")[0]
    checkpoint, made = checkpoints.load(work.cache, storage, "checkpoints/1/25", tmp_path)
    assert checkpoint.architecture == "LlamaForSequenceClassification"
    assert checkpoint.metrics["validation_accuracy"] == accuracy[-1]
    model, chat = AutoModelForSequenceClassification.from_pretrained(made), Chat.of(made)
    row = pairs(60)[-1]
    texts = [conversation(chat, row["prompt"], row[side][0]) for side in ("chosen", "rejected")]
    better, worse = scores(model, texts)
    assert better > worse
    alone = [scores(model, [text])[0] for text in texts]
    assert [better, worse] == pytest.approx(alone, abs=1e-4), "a shorter neighbour's padding changes nothing"
    with pytest.raises(InvalidInput, match="scores and does not write"):
        put(storage, made, 801, architecture=checkpoint.architecture)
        talks = publish(storage, "talks", "preferences", pairs(4))
        part = Part("checkpoint:801/0", "checkpoints/801/0")
        dpo.run(workspace(Spec("dpo", 4, SMALL, [talks], part)))


def test_the_loss_is_bradley_and_terrys_with_a_margin_by_strength(
    job: Callable[..., Workspace], chat: Chat, folder: Path
):
    work = job("reward", margin=0.5, centre=0.0)
    config = RewardConfig.from_json(work.spec.config)
    rows = pairs(6)
    made = [scored(chat, row, CONTEXT, config.margin) for row in rows]
    assert [one["margin"] for one in made] == [0.5, 1.0, 1.5] * 2
    model = SCORES.load(folder)
    model.config.pad_token_id = chat.tokenizer.token_to_id("<|pad|>")
    torch.nn.init.normal_(model.score.weight, std=1.0)
    expected = []
    for one in made:
        score = [model(torch.tensor([one[side]])).logits.item() for side in ("chosen_ids", "rejected_ids")]
        expected.append(
            -torch.nn.functional.logsigmoid(torch.tensor(score[0] - score[1] - one["margin"])).item()
        )
    args = arguments(work, config, TrlRewardConfig, 1, False, max_length=None)
    trainer = ours(RewardTrainer)(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(made),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    batch = trainer.data_collator([trainer.train_dataset[n] for n in range(6)])
    trainer.model.eval()
    found = trainer.compute_loss(trainer.model, batch).item()
    assert found == pytest.approx(sum(expected) / 6, rel=1e-5)


def test_dpo_moves_towards_what_was_preferred(
    job: Callable[..., Workspace], workspace: Any, storage: Storage
):
    work = job("dpo", steps=12, learning_rate=2e-3, validation_share=0.2, validate_every=6)
    result = dpo.run(work)
    assert result and result["checkpoint"] == "checkpoint:1/12"
    accuracy = series(workspace, "validation_accuracy")
    assert accuracy[-1] > 0.9
    assert (
        series(workspace, "margin")[-1] > 0 and series(workspace, "loss")[-1] < series(workspace, "loss")[0]
    )
    assert checkpoints.read(storage, "checkpoints/1/12").architecture == "LlamaForCausalLM"


def test_dpo_under_lora_is_held_to_its_base(job: Callable[..., Workspace], workspace: Any):
    assert dpo.run(job("dpo", steps=3, lora=True, learning_rate=1e-2, validation_share=0.0))
    losses = series(workspace, "loss")
    assert losses[0] == pytest.approx(torch.log(torch.tensor(2.0)).item(), rel=1e-4)
    assert losses[-1] < losses[0]


def test_the_loss_of_dpo_is_known(job: Callable[..., Workspace], chat: Chat, folder: Path, tmp_path: Path):
    work = job("dpo", beta=0.3)
    config = DpoConfig.from_json(work.spec.config)
    made = [preferred(chat, row, CONTEXT) for row in pairs(5)]
    make_tokenizer(tmp_path)
    make_model(tmp_path, seed=7)
    policy, other = WRITES.load(folder), WRITES.load(tmp_path)

    def logp(model: Any, one: dict[str, list[int]], side: str) -> float:
        ids = torch.tensor([one["prompt_ids"] + one[side]])
        found = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        return found[len(one["prompt_ids"]) - 1 :].sum().item()

    expected = [
        -torch.nn.functional.logsigmoid(
            torch.tensor(
                0.3
                * (
                    (logp(policy, one, "chosen_ids") - logp(other, one, "chosen_ids"))
                    - (logp(policy, one, "rejected_ids") - logp(other, one, "rejected_ids"))
                )
            )
        ).item()
        for one in made
    ]
    args = arguments(work, config, TrlDpoConfig, 1, False, max_length=None, beta=config.beta)
    trainer = ours(DPOTrainer)(
        model=policy,
        ref_model=other,
        args=args,
        train_dataset=Dataset.from_list(made),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    batch = trainer.data_collator([trainer.train_dataset[n] for n in range(5)])
    trainer.model.eval()
    assert trainer.compute_loss(trainer.model, batch).item() == pytest.approx(sum(expected) / 5, rel=1e-4)


def test_answers_follow_their_prompt_up_to_the_stop(chat: Chat):
    row = pairs(1)[0]
    prompt, chosen, rejected = pair(chat, row)
    assert chat.tokenizer.decode(chosen, skip_special_tokens=False) == "The cat likes the garden." + END
    assert rejected[-1] == chosen[-1] == chat.tokenizer.token_to_id(END)
    assert prompt == chat.encode(row["prompt"], prompt=True).ids


def test_pairs_that_teach_nothing_are_left_out(chat: Chat):
    row = pairs(1)[0]
    assert pair(chat, {**row, "rejected": row["chosen"]}) == "have the same answer twice"
    assert pair(chat, {**row, "rejected": []}) == "have no answer"
    prompt, chosen, _ = pair(chat, row)
    assert scored(chat, row, len(prompt) + 2, 1.0) == "are longer than the context"
    assert preferred(chat, row, len(prompt)) == "are longer than the context"
    cut = preferred(chat, row, len(prompt) + 3)
    assert cut["chosen_ids"] == chosen[:3] and len(cut["rejected_ids"]) == 3
    assert scored(chat, {**row, "strength": None}, CONTEXT, 1.0)["margin"] == 0


def test_a_template_that_rewrites_its_prompt_is_refused(chat: Chat):
    source = (
        "{% for m in messages %}{{ loop.length }}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
        "{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    with pytest.raises(InvalidInput, match="writes a prompt differently"):
        pair(Chat(chat.tokenizer, Template(source, SPECIAL_TOKENS, {})), pairs(1)[0])


def test_another_reference_must_have_the_same_tokens_and_no_lora(
    job: Callable[..., Workspace], storage: Storage, workspace: Any, base: Part, tmp_path: Path
):
    made = tmp_path / "other"
    made.mkdir()
    make_tokenizer(made)
    make_model(made, seed=9)
    same = put(storage, made, 810)
    work = job("dpo", run=7, steps=1)
    spec = Spec("dpo", 7, work.spec.config, work.spec.sources, base, reference_model=same)
    workspace.events.clear()
    assert dpo.run(workspace(spec))
    first = series(workspace, "loss")[0]
    assert first != pytest.approx(0.6931, abs=1e-3), "the reference is another model: the ratio is not one"
    with pytest.raises(InvalidInput, match="With LoRA"):
        dpo.run(workspace(Spec("dpo", 8, {**SMALL, "lora": True}, spec.sources, base, reference_model=same)))
    from training.llm import pretokens

    odd = tmp_path / "odd"
    odd.mkdir()
    pretokens.save(pretokens.train(["abc abd abe " * 9], 266), odd, CONTEXT)
    make_model(odd)
    with pytest.raises(InvalidInput, match="another tokenizer"):
        part = put(storage, odd, 811)
        dpo.run(workspace(Spec("dpo", 9, SMALL, spec.sources, base, reference_model=part)))


def test_a_tokenizer_alone_is_no_base(storage: Storage, workspace: Any, tokenizer_part: Part):
    source = publish(storage, "p", "preferences", pairs(4))
    with pytest.raises(InvalidInput, match="holds no weights"):
        sft.run(workspace(Spec("sft", 2, SMALL, [source], tokenizer_part)))
