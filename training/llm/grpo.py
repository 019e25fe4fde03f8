"""The stage ``grpo``: a model tries, and learns from the tries that were rewarded more than their group.

GRPO (Shao et al., 2024, "DeepSeekMath") compares a completion with the mean of its group; RLOO (Ahmadian et al.,
2024, "Back to Basics") with the mean of the others. The divergence from the reference is always measured. With a
reward model the number of updates is capped unless somebody lifts the cap: optimised for long, it is gamed.
"""

import json
from collections.abc import Mapping
from typing import Any

import training.llm.lean  # noqa: F401

# isort: split
from trl import GRPOConfig as TrlGrpoConfig
from trl import GRPOTrainer, RLOOConfig, RLOOTrainer

from tilth.errors import InvalidInput
from training.llm.chat import Chat
from training.llm.configs.grpo import GrpoConfig
from training.llm.program import Workspace, main
from training.llm.repetition import telling
from training.llm.rewards import Reward, model_reward, require_verifiers, verifier_reward
from training.llm.rollouts import sampler, with_tools
from training.llm.rows import Example, Examples, examples
from training.llm.student import Student, prepare, reference
from training.llm.tools import offered, schemas_of
from training.llm.trl_adapter import arguments, datasets_of, finished, require_pin, train

KL_OF_MODEL, KL_OF_VERIFIER = 0.05, 0.001
MEASURED = 1e-9
"""TRL measures the divergence only where it weighs something: this weighs nothing that counts."""


def run(work: Workspace) -> dict[str, Any] | None:
    """Train by reward and store ``checkpoint:<run>/<step>``; held-out problems are tried along the way."""
    require_pin()
    if (done := finished(work)) is not None:
        return done
    config = GrpoConfig.from_json(work.spec.config)
    student = prepare(work, config)
    student.model.config._name_or_path = str(reference(work, work.spec.reference_model, student))
    rows: list[dict[str, Any]] = []
    found = examples(
        work, config, lambda row: _example(student, config, row, rows), config.batch // config.group
    )
    rewards = _rewards(work, config, student.chat, rows)
    steps = _steps(work, config, found)
    trainer = _trainer(work, config, student, found, rewards, steps)
    return train(work, config, student, found, trainer)


def _example(
    student: Student, config: GrpoConfig, row: Mapping[str, Any], rows: list[dict[str, Any]]
) -> Example | str:
    """A row of ``problems`` or ``prompts``; it is kept in ``rows``, of which the example is a number."""
    messages = row["prompt"] if "prompt" in row else row["messages"]
    prompt = student.chat.encode(messages, schemas_of(config), prompt=True)
    if len(prompt.ids) + config.completion_tokens > student.context:
        return "leave no room for a completion"
    rows.append({**row, "messages": messages})
    return {"prompt": json.dumps(messages), "problem": len(rows) - 1}


def _rewards(work: Workspace, config: GrpoConfig, chat: Chat, rows: list[dict[str, Any]]) -> list[Reward]:
    wanted = config.rewards
    if wanted == "auto":
        wanted = "model" if work.spec.reward_model else "verifier"
    found = []
    if wanted in ("verifier", "both"):
        if any("answer" not in row for row in rows):
            raise InvalidInput(
                "Prompts have no answer to verify: choose problems, or a reward model.", field="dataset"
            )
        require_verifiers(rows)
        found.append(verifier_reward(chat, rows))
    if wanted in ("model", "both"):
        found.append(model_reward(work, work.spec.reward_model, chat, rows))
    return found


def _steps(work: Workspace, config: GrpoConfig, found: Examples) -> int:
    prompts = config.batch // config.group
    if len(found.train) < prompts:
        raise InvalidInput(
            f"A step takes {prompts} prompts, but there are {len(found.train)}: make the batch smaller or see "
            "the prompts more often (epochs).",
            field="batch",
        )
    steps = config.steps or len(found.train) // prompts
    if work.spec.reward_model and config.rewards != "verifier" and 0 < config.most_updates < steps:
        work.report.log(
            f"A reward model is gamed if optimised for long: {config.most_updates} updates instead of {steps}."
        )
        return config.most_updates
    return steps


def _trainer(
    work: Workspace,
    config: GrpoConfig,
    student: Student,
    found: Examples,
    rewards: list[Reward],
    steps: int,
) -> Any:
    learned, validation = datasets_of(found)
    tools = offered(work, config)
    is_rloo = config.algorithm == "rloo"
    args = arguments(
        work,
        config,
        RLOOConfig if is_rloo else TrlGrpoConfig,
        steps,
        bool(validation),
        **_settings(config, work),
    )
    more = {} if is_rloo else {"rollout_func": with_tools(student.chat, tools, config) if tools else None}
    return sampler(RLOOTrainer if is_rloo else GRPOTrainer, student.chat)(
        model=student.model,
        reward_funcs=[telling(rewards[0]), *rewards[1:]],
        args=args,
        train_dataset=learned,
        eval_dataset=validation,
        processing_class=student.tokenizer,
        peft_config=student.lora,
        **more,
    )


def _settings(config: GrpoConfig, work: Workspace) -> dict[str, Any]:
    usual = KL_OF_MODEL if work.spec.reward_model else KL_OF_VERIFIER
    settings: dict[str, Any] = {
        "num_generations": config.group,
        "num_generations_eval": config.eval_samples,
        "per_device_eval_batch_size": max(1, config.micro_batch // config.eval_samples) * config.eval_samples,
        "max_completion_length": config.completion_tokens,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "beta": max(MEASURED, usual if config.kl is None else config.kl),
        "epsilon": config.clip_ratio,
        "shuffle_dataset": False,
    }
    if config.algorithm == "grpo":
        settings |= {"loss_type": config.loss, "scale_rewards": config.scale}
    return settings


if __name__ == "__main__":
    main(run)
