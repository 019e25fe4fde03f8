"""The funnel: how many documents, bytes and tokens enter and leave each step, and why the rest went.

A shard counts into its own funnel; a run's funnel is the sum of its shards' and of what deduplication
drops. Sums do not depend on order, so neither does the funnel.

JSON: ``{"version", "tokenizer", "steps": [{"name", "title", "in": {"documents", "bytes", "tokens"},
"out": {…}, "reasons": {reason: {…}}, "not_run": [what could not run and why]}]}``. Bytes and tokens are
the page's before extraction (bytes of HTML, no tokens yet) and the text's after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tilth.datasets.manifest import ESTIMATED

VERSION = 1


@dataclass(slots=True)
class Amount:
    """Documents, their bytes and their tokens."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0

    def add(self, size: int, tokens: int) -> None:
        """Count one document."""
        self.documents += 1
        self.bytes += size
        self.tokens += tokens

    def merge(self, other: "Amount") -> None:
        """Count another amount in."""
        self.documents += other.documents
        self.bytes += other.bytes
        self.tokens += other.tokens

    def to_json(self) -> dict[str, int]:
        """The three numbers."""
        return {"documents": self.documents, "bytes": self.bytes, "tokens": self.tokens}


@dataclass(slots=True)
class FunnelStep:
    """What one step did. ``not_run`` names parts that could not run (a blocklist that is not there)."""

    name: str
    title: str
    entered: Amount = field(default_factory=Amount)
    left: Amount = field(default_factory=Amount)
    reasons: dict[str, Amount] = field(default_factory=dict)
    not_run: list[str] = field(default_factory=list)

    def drop(self, reason: str, size: int, tokens: int) -> None:
        """Count one document as dropped for a reason."""
        amount = self.reasons.get(reason)
        if amount is None:
            amount = self.reasons[reason] = Amount()
        amount.add(size, tokens)

    def merge(self, other: "FunnelStep") -> None:
        """Count the same step of another shard in."""
        self.entered.merge(other.entered)
        self.left.merge(other.left)
        for reason, amount in other.reasons.items():
            self.reasons.setdefault(reason, Amount()).merge(amount)
        self.not_run = sorted({*self.not_run, *other.not_run})

    def to_json(self) -> dict[str, Any]:
        """The step as JSON, reasons in alphabetical order."""
        return {
            "name": self.name,
            "title": self.title,
            "in": self.entered.to_json(),
            "out": self.left.to_json(),
            "reasons": {name: self.reasons[name].to_json() for name in sorted(self.reasons)},
            "not_run": self.not_run,
        }


@dataclass(slots=True)
class Funnel:
    """The steps in order."""

    steps: list[FunnelStep] = field(default_factory=list)
    tokenizer: str = ESTIMATED

    @property
    def kept(self) -> Amount:
        """What leaves the last step."""
        return self.steps[-1].left if self.steps else Amount()

    def step(self, name: str) -> FunnelStep:
        """The step of this name."""
        return next(step for step in self.steps if step.name == name)

    def to_json(self) -> dict[str, Any]:
        """The funnel as JSON (see the module's docstring)."""
        return {
            "version": VERSION,
            "tokenizer": self.tokenizer,
            "steps": [step.to_json() for step in self.steps],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Funnel":
        """The funnel that :meth:`to_json` wrote."""
        return cls([_read_step(step) for step in data["steps"]], data["tokenizer"])


def merge(funnels: Iterable[Funnel]) -> Funnel:
    """The sum of shards' funnels, step by step; an empty funnel for none."""
    total = Funnel()
    for funnel in funnels:
        known = {step.name: step for step in total.steps}
        for step in funnel.steps:
            if step.name not in known:
                known[step.name] = FunnelStep(step.name, step.title)
                total.steps.append(known[step.name])
            known[step.name].merge(step)
    return total


def table(funnel: Funnel) -> str:
    """The funnel for a terminal: a line per step, and under it a line per reason."""
    lines = [f"{'step':<34}{'documents in':>14}{'out':>12}{'dropped':>10}{'text out':>12}"]
    for step in funnel.steps:
        share = 1 - step.left.documents / step.entered.documents if step.entered.documents else 0.0
        lines.append(
            f"{step.name:<34}{step.entered.documents:>14,}{step.left.documents:>12,}"
            f"{share:>10.1%}{_bytes(step.left.bytes):>12}"
        )
        by_size = sorted(step.reasons.items(), key=lambda item: (-item[1].documents, item[0]))
        lines.extend(f"  {name:<32}{'':>14}{'':>12}{amount.documents:>10,}" for name, amount in by_size)
        lines.extend(f"  not run: {part}" for part in step.not_run)
    kept = funnel.kept
    lines.append(
        f"kept {kept.documents:,} documents, {_bytes(kept.bytes)}, {kept.tokens:,} tokens ({funnel.tokenizer})"
    )
    return "\n".join(lines)


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _read_step(data: dict[str, Any]) -> FunnelStep:
    reasons = {name: Amount(**amount) for name, amount in data["reasons"].items()}
    return FunnelStep(
        data["name"],
        data["title"],
        Amount(**data["in"]),
        Amount(**data["out"]),
        reasons,
        list(data["not_run"]),
    )
