"""A preference as ids: the prompt, and the two answers to it, each up to its stop."""

from collections.abc import Mapping, Sequence
from typing import Any

from tilth.errors import InvalidInput
from training.llm.chat import Chat
from training.llm.rows import Example

LONGER = "are longer than the context"


def pair(chat: Chat, row: Mapping[str, Any]) -> tuple[list[int], list[int], list[int]] | str:
    """Ids of prompt, better and worse answer; or why the row teaches nothing."""
    prompt = chat.encode(row["prompt"], prompt=True).ids
    chosen, rejected = (answer(chat, row["prompt"], prompt, row[side]) for side in ("chosen", "rejected"))
    if not chosen or not rejected:
        return "have no answer"
    if chosen == rejected:
        return "have the same answer twice"
    return prompt, chosen, rejected


def answer(
    chat: Chat,
    messages: Sequence[Mapping[str, Any]],
    prompt: Sequence[int],
    replies: Sequence[Mapping[str, Any]],
) -> list[int]:
    """Ids of what follows a prompt, up to the last one that an assistant writes; empty where none does."""
    if not replies:
        return []
    whole = chat.encode([*messages, *replies])
    if whole.ids[: len(prompt)] != list(prompt):
        raise InvalidInput(
            "This chat template writes a prompt differently once it is answered: train with our template.",
            code="template",
        )
    learned = [number for number, learn in enumerate(whole.trained) if learn and number >= len(prompt)]
    return whole.ids[len(prompt) : learned[-1] + 1] if learned else []


def scored(chat: Chat, row: Mapping[str, Any], context: int, margin: float) -> Example | str:
    """A row of ``preferences`` for a reward model: both whole conversations, and by how much one must win."""
    found = pair(chat, row)
    if isinstance(found, str):
        return found
    prompt, chosen, rejected = found
    if len(prompt) + max(len(chosen), len(rejected)) > context:
        return LONGER
    return {
        "chosen_ids": prompt + chosen,
        "rejected_ids": prompt + rejected,
        "margin": margin * (row.get("strength") or 0),
    }


def preferred(chat: Chat, row: Mapping[str, Any], context: int) -> Example | str:
    """A row of ``preferences`` for DPO; answers are cut at ``context``, at least a token of each stays."""
    found = pair(chat, row)
    if isinstance(found, str):
        return found
    prompt, chosen, rejected = found
    room = context - len(prompt)
    if room < 1 or chosen[:room] == rejected[:room]:
        return LONGER
    return {"prompt_ids": prompt, "chosen_ids": chosen[:room], "rejected_ids": rejected[:room]}
