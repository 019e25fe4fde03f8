"""The stage ``sft``: a model learns to answer from conversations."""

from typing import Any

import training.llm.lean  # noqa: F401

# isort: split
from trl import SFTConfig, SFTTrainer, pack_dataset

from training.llm.configs.sft import SftConfig
from training.llm.program import Workspace, main
from training.llm.rows import examples
from training.llm.student import prepare
from training.llm.talks import example
from training.llm.trl_adapter import arguments, datasets_of, finished, ours, require_pin, train


def run(work: Workspace) -> dict[str, Any] | None:
    """Fine-tune and store ``checkpoint:<run>/<step>``."""
    require_pin()
    if (done := finished(work)) is not None:
        return done
    config = SftConfig.from_json(work.spec.config)
    student = prepare(work, config)
    found = examples(
        work, config, lambda row: example(student.chat, row, student.context, config.assistant_only)
    )
    learned, validation = datasets_of(found)
    if config.packing:
        learned = packed(learned, student.context, config.seed)
    steps = config.steps or -(-len(learned) // config.batch)
    args = arguments(
        work,
        config,
        SFTConfig,
        steps,
        validation is not None,
        max_length=None,
        packing=False,
        padding_free=config.packing,
        shuffle_dataset=False,
    )
    trainer = ours(SFTTrainer)(
        model=student.model,
        args=args,
        train_dataset=learned,
        eval_dataset=validation,
        processing_class=student.tokenizer,
        peft_config=student.lora,
    )
    return train(work, config, student, found, trainer)


def packed(dataset: Any, context: int, seed: int) -> Any:
    """Examples put together into rows of at most ``context`` tokens, none cut, in a shuffled order."""
    columns = dataset.select_columns(["input_ids", "labels"])
    return pack_dataset(columns, context, "bfd", {"keep_in_memory": True}).shuffle(seed=seed)


if __name__ == "__main__":
    main(run)
