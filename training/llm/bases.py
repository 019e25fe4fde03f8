"""The model that a run trains: made anew, or a checkpoint to go on with; and the vocabulary of either."""

from dataclasses import dataclass

import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

from tilth.errors import InvalidInput
from training.llm.checkpoints import Checkpoint
from training.llm.configs.pretrain import PretrainConfig
from training.llm.model import Loss, build, embedding_rows
from training.llm.program import Workspace
from training.llm.vocabulary import Vocabulary

_TRIED = 8


@dataclass(frozen=True)
class Base:
    """What a run starts with. ``checkpoint`` is ``None`` where the model is made anew."""

    vocabulary: Vocabulary
    checkpoint: Checkpoint | None

    @classmethod
    def of(cls, work: Workspace) -> "Base":
        """The run's tokenizer and base; raises :class:`InvalidInput` where they do not go together."""
        spec = work.spec
        if spec.base is None:
            checkpoint, folder = work.load(spec.tokenizer, "tokenizer")
            return cls(Vocabulary.of(folder, checkpoint.reference), None)
        checkpoint, folder = work.load(spec.base)
        if checkpoint.holds != "model":
            raise InvalidInput(f"{checkpoint.reference} holds no model to go on with.", field="base")
        vocabulary = Vocabulary.of(folder, checkpoint.reference)
        if spec.tokenizer is not None:
            other, _ = work.load(spec.tokenizer, "tokenizer")
            if other.tokenizer_hash != vocabulary.hash:
                raise InvalidInput(
                    f"{checkpoint.reference} has another tokenizer than {other.reference}: leave the tokenizer "
                    "empty, and the base's own is used.",
                    field="tokenizer",
                )
        return cls(vocabulary, checkpoint)

    def model(self, config: PretrainConfig) -> PreTrainedModel:
        """The model on the CPU, its weights in fp32."""
        logging.disable_progress_bar()  # a job's log is no terminal
        if self.checkpoint is None:
            torch.manual_seed(config.seed)
            return build(config.shape(self.vocabulary.size), self.vocabulary.end, self.vocabulary.pad)
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            self.vocabulary.folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
        self._check(model, config)
        return model

    def _check(self, model: PreTrainedModel, config: PretrainConfig) -> None:
        reach = getattr(model.config, "max_position_embeddings", None)
        if reach is not None and config.context > reach:
            raise InvalidInput(
                f"The base reads at most {reach:,} tokens: a context of {config.context:,} is too long.",
                field="context",
            )
        if embedding_rows(model) < self.vocabulary.size:
            raise InvalidInput(
                "The base has fewer tokens than its tokenizer: it cannot be trained.", field="base"
            )
        require_plain_loss(model)


@torch.no_grad()
def require_plain_loss(model: PreTrainedModel) -> None:
    """Raise :class:`InvalidInput` where a model's scores are more than its output matrix times its last layer.

    Some architectures cap or scale their scores; the loss here would silently be another one.
    """
    tried = torch.arange(_TRIED)[None]
    inputs, targets = tried[:, :-1], tried[:, 1:]
    expected = functional.cross_entropy(
        model.eval()(input_ids=inputs).logits.float()[0], targets[0], reduction="sum"
    )
    if not torch.isclose(Loss(model, chunked=False)(inputs, targets), expected, rtol=1e-4, atol=1e-4):
        raise InvalidInput(
            f"{type(model).__name__} changes its scores after the output layer; pretraining cannot go on with it.",
            field="base",
        )
