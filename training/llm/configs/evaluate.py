"""What an evaluation can be told."""

from dataclasses import dataclass

from tilth.errors import InvalidInput
from training.llm.config import Config, setting
from training.llm.configs.tooling import check_tools, rounds_setting, tools_setting


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig(Config):
    """Settings of the stage ``evaluate``."""

    format: str = setting(
        "auto",
        "How a model is asked: by its chat template, or by plain text; auto is chat where it has a template",
        choices=("auto", "chat", "plain"),
    )
    samples: int = setting(1, "Tries at each problem", minimum=1, maximum=1024)
    tries: str = setting("1", "The k of pass@k and all@k, with commas; none above samples")
    temperature: float = setting(
        0.0, "Temperature of the tries; 0 takes the likeliest token", minimum=0.0, maximum=10.0
    )
    top_p: float = setting(1.0, "Nucleus of the tries", minimum=0.01, maximum=1.0, advanced=True)
    max_tokens: int = setting(512, "Longest try in tokens", minimum=1, maximum=1_000_000)
    batch: int = setting(32, "Tries written at once", minimum=1, advanced=True)
    limit: int | None = setting(None, "Items of each version or task, at most; where empty all", minimum=1)
    seed: int = setting(0, "Seed of the tries, and of which examples a task shows", minimum=0)
    tools: str = tools_setting("at problems")
    tool_rounds: int = rounds_setting("try")
    tasks: str = setting(
        "", "A folder of the server with tasks of lm-evaluation-harness: their YAML files and their data"
    )
    task_names: str = setting("", "Tasks of that folder to measure on, with commas; where empty all")
    fewshot: int | None = setting(
        None,
        "Examples before each question of a task; where empty as many as the task says",
        minimum=0,
        maximum=100,
    )

    def check(self) -> None:
        check_tools(self.tools)
        if self.temperature == 0 and self.samples > 1:
            raise InvalidInput("At temperature 0 all tries are the same: ask for one.", field="samples")
        if not self.ks or max(self.ks) > self.samples or min(self.ks) < 1:
            raise InvalidInput(
                f"tries are whole numbers from 1 to {self.samples}, with commas.", field="tries"
            )

        if self.task_names.strip() and not self.tasks.strip():
            raise InvalidInput("Name the folder that holds these tasks.", field="tasks")
        if any(ord(character) < 32 for character in self.tasks + self.task_names):
            raise InvalidInput("The folder holds characters that no path has.", field="tasks")

    @property
    def ks(self) -> list[int]:
        """The numbers of tries that are reported."""
        parts = [part.strip() for part in self.tries.split(",")]
        return [int(part) for part in parts] if all(part.isdecimal() for part in parts) else []
