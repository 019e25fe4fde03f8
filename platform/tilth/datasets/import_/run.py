"""The import itself: every file of a source, row by row, into shards, with a report of what was wrong.

Good rows are loaded and bad ones reported; more bad rows than allowed, or none good, fail the import.
Memory is bounded: batches of rows, ids of mapped columns in a file on disk. An attempt that dies leaves
only its own folder; the next one starts afresh. Pure: no Django.
"""

import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tilth.datasets.build import build_manifest
from tilth.datasets.import_.convert import Converter, Fault, signal_names
from tilth.datasets.import_.preview import Sample, sample
from tilth.datasets.import_.readers import BadRecord, detect_format, read_records
from tilth.datasets.import_.shapes import fields, recognise
from tilth.datasets.import_.sources import Source, SourceFile, open_source
from tilth.datasets.manifest import Manifest, Shard, version_folder
from tilth.datasets.origins import origin
from tilth.datasets.token_files import TokenWriter
from tilth.datasets.writer import DatasetWriter
from tilth.errors import InvalidInput
from tilth.jobs.reporting import Reporter
from tilth.text.cells import Table

BATCH_ROWS = 500
MAX_REPORTED = 100_000
MAX_FIELDS = 10_000
"""Names of fields that are remembered; a file with more is not a table."""
REPORTS = ("csv", "jsonl")


@dataclass(frozen=True)
class ImportPlan:
    """A job's parameters. ``source`` is as :func:`~tilth.datasets.import_.sources.open_source` reads it.

    An empty ``mapping`` means what is recognised. ``tokenizer`` and ``vocabulary`` are for ``tokens``.
    """

    source: dict[str, Any]
    dataset: str
    number: int
    kind: str
    mapping: dict[str, str] = field(default_factory=dict)
    max_bad_share: float = 0.05
    tokenizer: str = ""
    vocabulary: int = 0


@dataclass
class Counts:
    """What came of the rows so far."""

    good: int = 0
    bad: int = 0
    duplicates: int = 0
    bytes_done: int = 0
    unused: list[str] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """Rows looked at."""
        return self.good + self.bad + self.duplicates


def report_key(prefix: str, attempt: int, kind: str) -> str:
    """Storage key of an attempt's error report, as ``csv`` or ``jsonl``."""
    return f"{prefix}/errors-{attempt}.{kind}"


class ErrorReport:
    """The faults by row and field, as CSV and as JSONL; the first 100,000 are written."""

    def __init__(self, stack: ExitStack, reporter: Reporter) -> None:
        self.keys = {kind: report_key(reporter.prefix, reporter.attempt, kind) for kind in REPORTS}
        self._files = {
            kind: io.TextIOWrapper(stack.enter_context(reporter.storage.create(key)), "utf-8", newline="")
            for kind, key in self.keys.items()
        }
        for file in self._files.values():
            stack.callback(file.detach)
            stack.callback(file.flush)
        self._csv = Table(self._files["csv"])
        self._csv.write(["file", "row", "field", "message"])
        self.first: list[dict[str, Any]] = []
        self.count = 0

    def add(self, file: str, row: int, name: str, message: str) -> None:
        """Write one fault down."""
        self.count += 1
        if self.count > MAX_REPORTED:
            return
        item = {"file": file, "row": row, "field": name, "message": message}
        if len(self.first) < 20:
            self.first.append(item)
        self._csv.write(item.values())
        self._files["jsonl"].write(json.dumps(item, ensure_ascii=False) + "\n")


