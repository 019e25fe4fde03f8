"""The stage ``reward``: a model learns to score answers as people compared them (Bradley and Terry, 1952).

The loss of a pair is ``-log sigmoid(score of the better - score of the worse - margin)``: a label that says "much
better" asks for a larger lead than one that says "slightly", as in Touvron et al. (2023), "Llama 2".
"""

from typing import Any

import training.llm.lean  # noqa: F401

# isort: split
from trl import RewardConfig as TrlRewardConfig
from trl import RewardTrainer

from training.llm.configs.reward import RewardConfig
from training.llm.pairs import scored
from training.llm.program import Workspace, main
from training.llm.rows import examples
from training.llm.student import SCORES, prepare
from training.llm.trl_adapter import arguments, datasets_of, finished, ours, require_pin, train


def run(work: Workspace) -> dict[str, Any] | None:
    """Train a reward model and store ``checkpoint:<run>/<step>``; held-out accuracy is measured along the way."""
    require_pin()
    if (done := finished(work)) is not None:
        return done
    config = RewardConfig.from_json(work.spec.config)
    student = prepare(work, config, SCORES)
    found = examples(work, config, lambda row: scored(student.chat, row, student.context, config.margin))
    learned, validation = datasets_of(found)
    args = arguments(
        work,
        config,
        TrlRewardConfig,
        config.steps or found.of_batches(config.batch),
        validation is not None,
        max_length=None,
        center_rewards_coefficient=config.centre or None,
    )
    trainer = ours(RewardTrainer)(
        model=student.model,
        args=args,
        train_dataset=learned,
        eval_dataset=validation,
        processing_class=student.tokenizer,
        peft_config=student.lora,
    )
    return train(work, config, student, found, trainer, SCORES)


if __name__ == "__main__":
    main(run)
