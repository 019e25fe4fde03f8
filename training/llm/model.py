"""Models to pretrain: Hugging Face's own classes, so that an export is what plain transformers loads."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from training.llm.sizes import GPT2, Shape

CHUNK_TOKENS = 4096
IGNORED = -100


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
