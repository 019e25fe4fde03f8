"""The training part of the demonstration: a tiny model grows on the curated documents.

A tokenizer, a pretraining, a fine-tuning and an evaluation, each a run like any other: checked by its preflight,
carried out here, on its page afterwards. Conversations and the questions of the evaluation are passages of the same
documents, so that nothing else is needed; the figures show that the way works, not what the model can do.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import reverse

from tilth.datasets import actions
from tilth.datasets.build import build_manifest
from tilth.datasets.manifest import Manifest
from tilth.datasets.models import DatasetVersion
from tilth.datasets.reader import read_batches
from tilth.datasets.schemas import row_id
from tilth.datasets.writer import DatasetWriter
from tilth.errors import TilthError
from tilth.loop.demo_ratings import ACTOR, carried_out
from tilth.storage import Storage
from training import extra
from training.actions import runs
from training.launch import Input, Wanted
from training.models.runs import Run
from training.preflight import why

TALKS, QUESTIONS, MARKS = "demo-talks", "demo-questions", "demo-marks"
HOW_TO_GO_ON = (
    "Training needs its extra: make demo TRAINING=1 goes on with a tokenizer, a model and its evaluation"
)
WORDS, ASKED = 24, 8
"""Words of a passage, and how many of them are the question; the rest is the answer."""

LONGEST = 300
"""Bytes of a passage, at most."""

PASSAGES = 160
OPTIONS = 4
CONTEXT = 256
SMALL: dict[str, dict[str, Any]] = {
    "tokenizer": {"vocabulary": 320, "context": CONTEXT},
    "pretrain": {"context": CONTEXT},
    "sft": {"batch": 8, "micro_batch": 8},
    "evaluate": {"limit": 40},
}
"""What differs from the presets ``smoke``: a vocabulary that few documents fill, a context that passages fit into."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of a document in two parts: how it begins and how it goes on."""

    begins: str
    goes_on: str


def train(version: DatasetVersion, say: Say) -> list[str]:
    """All stages one after another, each told by ``say``; the addresses of what was made.

    Raises :class:`TilthError` where a preflight or a run fails, or the documents are too few.
    """
    found = passages(version)
    talks = publish(TALKS, "conversations", map(conversation, found[::2]), version)
    asked = found[1::2]
    questions = publish(QUESTIONS, "choices", (question(asked, n) for n in range(len(asked))), version)
    say(f"8. A tokenizer learns from {version.reference}")
    tokenizer = made_by(run("tokenizer", version))
    say(f"9. A model of two layers is pretrained on {version.reference} with {tokenizer}")
    base = made_by(run("pretrain", version, tokenizer=tokenizer))
    say(f"10. {base} is fine-tuned on {talks.reference}: {talks.rows} conversations about passages")
    tuned = made_by(run("sft", talks, base=base))
    say(f"11. {tuned} is measured on {questions.reference}: which of {OPTIONS} passages goes on?")
    last = run("evaluate", questions, base=tuned, output=MARKS)
    say(f"12. {told(last, questions)}")
    return [address_of(last), address_of_checkpoint(tuned)]


def can_train() -> bool:
    """Whether this machine has what a training needs."""
    return not extra.missing()


def passages(version: DatasetVersion) -> list[Passage]:
    """The first passages of a version's documents, of as many documents as there are."""
    found = [passage for text in texts(version) for passage in _cut(text)][:PASSAGES]
    if len(found) < 2 * OPTIONS:
        raise TilthError(
            f"{version.reference} has {len(found)} passages to train on: let the demonstration read more pages.",
            "too_few",
        )
    return found


def texts(version: DatasetVersion) -> Iterator[str]:
    """The texts of a version, one after another."""
    storage = Storage(settings.STORAGE)
    manifest = Manifest.from_json(storage.read_bytes(version.manifest_key))
    for table in read_batches(storage, version.folder, manifest.shards, "documents", ["text"]):
        yield from table.column("text").to_pylist()


def _cut(text: str) -> Iterator[Passage]:
    words = text.split()
    for first in range(0, len(words) - WORDS + 1, WORDS):
        part = words[first : first + WORDS]
        if len(" ".join(part).encode()) <= LONGEST:
            yield Passage(" ".join(part[:ASKED]), " ".join(part[ASKED:]))


def conversation(passage: Passage) -> dict[str, Any]:
    """A passage as a row of ``conversations``."""
    return {
        "messages": [
            {"role": "user", "content": asking(passage)},
            {"role": "assistant", "content": passage.goes_on},
        ]
    }


def question(among: Sequence[Passage], number: int) -> dict[str, Any]:
    """One of the passages as a row of ``choices``; the wrong options are how the next ones go on."""
    options = [among[(number + n) % len(among)].goes_on for n in range(OPTIONS)]
    place = number % OPTIONS
    options[0], options[place] = options[place], options[0]
    return {"question": asking(among[number]), "options": options, "answer": place, "subject": "passages"}


def asking(passage: Passage) -> str:
    """The question about a passage."""
    return f"How does this go on? {passage.begins}"


def publish(name: str, kind: str, rows: Iterable[dict[str, Any]], source: DatasetVersion) -> DatasetVersion:
    """Rows made of a version as the next version of a dataset."""
    storage = Storage(settings.STORAGE)
    dataset = actions.claim_dataset(ACTOR, name, kind, append=True, licence=source.dataset.licence)
    version = actions.reserve_version(ACTOR, dataset)
    with DatasetWriter(storage, f"{version.folder}/attempt-1", kind) as writer:
        writer.write([{"id": row_id(version.reference, n), **row} for n, row in enumerate(rows)])
        shards = writer.close()
    manifest = build_manifest(
        storage, name, version.number, kind, shards, producer="demonstration", parents=[source.reference]
    )
    return actions.publish_version(ACTOR, version, manifest)


def run(stage: str, on: DatasetVersion, **parts: Any) -> Run:
    """A run of a stage on a version, checked and carried out here."""
    wanted = Wanted(
        stage=stage,
        preset="" if stage == "evaluate" else "smoke",
        inputs=(Input(on.reference, "eval" if stage == "evaluate" else "train"),),
        settings=SMALL[stage],
        **parts,
    )
    launched = runs.launch(ACTOR, wanted)
    carried_out(launched.preflight)
    launched.refresh_from_db()
    if launched.job is None:
        raise TilthError(f"{launched.reference} is {launched.state}. {why(launched)}", "preflight")
    carried_out(launched.job)
    launched.refresh_from_db()
    return launched


def made_by(launched: Run) -> str:
    """The reference of a run's last checkpoint."""
    last = launched.checkpoints.order_by("-step").first()
    if last is None:
        raise TilthError(f"{launched.reference} made no checkpoint.", "no_checkpoint")
    return last.reference


def told(launched: Run, on: DatasetVersion) -> str:
    """What an evaluation came to, in a sentence."""
    assert launched.job is not None and launched.job.result is not None and launched.version is not None
    figure = launched.job.result["figures"][on.reference]["accuracy"]
    interval = f"{figure['low']:.2f} to {figure['high']:.2f}"
    return f"Right: {figure['value']:.2f} ({interval}; by chance {1 / OPTIONS}); kept as {launched.version.reference}"


def address_of(launched: Run) -> str:
    """Where the page of a run is."""
    return settings.SITE_URL + reverse("training:run", args=[launched.pk])


def address_of_checkpoint(reference: str) -> str:
    """Where the page of a checkpoint is."""
    run, step = reference.removeprefix("checkpoint:").split("/")
    return settings.SITE_URL + reverse("training:checkpoint", args=[run, step])
