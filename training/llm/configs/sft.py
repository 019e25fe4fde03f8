"""What fine-tuning on conversations can be told."""

from dataclasses import dataclass

from training.llm.config import setting
from training.llm.configs.posttraining import PosttrainingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class SftConfig(PosttrainingConfig):
    """Settings of the stage ``sft``."""

    assistant_only: bool = setting(True, "Learn only from what the assistant writes")
    packing: bool = setting(True, "Put several conversations into one row; they do not see one another")
