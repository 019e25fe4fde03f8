"""A model as a checkpoint's folder in Hugging Face's layout: weights, settings, tokenizer."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # takes seconds to load, and the names of files are read by programs without a model
    from transformers import PreTrainedModel

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)


def write_model(model: "PreTrainedModel", tokenizer: Path, folder: Path) -> None:
    """Write a model beside the tokenizer's files as they are in the folder ``tokenizer``."""
    model.save_pretrained(folder)
    copy_tokenizer(tokenizer, folder)


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy the files of a tokenizer, byte by byte, so that it keeps its hash."""
    for name in TOKENIZER_FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, folder / name)