class SeenIds:
    """Ids met so far, kept in a file on disk."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute("CREATE TABLE seen (id BLOB PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def is_new(self, identifier: str) -> bool:
        """Whether the id was not met before; remembers it."""
        sql = "INSERT OR IGNORE INTO seen VALUES (?)"
        return self._database.execute(sql, (bytes.fromhex(identifier),)).rowcount == 1

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def run_import(plan: ImportPlan, reporter: Reporter) -> dict[str, Any] | None:
    """Do the import; returns the job's result, or ``None`` when asked to stop.

    The result names the manifest's key in storage, the counts and the keys of the error report.
    """
    source = open_source(plan.source, reporter.storage)
    taken = sample(source)
    mapping = plan.mapping or recognise(taken.values, plan.kind).mapping
    counts, fault, shards = Counts(), None, None
    with ExitStack() as stack:
        report = ErrorReport(stack, reporter)
        loader = _Loader(plan, reporter, source, mapping, taken, counts, report)
        stack.callback(loader.seen.close)
        try:
            shards = loader.load()
        except InvalidInput as error:
            # Raised again below, once the report of what led to it is safe.
            fault = error
    for kind, key in report.keys.items():
        reporter.artifact(f"errors.{kind}", key, reporter.storage.size(key))
    if fault:
        raise fault
    if shards is None:
        return None
    _judge(plan, counts, report)
    manifest = _manifest(plan, reporter, source, mapping, counts, shards)
    key = f"{reporter.prefix}/manifest-{reporter.attempt}.json"
    reporter.storage.write_bytes(key, manifest.to_json().encode())
    return {
        "dataset": plan.dataset,
        "number": plan.number,
        "manifest_key": key,
        "rows": counts.good,
        "bad": counts.bad,
        "duplicates": counts.duplicates,
        "errors": report.keys,
        "first_errors": report.first,
        "unused_columns": counts.unused,
    }


class _Loader:
    """The loop over files and rows."""

    def __init__(
        self,
        plan: ImportPlan,
        reporter: Reporter,
        source: Source,
        mapping: dict[str, str],
        taken: Sample,
        counts: Counts,
        report: ErrorReport,
    ) -> None:
        self.plan, self.reporter, self.source, self.mapping = plan, reporter, source, mapping
        self.counts, self.report = counts, report
        self.signals = signal_names(taken.values, mapping)
        self.fields: dict[str, None] = {}
        Converter(plan.kind, mapping, "", self.signals).check_fields(fields(taken.values))
        self.seen = SeenIds(reporter.work_dir / "ids.sqlite3")
        prefix = f"{version_folder(plan.dataset, plan.number)}/{reporter.attempt}"
        self.writer = _writer(plan, reporter, prefix, self.signals)

    def load(self) -> list[Shard] | None:
        """All shards, or ``None`` when asked to stop."""
        with self.writer as writer:
            for file in self.source.files:
                digest, seen, good = file.content_id(), self.counts.seen, self.counts.good
                for rows in self._batches(file, digest):
                    writer.write(rows)
                    self._progress(file)
                    if self.reporter.stopping:
                        writer.abandon()
                        return None
                self.counts.bytes_done += file.size
                self.counts.files.append(
                    origin(
                        f"file:{file.name}",
                        self.counts.seen - seen,
                        self.counts.good - good,
                        bytes=file.size,
                        sha256=digest,
                    )
                )
        self.counts.unused = Converter(self.plan.kind, self.mapping, "", self.signals).unused(self.fields)
        return writer.close()

    def _progress(self, file: SourceFile) -> None:
        done, counts = self.counts.bytes_done, self.counts
        message = f"{counts.good:,} rows good, {counts.bad:,} bad · {file.name}"
        self.reporter.progress(done, self.source.size, "reading", message)

    def _batches(self, file: SourceFile, digest: str) -> Iterator[list[dict[str, Any]]]:
        kind = detect_format(file)
        converter = Converter(self.plan.kind, self.mapping, digest, self.signals)
        batch: list[dict[str, Any]] = []
        for found in read_records(file, kind):
            if isinstance(found, BadRecord):
                self._bad(file, found.row, [Fault("", found.reason)])
                continue
            if len(self.fields) < MAX_FIELDS:
                self.fields.update(dict.fromkeys(found.values))
            row, faults = converter.row(found.row, found.values)
            if row is None:
                self._bad(file, found.row, faults)
            elif "id" in self.mapping and not self.seen.is_new(row["id"]):
                self.counts.duplicates += 1
                self.report.add(
                    file.name, found.row, "id", "an earlier row has the same id; this one is left out"
                )
            else:
                self.counts.good += 1
                batch.append(row)
            if len(batch) >= BATCH_ROWS:
                yield batch
                batch = []
        yield batch

    def _bad(self, file: SourceFile, row: int, faults: list[Fault]) -> None:
        self.counts.bad += 1
        for fault in faults:
            self.report.add(file.name, row, fault.field, fault.message)
        if self.counts.bad >= 1000 and not self.counts.good:
            raise InvalidInput(f"the first 1,000 rows are all bad; {_first(self.report)}", code="all_bad")


class _TokenRows:
    """Token rows written through the same two methods as the others."""

    def __init__(self, writer: TokenWriter) -> None:
        self._writer = writer
        self.close = writer.close
        self.abandon = writer.abandon

    def __enter__(self) -> "_TokenRows":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.abandon()

    def write(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self._writer.write(row["id"], row["tokens"])


def _writer(
    plan: ImportPlan, reporter: Reporter, prefix: str, signals: tuple[str, ...]
) -> DatasetWriter | _TokenRows:
    if plan.kind == "tokens":
        return _TokenRows(TokenWriter(reporter.storage, prefix, plan.tokenizer, plan.vocabulary or 1 << 32))
    return DatasetWriter(reporter.storage, prefix, plan.kind, signals=signals)


def _judge(plan: ImportPlan, counts: Counts, report: ErrorReport) -> None:
    seen = counts.good + counts.bad
    if not counts.good:
        raise InvalidInput(f"no row could be imported; {_first(report)}", code="all_bad")
    if counts.bad > plan.max_bad_share * seen:
        raise InvalidInput(
            f"{counts.bad:,} of {seen:,} rows are bad, more than the {plan.max_bad_share:.1%} allowed; "
            f"{_first(report)}. Mend the file or the mapping, or allow more",
            code="too_many_bad",
        )


def _first(report: ErrorReport) -> str:
    item = report.first[0]
    where = f"{item['field']}: " if item["field"] else ""
    return f"first: {item['file']} row {item['row']}, {where}{item['message']}"


def _manifest(
    plan: ImportPlan,
    reporter: Reporter,
    source: Source,
    mapping: dict[str, str],
    counts: Counts,
    shards: list[Shard],
) -> Manifest:
    reporter.progress(1, 1, "measuring", f"{counts.good:,} rows")
    upload = plan.source.get("upload")
    recipe = {
        "mapping": mapping,
        "files": [{name: f[name] for name in ("name", "bytes", "sha256")} for f in counts.files],
        "part": source.chosen,
        "unused_columns": counts.unused,
        **{name: value for name, value in asdict(plan).items() if name in {"max_bad_share"}},
    }
    left_out = {"bad rows": counts.bad, "rows with an id met before": counts.duplicates}
    return build_manifest(
        reporter.storage,
        plan.dataset,
        plan.number,
        plan.kind,
        shards,
        producer="import",
        parents=[f"upload:{upload}"] if upload else [],
        recipe=recipe,
        missing=[{"what": what, "rows": rows} for what, rows in left_out.items() if rows],
        sources=counts.files,
    )
