"""What pretraining can be told."""

from dataclasses import dataclass

from tilth.errors import InvalidInput
from training.llm import sizes
from training.llm.config import Config, setting
from training.llm.sizes import Shape


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainConfig(Config):
    """Settings of the stage ``pretrain``; a *window* is ``context`` tokens of packed documents."""

    family: str = setting("llama", "Architecture", choices=(sizes.LLAMA, sizes.GPT2))
    depth: int = setting(
        12, "Layers: the one dial of size; width is 64 times it unless given", minimum=1, maximum=200
    )
    width: int | None = setting(None, "Width of a layer, where empty 64 · depth", minimum=8, advanced=True)
    heads: int | None = setting(None, "Attention heads, where empty width / 64", minimum=1, advanced=True)
    kv_heads: int | None = setting(
        None, "Heads of keys and values, where empty as many as heads", minimum=1, advanced=True
    )
    ffn: int | None = setting(
        None, "Inner width of feed-forward layers, where empty 8/3 of the width", minimum=8, advanced=True
    )
    tied: bool = setting(True, "Use one matrix for input and output embedding", advanced=True)
    context: int = setting(1024, "Tokens in a window", minimum=8, maximum=1_000_000)
    vocabulary_multiple: int = setting(
        64,
        "The embedding's rows are rounded up to a multiple of this; 1 keeps the tokenizer's own number",
        minimum=1,
        advanced=True,
    )

    batch: int = setting(512, "Windows in an optimizer step, over all devices", minimum=1)
    micro_batch: int = setting(
        32, "Windows that a device takes at once; the rest of a step is accumulated", minimum=1
    )
    steps: int | None = setting(None, "Optimizer steps; where empty, by tokens or epochs", minimum=1)
    tokens: int | None = setting(
        None, "Tokens to train on; with neither steps nor tokens each source is seen once", minimum=1
    )
    time_limit: float | None = setting(
        None, "Hours after which the run ends with the checkpoint it has", minimum=0.0
    )

    learning_rate: float = setting(6e-4, "Highest learning rate", minimum=0.0, maximum=10.0)
    schedule: str = setting(
        "cosine", "Course of the rate after warm-up", choices=("cosine", "wsd", "constant")
    )
    warmup: float = setting(0.02, "Share of the steps in which the rate rises", minimum=0.0, maximum=1.0)
    decay: float = setting(
        0.2, "Share of the steps at the end in which WSD falls", minimum=0.0, maximum=1.0, advanced=True
    )
    final_rate: float = setting(
        0.1, "Rate at the end, as a share of the highest", minimum=0.0, maximum=1.0, advanced=True
    )
    weight_decay: float = setting(
        0.1, "Decay of matrices; norms and biases have none", minimum=0.0, maximum=10.0
    )
    beta1: float = setting(0.9, "AdamW's first memory", minimum=0.0, maximum=0.9999, advanced=True)
    beta2: float = setting(0.95, "AdamW's second memory", minimum=0.0, maximum=0.99999, advanced=True)
    clip: float = setting(1.0, "Longest gradient; 0 does not clip", minimum=0.0, advanced=True)

    validation_share: float = setting(
        0.01,
        "Share of the documents held out for validation, where no validation version is given",
        minimum=0.0,
        maximum=0.5,
    )
    validate_every: int = setting(250, "Steps between validations", minimum=1)
    validation_tokens: int = setting(
        2_000_000, "Tokens measured in a validation, at most", minimum=1, advanced=True
    )

    save_every: int = setting(500, "Steps between saved trainer states", minimum=1)
    checkpoint_every: int | None = setting(
        None, "Steps between exported checkpoints; where empty only the last", minimum=1
    )
    keep: int | None = setting(
        None, "How many exported checkpoints before the last stay; where empty all", minimum=0
    )
    log_every: int = setting(10, "Steps between points of the curves", minimum=1, advanced=True)
    sample_prompts: str = setting(
        "",
        "Beginnings to continue at each checkpoint, one a line; where empty from validation documents",
        lines=True,
    )
    samples: int = setting(4, "Samples at each checkpoint", minimum=0, maximum=64, advanced=True)
    sample_tokens: int = setting(64, "Tokens of a sample, at most", minimum=1, maximum=4096, advanced=True)

    precision: str = setting(
        "auto",
        "Type of the arithmetic; auto is bf16 where the device has it. Weights are kept in fp32",
        choices=("auto", "bf16", "fp32"),
        advanced=True,
    )
    compile: str = setting(
        "auto", "torch.compile; auto uses it on GPUs", choices=("auto", "on", "off"), advanced=True
    )
    cross_entropy: str = setting(
        "auto",
        "Loss over the vocabulary in one piece, or in chunks where memory is short",
        choices=("auto", "whole", "chunked"),
        advanced=True,
    )
    seed: int = setting(0, "Seed of weights, order and samples", minimum=0)

    def check(self) -> None:
        if self.steps is not None and self.tokens is not None:
            raise InvalidInput("Give steps or tokens, not both: clear one of them.", field="tokens")
        if self.batch % self.micro_batch:
            raise InvalidInput(
                f"batch is a multiple of micro_batch: {self.batch} is none of {self.micro_batch}.",
                field="batch",
            )
        if self.family == sizes.GPT2 and (self.kv_heads or self.ffn or self.heads):
            raise InvalidInput(
                "GPT-2's heads, kv_heads and ffn follow from its width: leave them empty.", field="heads"
            )
        self.shape(1)

    def shape(self, vocabulary: int) -> Shape:
        """The model's shape with a tokenizer of ``vocabulary`` tokens."""
        rows = sizes.round_up(vocabulary, self.vocabulary_multiple)
        if self.family == sizes.GPT2:
            return sizes.gpt2(vocabulary=rows, depth=self.depth, context=self.context, width=self.width)
        return sizes.llama(
            vocabulary=rows,
            depth=self.depth,
            context=self.context,
            width=self.width,
            heads=self.heads,
            kv_heads=self.kv_heads,
            ffn=self.ffn,
            tied=self.tied,
        )
