"""Tasks of lm-evaluation-harness made of what was read: with our own tables, and templates in a sandbox.

This module and those that import it load the harness, which takes seconds: they are imported where it is needed.
"""

import logging
from typing import Any

import huggingface_hub.constants
import lm_eval.utils
from jinja2 import BaseLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from lm_eval.api.task import ConfigurableTask

from tilth.errors import InvalidInput
from training.llm.configs.evaluate import EvaluateConfig
from training.llm.harness.folder import TaskFile, tasks_in
from training.llm.harness.tables import splits_of
from training.llm.harness.taskfile import refused
from training.llm.source_roots import roots
from training.llm.spec import Spec


class OfflineTask(ConfigurableTask):  # type: ignore[misc]
    """A task whose data is at hand."""

    def __init__(self, file: TaskFile) -> None:
        self._splits = splits_of(file)
        super().__init__(config=dict(file.config))

    def download(self, dataset_kwargs: Any = None, **kwargs: Any) -> None:
        """Take the tables that were read; nothing is fetched."""
        self.dataset = self._splits


def tasks(spec: Spec, config: EvaluateConfig) -> list[tuple[TaskFile, OfflineTask]]:
    """The tasks that a run is to be measured on, each tried on its first row."""
    files = tasks_in(config.tasks, config.task_names, roots(spec.source_roots))
    return [(file, built(file, config.fewshot, config.seed)) for file in files]


def built(file: TaskFile, fewshot: int | None, seed: int) -> OfflineTask:
    """The harness's task, its templates tried on the first row; raises :class:`InvalidInput` where they do not fit.

    As in the harness, ``fewshot`` replaces the number of examples unless the task itself says 0.
    """
    _close()
    try:
        task = OfflineTask(file)
        own = task.config.num_fewshot
        task.set_config("num_fewshot", (own or 0) if own == 0 or fewshot is None else fewshot)
        task.set_fewshot_seed(seed)
        task.fewshot_context(task.eval_docs[0], num_fewshot=task.config.num_fewshot)
        task.set_fewshot_seed(seed)
    except InvalidInput:
        raise
    except Exception as error:  # the harness raises whatever its parts do
        raise refused(
            f"{file.name}: its first row cannot be asked: {type(error).__name__}: {error}"
        ) from None
    return task


def _close() -> None:
    """Let templates of the harness run in a sandbox, and nothing be fetched from the Hub by anything."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    if not isinstance(lm_eval.utils.env, ImmutableSandboxedEnvironment):
        closed = ImmutableSandboxedEnvironment(
            loader=BaseLoader(), undefined=StrictUndefined, keep_trailing_newline=True
        )
        closed.filters["regex_replace"] = lm_eval.utils.regex_replace
        lm_eval.utils.env = closed
