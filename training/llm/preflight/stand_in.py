"""A run made small: the same stage and settings on a few rows and a model of few layers, in a storage of its own.

What is rehearsed is the program, the data's form and the base's files, not the learning.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from tilth.datasets.manifest import Manifest
from tilth.datasets.schemas import row_id
from tilth.datasets.writer import DatasetWriter
from tilth.storage import Storage
from training.llm import checkpoints
from training.llm.config import Config
from training.llm.configs.pretrain import PretrainConfig
from training.llm.export import copy_tokenizer
from training.llm.preflight.survey import Survey
from training.llm.program import Workspace
from training.llm.rows import place
from training.llm.shards import documents_of
from training.llm.spec import Part, Source, Spec
from training.llm.vocabulary import Vocabulary

STEPS = 2
ROWS = 16
DOCUMENTS = 256
LAYERS = 2
SMALL = 20_000_000
"""Parameters of a model that is rehearsed as it is."""
_LAYERS = ("num_hidden_layers", "n_layer")


@dataclass(frozen=True)
class StandIn:
    """A small run: what its program reads, and the storage that holds all of it."""

    spec: Spec
    storage: Storage


def stand_in(work: Workspace, config: Config, folder: Path, rows: Survey | Vocabulary) -> StandIn:
    """The run of ``work`` made small, in a folder.

    ``rows`` are the survey of the rows (the shortest that teach something are taken), for pretraining the
    vocabulary (documents are taken as they come).
    """
    storage = Storage(str(folder / "storage"))
    if isinstance(rows, Survey):
        sources, apart = _of_survey(work, storage, rows)
    else:
        sources, apart = _of_documents(work, storage, rows)
    parts: dict[str, Any] = {
        name: _part(work, storage, part)
        for name in ("base", "reference_model", "reward_model", "tokenizer")
        if (part := getattr(work.spec, name)) is not None
    }
    small = replace(
        work.spec, config=shrunk(config, apart).to_json(), sources=sources, **parts, run=1, dataset=None
    )
    return StandIn(small, storage)


def shrunk(config: Config, apart: bool) -> Config:
    """Settings for two steps on a CPU; ``apart`` says that some rows can be held out."""
    values: dict[str, Any] = {
        "steps": STEPS,
        "tokens": None,
        "batch": 2,
        "micro_batch": 1,
        "save_every": 1,
        "validate_every": 1,
        "checkpoint_every": None,
        "log_every": 1,
        "time_limit": None,
        "precision": "fp32",
        "compile": "off",
        "samples": 1,
        "sample_tokens": 8,
        "validation_rows": 2,
        "validation_tokens": 2048,
        "group": 2,
        "eval_samples": 1,
        "completion_tokens": min(16, getattr(config, "completion_tokens", 16)),
    }
    if not apart:
        values["validation_share"] = 0.0
    if isinstance(config, PretrainConfig):
        values |= {"context": min(config.context, 128), "depth": min(config.depth, LAYERS)}
        if config.width is None:
            values["width"] = min(64 * config.depth, 256)
    known = {field.name for field in fields(config)}
    return replace(config, **{name: value for name, value in values.items() if name in known})


def _of_survey(work: Workspace, storage: Storage, survey: Survey) -> tuple[list[Source], bool]:
    """The shortest rows of each source, of different prompts; validation rows of prompts that are not trained on."""
    trained: set[int] = set()
    found = []
    for source in work.spec.with_role("train"):
        chosen: set[int] = set()
        for line in sorted(survey.usable(source.reference), key=lambda line: line.length):
            if line.place not in trained and len(chosen) < ROWS:
                trained.add(line.place)
                chosen.add(line.row.number - 1)
        if chosen:
            found.append(_copied(work, storage, source, chosen))
    for source in work.spec.with_role("validation"):
        apart = (number for number, row in enumerate(work.inputs.rows(source)) if place(row) not in trained)
        if chosen := set(islice(apart, ROWS)):
            found.append(_copied(work, storage, source, chosen))
    found += [_copied(work, storage, source, set(range(ROWS))) for source in work.spec.with_role("search")]
    return found, len(trained) > ROWS // 2


def _of_documents(work: Workspace, storage: Storage, vocabulary: Vocabulary) -> tuple[list[Source], bool]:
    """The first documents of each source; texts that stand in training are no validation."""
    seen: set[str] = set()
    found = []
    for source in [*work.spec.with_role("train"), *work.spec.with_role("validation")]:
        texts = [text for text in _texts(work, source, vocabulary) if text not in seen]
        if source.role == "train":
            seen.update(texts)
        if texts:
            rows = [
                {"id": row_id(n), "text": text, "source": "rehearsal", "record_offset": n}
                for n, text in enumerate(texts)
            ]
            found.append(_put(storage, replace(source, kind="documents"), rows))
    return found, len(seen) > 1


def _texts(work: Workspace, source: Source, vocabulary: Vocabulary) -> list[str]:
    for shard in work.inputs.manifest(source).shards:
        if shard.rows:
            texts, _ = next(documents_of(work, source, shard, vocabulary), ([], []))
            return list(texts)[:DOCUMENTS]
    return []


def _copied(work: Workspace, storage: Storage, source: Source, numbers: set[int]) -> Source:
    """Some rows of a source, as they are stored."""
    tables, first = [], 0
    for table in work.inputs.batches(source):
        inside = sorted(number - first for number in numbers if first <= number < first + len(table))
        if inside:
            tables.append(table.take(pa.array(inside)))
        first += len(table)
        if first > max(numbers):
            break
    return _put(storage, source, pa.concat_tables(tables))


def _put(storage: Storage, source: Source, rows: pa.Table | Sequence[dict[str, Any]]) -> Source:
    with DatasetWriter(storage, f"{source.folder}/attempt-1", source.kind) as writer:
        writer.write(rows)
        shards = writer.close()
    manifest = Manifest("rehearsal", 1, source.kind, 1, shards)
    storage.write_bytes(f"{source.folder}/manifest.json", manifest.to_json().encode())
    return replace(source, weight=1.0, epochs=None)


def _part(work: Workspace, storage: Storage, part: Part) -> Part:
    """A checkpoint in the small storage: of few layers where it is large."""
    stored, folder = work.load(part)
    made = work.scratch / "rehearsal-parts" / part.folder.replace("/", "-")
    if stored.holds == "model" and stored.parameters > SMALL and _few_layers(folder, made):
        copy_tokenizer(folder, made)
    else:
        made = folder
    checkpoints.store(storage, made, replace(stored, files=[]), 1)
    return part


def _few_layers(folder: Path, made: Path) -> bool:
    """Write an untrained model of the same kind with few layers; says whether its settings tell how."""
    # Loading the library takes seconds, and most rehearsed models are small.
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    inner = config.get_text_config()
    name = next((name for name in _LAYERS if hasattr(inner, name)), None)
    if name is None:
        return False
    setattr(inner, name, min(LAYERS, getattr(inner, name)))
    if getattr(inner, "layer_types", None):
        inner.layer_types = inner.layer_types[:LAYERS]
    scores = (config.architectures or [""])[0].endswith(checkpoints.SCORING)
    loader = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
    loader.from_config(config).save_pretrained(made)
    return True
