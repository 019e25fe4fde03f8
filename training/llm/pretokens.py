"""Our tokenizer's recipe: byte-level BPE over pieces cut the way GPT-4 cuts them.

Every text can be written, because the alphabet is the 256 bytes; nothing is normalised, so that decoding
gives the text back exactly. It departs from GPT-4's expression in two ways: digits come in groups of at
most three as there, but combining marks belong to the word they stand in, as in GPT-4o's, so that the
scripts of India are not cut inside their syllables.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from tilth.errors import InvalidInput
from training.llm.special_tokens import END_OF_TEXT, PAD, SPECIAL_TOKENS

PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    r"|[^\r\n\p{L}\p{M}\p{N}]?[\p{L}\p{M}]+"
    r"|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)
"""Contractions · a word with one character before it · up to three digits · punctuation · line ends · spaces."""


def untrained() -> Tokenizer:
    """A tokenizer with no merges yet."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train(texts: Iterable[str], vocabulary: int, minimum_count: int = 2) -> Tokenizer:
    """Learn merges from texts; raises :class:`InvalidInput` where they do not give ``vocabulary`` tokens."""
    tokenizer = untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=minimum_count,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    made = tokenizer.get_vocab_size()
    if made < vocabulary:
        raise InvalidInput(
            f"The texts give only {made:,} tokens, not {vocabulary:,}: add text or ask for fewer.",
            field="vocabulary",
        )
    return tokenizer


def plain(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer set to read the names of special tokens in a text as the text they are.

    Documents and messages are hostile: nobody ends a document by writing ``<|endoftext|>`` in it.
    """
    tokenizer.encode_special_tokens = True
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path, context: int, template: str | None = None) -> None:
    """Write the files that ``AutoTokenizer`` reads; ``template`` is the chat template (Jinja)."""
    from transformers import PreTrainedTokenizerFast

    whole = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=PAD,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
        chat_template=template,
    )
    whole.save_pretrained(folder)


def load(folder: Path) -> Tokenizer:
    """The tokenizer of a checkpoint's folder, reading whole texts as :func:`plain`."""
    path = folder / "tokenizer.json"
    if not path.exists():
        raise InvalidInput("This checkpoint has no tokenizer.json: choose one with a fast tokenizer.")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()  # some published files cut or pad every text they are given
    tokenizer.no_padding()
    return plain(tokenizer)


def end_of_text(tokenizer: Tokenizer, folder: Path) -> int:
    """The id that ends a document: ours, else the one the folder's ``tokenizer_config.json`` names."""
    found = tokenizer.token_to_id(END_OF_TEXT)
    if found is None:
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        named = settings.get("eos_token")
        named = named.get("content") if isinstance(named, dict) else named
        found = tokenizer.token_to_id(named) if named else None
    if found is None:
        raise InvalidInput("The tokenizer names no token that ends a text (eos_token): choose another.")
    return int(found)
