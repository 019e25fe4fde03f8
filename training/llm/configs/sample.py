"""What sampling completions can be told."""

from dataclasses import dataclass

from tilth.errors import InvalidInput
from training.llm.config import Config, setting
from training.llm.configs.tooling import check_tools, rounds_setting, tools_setting


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleConfig(Config):
    """Settings of the stage ``sample``."""

    samples: int = setting(1, "Completions of each prompt", minimum=1, maximum=1024)
    temperature: float = setting(1.0, "Temperature; 0 takes the likeliest token", minimum=0.0, maximum=10.0)
    top_p: float = setting(
        1.0, "Nucleus: the likeliest tokens that make up this share", minimum=0.01, maximum=1.0
    )
    top_k: int = setting(0, "Only so many of the likeliest tokens; 0 sets no limit", minimum=0, advanced=True)
    max_tokens: int = setting(512, "Longest completion in tokens", minimum=1, maximum=1_000_000)
    batch: int = setting(32, "Completions written at once", minimum=1, advanced=True)
    limit: int | None = setting(None, "Prompts to answer, at most; where empty all", minimum=1)
    seed: int = setting(0, "Seed of the drawing", minimum=0)
    tools: str = tools_setting("while it answers")
    tool_rounds: int = rounds_setting("completion")

    def check(self) -> None:
        check_tools(self.tools)
        if self.temperature == 0 and self.samples > 1:
            raise InvalidInput("At temperature 0 all completions are the same: ask for one.", field="samples")
