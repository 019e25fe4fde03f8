"""A run as its program gets it: the stage, its settings, and which stored things it reads and makes.

The launch writes it into the job's parameters; ``python -m training.llm.<stage> JOB_DIR`` reads it back.
It names everything by reference (for people and lineage) and by storage key (for the program), so that a
program needs no database.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from tilth.errors import InvalidInput
from tilth.storage import check_key

VERSION = 1


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset version that a run reads.

    ``folder`` is the storage key that holds its ``manifest.json``. ``role`` is ``train``, ``validation``,
    ``eval`` or ``search``. ``weight`` is its share of what is drawn, relative to the other sources; ``epochs``, where
    given, is how often each row is seen instead (30 good rows shall not drown).
    """

    reference: str
    kind: str
    folder: str
    role: str = "train"
    weight: float = 1.0
    epochs: float | None = None

    def __post_init__(self) -> None:
        check_key(self.folder)
        if self.weight <= 0 or (self.epochs is not None and self.epochs <= 0):
            raise InvalidInput(f"{self.reference}: weight and epochs are above zero.", field="dataset")


@dataclass(frozen=True, slots=True)
class Part:
    """A checkpoint that a run starts from or uses: its reference and the folder of its ``checkpoint.json``."""

    reference: str
    folder: str

    def __post_init__(self) -> None:
        check_key(self.folder)


@dataclass(frozen=True, slots=True)
class Spec:
    """One run.

    ``run`` is its number; checkpoints appear under ``checkpoints/<run>/<step>/``. ``base`` is the model to
    start from, ``reference_model`` what DPO and KL compare with (the base where not given),
    ``reward_model`` what RL optimises, ``tokenizer`` what pretraining uses. ``dataset`` names the dataset
    version (``name``, ``number``) that a stage writes rows into (``sample``, ``evaluate``).
    ``source_roots`` are the folders of the server that ``import`` and ``evaluate`` may read. ``prunes`` lets the program itself remove
    checkpoints beyond its setting ``keep``: not where somebody else knows what refers to them.
    """

    stage: str
    run: int
    config: dict[str, Any]
    sources: list[Source] = field(default_factory=list)
    base: Part | None = None
    reference_model: Part | None = None
    reward_model: Part | None = None
    tokenizer: Part | None = None
    dataset: dict[str, Any] | None = None
    source_roots: list[str] = field(default_factory=list)
    prunes: bool = True
    version: int = VERSION

    @property
    def parents(self) -> list[str]:
        """References of everything the run reads."""
        parts = [self.base, self.reference_model, self.reward_model, self.tokenizer]
        read = [source.reference for source in self.sources] + [p.reference for p in parts if p]
        return list(dict.fromkeys(read))

    def with_role(self, role: str) -> list[Source]:
        """The sources of one role, in order."""
        return [source for source in self.sources if source.role == role]

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Spec":
        """Read a run back; raises :class:`InvalidInput` when a newer Tilth wrote it."""
        if data.get("version", 1) > VERSION:
            raise InvalidInput("This run was written by a newer Tilth: update.", code="newer_spec")
        values = dict(data)
        values["sources"] = [Source(**source) for source in values.get("sources", [])]
        for name in ("base", "reference_model", "reward_model", "tokenizer"):
            values[name] = Part(**values[name]) if values.get(name) else None
        return cls(**values)
