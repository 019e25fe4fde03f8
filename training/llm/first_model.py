"""The model that pretraining begins with: made anew, or a checkpoint's to go on with."""

import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

from tilth.errors import InvalidInput
from training.llm.bases import Base
from training.llm.configs.pretrain import PretrainConfig
from training.llm.model import Loss, build, embedding_rows

_TRIED = 8


def first_model(base: Base, config: PretrainConfig) -> PreTrainedModel:
    """The model on the CPU, its weights in fp32; raises :class:`InvalidInput` where a base cannot be trained so."""
    logging.disable_progress_bar()  # a job's log is no terminal
    if base.checkpoint is None:
        torch.manual_seed(config.seed)
        return build(config.shape(base.vocabulary.size), base.vocabulary.end, base.vocabulary.pad)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        base.vocabulary.folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    _check(base, model, config)
    return model


def _check(base: Base, model: PreTrainedModel, config: PretrainConfig) -> None:
    reach = getattr(model.config, "max_position_embeddings", None)
    if reach is not None and config.context > reach:
        raise InvalidInput(
            f"The base reads at most {reach:,} tokens: a context of {config.context:,} is too long.",
            field="context",
        )
    if embedding_rows(model) < base.vocabulary.size:
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
