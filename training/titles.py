"""Names of settings and curves as people read them."""

from tilth.ui.formats import size

_WORDS = {
    "lora": "LoRA",
    "kl": "KL",
    "mfu": "MFU",
    "gpu": "GPU",
    "kv": "KV",
    "ffn": "FFN",
    "grad": "gradient",
    "dpo": "DPO",
    "gpus": "GPUs",
    "fewshot": "few-shot examples",
    "beta1": "β₁",
    "beta2": "β₂",
}
"""Parts of names that are not written as they stand."""


def title(name: str) -> str:
    """``grad_norm`` as *Gradient norm*; the figure of an evaluation (``sums@1/pass@1``) as it is."""
    if "/" in name:
        return name
    words = " ".join(_WORDS.get(word, word) for word in name.split("_"))
    return words[:1].upper() + words[1:]


def value(name: str, number: float | None) -> str:
    """A point of a curve: bytes as such, counts with their thousands apart, the rest with four digits that count."""
    if number is None:
        return "NaN"
    if name == "memory":
        return size(int(number))
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.4g}"
