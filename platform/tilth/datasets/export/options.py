"""What can be chosen about an export, checked once for the form, the API, the command and the job alike. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import xxhash

from tilth.errors import InvalidInput

SPLITS = ("train", "validation")


@dataclass(frozen=True, slots=True)
class Options:
    """Choices about an export.

    ``columns``: the columns to keep, all when empty. ``gzip``: compress JSON lines. ``validation``: share
    of rows (0 to 0.5) that goes to a validation split. ``seed``: another seed picks other rows.
    """

    columns: tuple[str, ...] = ()
    gzip: bool = False
    validation: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.validation <= 0.5:
            raise InvalidInput(
                f"The validation share is {self.validation}; choose one from 0 to 0.5.",
                code="bad_option",
                field="validation",
            )

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Options":
        """Read options as a job or an API client spells them; raises :class:`InvalidInput`."""
        unknown = set(data) - set(cls.__dataclass_fields__)
        if unknown:
            raise InvalidInput(f"There is no export option {sorted(unknown)[0]!r}.", code="bad_option")
        try:
            return cls(
                columns=tuple(str(name) for name in data.get("columns") or ()),
                gzip=bool(data.get("gzip", False)),
                validation=float(data.get("validation") or 0),
                seed=int(data.get("seed") or 0),
            )
        except (TypeError, ValueError):
            raise InvalidInput(
                "Export options are columns (names), gzip (true or false), validation (0 to 0.5), seed (whole).",
                code="bad_option",
            ) from None

    @property
    def as_dict(self) -> dict[str, Any]:
        """The options as JSON, without those left as they are by default."""
        plain = {**asdict(self), "columns": list(self.columns)}
        defaults = {**asdict(Options()), "columns": []}
        return {name: value for name, value in plain.items() if value != defaults[name]}

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits that these options make."""
        return SPLITS if self.validation else SPLITS[:1]

    def check_columns(self, there: Sequence[str]) -> None:
        """Raise :class:`InvalidInput` for a column that the version does not have."""
        for name in self.columns:
            if name not in there:
                raise InvalidInput(
                    f"There is no column {name!r}; there are {', '.join(there)}.",
                    code="bad_column",
                    field="columns",
                )

    def split_of(self, key: str) -> str:
        """The split of a row by its key: the same key always goes to the same one."""
        if not self.validation:
            return SPLITS[0]
        place = xxhash.xxh3_64_intdigest(f"{self.seed}\x00{key}".encode()) / 2**64
        return SPLITS[1] if place < self.validation else SPLITS[0]
