"""What training a reward model can be told."""

from dataclasses import dataclass

from training.llm.config import setting
from training.llm.configs.posttraining import PosttrainingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardConfig(PosttrainingConfig):
    """Settings of the stage ``reward``."""

    learning_rate: float = setting(1e-5, "Highest learning rate", minimum=0.0, maximum=10.0)
    margin: float = setting(
        0.33,
        "By how much the better answer must win, times the label's strength (1 to 3); 0 asks for no margin",
        minimum=0.0,
        maximum=10.0,
    )
    centre: float = setting(
        0.01,
        "Weight of the squared sum of a pair's scores, which keeps scores around zero",
        minimum=0.0,
        maximum=10.0,
        advanced=True,
    )
