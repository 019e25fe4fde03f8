"""The stage ``dpo``: a model learns to prefer what people preferred (Rafailov et al., 2023, "Direct Preference
Optimization"), held to a reference.
"""

from typing import Any

import training.llm.lean  # noqa: F401

# isort: split
from trl import DPOConfig as TrlDpoConfig
from trl import DPOTrainer

from training.llm.configs.dpo import DpoConfig
from training.llm.pairs import preferred
from training.llm.program import Workspace, main
from training.llm.rows import examples
from training.llm.student import WRITES, prepare, reference
from training.llm.trl_adapter import arguments, datasets_of, finished, ours, require_pin, train


def run(work: Workspace) -> dict[str, Any] | None:
    """Train on pairs and store ``checkpoint:<run>/<step>``; held-out accuracy is measured along the way."""
    require_pin()
    if (done := finished(work)) is not None:
        return done
    config = DpoConfig.from_json(work.spec.config)
    student = prepare(work, config)
    compared = reference(work, work.spec.reference_model, student)
    found = examples(work, config, lambda row: preferred(student.chat, row, student.context))
    learned, validation = datasets_of(found)
    args = arguments(
        work,
        config,
        TrlDpoConfig,
        config.steps or found.of_batches(config.batch),
        validation is not None,
        max_length=None,
        beta=config.beta,
        loss_type=[config.loss],
        label_smoothing=config.label_smoothing,
    )
    trainer = ours(DPOTrainer)(
        model=student.model,
        ref_model=None if student.lora else WRITES.load(compared),
        args=args,
        train_dataset=learned,
        eval_dataset=validation,
        processing_class=student.tokenizer,
        peft_config=student.lora,
    )
    return train(work, config, student, found, trainer)


if __name__ == "__main__":
    main(run)
