"""What training a tokenizer can be told."""

from dataclasses import dataclass

from training.llm.config import Config, setting
from training.llm.special_tokens import SPECIAL_TOKENS

SMALLEST = 256 + len(SPECIAL_TOKENS)


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerConfig(Config):
    """Settings of the stage ``tokenizer``."""

    vocabulary: int = setting(
        32_768,
        "Number of tokens, with the 256 bytes and the special tokens; multiples of 64 suit GPUs",
        minimum=SMALLEST,
        maximum=1_000_000,
    )
    sample_bytes: int = setting(
        1_000_000_000,
        "Bytes of text to learn from, drawn evenly over the documents; more changes little and costs memory",
        minimum=1,
    )
    balance: bool = setting(False, "Draw the same number of bytes from each language, as far as they reach")
    minimum_count: int = setting(2, "How often a pair must occur to become a token", minimum=1, advanced=True)
    measure_bytes: int = setting(
        10_000_000,
        "Bytes of text that are kept out and measured for compression",
        minimum=1,
        advanced=True,
    )
    context: int = setting(
        1024,
        "Longest input to note down for the models that use it",
        minimum=8,
        maximum=10_000_000,
        advanced=True,
    )
    seed: int = setting(0, "Which documents are drawn", minimum=0, advanced=True)
