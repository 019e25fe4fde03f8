"""How well tokenizers compress: bytes of UTF-8 a token, overall and by language."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tokenizers import ByteLevelBPETokenizer, Tokenizer

from tilth.errors import InvalidInput
from training.llm.pretokens import plain

GPT2_VARIABLE = "TILTH_GPT2_TOKENIZER"
BATCH = 256


@dataclass
class Measured:
    """Bytes of some texts and the tokens that each named tokenizer makes of them."""

    bytes: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def ratio(self, name: str) -> float:
        """Bytes a token; 0 where there is no text."""
        return self.bytes / self.tokens[name] if self.tokens.get(name) else 0.0


def measure(tokenizers: Mapping[str, Tokenizer], texts: Iterable[tuple[str, str]]) -> dict[str, Measured]:
    """Bytes and tokens of ``(language, text)`` pairs by language, and of all of them under ``""``."""
    found: dict[str, Measured] = defaultdict(Measured)
    batch: list[tuple[str, str]] = []
    for pair in texts:
        batch.append(pair)
        if len(batch) == BATCH:
            _add(found, tokenizers, batch)
            batch = []
    _add(found, tokenizers, batch)
    return dict(found)


def gpt2() -> Tokenizer | None:
    """GPT-2's tokenizer, where ``TILTH_GPT2_TOKENIZER`` names its folder or its ``tokenizer.json``."""
    named = os.environ.get(GPT2_VARIABLE)
    if not named:
        return None
    folder = Path(named)
    path = folder if folder.is_file() else folder / "tokenizer.json"
    if path.exists():
        return plain(Tokenizer.from_file(str(path)))
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    if not (vocabulary.exists() and merges.exists()):
        raise InvalidInput(
            f"{GPT2_VARIABLE}={named} holds neither tokenizer.json nor vocab.json and merges.txt."
        )
    return plain(ByteLevelBPETokenizer(str(vocabulary), str(merges))._tokenizer)


def _add(
    found: dict[str, Measured], tokenizers: Mapping[str, Tokenizer], batch: list[tuple[str, str]]
) -> None:
    texts = [text for _, text in batch]
    counts = {
        name: [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        for name, tokenizer in tokenizers.items()
    }
    for place, (language, text) in enumerate(batch):
        for key in ("", language) if language else ("",):
            found[key].bytes += len(text.encode())
            for name, numbers in counts.items():
                found[key].tokens[name] += numbers[place]
