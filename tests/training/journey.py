"""From prose to an evaluated model: every stage after another, each on what the one before made."""

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

from tests.training.conftest import publish, publish_texts, sentences
from tests.training.posttraining import conversations, pairs
from tilth.storage import Storage
from training.llm.program import Workspace
from training.llm.spec import Part, Source, Spec
from training.llm.stages import stage

ROW = dict[str, Any]


@dataclass(frozen=True)
class Material:
    """What a journey reads, sums of numbers ``below`` which are learned, and the settings of its stages.

    Fine-tuning is told every other sum, ``times`` times.
    """

    prose: list[str]
    talks: list[ROW]
    train_pairs: list[ROW]
    held_pairs: list[ROW]
    below: int
    times: float
    settings: dict[str, dict[str, Any]]


def sums(below: int = 10) -> list[ROW]:
    """Toy arithmetic: all sums of two numbers below ``below``."""
    return [
        {
            "prompt": [{"role": "user", "content": f"{a} + {b} ="}],
            "answer": str(a + b),
            "verifier": "exact",
        }
        for a in range(below)
        for b in range(below)
    ]


def answered(problems: Iterable[ROW]) -> list[ROW]:
    """Problems with their answers as conversations."""
    return [
        {"messages": [*row["prompt"], {"role": "assistant", "content": row["answer"]}]} for row in problems
    ]


def counting(below: int, count: int) -> list[str]:
    """Texts that say over and over what the sums are: where a model learns them before it is asked."""
    lines = [f"{row['prompt'][0]['content']} {row['answer']}." for row in sums(below)]
    return [" ".join(Random(n).choices(lines, k=200)) for n in range(count)]


def small() -> Material:
    """Made-up material that a tiny model learns in seconds; of the sums it learns which answer is right most often."""
    made = pairs(96)
    step = {"log_every": 1, "samples": 1, "sample_tokens": 16, "warmup": 0.0, "validation_share": 0.0}
    each = {"batch": 16, "micro_batch": 16, **step}
    return Material(
        sentences(150) + counting(2, 30),
        conversations(60),
        made[:72],
        made[72:],
        2,
        200.0,
        {
            "tokenizer": {"vocabulary": 320, "context": 128},
            "pretrain": {
                "depth": 2,
                "width": 48,
                "heads": 2,
                "context": 128,
                "steps": 60,
                "batch": 8,
                "micro_batch": 8,
                "learning_rate": 5e-3,
                "validation_share": 0.05,
                "validate_every": 30,
                "log_every": 10,
                "samples": 1,
                "sample_tokens": 8,
            },
            "sft": {**each, "learning_rate": 4e-3, "steps": 60, "packing": False},
            "reward": {**each, "learning_rate": 3e-3, "steps": 20, "validate_every": 20},
            "dpo": {**each, "learning_rate": 3e-4, "steps": 6, "validate_every": 6},
            "grpo": {
                **each,
                "batch": 64,
                "micro_batch": 64,
                "group": 8,
                "completion_tokens": 4,
                "steps": 40,
                "learning_rate": 3e-3,
                "warmup": 0.1,
            },
        },
    )


