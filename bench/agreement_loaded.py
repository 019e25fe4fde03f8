"""Published agreement through the product: ``python bench/agreement_loaded.py FOLDER``.

FOLDER is that of ``bench/agreement.py``. Every set becomes a campaign in a database of its own: its items are
tasks, its coders labelers who claim and submit, and the figures are those that the campaign's quality page
shows. The worked examples are ratings (their nominal, ordinal and interval alphas; no kind of task has ratio
data), PandaLM's and BBQ's labels are choices. Published kappas of PandaLM's pairs are compared as their mean.

Exits with 1 where a figure differs or nothing is found.
"""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from agreement import ANNOTATORS, FIGURES, PANDALM, files, labels, last_digit, rows, shown, verdict
from labeling_load import own_database

Label = tuple[str, str, Any]
"""Item, coder, value."""
CHOICES = ("0:1", "1:1", "equal")
LEVELS = ("nominal", "ordinal", "interval")


def main() -> int:
    """Load and compare every set; 0 if all agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    os.environ["DATABASE_URL"] = own_database(os.environ.get("DATABASE_URL", ""))
    os.environ.setdefault("TILTH_MODE", "embedded")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tilth.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    begun = time.monotonic()
    found = [*krippendorff(folder), *pandalm(folder), *bbq(folder)]
    differ = found.count(False)
    print(f"\n{len(found)} figures compared, {differ} differ; {time.monotonic() - begun:.0f} s")
    return 1 if differ or not found else 0


def krippendorff(folder: Path) -> Iterator[bool]:
    """The worked examples, as ratings on a scale of the values that occur."""
    for path in files(folder, "agree_krippendorff_examples", "examples.jsonl"):
        print(f"\n{'Krippendorff: ' + path.parent.name:<58} {'published':<13} through the product")
        for example in rows(path):
            said = [
                (str(n), str(coder), value)
                for n, unit in enumerate(example["units"])
                for coder, value in enumerate(unit)
                if value is not None
            ]
            campaign = rated(said)
            for level in LEVELS:
                if (wanted := example["published"].get(level)) is not None:
                    value = figures(campaign, "value", level).alpha.value
                    yield verdict(f"{example['id']} {level}", wanted, value, last_digit(wanted))


def pandalm(folder: Path) -> Iterator[bool]:
    """Three annotators of pairs of answers: 1 or 2 is better, or (0) neither."""
    for path in files(folder, "agree_pandalm", "testset-v1.jsonl"):
        items = rows(path)
        said = [
            (str(n), name, ("equal", "0:1", "1:1")[item[name]])
            for n, item in enumerate(items)
            for name in ANNOTATORS
        ]
        made = chosen(said, lambda number, items=items: compared(items[int(number)]))
        found = figures(made, "choice", "nominal")
        mean, interval = sum(PANDALM.values()) / len(PANDALM), found.pairs_interval
        print(
            f"\n{f'PandaLM: {path.parent.name}, {len(items)} items':<58} {'published':<13} through the product"
        )
        within = max(mean - (interval.low or mean), (interval.high or mean) - mean)
        yield verdict(
            "Cohen's kappa, mean of the pairs", round(mean, 4), found.pairs, within, shown(interval)
        )
        print(f"{'Fleiss kappa':<72} {found.kappa:<13.7g} {shown(found.kappa_interval)}")


def bbq(folder: Path) -> Iterator[bool]:
    """Crowd workers on multiple choice, a validation round a campaign."""
    readme = folder / "agree_bbq_mturk" / "README.md"
    listed = FIGURES.findall(readme.read_text(encoding="utf-8")) if readme.exists() else []
    alphas = {name: (int(units), int(workers), float(alpha)) for name, units, workers, alpha, _ in listed}
    for path in files(folder, "agree_bbq_mturk", "validations_*.labels.csv"):
        name = path.name.removesuffix(".labels.csv")
        items = {item["uid"]: item for item in rows(path.with_name(f"{name}.items.jsonl"))}
        last = {
            (row["uid"], row["worker"]): row["response"]
            for row in labels(path)
            if not items[row["uid"]]["filler"]
        }
        said = [(uid, worker, CHOICES[int(response)]) for (uid, worker), response in last.items()]
        made = chosen(said, lambda uid, items=items: multiple_choice(items[uid]))
        found = figures(made, "choice", "nominal")
        units, workers, alpha = alphas[name]
        print(f"\n{'BBQ: ' + name:<58} {'published':<13} through the product")
        yield verdict("workers", workers, found.labelers, 0)
        yield verdict("items", units, made.tasks.count(), 0)
        yield verdict("nominal alpha", alpha, found.alpha.value, 1e-6, shown(found.interval))


def compared(item: dict[str, Any]) -> dict[str, Any]:
    """Two answers, numbered: some are empty or the same, which a comparison refuses."""
    answers = [f"{n}: {item[f'response{n}']}" for n in (1, 2)]
    return {"prompt": f"{item['instruction']}\n\n{item['input']}", "answers": answers}


def multiple_choice(item: dict[str, Any]) -> dict[str, Any]:
    """A question with its first two options as answers; the third is the grade in between."""
    return {"prompt": f"{item['context']}\n\n{item['question']}", "answers": [item["ans0"], item["ans1"]]}


def rated(said: Sequence[Label]) -> Any:
    """A campaign of ratings with these labels; its one criterion has the values that occur as points."""
    points = sorted({value for _, _, value in said})
    criterion = {
        "name": "value",
        "title": "Value",
        "help": "",
        "points": "\n".join(f"{p}: Point {p}" for p in points),
    }
    return campaign(
        "rating",
        said,
        {"criteria": [criterion]},
        lambda item: {"text": f"Unit {item}"},
        lambda value: {"scores": {"value": value}},
    )


def chosen(said: Sequence[Label], texts: Any) -> Any:
    """A campaign of comparisons with these labels as grades."""
    schema = {"marks": [], "reason_required": False}
    return campaign("preference", said, schema, texts, lambda value: {"grade": value})


def campaign(kind: str, said: Sequence[Label], schema: dict[str, Any], texts: Any, payload: Any) -> Any:
    """A live campaign whose tasks are the items, answered by each of its coders as they did.

    ``texts`` gives an item's row for the import, ``payload`` what is submitted for a value.
    """
    from labeling.actions import claims, submissions, tasks
    from labeling.actions.drafts import Save
    from labeling.actions.submissions import Handed
    from labeling.models.annotations import Annotation
    from labeling.models.campaigns import Campaign, Member
    from labeling.models.guidelines import Guideline, GuidelineVersion
    from labeling.protocol.registry import kind_of
    from tilth.accounts.actors import Actor
    from tilth.accounts.models import Role, User

    guideline, _ = Guideline.objects.get_or_create(
        name="bench", defaults={"title": "Bench", "last_number": 1}
    )
    version, _ = GuidelineVersion.objects.get_or_create(
        guideline=guideline, number=1, defaults={"source": "#", "clauses": []}
    )
    made = Campaign.objects.create(
        name=f"loaded-{Campaign.objects.count()}", title="Loaded", kind=kind, state="live", guideline=version,
        schema=kind_of(kind).check_schema(schema), overlap=len({coder for _, coder, _ in said}),
    )  # fmt: skip
    bench = Actor.system("bench")
    by_item = {}
    for item in dict.fromkeys(item for item, _, _ in said):
        by_item[item] = tasks.add(bench, made, {"key": item, **texts(item)})
    people = {}
    for coder in dict.fromkeys(coder for _, coder, _ in said):
        user = User.objects.create(email=f"{made.pk}-{coder}@example.org", name=coder, role=Role.LABELER)
        Member.objects.create(campaign=made, user=user, state=Member.State.ACTIVE)
        people[coder] = Actor(user=user)
    for number, (item, coder, value) in enumerate(said):
        held = claims.claim(people[coder], made, another=True, task=by_item[item])
        if held.task_id != by_item[item].pk:
            raise SystemExit(f"{coder} was given another task than {item}")
        save = Save(held.hold_token, held.draft_revision, payload(value))
        submissions.submit(people[coder], held, Handed(save, key=f"loaded-{made.pk}-{number}"))
    # The minute in which a submission can be taken back is over.
    Annotation.objects.filter(campaign=made).update(submitted_at=made.created_at - timedelta(minutes=2))
    return made


def figures(made: Any, name: str, level: Any) -> Any:
    """What the quality page shows of one measure, at a level."""
    from labeling import quality
    from labeling.protocol.kind import Measure

    return quality.agreement(quality.rows(made), Measure(name, name, level))


if __name__ == "__main__":
    raise SystemExit(main())
