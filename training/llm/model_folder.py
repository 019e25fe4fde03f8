"""Whether a folder in Hugging Face's layout holds a model that every stage can use; what is known of it.

Each check refuses with what to change. Weights are read through transformers' own loader onto a device
without memory, so that missing and misshapen ones are found at any size.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from safetensors import SafetensorError, safe_open

import training.llm.lean  # noqa: F401

# isort: split
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging

from tilth.errors import InvalidInput
from training.llm.vocabulary import Vocabulary

ASKED, ANSWERED = "What is a tilth?", "Soil that is ready to be sown."


@dataclass(frozen=True)
class Known:
    """What was found: parameters, architecture, longest input, and how the chat template behaves."""

    parameters: int
    architecture: str
    context: int
    template: dict[str, bool]
    unexpected: list[str]


def check(folder: Path) -> Known:
    """Look at the whole folder; raises :class:`InvalidInput` naming what does not fit."""
    logging.disable_progress_bar()
    settings = _settings(folder)
    _require_whole(folder, _weight_files(folder))
    model, unexpected = _loaded(folder)
    ensure_fast_tokenizer(folder)
    vocabulary = Vocabulary.of(folder, folder.name)
    rows = model.get_input_embeddings().weight.shape[0]
    if vocabulary.size > rows:
        raise InvalidInput(
            f"The tokenizer has {vocabulary.size:,} tokens and the model rows for {rows:,} only."
        )
    return Known(
        sum(weight.numel() for weight in model.parameters()),
        settings["architectures"][0],
        int(getattr(model.config, "max_position_embeddings", 0) or 0),
        template_facts(folder),
        unexpected,
    )


def ensure_fast_tokenizer(folder: Path) -> None:
    """Write ``tokenizer.json`` where the folder has a tokenizer of an older form."""
    if (folder / "tokenizer.json").exists():
        return
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer.save_pretrained(folder)
    except Exception as error:  # whatever is wrong with the files, the library says it in its own way
        raise InvalidInput(
            f"The folder holds no tokenizer that can be read: {error}", field="source"
        ) from error
    if not (folder / "tokenizer.json").exists():
        raise InvalidInput("The tokenizer has no fast form (tokenizer.json).", field="source")


def template_facts(folder: Path) -> dict[str, bool]:
    """How the folder's chat template behaves; empty where it has none.

    Rendered in transformers' sandbox. Raises :class:`InvalidInput` where it breaks on a plain question and
    answer or leaves one of them out: training on such a template teaches nothing.
    """
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not tokenizer.chat_template:
        return {}
    asked = [{"role": "user", "content": ASKED}]
    chat = [*asked, {"role": "assistant", "content": ANSWERED}]
    try:
        whole = tokenizer.apply_chat_template(chat, tokenize=False)
        opened = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        plain = tokenizer.apply_chat_template(asked, tokenize=False)
    except (TemplateError, ValueError, TypeError) as error:
        raise InvalidInput(
            f"The chat template does not work: {error}", "bad_template", field="source"
        ) from error
    if ASKED not in whole or ANSWERED not in whole:
        raise InvalidInput("The chat template leaves a message out.", "bad_template", field="source")
    return {
        "system": _renders(tokenizer, [{"role": "system", "content": ASKED}, *chat[:1]]),
        "opens_answer": opened != plain,
        "marks_answers": "generation %}" in str(tokenizer.chat_template)
        or "generation -%}" in str(tokenizer.chat_template),
        "continues": whole.startswith(opened),
    }


def _renders(tokenizer: Any, chat: list[dict[str, str]]) -> bool:
    try:
        return ASKED in tokenizer.apply_chat_template(chat, tokenize=False)
    except (TemplateError, ValueError, TypeError):
        return False


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.exists():
        raise InvalidInput(
            "The folder has no config.json: it is no model in Hugging Face's layout.", field="source"
        )
    try:
        settings = json.loads(path.read_text())
        named = settings.get("architectures") or [""]
        architecture = str(named[0])
    except (ValueError, AttributeError, TypeError, KeyError, IndexError):
        raise InvalidInput("The model's config.json cannot be read.", field="source") from None
    if "auto_map" in settings:
        raise InvalidInput(
            "The model brings Python code of its own (auto_map), which is never run: choose one whose "
            "architecture transformers knows.",
            "remote_code",
            field="source",
        )
    if architecture not in set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()):
        raise InvalidInput(
            f"{architecture or 'This'} is no causal language model that transformers knows.", field="source"
        )
    return dict(settings)


def _weight_files(folder: Path) -> list[str]:
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        if not (folder / "model.safetensors").exists():
            raise InvalidInput(
                "The folder has no weights as safetensors. Pickled ones (.bin, .pt) are never read, because they "
                "can run code: convert them first (save_pretrained).",
                "no_safetensors",
                field="source",
            )
        return ["model.safetensors"]
    try:
        names = sorted({str(name) for name in json.loads(index.read_text())["weight_map"].values()})
    except (ValueError, KeyError, AttributeError, TypeError):
        raise InvalidInput("model.safetensors.index.json cannot be read.", field="source") from None
    missing = [name for name in names if "/" in name or not (folder / name).exists()]
    if missing:
        raise InvalidInput(f"The index names weights that are not there: {missing[0][:100]}.", field="source")
    return names


def _require_whole(folder: Path, names: list[str]) -> None:
    """Read the headers of the files, in which a half or foreign one shows."""
    for name in names:
        try:
            with safe_open(folder / name, "pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise InvalidInput(f"{name} is damaged: {error}", "damaged", field="source") from error


def _loaded(folder: Path) -> tuple[Any, list[str]]:
    """The model without memory, and names of stored weights that it has no use for."""
    loader: Any = AutoModelForCausalLM
    try:
        model, found = loader.from_pretrained(
            folder,
            device_map="meta",
            dtype="auto",
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except Exception as error:  # settings from outside break the library in many ways
        raise InvalidInput(f"transformers cannot load this model: {error}", field="source") from error
    wrong = sorted(found["missing_keys"]) + sorted(name for name, *_ in found["mismatched_keys"])
    if wrong:
        raise InvalidInput(
            f"{len(wrong):,} weights are missing or have another shape than config.json says, such as {wrong[0]}: "
            "they would be random.",
            "missing_weights",
            field="source",
        )
    return model, sorted(found["unexpected_keys"])
