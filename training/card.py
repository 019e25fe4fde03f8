"""The model card of an exported checkpoint: what it is, what it was made from, what was measured. No more than is known."""

from tilth.datasets.card import plain
from tilth.datasets.export.huggingface import licence_entry, to_yaml
from training.llm.checkpoints import Checkpoint as Stored
from training.models.checkpoints import Checkpoint
from training.present import flat, shown


def model_card(checkpoint: Checkpoint, stored: Stored) -> str:
    """The card as Markdown with the front matter that the Hub reads."""
    run = checkpoint.run
    parts = [
        f"# {plain(run.name)}",
        f"{_what(checkpoint)} made by the stage `{plain(run.stage)}` in Tilth, as `{checkpoint.reference}`.",
        _list(
            "At a glance",
            [
                ("Parameters", f"{checkpoint.parameters:,}" if checkpoint.parameters else ""),
                ("Architecture", plain(checkpoint.architecture)),
                ("Context", f"{checkpoint.context:,} tokens" if checkpoint.context else ""),
                ("Trained on", f"{checkpoint.tokens:,} tokens" if checkpoint.tokens else ""),
                ("Step", f"{checkpoint.step:,}"),
                ("Licence", plain(checkpoint.licence) or "not stated: find out before you share it"),
                ("Tokenizer", _hash(checkpoint.tokenizer_hash)),
                ("Chat template", _hash(checkpoint.template_hash)),
            ],
        ),
        _list("Made from", [("Parent", f"`{plain(parent)}`") for parent in stored.parents]),
        _list("Measured", [(plain(name), plain(shown(value))) for name, value in checkpoint.figures.items()]),
        _list("Settings", [(f"`{plain(name)}`", plain(shown(value))) for name, value in run.config.items()]),
        _list("Record", [(plain(name), plain(shown(value))) for name, value in flat(checkpoint.record)]),
    ]
    return f"---\n{to_yaml(_matter(checkpoint))}---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _what(checkpoint: Checkpoint) -> str:
    return {"model": "A language model", "tokenizer": "A tokenizer", "adapter": "An adapter"}.get(
        checkpoint.holds, "A checkpoint"
    )


def _matter(checkpoint: Checkpoint) -> dict[str, object]:
    matter: dict[str, object] = {**licence_entry(checkpoint.licence)}
    if checkpoint.holds == "model":
        matter |= {"library_name": "transformers", "pipeline_tag": "text-generation"}
    return {**matter, "tags": ["tilth", checkpoint.run.stage]}


def _list(title: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"- **{name}**: {value}" for name, value in rows if value]
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""


def _hash(digest: str) -> str:
    return f"sha256 `{digest}`" if digest else ""
