"""Check of the tasks of lm-evaluation-harness: their files say nothing but data, and their first rows can be asked."""

from training.llm.configs.evaluate import EvaluateConfig
from training.llm.preflight.result import Check, passed
from training.llm.program import Workspace


def tasks(work: Workspace, config: EvaluateConfig) -> Check:
    """Read every task as the run will; what is wrong with one is raised."""
    if not config.tasks:
        return passed("tasks", "No task is to be measured on.")
    from training.llm.harness.tasks import tasks as read  # the harness loads for seconds

    found = {file.name: len(task.eval_docs) for file, task in read(work.spec, config)}
    words = "Data alone, and the first row of each can be asked. Whether the model was trained on them is not looked into."
    return passed("tasks", words, figures={f"{name}: rows": count for name, count in found.items()})
