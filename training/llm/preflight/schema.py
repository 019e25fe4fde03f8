"""Check of the sources' shape: the kind that the stage reads, columns of a schema we know, rows that say something."""

import pyarrow.parquet as pq

from tilth.datasets.columns import ROLES
from tilth.datasets.reader import shard_version
from tilth.datasets.schemas import KINDS, upgrade
from tilth.errors import TilthError
from training.llm.inputs import Inputs
from training.llm.preflight.reading import Seen, every, step_for_rows
from training.llm.preflight.result import Check, Offender, failed, passed, rows
from training.llm.spec import Source, Spec
from training.llm.stages import stage
from training.llm.tools import too_large

MOST_ROWS = 20_000
_LISTS = {
    "prompts": ("messages",),
    "conversations": ("messages",),
    "completions": ("prompt", "completion"),
    "preferences": ("prompt", "chosen", "rejected"),
    "problems": ("prompt",),
}
"""Columns of messages by kind, none of which may be empty."""


def schema(spec: Spec, inputs: Inputs) -> Check:
    """Every source holds what the stage reads in its role, in a schema that this code knows."""
    faults, found, total = [], [], 0
    for source in spec.sources:
        fault = _of_source(spec, inputs, source)
        if fault:
            faults.append(f"{source.reference}: {fault}")
            continue
        total += inputs.manifest(source).rows
        found += wrong_rows(inputs, source)
    if faults:
        return failed("schema", " ".join(faults))
    if found:
        words = f"{rows(len(found))} cannot be read as the stage reads them: correct or remove them."
        return failed("schema", words, figures={"rows": total}).with_rows(found)
    return passed("schema", f"{rows(total)} of the right kind.", figures={"rows": total})


def _of_source(spec: Spec, inputs: Inputs, source: Source) -> str:
    """What is wrong with a source as a whole; empty where nothing is."""
    known = stage(spec.stage)
    kinds = known.kinds(source.role)
    manifest = inputs.manifest(source)
    if manifest.kind != source.kind or source.kind not in kinds:
        return f"it holds {manifest.kind}; {known.title} reads {' or '.join(kinds) or 'nothing'} for {source.role}."
    if not manifest.rows:
        return "it has no row."
    if source.role == "search" and (fault := too_large(inputs, source)):
        return fault
    if source.kind == "tokens":
        return ""  # no columns; its tokenizer is compared when it is read
    for path in inputs.paths(source):
        file = pq.ParquetFile(path)
        try:
            upgrade(file.schema_arrow.empty_table(), source.kind, shard_version(file))
        except TilthError as error:
            return f"{path.name}: {error.message}."
        missing = [name for name in KINDS[source.kind].required if name not in file.schema_arrow.names]
        if missing:
            return f"{path.name} has no column {missing[0]!r}."
    return ""


def wrong_rows(inputs: Inputs, source: Source) -> list[Offender]:
    """Rows that say nothing, or whose messages are of a role that there is not."""
    if source.kind == "tokens":
        return []
    looked = every(inputs, source, step_for_rows(inputs, source, MOST_ROWS))
    return [seen.offender(why) for seen in looked if (why := wrong(seen))]


def wrong(seen: Seen) -> str:
    """What is wrong with a row; empty where nothing is."""
    row = seen.row
    if seen.source.kind == "documents" and not row["text"].strip():
        return "the text is empty"
    for name in _LISTS.get(seen.source.kind, ()):
        if not row[name]:
            return f"{name} is empty"
        unknown = [message.get("role") for message in row[name] if message.get("role") not in ROLES]
        if unknown:
            return f"{name}: there is no role {unknown[0]!r}"
    return ""