def real(folder: Path) -> Material:
    """Public text, instructions and comparisons of people, from a folder that holds these sets."""
    prose = [
        text[first : first + 3000]
        for file in sorted((folder / "prose_english/dev").glob("ENG18[4-6]*.txt"))
        for text in [file.read_text()[:500_000]]
        for first in range(0, len(text), 3000)
    ]
    below = 4
    prose += counting(below, len(prose) // 3)
    compared = list(_compared(folder / "pref_convincing_arguments/dev"))
    held = {row["group"] for row in compared if row["group"] < "t04"}
    step = {"log_every": 5, "samples": 4, "sample_tokens": 32, "validation_share": 0.0}
    each = {"batch": 16, "micro_batch": 16, **step}
    return Material(
        prose,
        list(_instructions(folder / "sft_instructions/dev/alpaca_en_demo.jsonl")),
        [row for row in compared if row["group"] not in held][:1000],
        [row for row in compared if row["group"] in held],
        below,
        200.0,
        {
            "tokenizer": {"vocabulary": 2048, "context": 256},
            "pretrain": {
                "depth": 3,
                "width": 96,
                "heads": 3,
                "context": 256,
                "steps": 400,
                "batch": 6,
                "micro_batch": 6,
                "learning_rate": 3e-3,
                "validate_every": 400,
                "validation_tokens": 20_000,
                "log_every": 10,
                "samples": 2,
                "sample_tokens": 24,
            },
            "sft": {**each, "learning_rate": 3e-3, "epochs": 2.0, "packing": False},
            "reward": {
                **each,
                "learning_rate": 3e-4,
                "epochs": 1.0,
                "validate_every": 100,
                "validation_rows": 200,
                "margin": 0.0,
            },
            "dpo": {**each, "learning_rate": 5e-5, "steps": 20, "validate_every": 20, "validation_rows": 100},
            "grpo": {
                **each,
                "batch": 64,
                "micro_batch": 64,
                "group": 8,
                "completion_tokens": 4,
                "steps": 60,
                "learning_rate": 1e-3,
                "warmup": 0.1,
            },
        },
    )


def _instructions(file: Path) -> Iterable[ROW]:
    for line in file.open():
        row = json.loads(line)
        question = f"{row['instruction']}\n{row['input']}".strip()
        if len(question) + len(row["output"]) < 400:
            yield {
                "messages": [
                    {"role": "user", "content": question},
                    {"role": "assistant", "content": row["output"]},
                ]
            }


def _compared(folder: Path) -> Iterable[ROW]:
    """Arguments of which people found one more convincing; ``group`` is the debate's topic."""
    said = {row["arg_id"]: row for row in map(json.loads, (folder / "arguments.jsonl").open())}
    for row in csv.DictReader((folder / "pairs.csv").open()):
        if not row["strict"]:
            continue
        better, worse = (row["a1"], row["a2"]) if row["strict"] == "a1" else (row["a2"], row["a1"])
        one, other = said[better], said[worse]
        if max(len(one["text"]), len(other["text"])) > 500:
            continue
        yield {
            "prompt": [{"role": "user", "content": f"{one['title']} {one['stance']}"}],
            "chosen": [{"role": "assistant", "content": one["text"]}],
            "rejected": [{"role": "assistant", "content": other["text"]}],
            "strength": 2,
            "group": better[:3],
        }


@dataclass
class Journey:
    """The stages' results by name, the curves that they reported, and the processor's seconds that they took."""

    storage: Storage
    workspace: Callable[[Spec], Workspace]
    material: Material
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    curves: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def go(self) -> "Journey":
        """All the way; sums are answered by half in fine-tuning, so that there is something left to find out."""
        of, put = self.material, self._put
        prose = publish_texts(self.storage, "prose", of.prose)
        held_pairs = put("held-pairs", "preferences", of.held_pairs, role="validation")
        learned_pairs = put("pairs", "preferences", of.train_pairs)
        problems = put("sums", "problems", sums(of.below))
        tokenizer = self._run("tokenizer", [prose])
        base = self._run("pretrain", [prose], tokenizer=tokenizer)
        known = put("known-sums", "conversations", answered(sums(of.below))[::2], epochs=of.times)
        talks = put("talks", "conversations", of.talks)
        chat = self._run("sft", [talks, known], base=base)
        scorer = self._run("reward", [learned_pairs, held_pairs], base=chat)
        liked = self._run("dpo", [learned_pairs, held_pairs], base=chat)
        solver = self._run("grpo", [problems], base=liked)
        texts = publish_texts(self.storage, "texts", of.prose[:8], role="eval")
        asked = [
            Source("sums@1", "problems", "datasets/sums/1", role="eval"),
            Source("held-pairs@1", "preferences", "datasets/held-pairs/1", role="eval"),
            texts,
        ]
        tried = {"samples": 64, "temperature": 1.0, "tries": "1,4", "max_tokens": 4, "limit": 200}
        self._run("evaluate", asked, base=liked, name="before", config=tried)
        self._run("evaluate", asked, base=solver, name="after", config=tried)
        self._run("evaluate", asked[1:2], base=scorer, name="scored", config=tried)
        return self

    def _put(self, name: str, kind: str, rows: list[ROW], **more: Any) -> Source:
        return publish(self.storage, name, kind, rows, **more)

    def _run(
        self,
        kind: str,
        sources: list[Source],
        *,
        base: Part | None = None,
        tokenizer: Part | None = None,
        name: str = "",
        config: dict[str, Any] | None = None,
    ) -> Part:
        number = len(self.results) + 1
        settings = config or self.material.settings[kind]
        work = self.workspace(Spec(kind, number, settings, sources, base=base, tokenizer=tokenizer))
        told: list[dict[str, Any]] = self.workspace.events  # type: ignore[attr-defined]
        first = len(told)
        began = process_time()
        result = import_module(stage(kind).program).run(work)
        self.seconds[name or kind] = round(process_time() - began, 1)
        assert result is not None
        self.results[name or kind] = result
        curves: dict[str, list[float]] = {}
        for event in told[first:]:
            if event["type"] == "metric":
                curves.setdefault(event["name"], []).append(event["value"])
        self.curves[name or kind] = curves
        reference = result.get("checkpoint", "")
        return Part(reference, f"checkpoints/{reference.removeprefix('checkpoint:')}")
