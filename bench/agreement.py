"""Agreement against published values: ``python bench/agreement.py FOLDER``.

FOLDER holds these sets, each with a README.md and its files in ``dev/`` (and ``heldout/``, where there is one):

* ``agree_krippendorff_examples``: ``examples.jsonl`` with ``id``, ``units`` (lists over coders, ``null`` for
  missing) and ``published`` (alpha by level). Equal to the last digit printed.
* ``agree_pandalm``: ``testset-v1.jsonl`` with ``annotator1`` to ``annotator3``. Cohen's kappas were published
  for all 999 items; of a part of them the bootstrap's 95 % interval must hold the published value.
  ``three_annotators_all.csv``, where there is one, has all items and must give the values themselves.
* ``agree_bbq_mturk``: ``validations_*.labels.csv`` (``worker, uid, response``) beside ``*.items.jsonl``. Nominal
  alpha, workers and raw accuracy over items that are no fillers; of several labels of one worker on one
  item the last stands. Equal to the figures in that README.

Exits with 1 where a figure differs or nothing is found.
"""

import argparse
import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from tilth.stats.agreement import alpha_of, cohen_of, cross, fleiss_of, krippendorff_alpha  # noqa: E402
from tilth.stats.bootstrap import Interval, alpha_interval, cohen_interval, fleiss_interval  # noqa: E402
from tilth.stats.counting import count_lists, count_triples  # noqa: E402

ANNOTATORS = ("annotator1", "annotator2", "annotator3")
PANDALM = {(0, 1): 0.85, (0, 2): 0.88, (1, 2): 0.86}
FIGURES = re.compile(
    r"^- (validations_\S+): (\d+) items .*?, (\d+) workers, nominal alpha=([\d.]+), raw accuracy=([\d.]+)",
    re.M,
)


def main() -> int:
    """Print every comparison; 0 if all agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    found = [*krippendorff(folder), *pandalm(folder), *bbq(folder)]
    differ = found.count(False)
    print(f"\n{len(found)} figures compared, {differ} differ")
    return 1 if differ or not found else 0


def verdict(title: str, published: float, computed: float | None, within: float, note: str = "") -> bool:
    """Print one comparison and say whether it holds."""
    right = computed is not None and abs(computed - published) <= within
    value = "not defined" if computed is None else f"{computed:.7g}"
    print(f"{title:<58} {published:<13} {value:<13} {'OK' if right else 'DIFFERS'} {note}".rstrip())
    return right


def last_digit(published: float) -> float:
    """Half a unit of the last digit printed."""
    return 0.5001 * 10.0 ** -len(repr(published).partition(".")[2])


def krippendorff(folder: Path) -> Iterator[bool]:
    """The worked examples."""
    for path in files(folder, "agree_krippendorff_examples", "examples.jsonl"):
        print(f"\n{'Krippendorff: ' + path.parent.name:<58} {'published':<13} computed")
        for example in rows(path):
            for level, published in example["published"].items():
                computed = krippendorff_alpha(example["units"], level).value
                yield verdict(f"{example['id']} {level}", published, computed, last_digit(published))


def pandalm(folder: Path) -> Iterator[bool]:
    """Three annotators of pairs of answers."""
    for path in files(folder, "agree_pandalm", "testset-v1.jsonl"):
        units = [[row[name] for name in ANNOTATORS] for row in rows(path)]
        counted = count_lists(units)
        print(
            f"\n{f'PandaLM: {path.parent.name}, {len(units)} items':<58} {'published':<13} computed, interval"
        )
        for pair, published in PANDALM.items():
            table = cross([unit[pair[0]] for unit in units], [unit[pair[1]] for unit in units])
            interval = cohen_interval(table)
            value = cohen_of(table).value
            holds = interval.low is not None and interval.low <= published <= (interval.high or 0)
            word = "OK" if holds else "DIFFERS"
            print(f"{named(pair):<58} {published:<13} {value:<13.7g} {word} {shown(interval)}")
            yield holds
        print(f"{'Fleiss kappa':<72} {fleiss_of(counted).value:<13.7g} {shown(fleiss_interval(counted))}")
        alpha = alpha_of(counted, "nominal").value
        print(f"{'Krippendorff alpha':<72} {alpha:<13.7g} {shown(alpha_interval(counted, 'nominal'))}")
    for path in files(folder, "agree_pandalm", "three_annotators_all.csv"):
        table_rows = labels(path)
        print(f"\n{f'PandaLM: all {len(table_rows)} items':<58} {'published':<13} computed")
        for one, other in PANDALM:
            sides = [[row[ANNOTATORS[n]] for row in table_rows] for n in (one, other)]
            yield verdict(named((one, other)), PANDALM[one, other], cohen_of(cross(*sides)).value, 0.005)


def bbq(folder: Path) -> Iterator[bool]:
    """Crowd workers on multiple choice, a validation round a file."""
    readme = folder / "agree_bbq_mturk" / "README.md"
    listed = FIGURES.findall(readme.read_text(encoding="utf-8")) if readme.exists() else []
    published = {
        name: (int(units), int(workers), float(alpha), float(right))
        for name, units, workers, alpha, right in listed
    }
    for path in files(folder, "agree_bbq_mturk", "validations_*.labels.csv"):
        name = path.name.removesuffix(".labels.csv")
        items = {item["uid"]: item for item in rows(path.with_name(f"{name}.items.jsonl"))}
        said = [row for row in labels(path) if not items[row["uid"]]["filler"]]
        counted = count_triples(*([row[key] for row in said] for key in ("uid", "worker", "response")))
        last = {(row["uid"], row["worker"]): row["response"] for row in said}
        right = sum(response == items[uid]["label"] for (uid, _), response in last.items()) / len(last)
        alpha = alpha_of(counted, "nominal").value
        interval = shown(alpha_interval(counted, "nominal"))
        print(f"\n{'BBQ: ' + name:<58} {'published':<13} computed")
        units, workers, value, accuracy = published[name]
        yield verdict("items", units, len({uid for uid, _ in last}), 0)
        yield verdict("workers", workers, len({worker for _, worker in last}), 0)
        yield verdict("nominal alpha", value, alpha, 1e-6, interval)
        yield verdict("raw accuracy", accuracy, right, 1e-6)


def files(folder: Path, name: str, pattern: str) -> list[Path]:
    """A set's files, development part first."""
    return sorted((folder / name).glob(f"*/{pattern}"))


def rows(path: Path) -> list[dict[str, Any]]:
    """Lines of JSON."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def labels(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def named(pair: tuple[int, int]) -> str:
    """A pair of annotators in words."""
    return f"Cohen kappa, annotators {pair[0] + 1} and {pair[1] + 1}"


def shown(interval: Interval) -> str:
    """An interval in words."""
    return "no interval" if interval.low is None else f"{interval.low:.3f} to {interval.high:.3f}"


if __name__ == "__main__":
    raise SystemExit(main())
