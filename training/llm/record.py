"""What a checkpoint's record says of how it was made: code, packages, machine, seed; and what it is known by."""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from training.llm.checkpoints import hash_files

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "trl",
    "peft",
    "accelerate",
    "safetensors",
    "numpy",
    "tilth",
)
VERSION_VARIABLE = "TILTH_CODE_VERSION"


def record(seed: int, **more: Any) -> dict[str, Any]:
    """The record of this process; ``more`` is added as it is."""
    return {
        "code_version": code_version(),
        "python": platform.python_version(),
        "packages": _packages(),
        "machine": {"system": platform.platform(), "cpus": os.cpu_count(), **_device()},
        "seed": seed,
        **more,
    }


def code_version() -> str:
    """``TILTH_CODE_VERSION``, else the commit of the source folder, else the installed version."""
    named = os.environ.get(VERSION_VARIABLE)
    if named:
        return named
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10)
        if found.returncode == 0:
            return found.stdout.strip()
    except OSError:
        pass  # no git here: the installed version tells
    return _version("tilth")


def tokenizer_hash(folder: Path) -> str:
    """sha256 hex of how a checkpoint's folder cuts text into tokens."""
    return hash_files(folder, ["tokenizer.json"])


def template_hash(folder: Path) -> str:
    """sha256 hex of a checkpoint's chat template; empty where it has none."""
    if (folder / "chat_template.jinja").exists():
        return hash_files(folder, ["chat_template.jinja"])
    settings = folder / "tokenizer_config.json"
    if settings.exists() and json.loads(settings.read_text()).get("chat_template"):
        return hash_files(folder, ["tokenizer_config.json"])
    return ""


def _packages() -> dict[str, str]:
    return {name: found for name in PACKAGES if (found := _version(name))}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _device() -> dict[str, Any]:
    torch = sys.modules.get("torch")  # stages without it do not load it for a record
    if torch is None or not torch.cuda.is_available():
        return {"device": platform.machine()}
    return {
        "device": torch.cuda.get_device_name(),
        "devices": torch.cuda.device_count(),
        "cuda": torch.version.cuda,
        "driver": _driver(),
    }


def _driver() -> str:
    try:
        return Path("/proc/driver/nvidia/version").read_text().splitlines()[0]
    except OSError:
        return ""
