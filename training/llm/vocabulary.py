"""The tokenizer of a run as its data and its model see it: ids, the end of a text, what it is known by."""

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from tilth.errors import InvalidInput, NotFound
from tilth.storage import Storage
from training.llm import checkpoints, pretokens
from training.llm.record import tokenizer_hash
from training.llm.special_tokens import PAD

_REFERENCE = "checkpoint:"


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer out of a checkpoint's folder.

    ``end`` is the id that ends a document, ``pad`` the id that fills rows where there is one; ``hash`` is
    the sha256 of its file, ``reference`` the checkpoint it was taken from.
    """

    folder: Path
    tokenizer: Tokenizer
    end: int
    pad: int | None
    hash: str
    reference: str

    @classmethod
    def of(cls, folder: Path, reference: str) -> "Vocabulary":
        """The vocabulary in a checkpoint's folder; raises :class:`InvalidInput` where it has none to use."""
        tokenizer = pretokens.load(folder)
        end = pretokens.end_of_text(tokenizer, folder)
        return cls(folder, tokenizer, end, tokenizer.token_to_id(PAD), tokenizer_hash(folder), reference)

    @property
    def size(self) -> int:
        """One more than the highest id, which is how many rows an embedding needs."""
        return max(self.tokenizer.get_vocab().values()) + 1

    def require_same(self, storage: Storage, named: str, source: str) -> None:
        """Raise :class:`InvalidInput` unless ``named`` (of token shards) is this tokenizer.

        A name is the tokenizer's hash, or the reference of a checkpoint that holds it.
        """
        if named in (self.hash, self.reference):
            return
        if named.startswith(_REFERENCE):
            folder = f"checkpoints/{named.removeprefix(_REFERENCE)}"
            try:
                if checkpoints.read(storage, folder).tokenizer_hash == self.hash:
                    return
            except NotFound:
                pass  # a checkpoint that is gone proves nothing: refuse below
        raise InvalidInput(
            f"{source} holds tokens of {named}, but this run uses the tokenizer of {self.reference}: choose "
            "that one, or data made with it.",
            code="other_tokenizer",
            field="tokenizer",
        )
