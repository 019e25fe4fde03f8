"""Small tasks of lm-evaluation-harness in a folder."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.training.conftest import NOUNS, VERBS

QUIZ: dict[str, Any] = {
    "task": "quiz",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "quiz.jsonl", "train": "shown.json"}},
    "output_type": "multiple_choice",
    "training_split": "train",
    "test_split": "test",
    "doc_to_text": "Story {{number}}. What does the {{noun}} do?",
    "doc_to_choice": "options",
    "doc_to_target": "answer",
    "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
}
CLOZE: dict[str, Any] = {
    "task": "cloze",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "quiz.jsonl"}},
    "output_type": "loglikelihood",
    "test_split": "test",
    "doc_to_text": "The {{noun}}",
    "doc_to_target": " {{options[0]}}",
    "metric_list": [{"metric": "perplexity"}, {"metric": "acc"}],
}
WRITES: dict[str, Any] = {
    "task": "writes",
    "dataset_path": "csv",
    "dataset_kwargs": {"data_files": {"test": "sums.csv"}},
    "output_type": "generate_until",
    "test_split": "test",
    "doc_to_text": "{{a}} + {{b}} =",
    "doc_to_target": "{{a + b}}",
    "generation_kwargs": {"until": ["."], "max_gen_toks": 6},
    "metric_list": [{"metric": "exact_match", "ignore_case": True}],
    "filter_list": [
        {"name": "first", "filter": [{"function": "take_first"}]},
        {
            "name": "digits",
            "filter": [{"function": "regex", "regex_pattern": "([0-9])"}, {"function": "take_first"}],
        },
    ],
}


def questions(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Rows with three options each."""
    return [
        {
            "number": n,
            "noun": NOUNS[n % 12],
            "options": [f"{VERBS[(n + k) % 8]} the {NOUNS[(n + k) % 12]}" for k in range(3)],
            "answer": n % 3,
        }
        for n in range(start, start + count)
    ]


def task_folder(folder: Path, *tasks: dict[str, Any], count: int = 12) -> Path:
    """A folder with these tasks and the data that they name."""
    folder.mkdir(parents=True, exist_ok=True)
    for task in tasks:
        (folder / f"{task['task']}.yaml").write_text(yaml.safe_dump(task))
    (folder / "quiz.jsonl").write_text("\n".join(map(json.dumps, questions(count))))
    (folder / "shown.json").write_text(json.dumps(questions(6, 100)))
    (folder / "sums.csv").write_text("a,b\n" + "\n".join(f"{n % 5},{n % 4}" for n in range(count)))
    return folder
