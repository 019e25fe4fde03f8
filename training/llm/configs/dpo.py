"""What direct preference optimisation can be told."""

from dataclasses import dataclass

from training.llm.config import setting
from training.llm.configs.posttraining import PosttrainingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class DpoConfig(PosttrainingConfig):
    """Settings of the stage ``dpo``."""

    learning_rate: float = setting(1e-6, "Highest learning rate", minimum=0.0, maximum=10.0)
    beta: float = setting(
        0.1,
        "How strongly the model is held to its reference; less moves further",
        minimum=0.0001,
        maximum=100.0,
    )
    loss: str = setting(
        "sigmoid",
        "DPO's loss; ipo does not push without end, robust expects wrong labels",
        choices=("sigmoid", "ipo", "robust", "hinge"),
        advanced=True,
    )
    label_smoothing: float = setting(
        0.0, "Share of labels expected to be wrong", minimum=0.0, maximum=0.49, advanced=True
    )
