"""The stage ``sft``: a model learns to answer from conversations."""

from collections.abc import Mapping
from typing import Any

from trl import SFTConfig, SFTTrainer, pack_dataset

from training.llm.chat import Chat, Encoded
from training.llm.configs.sft import SftConfig
from training.llm.program import Workspace, main
from training.llm.rows import Example, examples
from training.llm.student import prepare
from training.llm.trl_adapter import arguments, datasets_of, finished, ours, require_pin, train

IGNORED = -100


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


def example(chat: Chat, row: Mapping[str, Any], context: int, assistant_only: bool) -> Example | str:
    """A row of ``conversations`` or ``completions`` as ids and labels, cut at ``context``.

    Left out where nothing would be learned from it; what stands first is never predicted.
    """
    encoded = encode(chat, row)
    labels = encoded.labels if assistant_only else list(encoded.ids)
    ids, labels = encoded.ids[:context], labels[:context]
    if all(label == IGNORED for label in labels[1:]):
        return "have no answer within the context" if any(encoded.trained) else "have no answer"
    return {"input_ids": ids, "labels": [IGNORED, *labels[1:]]}


def encode(chat: Chat, row: Mapping[str, Any]) -> Encoded:
    """The conversation of a row; a completion follows its prompt."""
    if "completion" in row:
        return chat.encode([*row["prompt"], *row["completion"]])
    return chat.encode_row(row)


def packed(dataset: Any, context: int, seed: int) -> Any:
    """Examples put together into rows of at most ``context`` tokens, none cut, in a shuffled order."""
    columns = dataset.select_columns(["input_ids", "labels"])
    return pack_dataset(columns, context, "bfd", {"keep_in_memory": True}).shuffle(seed=seed)


if __name__ == "__main__":
    main(run)
