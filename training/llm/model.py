"""Models to pretrain: Hugging Face's own classes, so that an export is what plain transformers loads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import (
    AttentionInterface,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from training.llm.sizes import GPT2, Shape

CHUNK_TOKENS = 4096
IGNORED = -100
CAUSAL = "tilth_causal"


def build(shape: Shape, end: int, pad: int | None) -> PreTrainedModel:
    """A model of this shape with random weights; ``end`` and ``pad`` are the ids of its special tokens.

    Matrices that write into the residual stream start smaller by √(2 · layers), as GPT-2's do.
    """
    model = _gpt2(shape, end, pad) if shape.family == GPT2 else _llama(shape, end, pad)
    model.set_attn_implementation("sdpa")
    if shape.family != GPT2:
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.normal_(weight, std=0.02 / (2 * shape.layers) ** 0.5)
    return model


def _llama(shape: Shape, end: int, pad: int | None) -> PreTrainedModel:
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.ffn,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=shape.tied,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=pad,
    )
    return LlamaForCausalLM(config)


def _gpt2(shape: Shape, end: int, pad: int | None) -> PreTrainedModel:
    config = GPT2Config(
        vocab_size=shape.vocabulary,
        n_positions=shape.context,
        n_embd=shape.width,
        n_layer=shape.layers,
        n_head=shape.heads,
        n_inner=shape.ffn,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=pad,
    )
    return GPT2LMHeadModel(config)


def causal(model: PreTrainedModel, context: int) -> PreTrainedModel:
    """The model set to train on whole windows: attention is causal without any mask being made.

    Transformers looks at the positions for packed sequences in every forward pass: a wait for the device,
    and under ``torch.compile`` a mask in full, with which the fast kernels do not work. Under a name that
    has no mask function it makes none. Models whose attention reaches less far than a window keep theirs.
    """
    config = model.config
    limited = getattr(config, "sliding_window", None) or getattr(config, "attention_chunk_size", None)
    if limited is None or limited >= context:
        AttentionInterface.register(CAUSAL, sdpa_attention_forward)
        model.set_attn_implementation(CAUSAL)
    return model


@contextmanager
def masked(model: PreTrainedModel) -> Iterator[PreTrainedModel]:
    """The model with attention that heeds padding, as sampling needs it; afterwards as before."""
    before = model.config._attn_implementation
    model.set_attn_implementation("sdpa")
    try:
        yield model
    finally:
        model.set_attn_implementation(before)


def embedding_rows(model: PreTrainedModel) -> int:
    """How many tokens a model has a row for."""
    return int(cast(nn.Embedding, model.get_input_embeddings()).weight.shape[0])


def flops_per_token(model: PreTrainedModel, context: int) -> int:
    """FLOPs to train any decoder on one token, counted as :func:`training.llm.sizes.flops_per_token` does."""
    looked_up = sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Embedding))
    output = model.get_output_embeddings().weight
    tied = output is model.get_input_embeddings().weight
    weights = sum(w.numel() for w in model.parameters()) - looked_up + (output.numel() if tied else 0)
    return 6 * weights + 12 * model.config.num_hidden_layers * model.config.hidden_size * context


class Loss(nn.Module):
    """The summed cross-entropy of a model over windows, in nats; ``chunked`` trades time for memory."""

    def __init__(self, model: PreTrainedModel, chunked: bool) -> None:
        super().__init__()
        self.model = model
        self.chunked = chunked

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """``inputs`` and ``targets`` are (rows, context) ids; targets of -100 count nothing. A scalar."""
        hidden = self.model.base_model(input_ids=inputs, use_cache=False).last_hidden_state
        hidden, targets = hidden.flatten(0, 1), targets.flatten()
        head = self.model.get_output_embeddings()
        if not self.chunked:
            return _cross_entropy(head, hidden, targets)
        total = torch.zeros((), device=hidden.device)
        for part, wanted in zip(hidden.split(CHUNK_TOKENS), targets.split(CHUNK_TOKENS), strict=True):
            # Scores of a chunk are computed again in the backward pass: they are never all there at once.
            total = total + checkpoint(_cross_entropy, head, part, wanted, use_reentrant=False)
        return total


def _cross_entropy(head: nn.Module, hidden: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(head(hidden).float(), targets, ignore_index=IGNORED, reduction="sum")
