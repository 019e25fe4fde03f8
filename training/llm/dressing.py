"""A tokenizer made ready for conversations. Light: no torch, so that the preflight does it as the stage will.

A tokenizer is *dressed*: it gets a chat template where it has none, the end of a turn becomes its stop token, and
padding becomes a token that is not the stop. Its files are changed by hand as far as needed and no further, so
that a tokenizer that was ready stays the same, hash for hash.
"""

import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from tilth.errors import InvalidInput
from training.llm.chat import Chat, named_tokens, specials_of, stored_template
from training.llm.chat_template import TEMPLATE
from training.llm.export import copy_tokenizer
from training.llm.special_tokens import PAD, SPECIAL_TOKENS

GREETING = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello"}]


def dress(folder: Path, into: Path, template: str = "auto") -> None:
    """Write the tokenizer of a checkpoint's folder, ready for conversations, into another folder."""
    into.mkdir(parents=True, exist_ok=True)
    copy_tokenizer(folder, into)
    for old in ("special_tokens_map.json", "added_tokens.json"):  # older copies of what is changed below
        (into / old).unlink(missing_ok=True)
    source = (stored_template(folder) if template == "auto" else "") or TEMPLATE
    if source == TEMPLATE:
        _add(into, list(SPECIAL_TOKENS))
    _write_template(into, source)
    stop = stop_token(Chat.of(into))
    named = named_tokens(into)
    pad = named.get("pad_token", "")
    if not pad or pad in (stop, named.get("eos_token")):
        pad = PAD
        _add(into, [PAD])
    if (stop, pad) != (named.get("eos_token"), named.get("pad_token")):
        _change_settings(into, {"eos_token": stop, "pad_token": pad})


def stop_token(chat: Chat) -> str:
    """The token that ends an answer and is trained; raises :class:`InvalidInput` where a template trains none."""
    encoded = chat.encode(GREETING)
    rendered = chat.template.render(GREETING)
    learned = [place for place, learn in zip(encoded.offsets, encoded.trained, strict=True) if learn]
    if not learned or learned[-1] not in rendered.marks:
        raise InvalidInput(
            "This chat template does not end an answer with a special token, so the model would never learn to "
            "stop: train with our template (template=ours).",
            code="template",
            field="template",
        )
    start, end = learned[-1]
    return encoded.text[start:end]


def _add(files: Path, tokens: list[str]) -> None:
    """Add special tokens to a tokenizer's file where it lacks them."""
    path = files / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    known = {token.content for token in specials_of(tokenizer).values()}
    missing = [token for token in tokens if token not in known]
    if missing:
        tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in missing])
        tokenizer.save(str(path))


def _write_template(files: Path, source: str) -> None:
    (files / "chat_template.jinja").write_text(source)
    settings = files / "tokenizer_config.json"
    if settings.exists() and "chat_template" in json.loads(settings.read_text()):
        _change_settings(files, {"chat_template": None})


def _change_settings(files: Path, changes: dict[str, str | None]) -> None:
    """Set names in ``tokenizer_config.json``; ``None`` removes one."""
    path = files / "tokenizer_config.json"
    settings = json.loads(path.read_text()) if path.exists() else {}
    settings |= changes
    kept = {name: value for name, value in settings.items() if name not in changes or value is not None}
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
