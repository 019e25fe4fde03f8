"""Tiny real things that the tests of training share: a storage, versions in it, a tokenizer, job folders."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tilth.datasets.build import build_manifest
from tilth.datasets.manifest import manifest_key
from tilth.datasets.token_files import TokenWriter
from tilth.datasets.writer import DatasetWriter
from tilth.jobs.reporting import Reporter
from tilth.storage import Storage
from training.llm import pretokens
from training.llm.cache import Cache
from training.llm.checkpoints import Checkpoint, store
from training.llm.program import Workspace
from training.llm.record import template_hash, tokenizer_hash
from training.llm.spec import Part, Source, Spec
from training.llm.vocabulary import Vocabulary

if TYPE_CHECKING:
    from training.llm.chat import Chat

ROOT = Path(__file__).resolve().parents[2]
NOUNS = [
    "cat",
    "dog",
    "bird",
    "fish",
    "tree",
    "house",
    "river",
    "stone",
    "child",
    "teacher",
    "garden",
    "window",
]
VERBS = ["sees", "likes", "follows", "finds", "helps", "hears", "paints", "carries"]
PLACES = ["near the lake", "under the old bridge", "in the small town", "behind the hill"]


def sentences(count: int, start: int = 0) -> list[str]:
    """Texts with a structure that a tiny model learns in seconds; each different."""
    made = []
    for n in range(start, start + count):
        lines = []
        for k in range(4):
            a, b = NOUNS[(n * 7 + k) % 12], NOUNS[(n * 5 + 3 * k + 1) % 12]
            lines.append(f"The {a} {VERBS[(n + k) % 8]} the {b} {PLACES[(n + 2 * k) % 4]}.")
        made.append(f"Story {n}. " + " ".join(lines))
    return made


def publish(storage: Storage, name: str, kind: str, rows: Iterable[dict[str, Any]], **source: Any) -> Source:
    """Write rows as version 1 of a dataset and return it as a run's source."""
    with DatasetWriter(storage, f"datasets/{name}/1/attempt-1", kind) as writer:
        writer.write([{"id": f"{n:032x}", **row} for n, row in enumerate(rows)])
        shards = writer.close()
    manifest = build_manifest(storage, name, 1, kind, shards, producer="test")
    storage.write_bytes(manifest_key(name, 1), manifest.to_json().encode())
    return Source(f"{name}@1", kind, f"datasets/{name}/1", **source)


def publish_texts(
    storage: Storage, name: str, texts: Iterable[str], language: str = "en", **source: Any
) -> Source:
    """Texts as a ``documents`` version."""
    rows = [
        {"text": text, "language": language, "source": name, "record_offset": n}
        for n, text in enumerate(texts)
    ]
    return publish(storage, name, "documents", rows, **source)


def publish_tokens(
    storage: Storage,
    vocabulary: Vocabulary,
    texts: Iterable[str],
    tokenizer: str = "checkpoint:900/0",
    *,
    name: str = "t",
    ended: bool = True,
) -> Source:
    """Texts as a ``tokens`` version of several shards; each document ``ended`` by the end-of-text token or not."""
    writer = TokenWriter(storage, f"datasets/{name}/1/attempt-1", tokenizer, vocabulary.size, 2000)
    for number, text in enumerate(texts):
        ids = vocabulary.tokenizer.encode(text, add_special_tokens=False).ids
        writer.write(f"{number:032x}", [*ids, vocabulary.end] if ended else ids)
    manifest = build_manifest(storage, name, 1, "tokens", writer.close(), producer="test")
    storage.write_bytes(manifest_key(name, 1), manifest.to_json().encode())
    return Source(f"{name}@1", "tokens", f"datasets/{name}/1")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """A local storage of this test's own."""
    return Storage(str(tmp_path / "storage"))


@pytest.fixture
def workspace(tmp_path: Path, storage: Storage) -> Callable[[Spec], Workspace]:
    """``workspace(spec)`` is what a stage gets, in this process, with its events under ``workspace.events``."""

    def make(spec: Spec, attempt: int = 1) -> Workspace:
        job_dir = tmp_path / f"job-{spec.run}"
        (job_dir / f"attempt-{attempt}").mkdir(parents=True, exist_ok=True)
        report = Reporter(
            spec.to_json(), spec.run, attempt, storage, f"jobs/{spec.run}", job_dir, make.events.append
        )
        return Workspace(spec, report, Cache(tmp_path / "cache"))

    make.events = []
    return make


@pytest.fixture
def job_dir(tmp_path: Path, storage: Storage) -> Callable[..., Path]:
    """``job_dir(spec)`` is a folder for ``python -m training.llm.<stage>``."""

    def make(spec: Spec, attempt: int = 1) -> Path:
        folder = tmp_path / "jobs" / str(spec.run)
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "job": spec.run,
            "attempt": attempt,
            "params": spec.to_json(),
            "storage": storage.url,
            "prefix": f"jobs/{spec.run}",
        }
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return make


def start(module: str, folder: Path, **environment: str) -> "subprocess.Popen[bytes]":
    """A stage as its own process on few threads."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    return subprocess.Popen(
        [sys.executable, "-m", module, str(folder)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment},
        cwd=ROOT,
        start_new_session=True,
    )


def events(folder: Path, attempt: int = 1) -> list[dict[str, Any]]:
    """What a job reported in one attempt."""
    path = folder / f"attempt-{attempt}" / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of 384 tokens that has read the sentences, as a folder."""
    folder = tmp_path_factory.mktemp("tokenizer")
    pretokens.save(pretokens.train(sentences(200), 384), folder, 64)
    return folder


@pytest.fixture
def tokenizer_part(storage: Storage, tokenizer_folder: Path) -> Part:
    """The tiny tokenizer as a stored checkpoint."""
    checkpoint = Checkpoint(
        run=900,
        step=0,
        stage="tokenizer",
        holds="tokenizer",
        tokenizer_hash=tokenizer_hash(tokenizer_folder),
        template_hash=template_hash(tokenizer_folder),
    )
    stored = store(storage, tokenizer_folder, checkpoint, 1)
    return Part(stored.reference, stored.folder)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two layers and its tokenizer, with a chat template; nobody writes there."""
    from tests.training.posttraining import make_model, make_tokenizer

    made = tmp_path_factory.mktemp("base")
    make_tokenizer(made)
    make_model(made)
    return made


@pytest.fixture
def base(storage: Storage, folder: Path) -> Part:
    """That model as the stored checkpoint ``checkpoint:800/0``."""
    from tests.training.posttraining import put

    return put(storage, folder, 800)


@pytest.fixture
def chat(folder: Path) -> "Chat":
    """Its chat format."""
    from training.llm.chat import Chat

    return Chat.of(folder)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """A tiny model is trained on one thread: several would wait for each other."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
