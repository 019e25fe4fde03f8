"""Asking the explorer's child process about the tokenizers of checkpoints, within time and size."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from tilth.datasets.manifest import File
from tilth.errors import Conflict, InvalidInput, TilthError
from tilth.storage import Storage
from training import extra
from training.llm import checkpoints
from training.llm.cache import Cache
from training.models.checkpoints import Checkpoint

FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
MOST_BYTES = 64 << 20
"""Bytes of a tokenizer's files: the largest published ones have half of that."""
SECONDS = 20.0
AT_ONCE = threading.BoundedSemaphore(2)
"""Children of one web process: somebody who types fast must not fill the machine."""
Message = Mapping[str, str]


def explore(
    chosen: Sequence[Checkpoint], text: str | None, messages: Sequence[Message] | None
) -> list[dict[str, Any]]:
    """A text, or a conversation, under the tokenizer of each checkpoint.

    Each answer is a :class:`training.llm.explorer.Explored` as JSON. Raises :class:`TilthError` where this
    machine cannot train, and :class:`InvalidInput` where a tokenizer cannot be used or takes too long.
    """
    if extra.missing():
        raise TilthError(extra.how_to_enable(), "no_training")
    with tempfile.TemporaryDirectory(prefix="tilth-explore-") as scratch:
        folders = [_folder(found, Path(scratch) / str(place)) for place, found in enumerate(chosen)]
        asked = {"folders": [str(folder) for folder in folders], "text": text, "messages": messages}
        answer = _ask(asked)
    if "fault" in answer:
        raise InvalidInput(answer["fault"])
    return list(answer["answers"])


def _folder(checkpoint: Checkpoint, target: Path) -> Path:
    """The files of a checkpoint's tokenizer as a local folder, without its weights."""
    storage = Storage(settings.STORAGE)
    stored = checkpoints.read(storage, checkpoint.path)
    files = [file for file in stored.files if file.path.partition("/")[2] in FILES]
    _check_size(checkpoint, files)
    checkpoints.link_files(_cache(), storage, checkpoint.path, files, target)
    return target


def _check_size(checkpoint: Checkpoint, files: Sequence[File]) -> None:
    if sum(file.bytes for file in files) > MOST_BYTES:
        raise InvalidInput(f"The tokenizer of {checkpoint.reference} is larger than {MOST_BYTES >> 20} MiB.")


@cache
def _cache() -> Cache:
    # One for the process: it holds a lock on each file that it has given out.
    return Cache.from_environment(settings.SCRATCH / "cache")


def _ask(question: Mapping[str, Any]) -> dict[str, Any]:
    path = [str(settings.ROOT), str(settings.ROOT / "platform")]
    if not AT_ONCE.acquire(timeout=SECONDS):
        raise Conflict("The explorer is busy: try again in a moment.", code="busy", retryable=True)
    try:
        done = subprocess.run(
            [sys.executable, "-X", "utf8", "-m", "training.llm.explorer"],
            input=json.dumps(question).encode(),
            capture_output=True,
            timeout=SECONDS,
            cwd=settings.ROOT,
            env={"LANG": "C.UTF-8", "PYTHONPATH": os.pathsep.join(path), "TOKENIZERS_PARALLELISM": "false"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InvalidInput(
            "This tokenizer takes too long over it: try a shorter text.", code="too_slow"
        ) from None
    finally:
        AT_ONCE.release()
    if done.returncode:
        raise InvalidInput(
            "The tokenizer could not be used on it: its files are damaged, or it needs too much time or memory.",
            code="bad_tokenizer",
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
