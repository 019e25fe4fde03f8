"""The settings about tools, which the stages that let a model use them share."""

from typing import Any

from tilth.errors import InvalidInput
from training.llm.config import setting

TOOLS = ("calculator", "python", "search")


def tools_setting(where: str) -> Any:
    """Which tools are on offer."""
    return setting("", f"Tools on offer {where}, with commas: {', '.join(TOOLS)}")


def rounds_setting(what: str) -> Any:
    """How often a model may turn to its tools."""
    return setting(4, f"How often a {what} may call tools", minimum=1, maximum=32, advanced=True)


def tool_names(tools: str) -> list[str]:
    """The tools of the setting, by name."""
    return list(dict.fromkeys(name.strip() for name in tools.split(",") if name.strip()))


def check_tools(tools: str) -> None:
    """Raise :class:`InvalidInput` where there is no such tool."""
    unknown = set(tool_names(tools)) - set(TOOLS)
    if unknown:
        raise InvalidInput(f"There is no tool {min(unknown)!r}; there are {', '.join(TOOLS)}.", field="tools")


def check_searched(tools: str, has_data: bool) -> None:
    """Raise :class:`InvalidInput` where the tool ``search`` has no data, or data has no tool that searches it."""
    wants = "search" in tool_names(tools)
    if wants and not has_data:
        raise InvalidInput(
            "The tool search needs data to search: choose a version of documents.", field="search"
        )
    if has_data and not wants:
        raise InvalidInput("There is data to search, but no tool: add search to tools.", field="tools")
