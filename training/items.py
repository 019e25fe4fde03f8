"""What the items of two evaluations say together: kept ``eval_items`` rows, and how they make up a figure.

Two models that were asked the same items are compared item by item: what makes an item hard for both falls out of
the difference.
"""

from collections.abc import Callable, Mapping

from django.conf import settings

from tilth.datasets.manifests import load_manifest
from tilth.datasets.models import DatasetVersion
from tilth.datasets.reader import read_batches
from tilth.stats.ablation import paired
from tilth.stats.intervals import Mean
from tilth.stats.passk import all_at, pass_at
from tilth.storage import Storage
from training.models.runs import Run

MOST_ITEMS = 50_000
"""Items of an evaluation that a page reads; of more the stored intervals are combined."""
COLUMNS = ("evaluation", "item", "score", "logprob")
Item = tuple[float | None, float | None]
"""Score and log-probability."""
Items = dict[str, Item]
Part = Callable[[Item], float | None]


def items_of(run: Run) -> dict[str, Items]:
    """The items that an evaluation has kept, by measured version and their ids; none where it kept none."""
    version = run.version
    if version is None or version.state != DatasetVersion.State.PUBLISHED or version.rows > MOST_ITEMS:
        return {}
    manifest, found = load_manifest(version), dict[str, Items]()
    storage = Storage(settings.STORAGE)
    for table in read_batches(storage, manifest.folder, manifest.shards, manifest.kind, COLUMNS):
        for row in table.to_pylist():
            found.setdefault(row["evaluation"], {})[row["item"]] = (row["score"], row["logprob"])
    return found


def part_of(kind: str, figure: str, samples: int) -> Part | None:
    """What an item contributes to a figure that is a mean over items; ``None`` for figures that rows do not tell."""
    name, _, tries = figure.partition("@")
    if kind == "problems" and name in ("pass", "all") and tries.isdecimal():
        k, at = int(tries), pass_at if name == "pass" else all_at
        return lambda item: None if item[0] is None else at(samples, round(item[0] * samples), k)
    if (kind, figure) == ("problems", "answer_loglikelihood"):
        return lambda item: item[1]
    means = {"choices": "accuracy", "preferences": "accuracy", "documents": "bits_per_byte_of_a_text"}
    return (lambda item: item[0]) if means.get(kind) == figure else None


def paired_by_item(items: Mapping[str, Item], others: Mapping[str, Item], part: Part) -> Mean | None:
    """The mean of items minus others, item by item; ``None`` where they are not the same items.

    Differences that are all alike say nothing of how they spread: then there is none either.
    """
    if items.keys() != others.keys():
        return None
    ours = [part(items[name]) for name in items]
    theirs = [part(others[name]) for name in items]
    if any((one is None) != (other is None) for one, other in zip(ours, theirs, strict=True)):
        return None
    found = paired(ours, theirs)
    return None if found.low is None or found.low == found.high else found
