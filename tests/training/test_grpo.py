"""Reinforcement: advantages with known values, a solve rate that rises, KL measured, caps, tools, resuming."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.conftest import publish
from tests.training.posttraining import CONTEXT, make_model, make_tokenizer, pairs, put
from tilth.errors import InvalidInput
from tilth.storage import Storage
from tilth.verify import unit_cases
from tilth.verify.tools import CALCULATOR
from training.llm import checkpoints, grpo, reward, sft, trl_adapter
from training.llm.chat import Chat
from training.llm.configs.grpo import GrpoConfig
from training.llm.program import Stopped, Workspace
from training.llm.repetition import repeated, telling
from training.llm.rewards import require_verifiers, verifier_reward
from training.llm.rollouts import with_tools
from training.llm.spec import Part, Spec
from training.llm.special_tokens import TOOL_CALL, TOOL_CALL_END

SMALL = {
    "batch": 16,
    "micro_batch": 16,
    "group": 8,
    "completion_tokens": 8,
    "log_every": 1,
    "warmup": 0.0,
    "schedule": "constant",
    "validation_share": 0.0,
    "learning_rate": 3e-3,
}


def questions(count: int) -> list[dict[str, Any]]:
    return [
        {
            "prompt": [{"role": "user", "content": f"Pick {n}."}],
            "answer": "cat",
            "verifier": "exact",
        }
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def picker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers cat or dog, each half of the time."""
    from datasets import Dataset

    folder = tmp_path_factory.mktemp("picker")
    make_tokenizer(folder)
    make_model(folder)
    torch.set_num_threads(1)
    from training.llm.student import WRITES

    chat, model = Chat.of(folder), WRITES.load(folder)
    rows = [
        {"messages": [*row["prompt"], {"role": "assistant", "content": ("cat", "dog")[(n // 2) % 2]}]}
        for n, row in enumerate(questions(16))
    ]
    made = [sft.example(chat, row, 64, True) for row in rows]
    assert isinstance(Dataset.from_list(made), Dataset)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(40):
        optimizer.zero_grad()
        for one in made:
            ids, labels = torch.tensor([one["input_ids"]]), torch.tensor([one["labels"]])
            (model(ids, labels=labels).loss / len(made)).backward()
        optimizer.step()
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def base(storage: Storage, picker: Path) -> Part:
    return put(storage, picker, 800)


@pytest.fixture
def job(storage: Storage, workspace: Any, base: Part) -> Callable[..., Workspace]:
    def make(run: int = 1, attempt: int = 1, rows: int = 16, reward_model: Part | None = None, **config: Any):
        source = publish(storage, f"problems-{run}", "problems", questions(rows))
        spec = Spec("grpo", run, {**SMALL, **config}, [source], base, reward_model=reward_model)
        return workspace(spec, attempt)

    return make


def series(workspace: Any, name: str) -> list[float]:
    return [event["value"] for event in workspace.events if event.get("name") == name]


@pytest.mark.parametrize("algorithm", ["grpo", "rloo"])
def test_the_solve_rate_rises(
    algorithm: str, job: Callable[..., Workspace], workspace: Any, storage: Storage
):
    work = job(
        algorithm=algorithm,
        steps=40,
        learning_rate=2e-3,
        validation_share=0.2,
        validate_every=40,
        eval_samples=4,
    )
    result = grpo.run(work)
    assert result and result["checkpoint"] == "checkpoint:1/40"
    solved = series(workspace, "reward")
    assert sum(solved[-4:]) / 4 > sum(solved[:4]) / 4 + 0.2
    held = series(workspace, "validation_reward")
    assert held[-1] > held[0]
    for name in ("kl", "entropy", "zero_spread", "length", "truncated", "reward_std", "repetition"):
        assert len(series(workspace, name)) == 40, name
    assert checkpoints.read(storage, "checkpoints/1/40").stage == "grpo"


@pytest.mark.parametrize(
    ("ids", "share"),
    [([], 0), ([1, 2, 3], 0), ([1, 2, 3, 4, 5], 0), ([7] * 13, 0.9), ([1, 2, 3, 4] * 2, 0.2)],
)
def test_what_is_written_again_is_measured(ids: list[int], share: float):
    assert repeated(ids) == pytest.approx(share)
    told: dict[str, float] = {}
    reward = telling(lambda completion_ids, problem, **more: [float(n) for n in problem])
    assert reward(completion_ids=[ids, []], problem=[3, 4], log_metric=told.__setitem__) == [3.0, 4.0]
    assert told == {"repetition": pytest.approx(share / 2)}


def test_the_divergence_is_measured_though_it_weighs_nothing(job: Callable[..., Workspace], workspace: Any):
    assert grpo.run(job(steps=4, kl=0.0))
    kl = series(workspace, "kl")
    assert kl[0] == pytest.approx(0.0, abs=1e-6) and kl[-1] > 1e-5


REWARDS = [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, *[0.25, 0.75] * 4]


def advantages(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The advantages of a first step in which the completions get ``REWARDS``."""
    caught = []

    def known(completion_ids: list[list[int]], **more: Any) -> list[float]:
        return REWARDS

    monkeypatch.setattr(grpo, "_rewards", lambda *rest: [known])
    monkeypatch.setattr(trl_adapter, "fit", lambda work, trainer, telling: caught.append(trainer))
    grpo.run(work)
    (trainer,) = caught
    trainer.model.train()
    batch = next(iter(trainer.get_train_dataloader()))
    return trainer._generate_and_score_completions(batch)["advantages"].tolist()


def test_grpos_advantages_are_known(job: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch):
    expected = []
    for group in (REWARDS[:8], REWARDS[8:]):
        values = torch.tensor(group)
        expected += ((values - values.mean()) / (values.std() + 1e-4)).tolist()
    assert advantages(job(steps=1), monkeypatch) == pytest.approx(expected, abs=1e-5)


def test_rloos_advantages_are_known(job: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch):
    expected = [value - (sum(group) - value) / 7 for group in (REWARDS[:8], REWARDS[8:]) for value in group]
    found = advantages(job(steps=1, algorithm="rloo", kl=0.0), monkeypatch)
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_stopped_run_goes_on_as_if_nothing_had_been(
    job: Callable[..., Workspace], workspace: Any, monkeypatch: pytest.MonkeyPatch
):
    grpo.run(job(run=1, steps=4))
    whole = series(workspace, "reward"), series(workspace, "loss"), series(workspace, "tokens")
    workspace.events.clear()
    work = job(run=2, steps=4)
    monkeypatch.setattr(
        type(work.report), "stopping", property(lambda self: len(series(workspace, "loss")) == 1)
    )
    with pytest.raises(Stopped):
        grpo.run(work)
    monkeypatch.undo()
    workspace.events.clear()  # what was reported and perhaps read by nobody is reported again
    assert grpo.run(job(run=2, attempt=2, steps=4))
    assert (series(workspace, "reward"), series(workspace, "loss"), series(workspace, "tokens")) == whole


def test_a_reward_model_is_optimised_for_a_capped_number_of_updates(
    job: Callable[..., Workspace], workspace: Any, storage: Storage, base: Part
):
    source = publish(storage, "pairs", "preferences", pairs(16))
    small = {"batch": 8, "micro_batch": 8, "steps": 2, "learning_rate": 1e-3}
    scorer = workspace(Spec("reward", 20, small, [source], base))
    made = reward.run(scorer)
    assert made
    part = Part(made["checkpoint"], "checkpoints/20/2")
    workspace.events.clear()
    assert grpo.run(job(run=3, reward_model=part, steps=9, most_updates=2))["checkpoint"] == "checkpoint:3/2"
    assert len(series(workspace, "rewards/model/mean")) == 2 and not series(
        workspace, "rewards/verifier/mean"
    )
    assert "checkpoint:20/2" in checkpoints.read(storage, "checkpoints/3/2").parents
    workspace.events.clear()
    assert grpo.run(job(run=4, reward_model=part, steps=1, rewards="both"))
    total = series(workspace, "rewards/model/mean")[0] + series(workspace, "rewards/verifier/mean")[0]
    assert series(workspace, "reward")[0] == pytest.approx(total, abs=1e-5)
    with pytest.raises(InvalidInput, match="no reward model"):
        grpo.run(job(run=5, reward_model=base, steps=1))


def test_lora_learns_by_reward_too(job: Callable[..., Workspace], workspace: Any):
    assert grpo.run(job(steps=3, lora=True, learning_rate=1e-2))
    kl = series(workspace, "kl")
    assert kl[0] == pytest.approx(0.0, abs=1e-6) and kl[-1] > 0


def test_prompts_alone_have_nothing_to_verify(storage: Storage, workspace: Any, base: Part):
    rows = [{"messages": row["prompt"]} for row in questions(4)]
    source = publish(storage, "prompts", "prompts", rows)
    with pytest.raises(InvalidInput, match="no answer to verify"):
        grpo.run(workspace(Spec("grpo", 6, SMALL, [source], base)))


def test_a_step_needs_its_prompts_and_a_prompt_its_room(job: Callable[..., Workspace]):
    with pytest.raises(InvalidInput, match="A step takes 4 prompts"):
        grpo.run(job(rows=3, batch=32))
    with pytest.raises(InvalidInput, match="leave no room"):
        grpo.run(job(run=2, completion_tokens=CONTEXT - 1))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"batch": 12, "micro_batch": 12}, "multiple of group"),
        ({"tools": "shell"}, "no tool 'shell'"),
        ({"tools": "calculator", "algorithm": "rloo"}, "need GRPO"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(config: dict[str, Any], words: str):
    with pytest.raises(InvalidInput, match=words):
        GrpoConfig.from_json({**SMALL, **config})


def test_a_verifier_that_fails_its_cases_is_not_trained_on(monkeypatch: pytest.MonkeyPatch):
    require_verifiers(questions(2))
    monkeypatch.setattr(unit_cases, "verify", lambda claim, allow: type("Yes", (), {"right": True})())
    with pytest.raises(InvalidInput, match="exact judges"):
        require_verifiers(questions(2))


class Scripted:
    """What a model would write, turn by turn."""

    num_generations = 2

    def __init__(self, chat: Chat, turns: list[list[str]]) -> None:
        self.chat, self.turns, self.asked = chat, turns, []

    def _generate_single_turn(self, asked: list[list[int]], *rest: Any) -> tuple[list[list[int]], None]:
        self.asked.append(asked)
        return [self._ids(text) for text in self.turns.pop(0)], None

    def _ids(self, text: str) -> list[int]:
        self.chat.tokenizer.encode_special_tokens = False
        ids = self.chat.tokenizer.encode(text, add_special_tokens=False).ids
        self.chat.tokenizer.encode_special_tokens = True
        return ids


def test_a_completion_goes_on_after_its_tools_answer(picker: Path):
    chat = Chat.of(picker)
    call = (
        f'{TOOL_CALL}{{"name": "calculator", "arguments": {{"expression": "2+3"}}}}{TOOL_CALL_END}<|im_end|>'
    )
    trainer = Scripted(chat, [[call, "5<|im_end|>"], ["It is 5<|im_end|>"]])
    config = GrpoConfig.from_json({**SMALL, "completion_tokens": 200, "tools": "calculator"})
    prompt = '[{"role": "user", "content": "2+3?"}]'
    found = with_tools(chat, [CALCULATOR], config)([prompt, prompt], trainer)
    first, second = found["completion_ids"]
    text = chat.tokenizer.decode(first, skip_special_tokens=False)
    assert text == (
        f"{call}\n<|im_start|>tool\n<tool_response>5</tool_response><|im_end|>\n"
        "<|im_start|>assistant\nIt is 5<|im_end|>"
    )
    learned = [id for id, own in zip(first, found["env_mask"][0], strict=True) if own]
    assert chat.tokenizer.decode(learned, skip_special_tokens=False) == f"{call}It is 5<|im_end|>"
    assert found["env_mask"][1] == [1] * len(second) and len(trainer.asked[1]) == 1
    assert trainer.asked[1][0] == found["prompt_ids"][0] + first[: -len(found["final"][0])]
    rewarded = verifier_reward(chat, [{"answer": "It is 5"}, {"answer": "5"}])
    assert rewarded(found["completion_ids"], [0, 1], final=found["final"]) == [1.0, 1.0]


def test_rounds_and_room_bound_a_completion_with_tools(picker: Path):
    chat = Chat.of(picker)
    call = (
        f'{TOOL_CALL}{{"name": "calculator", "arguments": {{"expression": "2+3"}}}}{TOOL_CALL_END}<|im_end|>'
    )
    prompt = '[{"role": "user", "content": "2+3?"}]'
    config = GrpoConfig.from_json(
        {**SMALL, "completion_tokens": 2000, "tools": "calculator", "tool_rounds": 2}
    )
    trainer = Scripted(chat, [[call], [call], [call], [call]])
    found = with_tools(chat, [CALCULATOR], config)([prompt], trainer)
    assert len(trainer.asked) == 3
    assert (
        chat.tokenizer.decode(found["completion_ids"][0], skip_special_tokens=False).count("<tool_response>")
        == 2
    )
    short = GrpoConfig.from_json({**SMALL, "completion_tokens": 60, "tools": "calculator"})
    trainer = Scripted(chat, [[call], [call]])
    found = with_tools(chat, [CALCULATOR], short)([prompt], trainer)
    assert len(trainer.asked) == 1 and len(found["completion_ids"][0]) <= 60


def test_a_run_with_tools_trains(job: Callable[..., Workspace], workspace: Any):
    assert grpo.run(job(steps=2, tools="calculator", completion_tokens=6, group=2, batch=4, micro_batch=4))
    assert len(series(workspace, "loss")) == 2
