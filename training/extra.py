"""Whether this machine can train: the packages of the training extra, looked for without loading them."""

from importlib.util import find_spec

PACKAGES = ("torch", "transformers", "tokenizers")
ENABLE = "make up TRAINING=1"
ENABLE_WORKER = "make worker-gpu"


def missing() -> list[str]:
    """Packages of the extra that are not installed here; empty where training works."""
    return [name for name in PACKAGES if find_spec(name) is None]


def how_to_enable() -> str:
    """What to tell somebody whose machine has no training extra."""
    return (
        f"The training extra is not installed on this machine ({', '.join(missing())} missing). "
        f"Start Tilth with: {ENABLE} — or, on a GPU machine that joins as a worker: {ENABLE_WORKER}"
    )
