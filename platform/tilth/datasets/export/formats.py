"""The export formats there are; adding one is adding an entry here and a function that writes it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from tilth.datasets.export import chat, huggingface, tables
from tilth.datasets.export.source import Source, Tick
from tilth.datasets.export.target import Target
from tilth.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what to call it, who reads it, the kinds it is for (all tables when empty), how it is written.

    ``files(source)`` names the files that ``write`` will create. ``options`` are the choices it honours.
    """

    name: str
    title: str
    help: str
    files: Callable[[Source], list[str]]
    write: Callable[[Source, Target, Tick], None]
    kinds: tuple[str, ...] = ()
    options: tuple[str, ...] = ("columns", "validation", "seed")

    def fits(self, kind: str) -> bool:
        """Whether versions of this kind can be exported in this format."""
        return kind in self.kinds if self.kinds else kind != "tokens"


_CHATS = ("conversations", "preferences")
_LINES = ("gzip", "validation", "seed")

FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format("parquet", "Parquet", "Compressed columns for pandas, Polars, DuckDB, Spark: a file per shard",
               tables.parquet_names, tables.write_parquet),
        Format("jsonl", "JSON lines", "One JSON object a row, for almost everything; optionally gzip",
               tables.jsonl_names, tables.write_jsonl, options=("columns", *_LINES)),
        Format("hf", "Hugging Face folder", "datasets.load_dataset reads it; with card and Croissant description",
               huggingface.hf_names, huggingface.write_hf),
        Format("openai", "OpenAI chat", "JSON lines for fine-tuning through OpenAI-like services",
               tables.jsonl_names, chat.write_openai, _CHATS, _LINES),
        Format("sharegpt", "ShareGPT", "JSON lines of human and gpt turns, for LLaMA-Factory, Axolotl and others",
               tables.jsonl_names, chat.write_sharegpt, _CHATS, _LINES),
        Format("trl", "TRL", "JSON lines as TRL's trainers read them: messages, or prompt, chosen and rejected",
               tables.jsonl_names, chat.write_trl, _CHATS, _LINES),
        Format("bin", "Token files", "The flat token shards and their boundaries, as trainers map them",
               tables.file_names, tables.write_files, ("tokens",), ()),
    )
}  # fmt: skip


def formats_for(kind: str) -> list[Format]:
    """The formats that fit a kind of dataset."""
    return [entry for entry in FORMATS.values() if entry.fits(kind)]


def format_for(name: str, kind: str) -> Format:
    """The format of this name, or :class:`InvalidInput` naming those that fit the kind."""
    fitting = {entry.name: entry for entry in formats_for(kind)}
    if name not in fitting:
        raise InvalidInput(
            f"{kind} cannot be exported as {name!r}; choose one of {', '.join(fitting)}.",
            code="bad_format",
            field="format",
        )
    return fitting[name]
