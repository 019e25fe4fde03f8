"""What importing a model can be told."""

from dataclasses import dataclass

from tilth.errors import InvalidInput
from training.llm.config import Config, setting


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportConfig(Config):
    """Settings of the stage ``import``."""

    source: str = setting("", "A folder in Hugging Face's layout, or a Hub id such as Qwen/Qwen3-0.6B")
    revision: str = setting("main", "Branch, tag or commit of a Hub model", advanced=True)
    licence: str = setting("", "The model's licence, where its card does not name it")

    def check(self) -> None:
        if any(ord(character) < 32 for character in self.source + self.revision):
            raise InvalidInput("The source holds characters that no path has.", field="source")
