"""The stage ``sample``: a model answers prompts, and its answers become a ``completions`` version."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from tilth.datasets.schemas import row_id
from tilth.verify.tools import Tool
from training.llm.chat import Chat
from training.llm.configs.sample import SampleConfig
from training.llm.generation import Sampling, loaded, longest, write
from training.llm.parts import in_parts
from training.llm.program import Workspace, main
from training.llm.rowsout import publishable, stored
from training.llm.tools import offered, schemas_of
from training.llm.turns import Turns, play

PROMPTS_IN_PART = 64
Row = Mapping[str, Any]


def run(work: Workspace) -> dict[str, Any] | None:
    """Write the rows; the result names the manifest and counts completions that the model did not end itself."""
    config = SampleConfig.from_json(work.spec.config)
    checkpoint, folder = work.load(work.spec.base)
    chat = Chat.of(folder)
    tools, model = offered(work, config), loaded(folder)
    schemas = schemas_of(config)
    room = longest(model) - config.max_tokens
    every = list(islice(_rows(work), config.limit))
    rows = [row for row in every if len(chat.encode(row["messages"], schemas, prompt=True).ids) <= room]
    cut = {"completions": 0}

    def make(part: Sequence[Row], number: int) -> list[dict[str, Any]]:
        return _complete(model, chat, tools, config, part, number, checkpoint.reference)

    def counted() -> Iterator[list[dict[str, Any]]]:
        for part in in_parts(work, "sample", rows, PROMPTS_IN_PART, make):
            cut["completions"] += sum(1 for row in part if not row.pop("ended"))
            yield part

    written = publishable(work, "completions", counted())
    left_out = {"leave no room for a completion": len(every) - len(rows)} if len(rows) < len(every) else {}
    return {**written, "prompts": len(rows), "cut": cut["completions"], "left_out": left_out}


def _rows(work: Workspace) -> Iterator[Row]:
    """Prompts of all sources: their id and messages."""
    for source in work.spec.with_role("train"):
        for row in work.inputs.rows(source):
            yield {"id": row["id"], "messages": row["prompt"] if "prompt" in row else row["messages"]}


def _complete(
    model: Any,
    chat: Chat,
    tools: Sequence[Tool],
    config: SampleConfig,
    part: Sequence[Row],
    number: int,
    reference: str,
) -> list[dict[str, Any]]:
    """The rows of one part. A row knows whether its completion ``ended`` by itself."""
    asked = [(row, n) for row in part for n in range(config.samples)]
    pad = model.config.get_text_config().pad_token_id
    made = []
    for first in range(0, len(asked), config.batch):
        batch = asked[first : first + config.batch]
        sampling = Sampling(
            temperature=config.temperature,
            top_p=config.top_p,
            top_k=config.top_k,
            max_tokens=config.max_tokens,
            seed=_seed(config.seed, number, first),
        )
        turns = [Turns(chat, tools, row["messages"], config.max_tokens) for row, _ in batch]
        play(turns, config.tool_rounds if tools else 0, partial(_write, model, chat.stops, pad, sampling))
        for (row, n), one in zip(batch, turns, strict=True):
            made.append(
                {
                    "id": row_id(row["id"], reference, str(config.seed), str(n)),
                    "prompt_id": row["id"],
                    "prompt": stored(row["messages"]),
                    "completion": stored(one.said),
                    "model": reference,
                    "checkpoint": reference,
                    "sampling": {**sampling.to_json(), "seed": config.seed},
                    "ended": one.ended,
                }
            )
    return made


def _write(
    model: Any,
    stops: Sequence[int],
    pad: int,
    sampling: Sampling,
    asked: list[list[int]],
    room: int,
    number: int,
) -> list[list[int]]:
    return write(model, asked, stops, pad, sampling.of_round(number, room))


def _seed(seed: int, part: int, first: int) -> int:
    """A seed for each batch, so that a part made again is the same."""
    return int(row_id(str(seed), str(part), str(first))[:12], 16)


if __name__ == "__main__":
    main(run)
