"""The stage ``import``: a model that others made becomes a checkpoint to start from.

Its weights are taken byte by byte, so that every file has the hash that its publisher gives; licence and
origin go into the record.
"""

from pathlib import Path
from typing import Any

from tilth.datasets.import_.hub_folder import read_card
from tilth.datasets.licences import check_licence, known_or_unknown
from training.llm import hub, model_folder
from training.llm.checkpoints import Checkpoint
from training.llm.configs.import_ import ImportConfig
from training.llm.export import TOKENIZER_FILES
from training.llm.model_folder import Known
from training.llm.program import Workspace, main
from training.llm.record import record, template_hash, tokenizer_hash
from training.llm.source_roots import roots
from training.llm.trainer_state import with_room


def run(work: Workspace) -> dict[str, Any] | None:
    """Fetch, check and store the model as ``checkpoint:<run>/0``."""
    config = ImportConfig.from_json(work.spec.config)
    if config.licence:
        check_licence(config.licence)
    work.report.progress(0, 3, "fetch", config.source)
    origin = hub.find(config.source, config.revision, roots(work.spec.source_roots), work.scratch)
    known: list[Known] = []

    def gather(folder: Path) -> None:
        for name, path in origin.files.items():
            if name in TOKENIZER_FILES:  # a tokenizer of an older form is written anew beside its files
                (folder / name).write_bytes(path.read_bytes())
            else:
                (folder / name).symlink_to(path)
        work.report.progress(1, 3, "check")
        known.append(model_folder.check(folder))

    def keep(folder: Path) -> Checkpoint:
        work.stop_if_asked()
        work.report.progress(2, 3, "store")
        return work.store(folder, _checkpoint(work, config, folder, known[0], origin.record))

    stored = with_room(work.scratch / "import", gather, keep)
    if known[0].unexpected:
        work.report.log(
            f"{len(known[0].unexpected)} stored weights have no use: {known[0].unexpected[0]} …", "warning"
        )
    work.report.progress(3, 3, "done")
    return {
        "checkpoint": stored.reference,
        "parameters": stored.parameters,
        "architecture": stored.architecture,
        "licence": stored.licence,
        "template": known[0].template,
        "origin": origin.record,
    }


def _checkpoint(
    work: Workspace, config: ImportConfig, folder: Path, known: Known, origin: dict[str, str]
) -> Checkpoint:
    return Checkpoint(
        run=work.spec.run,
        step=0,
        stage=work.spec.stage,
        holds="model",
        parameters=known.parameters,
        architecture=known.architecture,
        context=known.context,
        tokenizer_hash=tokenizer_hash(folder),
        template_hash=template_hash(folder),
        licence=_licence(config, folder),
        config=config.to_json(),
        parents=work.spec.parents,
        record=record(0, origin=origin, template=known.template),
    )


def _licence(config: ImportConfig, folder: Path) -> str:
    """What was typed, else what the card says, by its SPDX name; ``unknown`` where neither tells."""
    if config.licence:
        return check_licence(config.licence)
    named = read_card(folder).get("license") or ""
    return known_or_unknown(named if isinstance(named, str) else "mixed")


if __name__ == "__main__":
    main(run)
