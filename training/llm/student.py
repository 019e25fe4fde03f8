"""The model that is trained further: its weights, its tokenizer made ready for conversations, and how it is kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import training.llm.lean  # noqa: F401

# isort: split
import torch
from peft import LoraConfig, PeftModel, TaskType
from tokenizers import Tokenizer
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from tilth.errors import InvalidInput
from training.llm.chat import Chat
from training.llm.checkpoints import Checkpoint
from training.llm.configs.posttraining import PosttrainingConfig
from training.llm.dressing import dress
from training.llm.export import write_model
from training.llm.program import Workspace
from training.llm.record import record, template_hash, tokenizer_hash
from training.llm.spec import Part
from training.llm.trainer_state import with_room

_MULTIPLE = 64


@dataclass(frozen=True)
class Student:
    """A model to train.

    ``folder`` holds the weights as they were before (the reference, LoRA's base); ``files`` the dressed
    tokenizer; ``context`` is the longest example in tokens; ``stops`` are the ids that end an answer; ``lora`` is
    what PEFT is told, where it is used.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    chat: Chat
    folder: Path
    files: Path
    base: Checkpoint
    context: int
    stops: tuple[int, ...]
    lora: LoraConfig | None = None


@dataclass(frozen=True)
class Kind:
    """What a model answers with: the next token, or (``scores``) one number."""

    scores: bool = False

    @property
    def loader(self) -> Any:
        """The class of transformers that reads such a model."""
        return AutoModelForSequenceClassification if self.scores else AutoModelForCausalLM

    @property
    def task(self) -> TaskType:
        """PEFT's name for it."""
        return TaskType.SEQ_CLS if self.scores else TaskType.CAUSAL_LM

    def load(self, folder: Path, **more: Any) -> PreTrainedModel:
        """A model from a folder, in fp32 unless told otherwise."""
        logging.disable_progress_bar()  # a job's log is no terminal
        settings = {"dtype": torch.float32, "attn_implementation": "sdpa"} | more
        settings |= {"local_files_only": True, "use_safetensors": True}
        if self.scores:
            settings["num_labels"] = 1
        model: PreTrainedModel = self.loader.from_pretrained(folder, **settings)
        return model


WRITES = Kind()
SCORES = Kind(scores=True)


def prepare(work: Workspace, config: PosttrainingConfig, kind: Kind = WRITES) -> Student:
    """The run's base checkpoint, ready to be trained.

    Raises :class:`InvalidInput` where it has no weights, where ``context`` is longer than it takes, or where
    LoRA cannot teach it the marks of a conversation.
    """
    base, folder = work.load(work.spec.base)
    if base.holds != "model":
        raise InvalidInput(f"{base.reference} holds no weights: choose a model.", field="base")
    if base.scores and not kind.scores:
        raise InvalidInput(f"{base.reference} scores and does not write: choose another base.", field="base")
    files = work.scratch / "tokenizer"
    dress(folder, files, config.template)
    torch.manual_seed(config.seed)
    model = kind.load(folder)
    grown = _grow(model, files, config)
    if grown:
        folder = work.scratch / "base"
        model.save_pretrained(folder)
    tokenizer, chat = AutoTokenizer.from_pretrained(files, local_files_only=True), Chat.of(files)
    stops = tuple(dict.fromkeys([*chat.stops, *_stops_of(model)]))
    _tell_ends(model, tokenizer, stops)
    lora = None
    if config.lora:
        lora = LoraConfig(
            r=config.lora_rank,
            lora_alpha=config.lora_alpha,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type=kind.task,
        )
    return Student(model, tokenizer, chat, folder, files, base, _context(model, config), stops, lora)


def reference(work: Workspace, part: Part | None, student: Student) -> Path:
    """The folder of the model that the trained one is compared with: the named checkpoint's, or the base's.

    Raises :class:`InvalidInput` where that has another tokenizer, or LoRA trains (its reference is its base).
    """
    if part is None or part.folder == student.base.folder:
        return student.folder
    if student.lora:
        raise InvalidInput(
            "With LoRA the reference is the base: choose no other one.", field="reference_model"
        )
    other, folder = work.load(part, "reference_model")
    if other.tokenizer_hash != tokenizer_hash(student.files):
        raise InvalidInput(
            f"{other.reference} has another tokenizer than the model: choose one of the same.",
            field="reference_model",
        )
    return folder


def keep(
    work: Workspace,
    student: Student,
    config: PosttrainingConfig,
    trained: Any,
    step: int,
    tokens: int,
    metrics: dict[str, float],
    kind: Kind = WRITES,
    samples: Sequence[dict[str, Any]] = (),
) -> Checkpoint:
    """Store the trained model as the run's checkpoint after ``step``.

    LoRA's matrices are added to the base's, so that what is stored is a whole model; they themselves lie beside it
    in ``adapter/``. ``samples`` are what it answers now, shown on its page.
    """
    whole = _whole(work, student, trained, kind)
    _tell_ends(whole, student.tokenizer, student.stops)  # TRL set them to what the tokenizer names alone

    def write(made: Path) -> None:
        write_model(whole, student.files, made)
        if isinstance(trained, PeftModel):
            trained.save_pretrained(str(made / "adapter"))
        if samples:
            (made / "samples.json").write_text(json.dumps(list(samples), ensure_ascii=False))

    def stored(made: Path) -> Checkpoint:
        checkpoint = Checkpoint(
            run=work.spec.run,
            step=step,
            stage=work.spec.stage,
            holds="model",
            tokens=tokens,
            parameters=sum(weight.numel() for weight in whole.parameters()),
            architecture=whole.config.architectures[0],
            context=int(whole.config.get_text_config().max_position_embeddings),
            tokenizer_hash=tokenizer_hash(made),
            template_hash=template_hash(made),
            licence=student.base.licence,
            config=config.to_json(),
            metrics=metrics,
            parents=work.spec.parents,
            record=record(config.seed),
        )
        return work.store(made, checkpoint)

    return with_room(work.scratch / f"export-{step}", write, stored)


def _whole(work: Workspace, student: Student, trained: Any, kind: Kind) -> Any:
    """The trained model without LoRA: its matrices added to those of its base."""
    if not isinstance(trained, PeftModel):
        return trained
    adapter = work.scratch / "adapter"
    trained.save_pretrained(str(adapter))
    return PeftModel.from_pretrained(kind.load(student.folder), adapter).merge_and_unload()


def _context(model: PreTrainedModel, config: PosttrainingConfig) -> int:
    longest = int(model.config.get_text_config().max_position_embeddings)
    if config.context and config.context > longest:
        raise InvalidInput(f"The model takes {longest:,} tokens: set a shorter context.", field="context")
    return config.context or longest


def _grow(model: PreTrainedModel, files: Path, config: PosttrainingConfig) -> bool:
    """Give the model rows for the tokens that its tokenizer got; says whether it had too few."""
    wanted = Tokenizer.from_file(str(files / "tokenizer.json"))
    needed = max(wanted.get_vocab().values()) + 1
    rows: Any = model.get_input_embeddings().num_embeddings
    if needed <= rows:
        return False
    if config.lora:
        raise InvalidInput(
            "This model does not know the marks of a conversation, and LoRA trains no new tokens: fine-tune it "
            "without LoRA first.",
            field="lora",
        )
    model.resize_token_embeddings(needed, pad_to_multiple_of=_MULTIPLE)
    return True


def _stops_of(model: PreTrainedModel) -> list[int]:
    """The ids at which the model stopped before."""
    found = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    return [found] if isinstance(found, int) else list(found or [])


def _tell_ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, stops: tuple[int, ...]) -> None:
    """Generation stops at the end of a turn and at the end of a text; padding is told to all that ask."""
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    settings = getattr(model, "generation_config", None)
    if settings is not None:
        settings.eos_token_id = list(stops)
        settings.pad_token_id = tokenizer.pad_token_id
