"""What is measured on each kind of evaluation set, item by item, and the figures that come of the items.

An item is a row with ``item`` (its id), what the model answered, ``score``, ``logprob`` (natural logarithm, summed)
and a ``more`` that only the figures read. Figures have intervals: over problems for pass@k, Wilson's for shares.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tilth.stats.intervals import Mean, Share, mean, share
from tilth.stats.passk import mean_all_at, mean_pass_at
from tilth.verify.tools import Tool
from tilth.verify.verifiers import Claim, verify_all
from training.llm.asking import Asks, ByChat
from training.llm.configs.evaluate import EvaluateConfig
from training.llm.generation import Sampling, longest, write
from training.llm.likelihood import bits_per_byte, logprobs
from training.llm.rewards import scores
from training.llm.turns import Turns, play

Row = Mapping[str, Any]
Item = dict[str, Any]
Figures = dict[str, dict[str, float | int | None]]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one version or task: figures, items as rows of ``eval_items``, and what a task was made of."""

    name: str
    figures: Figures
    rows: list[dict[str, Any]]
    about: dict[str, Any] | None = None


@dataclass(frozen=True)
class Subject:
    """The model that is measured, and how it is asked; ``scorer`` says that it scores and does not write.

    ``tools`` are on offer when it tries problems; they need a chat template.
    """

    model: Any
    asks: Asks
    config: EvaluateConfig
    scorer: bool = False
    tools: Sequence[Tool] = ()

    @property
    def longest(self) -> int:
        """Tokens that it takes."""
        return longest(self.model)


def problems(subject: Subject, rows: Sequence[Row], number: int) -> list[Item]:
    """Tries at problems, judged by their verifiers, and how likely the right answer is found."""
    config = subject.config
    prompts = [subject.asks.prompt(row["prompt"]) for row in rows]
    answers = [
        subject.asks.answer(row["prompt"], [{"role": "assistant", "content": row["answer"]}]) for row in rows
    ]
    likely = logprobs(subject.model, list(zip(prompts, answers, strict=True)), subject.longest)
    tries = _tries(subject, rows, number)
    claims = [Claim.of(text, row) for row, texts in zip(rows, tries, strict=True) for text in texts]
    verdicts = iter(verify_all(claims))
    items = []
    for row, texts, values in zip(rows, tries, likely, strict=True):
        right = [next(verdicts).right for _ in texts]
        items.append(
            {
                "item": row["id"],
                "prediction": texts[0] if texts else "",
                "score": sum(right) / config.samples,
                "logprob": sum(values),
                "more": {"right": sum(right), "tokens": len(values), "tried": bool(texts)},
            }
        )
    return items


def _tries(subject: Subject, rows: Sequence[Row], number: int) -> list[list[str]]:
    """Texts that the model writes for each problem, with tools its last ones; none where a prompt leaves no room."""
    config = subject.config
    prompts = [_prompt(subject, row) for row in rows]
    room = subject.longest - config.max_tokens
    asked = [place for place, ids in enumerate(prompts) if len(ids) <= room for _ in range(config.samples)]
    found: list[list[str]] = [[] for _ in prompts]
    pad = subject.model.config.get_text_config().pad_token_id
    pad = subject.asks.stops[0] if pad is None else pad
    for first in range(0, len(asked), config.batch):
        places = asked[first : first + config.batch]
        sampling = Sampling(
            temperature=config.temperature,
            top_p=config.top_p,
            max_tokens=config.max_tokens,
            seed=(config.seed * 1_000_003 + number) * 1_000_003 + first,
        )
        written = partial(_write, subject, pad, sampling)
        if subject.tools and isinstance(subject.asks, ByChat):
            chat = subject.asks.chat
            turns = [Turns(chat, subject.tools, rows[n]["prompt"], config.max_tokens) for n in places]
            play(turns, config.tool_rounds, written)
            last = [one.final for one in turns]
        else:
            last = written([prompts[n] for n in places], config.max_tokens, 0)
        for place, ids in zip(places, last, strict=True):
            found[place].append(subject.asks.read(ids))
    return found


def _prompt(subject: Subject, row: Row) -> list[int]:
    if subject.tools and isinstance(subject.asks, ByChat):
        schemas = [tool.schema for tool in subject.tools]
        return subject.asks.chat.encode(row["prompt"], schemas, prompt=True).ids
    return subject.asks.prompt(row["prompt"])


def _write(
    subject: Subject, pad: int, sampling: Sampling, asked: list[list[int]], room: int, number: int
) -> list[list[int]]:
    return write(subject.model, asked, subject.asks.stops, pad, sampling.of_round(number, room))


def problem_figures(subject: Subject, items: Sequence[Item]) -> Figures:
    """pass@k and all@k with intervals over problems; the right answer's mean log-likelihood, whole and per token."""
    config = subject.config
    counts = [(config.samples, item["more"]["right"]) for item in items]
    found: Figures = {}
    for k in config.ks:
        found[f"pass@{k}"] = _mean(mean_pass_at(counts, k))
        found[f"all@{k}"] = _mean(mean_all_at(counts, k))
    found["answer_loglikelihood"] = _mean(mean(item["logprob"] for item in items))
    found["answer_loglikelihood_per_token"] = _mean(
        mean(item["logprob"] / item["more"]["tokens"] for item in items if item["more"]["tokens"])
    )
    untried = sum(1 for item in items if not item["more"]["tried"])
    if untried:
        found["left_no_room"] = {"count": untried, "value": untried / len(items)}
    return found


