"""AdamW as pretraining uses it, and its state as plain tensors by the names of the weights."""

import torch
from torch import Tensor, nn

MOMENTS = ("exp_avg", "exp_avg_sq")


def adamw(model: nn.Module, rate: float, decay: float, betas: tuple[float, float]) -> torch.optim.AdamW:
    """Fused AdamW: matrices and embeddings decay, vectors (norms, biases) do not."""
    matrices: list[tuple[str, nn.Parameter]] = []
    vectors: list[tuple[str, nn.Parameter]] = []
    for name, weight in model.named_parameters():
        (matrices if weight.dim() >= 2 else vectors).append((name, weight))
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=rate, betas=betas, eps=1e-8, fused=True
    )


def state_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The moments of every weight as ``exp_avg/NAME`` and ``exp_avg_sq/NAME``."""
    return {
        f"{moment}/{name}": optimizer.state[weight][moment]
        for name, weight in _named(optimizer)
        for moment in MOMENTS
    }


def load_state(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], steps: int) -> None:
    """Put moments of ``steps`` steps back."""
    state = {
        number: {"step": torch.tensor(float(steps)), **{m: tensors[f"{m}/{name}"] for m in MOMENTS}}
        for number, (name, _) in enumerate(_named(optimizer))
    }
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _named(optimizer: torch.optim.Optimizer) -> list[tuple[str, nn.Parameter]]:
    return [
        pair
        for group in optimizer.param_groups
        for pair in zip(group["param_names"], group["params"], strict=True)
    ]
