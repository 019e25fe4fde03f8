"""What a task may say: the keys and names of lm-evaluation-harness that are plain data.

Everything else is refused by name. The harness would take much of it for code: a metric that it does not know is
fetched and run, and so is a dataset script; generation settings go on to a function that loads code where told to.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from training.llm.harness.taskfile import refused

KINDS = {"json": (".json", ".jsonl", ".ndjson"), "parquet": (".parquet",), "csv": (".csv",)}
"""What ``dataset_path`` may be, with the endings of such files."""
SPLITS = ("training_split", "validation_split", "test_split", "fewshot_split")
METRICS = {
    "multiple_choice": (
        "acc",
        "acc_norm",
        "acc_bytes",
        "acc_mutual_info",
        "exact_match",
        "f1",
        "mcc",
        "brier_score",
    ),
    "loglikelihood": ("acc", "perplexity"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
    "generate_until": ("exact_match", "bleu", "chrf", "chrf++", "ter"),
}
"""The metrics of each ``output_type``."""

_TEMPLATES = (
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "gen_prefix",
    "target_delimiter",
    "fewshot_delimiter",
)
_KEYS = (
    "task",
    "task_alias",
    "tag",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    *SPLITS,
    *_TEMPLATES,
    "description",
    "fewshot_config",
    "num_fewshot",
    "metric_list",
    "output_type",
    "generation_kwargs",
    "repeats",
    "filter_list",
    "should_decontaminate",
    "doc_to_decontamination_query",
    "metadata",
)
_UNUSED = (
    "task_alias",
    "tag",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "should_decontaminate",
    "doc_to_decontamination_query",
)
"""Keys that say nothing here: names for lists, and where the data is, which is read by us."""
_FEWSHOT = ("sampler", "split", "samples", "fewshot_indices", *_TEMPLATES)
_SAMPLERS = ("default", "first_n")
_GENERATION = ("until", "max_gen_toks", "do_sample", "temperature", "top_p", "top_k")
_METRIC = (
    "metric",
    "aggregation",
    "higher_is_better",
    "regexes_to_ignore",
    "ignore_case",
    "ignore_punctuation",
    "ignore_numbers",
)
_AGGREGATIONS = (
    "mean",
    "median",
    "nanmean",
    "perplexity",
    "weighted_perplexity",
    "bits_per_byte",
    "f1",
    "matthews_corrcoef",
    "brier_score",
    "bleu",
    "chrf",
    "chrf++",
    "ter",
)
_FILTERS = (
    "regex",
    "regex_pos",
    "multi_choice_regex",
    "remove_whitespace",
    "take_first",
    "take_first_k",
    "majority_vote",
    "lowercase",
    "uppercase",
    "map",
)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,59}", re.ASCII)
_FILTER_NAME = re.compile(r"[\w-]{1,24}", re.ASCII)
_DEFAULT_FILTER = "none"


def task_config(file: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """What the harness is told of a task; raises for whatever is not on the lists."""
    _known(file, "a task", said, _KEYS)
    if not _NAME.fullmatch(said["task"]):
        raise refused(
            f"{file}: the name of a task is letters, digits, . _ and -, at most 60; {said['task']!r} is not."
        )
    if said.get("dataset_path") not in tuple(KINDS):
        raise refused(
            f"{file}: dataset_path is {said.get('dataset_path')!r}; it must be {' or '.join(KINDS)}, with the task's "
            "own files in dataset_kwargs: data_files. Nothing is fetched and no dataset script is run."
        )
    _known(file, "dataset_kwargs", _mapping(file, "dataset_kwargs", said), ("data_files",))
    output = said.get("output_type", "generate_until")
    if output not in tuple(METRICS):
        raise refused(f"{file}: output_type is one of {', '.join(METRICS)}; {output!r} is none.")
    _metrics(file, output, said)
    _filters(file, said)
    _fewshot(file, said)
    _known(file, "generation_kwargs", _mapping(file, "generation_kwargs", said), _GENERATION)
    return {key: value for key, value in said.items() if key not in _UNUSED and value is not None}


def _known(file: str, where: str, said: Iterable[str], known: tuple[str, ...]) -> None:
    unknown = next((key for key in said if key not in known), None)
    if unknown is not None:
        raise refused(f"{file}: {where} takes no {unknown!r} here; it takes {', '.join(known)}.")


def _mapping(file: str, key: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
    found = said.get(key) or {}
    if not isinstance(found, dict):
        raise refused(f"{file}: {key} holds keys with values.")
    return found


def _listed(file: str, key: str, said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = said.get(key) or []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise refused(f"{file}: {key} is a list whose items hold keys with values.")
    return found


def _metrics(file: str, output: str, said: Mapping[str, Any]) -> None:
    for item in _listed(file, "metric_list", said):
        _known(file, "a metric", item, _METRIC)
        if item.get("metric") not in METRICS[output]:
            raise refused(
                f"{file}: {item.get('metric')!r} is no metric of {output}; there are {', '.join(METRICS[output])}."
            )
        if item.get("aggregation", "mean") not in _AGGREGATIONS:
            raise refused(
                f"{file}: {item['aggregation']!r} is no aggregation; there are {', '.join(_AGGREGATIONS)}."
            )


def _filters(file: str, said: Mapping[str, Any]) -> None:
    for item in _listed(file, "filter_list", said):
        _known(file, "an item of filter_list", item, ("name", "filter"))
        name = item.get("name", _DEFAULT_FILTER)
        if not isinstance(name, str) or not _FILTER_NAME.fullmatch(name):
            raise refused(
                f"{file}: a filter's name is letters, digits, _ and -, at most 24; {name!r} is not."
            )
        for step in _listed(file, "filter", item):
            if step.get("function") not in _FILTERS:
                raise refused(
                    f"{file}: {step.get('function')!r} is no filter; there are {', '.join(_FILTERS)}."
                )


def _fewshot(file: str, said: Mapping[str, Any]) -> None:
    config = _mapping(file, "fewshot_config", said)
    _known(file, "fewshot_config", config, _FEWSHOT)
    if config.get("sampler", "default") not in _SAMPLERS:
        raise refused(f"{file}: the sampler of fewshot_config is one of {', '.join(_SAMPLERS)}.")
    _listed(file, "samples", config)
