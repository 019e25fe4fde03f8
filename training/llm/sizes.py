"""How large a model is before it exists: parameters, FLOPs, memory. Plain numbers, no torch.

The launch page previews a run with these functions; the trainer reports MFU by the same FLOPs, so that what
was promised and what was measured can be compared.
"""

from dataclasses import dataclass

from tilth.errors import InvalidInput

HEAD_WIDTH = 64
FFN_MULTIPLE = 64
LLAMA, GPT2 = "llama", "gpt2"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """The dimensions of a decoder.

    ``vocabulary`` counts rows of the embedding; ``heads`` query heads, ``kv_heads`` heads of keys and
    values (fewer means grouped-query attention); ``ffn`` the inner width of a feed-forward layer;
    ``context`` the longest input in tokens; ``tied`` says that output and input embedding are one matrix.
    """

    family: str
    vocabulary: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    ffn: int
    context: int
    tied: bool

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise InvalidInput("width is a multiple of heads: change one of them.", field="width")
        if self.heads % self.kv_heads:
            raise InvalidInput("heads is a multiple of kv_heads: change one of them.", field="kv_heads")
        if self.family == LLAMA and self.width // self.heads % 2:
            raise InvalidInput("width / heads is even: rotary positions turn pairs.", field="heads")
        if self.family == GPT2 and (self.kv_heads != self.heads or not self.tied):
            raise InvalidInput("GPT-2 has tied embeddings and as many kv_heads as heads.", field="kv_heads")

    @property
    def parameters(self) -> int:
        """Weights, each counted once."""
        return self.embedding_parameters + self.layers * self._layer + self._final_norm

    @property
    def embedding_parameters(self) -> int:
        """Weights of token and position embeddings and of the output matrix."""
        positions = self.context * self.width if self.family == GPT2 else 0
        return self.vocabulary * self.width * (1 if self.tied else 2) + positions

    @property
    def matrix_parameters(self) -> int:
        """Weights that take part in a multiplication for each token: all but looked-up ones."""
        return self.vocabulary * self.width + self.layers * self._layer + self._final_norm

    @property
    def _layer(self) -> int:
        if self.family == GPT2:
            attention = 4 * self.width * self.width + 4 * self.width
            feed_forward = 2 * self.width * self.ffn + self.ffn + self.width
            return attention + feed_forward + 4 * self.width
        kv_width = self.width // self.heads * self.kv_heads
        attention = 2 * self.width * self.width + 2 * self.width * kv_width
        return attention + 3 * self.width * self.ffn + 2 * self.width

    @property
    def _final_norm(self) -> int:
        return 2 * self.width if self.family == GPT2 else self.width


def llama(
    *,
    vocabulary: int,
    depth: int,
    context: int,
    width: int | None = None,
    heads: int | None = None,
    kv_heads: int | None = None,
    ffn: int | None = None,
    tied: bool = True,
) -> Shape:
    """A Llama-style shape from one dial: ``depth`` layers of width 64 · depth, heads of 64, SwiGLU of 8/3 width.

    What is given beside the dial stands as it is.
    """
    width = width or HEAD_WIDTH * depth
    heads = heads or max(1, width // HEAD_WIDTH)
    return Shape(
        family=LLAMA,
        vocabulary=vocabulary,
        layers=depth,
        width=width,
        heads=heads,
        kv_heads=kv_heads or heads,
        ffn=ffn or round_up(8 * width // 3, FFN_MULTIPLE),
        context=context,
        tied=tied,
    )


def gpt2(
    *, vocabulary: int = 50_257, depth: int = 12, context: int = 1024, width: int | None = None
) -> Shape:
    """GPT-2's shape; with the defaults it is the published 124M model, 124,439,808 parameters."""
    width = width or HEAD_WIDTH * depth
    heads = max(1, width // HEAD_WIDTH)
    return Shape(
        family=GPT2,
        vocabulary=vocabulary,
        layers=depth,
        width=width,
        heads=heads,
        kv_heads=heads,
        ffn=4 * width,
        context=context,
        tied=True,
    )


def round_up(number: int, multiple: int) -> int:
    """The next multiple at or above ``number``."""
    return -(-number // multiple) * multiple


def flops_per_token(shape: Shape, context: int | None = None) -> int:
    """Floating-point operations to train on one token: 6 a weight (forward 2, backward 4) and attention.

    Attention counts 12 · layers · width · context, as PaLM's appendix B does: the full square, although a
    causal kernel computes half of it. Looked-up embeddings cost nothing.
    """
    return 6 * shape.matrix_parameters + 12 * shape.layers * shape.width * (context or shape.context)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that training needs on each device.

    ``weights`` are fp32 weights, gradients and the two AdamW moments; ``activations`` what the forward
    pass keeps for the backward pass; ``logits`` the output layer's scores, the largest single piece.
    """

    weights: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """All together, with a tenth on top for the allocator's gaps and kernels' workspaces."""
        return (self.weights + self.activations + self.logits) * 11 // 10


def training_memory(
    shape: Shape, rows: int, context: int | None = None, *, element: int = 2, whole_logits: bool = True
) -> Memory:
    """An estimate for ``rows`` windows at once, ``element`` bytes an activation (2 for bf16, 4 for fp32).

    Per token and layer about 18 widths and 3 feed-forward widths are kept with fused attention. Scores
    are kept in the activations' type and once more as the fp32 gradient's source; in chunks an eighth.
    """
    tokens = rows * (context or shape.context)
    kept = tokens * shape.layers * (18 * shape.width + 3 * shape.ffn) * element
    logits = tokens * shape.vocabulary * (element + 4)
    return Memory(shape.parameters * 16, kept, logits if whole_logits else logits // 8)


def state_bytes(shape: Shape) -> int:
    """Bytes on disk of one trainer state: fp32 weights and the two moments."""
    return shape.parameters * 12


def checkpoint_bytes(shape: Shape) -> int:
    """Bytes on disk of one exported model, in fp32."""
    return shape.parameters * 4
