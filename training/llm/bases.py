"""What pretraining starts with: a tokenizer alone, or a checkpoint to go on with. Light: no torch."""

from dataclasses import dataclass

from tilth.errors import InvalidInput
from training.llm.checkpoints import Checkpoint
from training.llm.program import Workspace
from training.llm.vocabulary import Vocabulary


@dataclass(frozen=True)
class Base:
    """What a run starts with. ``checkpoint`` is ``None`` where the model is made anew."""

    vocabulary: Vocabulary
    checkpoint: Checkpoint | None

    @classmethod
    def of(cls, work: Workspace) -> "Base":
        """The run's tokenizer and base; raises :class:`InvalidInput` where they do not go together."""
        spec = work.spec
        if spec.base is None:
            checkpoint, folder = work.load(spec.tokenizer, "tokenizer")
            return cls(Vocabulary.of(folder, checkpoint.reference), None)
        checkpoint, folder = work.load(spec.base)
        if checkpoint.holds != "model":
            raise InvalidInput(f"{checkpoint.reference} holds no model to go on with.", field="base")
        vocabulary = Vocabulary.of(folder, checkpoint.reference)
        if spec.tokenizer is not None:
            other, _ = work.load(spec.tokenizer, "tokenizer")
            if other.tokenizer_hash != vocabulary.hash:
                raise InvalidInput(
                    f"{checkpoint.reference} has another tokenizer than {other.reference}: leave the tokenizer "
                    "empty, and the base's own is used.",
                    field="tokenizer",
                )
        return cls(vocabulary, checkpoint)
