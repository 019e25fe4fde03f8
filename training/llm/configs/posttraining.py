"""What every stage after pretraining can be told: length, steps, rate, LoRA, validation, saving."""

from dataclasses import dataclass

from tilth.errors import InvalidInput
from training.llm.config import Config, setting


@dataclass(frozen=True, kw_only=True, slots=True)
class PosttrainingConfig(Config):
    """Settings that SFT, reward model, DPO and RL share; an *example* is a row as the stage learns from it."""

    context: int | None = setting(
        None, "Longest example in tokens; where empty as long as the model takes", minimum=8
    )
    epochs: float = setting(
        1.0,
        "How often each row is seen, where a source names no epochs of its own",
        minimum=0.001,
        maximum=1000.0,
    )
    steps: int | None = setting(None, "Optimizer steps; where empty, by epochs", minimum=1)
    batch: int = setting(32, "Examples in an optimizer step", minimum=1)
    micro_batch: int = setting(8, "Examples that the device takes at once", minimum=1)
    time_limit: float | None = setting(
        None, "Hours after which the run ends with the checkpoint it has", minimum=0.0
    )

    learning_rate: float = setting(2e-5, "Highest learning rate", minimum=0.0, maximum=10.0)
    schedule: str = setting(
        "cosine", "Course of the rate after warm-up", choices=("cosine", "linear", "constant")
    )
    warmup: float = setting(0.03, "Share of the steps in which the rate rises", minimum=0.0, maximum=0.99)
    weight_decay: float = setting(0.0, "Decay of matrices", minimum=0.0, maximum=10.0, advanced=True)
    clip: float = setting(1.0, "Longest gradient; 0 does not clip", minimum=0.0, advanced=True)

    lora: bool = setting(False, "Train small added matrices (LoRA) instead of all weights")
    lora_rank: int = setting(16, "Rank of LoRA's matrices", minimum=1, maximum=1024, advanced=True)
    lora_alpha: int = setting(32, "LoRA's scale, times its rank", minimum=1, maximum=4096, advanced=True)

    template: str = setting(
        "auto",
        "Chat template: the checkpoint's own where it has one, or ours",
        choices=("auto", "ours"),
        advanced=True,
    )
    validation_share: float = setting(
        0.02,
        "Share of the prompts held out for validation, where no validation version is given",
        minimum=0.0,
        maximum=0.5,
    )
    validation_rows: int = setting(500, "Held-out rows measured, at most", minimum=1, advanced=True)
    validate_every: int = setting(100, "Steps between validations", minimum=1)
    save_every: int = setting(100, "Steps between saved trainer states", minimum=1)
    checkpoint_every: int | None = setting(
        None, "Steps between exported checkpoints; where empty only the last", minimum=1
    )
    log_every: int = setting(5, "Steps between points of the curves", minimum=1, advanced=True)
    samples: int = setting(
        4,
        "Prompts that are answered at each checkpoint, to be looked at",
        minimum=0,
        maximum=64,
        advanced=True,
    )
    sample_tokens: int = setting(
        128, "Tokens of such an answer, at most", minimum=1, maximum=4096, advanced=True
    )
    precision: str = setting(
        "auto",
        "Type of the arithmetic; auto is bf16 where the device has it",
        choices=("auto", "bf16", "fp32"),
        advanced=True,
    )
    recompute: bool = setting(
        False, "Compute activations again in the backward pass: less memory, a fifth slower", advanced=True
    )
    seed: int = setting(0, "Seed of order and new weights", minimum=0)

    def check(self) -> None:
        if self.batch % self.micro_batch:
            raise InvalidInput(
                f"batch is a multiple of micro_batch: {self.batch} is none of {self.micro_batch}.",
                field="batch",
            )
