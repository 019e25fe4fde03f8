"""What reinforcement learning on problems or a reward model can be told."""

from dataclasses import dataclass

from tilth.errors import InvalidInput
from training.llm.config import setting
from training.llm.configs.posttraining import PosttrainingConfig
from training.llm.configs.tooling import check_tools, rounds_setting, tools_setting


@dataclass(frozen=True, kw_only=True, slots=True)
class GrpoConfig(PosttrainingConfig):
    """Settings of the stage ``grpo``; an example is one completion, a *group* the completions of one prompt."""

    learning_rate: float = setting(1e-6, "Highest learning rate", minimum=0.0, maximum=10.0)
    batch: int = setting(64, "Completions in an optimizer step", minimum=2)
    algorithm: str = setting(
        "grpo", "GRPO, or RLOO, which compares with the others of a group", choices=("grpo", "rloo")
    )
    group: int = setting(8, "Completions of each prompt", minimum=2, maximum=1024)
    rewards: str = setting(
        "auto",
        "What is rewarded: the problems' verifiers, the reward model, or their sum; auto is the model where one is given",
        choices=("auto", "verifier", "model", "both"),
    )
    completion_tokens: int = setting(256, "Longest completion in tokens", minimum=1, maximum=1_000_000)
    temperature: float = setting(1.0, "Temperature of sampling", minimum=0.01, maximum=10.0)
    top_p: float = setting(1.0, "Nucleus of sampling", minimum=0.01, maximum=1.0, advanced=True)
    kl: float | None = setting(
        None,
        "Weight of the KL divergence from the reference; where empty 0.05 with a reward model, else 0.001. It is "
        "measured in any case",
        minimum=0.0,
        maximum=10.0,
    )
    clip_ratio: float = setting(
        0.2, "How far a token's probability may move in one update", minimum=0.0, maximum=10.0, advanced=True
    )
    most_updates: int = setting(
        200,
        "Most optimizer steps with a reward model, which is gamed if optimised for long; 0 sets no cap",
        minimum=0,
    )
    loss: str = setting(
        "dapo",
        "How GRPO sums over tokens",
        choices=("dapo", "grpo", "dr_grpo", "bnpo"),
        advanced=True,
    )
    scale: str = setting(
        "group",
        "What GRPO's advantages are divided by: the spread in the group, in the batch, or nothing",
        choices=("group", "batch", "none"),
        advanced=True,
    )
    tools: str = tools_setting("in rollouts")
    tool_rounds: int = rounds_setting("completion")
    eval_samples: int = setting(
        1, "Completions of each held-out problem in a validation", minimum=1, maximum=64, advanced=True
    )

    def check(self) -> None:
        PosttrainingConfig.check(self)
        if self.batch % self.group:
            raise InvalidInput(
                f"batch is a multiple of group: {self.batch} is none of {self.group}.", field="batch"
            )
        check_tools(self.tools)
        if self.tools.strip() and self.algorithm == "rloo":
            raise InvalidInput("Tools in rollouts need GRPO: choose algorithm=grpo.", field="tools")
