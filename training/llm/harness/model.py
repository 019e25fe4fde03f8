"""Our model as lm-evaluation-harness asks it: its own reader of Hugging Face models, in parts that are kept.

What is asked and how likelihoods are summed is the harness's, so that figures compare with those that others give.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lm_eval.models.huggingface import HFLM
from transformers import AutoTokenizer

from training.llm.generation import own_random_numbers
from training.llm.parts import in_parts
from training.llm.program import Workspace

REQUESTS_IN_PART = 256


class Asked(HFLM):  # type: ignore[misc]
    """The model of a run. :meth:`begin` says what it is asked next; ``requests`` and ``cut`` count since then.

    What is longer than the model takes loses its beginning, as in the harness; ``cut`` tells how often.
    """

    def __init__(self, work: Workspace, model: Any, folder: Path, batch: int, seed: int) -> None:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        super().__init__(pretrained=model, tokenizer=tokenizer, batch_size=batch)
        self._work = work
        self._seed = seed
        self.begin("")

    def begin(self, task: str) -> None:
        """Turn to another task."""
        self._task, self.requests, self.cut = task, 0, 0

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """How likely continuations are, and whether each is the likeliest."""
        room = self.max_length + 1
        found = self._in_parts(
            requests, super().loglikelihood, lambda args: self._tokens("".join(args)) > room
        )
        return [(likely, greedy) for likely, greedy in found]

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[float]:
        """How likely whole texts are; long ones are read window by window."""
        return self._in_parts(requests, super().loglikelihood_rolling, lambda args: False)

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[str]:
        """What the model writes up to where a task ends it."""

        def cut(args: Any) -> bool:
            return self._tokens(args[0]) > self.max_length - args[1].get("max_gen_toks", self.max_gen_toks)

        return self._in_parts(requests, super().generate_until, cut)

    def _tokens(self, text: str) -> int:
        return len(self.tok_encode(text)) if text else 0

    def _in_parts(
        self, requests: Sequence[Any], ask: Callable[..., list[Any]], cut: Callable[[Any], bool]
    ) -> list[Any]:
        """Answers, part by part; what is asked stands in the name, for a task's file may change between attempts."""
        said = json.dumps([request.args for request in requests], sort_keys=True)
        name = f"{self._task}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"

        def make(part: Sequence[Any], number: int) -> list[dict[str, Any]]:
            with own_random_numbers(self._seed * 1_000_003 + number):
                answers = ask(list(part), disable_tqdm=True)
            return [
                {"answer": answer, "cut": cut(request.args)}
                for request, answer in zip(part, answers, strict=True)
            ]

        rows = [row for part in in_parts(self._work, name, requests, REQUESTS_IN_PART, make) for row in part]
        self.requests += len(rows)
        self.cut += sum(row["cut"] for row in rows)
        return [row["answer"] for row in rows]