def choices(subject: Subject, rows: Sequence[Row], number: int) -> list[Item]:
    """Which option the model finds likeliest: as a whole, and (``by_byte``) by byte of its text."""
    asked, sizes = [], []
    for row in rows:
        messages = [{"role": "user", "content": row["question"]}]
        prompt = subject.asks.prompt(messages)
        for option in row["options"]:
            asked.append((prompt, subject.asks.answer(messages, [{"role": "assistant", "content": option}])))
            sizes.append(max(1, len(option.encode())))
    values = [sum(one) for one in logprobs(subject.model, asked, subject.longest)]
    items, first = [], 0
    for row in rows:
        own = range(first, first + len(row["options"]))
        first = own.stop
        best = max(own, key=lambda place: values[place]) - own.start
        by_byte = max(own, key=lambda place: values[place] / sizes[place]) - own.start
        items.append(
            {
                "item": row["id"],
                "prediction": row["options"][best],
                "score": float(best == row["answer"]),
                "logprob": values[own.start + row["answer"]],
                "more": {"by_byte": by_byte == row["answer"]},
            }
        )
    return items


def choice_figures(subject: Subject, items: Sequence[Item]) -> Figures:
    """Share of right options by likelihood, and by likelihood a byte (which does not favour short options)."""
    return {
        "accuracy": _share(share(sum(1 for item in items if item["score"] == 1), len(items))),
        "accuracy_by_byte": _share(share(sum(1 for item in items if item["more"]["by_byte"]), len(items))),
    }


def preferences(subject: Subject, rows: Sequence[Row], number: int) -> list[Item]:
    """Whether the better answer wins: by score for a reward model, else by likelihood (and by token)."""
    asked = []
    for row in rows:
        prompt = subject.asks.prompt(row["prompt"])
        asked += [(prompt, subject.asks.answer(row["prompt"], row[side])) for side in ("chosen", "rejected")]
    if subject.scorer:
        texts = [[*prompt, *answer][-subject.longest :] for prompt, answer in asked]
        values = scores(subject.model, texts)
        by_token = values
    else:
        likely = logprobs(subject.model, asked, subject.longest)
        values = [sum(one) for one in likely]
        by_token = [sum(one) / max(1, len(one)) for one in likely]
    return [
        {
            "item": row["id"],
            "prediction": "chosen" if values[2 * n] > values[2 * n + 1] else "rejected",
            "score": float(values[2 * n] > values[2 * n + 1]),
            "logprob": None if subject.scorer else values[2 * n],
            "more": {
                "lead": values[2 * n] - values[2 * n + 1],
                "by_token": by_token[2 * n] > by_token[2 * n + 1],
            },
        }
        for n, row in enumerate(rows)
    ]


def preference_figures(subject: Subject, items: Sequence[Item]) -> Figures:
    """Share of pairs in which the better answer wins; for models that write also by likelihood a token."""
    found = {"accuracy": _share(share(sum(1 for item in items if item["score"] == 1), len(items)))}
    if subject.scorer:
        found["lead"] = _mean(mean(item["more"]["lead"] for item in items))
    else:
        wins = sum(1 for item in items if item["more"]["by_token"])
        found["accuracy_by_token"] = _share(share(wins, len(items)))
    return found


def documents(subject: Subject, rows: Sequence[Row], number: int) -> list[Item]:
    """How many bits a byte of each text costs; a text longer than the model takes is measured in windows."""
    items = []
    for row in rows:
        size = len(row["text"].encode())
        ids = subject.asks.text(row["text"])
        start, windows = [subject.asks.begins], []
        for first in range(0, len(ids), subject.longest - 1):
            windows.append((start, ids[first : first + subject.longest - 1]))
            start = [ids[min(first + subject.longest - 1, len(ids)) - 1]]
        total = sum(sum(one) for one in logprobs(subject.model, windows, subject.longest))
        items.append(
            {
                "item": row["id"],
                "prediction": "",
                "score": bits_per_byte(-total, size) if size else None,
                "logprob": total,
                "more": {"bytes": size, "tokens": len(ids)},
            }
        )
    return items


def document_figures(subject: Subject, items: Sequence[Item]) -> Figures:
    """Bits a byte over all texts together, and the mean over texts with its interval."""
    size = sum(item["more"]["bytes"] for item in items)
    total = -sum(item["logprob"] for item in items)
    value = bits_per_byte(total, size) if size else None
    return {
        "bits_per_byte": {"value": value, "count": len(items)},
        "bits_per_byte_of_a_text": _mean(mean(item["score"] for item in items if item["score"] is not None)),
    }


def _mean(found: Mean) -> dict[str, float | int | None]:
    return {"value": found.value, "low": found.low, "high": found.high, "count": found.count}


def _share(found: Share) -> dict[str, float | int | None]:
    return {"value": found.value, "low": found.low, "high": found.high, "count": found.total}


MEASURES = {
    "problems": (problems, problem_figures),
    "choices": (choices, choice_figures),
    "preferences": (preferences, preference_figures),
    "documents": (documents, document_figures),
}
"""By kind of dataset: how items are made of rows, and figures of items."""


def rows_of(items: Iterable[Item], evaluation: str) -> list[dict[str, Any]]:
    """Items as rows of ``eval_items``; ``evaluation`` names the version."""
    return [
        {name: item[name] for name in ("item", "prediction", "score", "logprob")} | {"evaluation": evaluation}
        for item in items
    ]
