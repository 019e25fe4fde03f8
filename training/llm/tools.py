"""The tools that a run may offer its model while it tries. Light: no torch."""

from tilth.verify.tools import CALCULATOR, Tool, python_tool
from training.llm.configs.grpo import GrpoConfig


def tools_of(config: GrpoConfig) -> list[Tool]:
    """The tools that a run offers."""
    made = {"calculator": lambda: CALCULATOR, "python": python_tool}
    return [made[name]() for name in config.tool_names]
