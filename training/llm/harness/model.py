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
    """The model of a run; ``task`` is the name of what it is asked now."""

    def __init__(self, work: Workspace, model: Any, folder: Path, batch: int, seed: int) -> None:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        super().__init__(pretrained=model, tokenizer=tokenizer, batch_size=batch)
        self.task = ""
        self._work = work
        self._seed = seed

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """How likely continuations are, and whether each is the likeliest."""
        found = self._in_parts(requests, super().loglikelihood)
        return [(likely, greedy) for likely, greedy in found]

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[float]:
        """How likely whole texts are."""
        return self._in_parts(requests, super().loglikelihood_rolling)

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[str]:
        """What the model writes up to where a task ends it."""
        return self._in_parts(requests, super().generate_until)

    def _in_parts(self, requests: Sequence[Any], ask: Callable[..., list[Any]]) -> list[Any]:
        """Answers, part by part; what is asked stands in the name, for a task's file may change between attempts."""
        said = json.dumps([request.args for request in requests], sort_keys=True)
        name = f"{self.task}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"

        def make(part: Sequence[Any], number: int) -> list[dict[str, Any]]:
            with own_random_numbers(self._seed * 1_000_003 + number):
                return [{"answer": answer} for answer in ask(list(part), disable_tqdm=True)]

        parts = in_parts(self._work, name, requests, REQUESTS_IN_PART, make)
        return [row["answer"] for part in parts for row in part]
