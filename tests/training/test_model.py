"""Models have the counted sizes, load in plain transformers as they are, and their loss is the library's."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM

from training.llm import model as models
from training.llm.model import Loss, build
from training.llm.sizes import Shape, gpt2, llama

SHAPES = [
    gpt2(vocabulary=512, depth=2, width=64, context=64),
    llama(vocabulary=512, depth=2, width=64, context=64, heads=4, kv_heads=1),
    llama(vocabulary=512, depth=2, width=64, context=64, tied=False),
]


@pytest.mark.parametrize("shape", SHAPES, ids=["gpt2", "grouped", "untied"])
def test_an_export_has_the_counted_size_and_identical_scores(shape: Shape, tmp_path: Path):
    torch.manual_seed(0)
    made = build(shape, end=0, pad=1).eval()
    assert sum(weight.numel() for weight in made.parameters()) == shape.parameters
    made.save_pretrained(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    inputs = torch.randint(0, 512, (2, 64))
    with torch.no_grad():
        assert torch.equal(made(inputs).logits, plain(inputs).logits)
    assert (plain.config.eos_token_id, plain.config.pad_token_id) == (0, 1)


def test_the_loss_in_chunks_is_the_loss_in_one_piece(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(models, "CHUNK_TOKENS", 50)
    torch.manual_seed(0)
    made = build(SHAPES[1], end=0, pad=1)
    inputs, targets = torch.randint(0, 512, (2, 64)), torch.randint(0, 512, (2, 64))
    targets[0, :10] = -100
    gradients = []
    for chunked in (False, True):
        made.zero_grad()
        loss = Loss(made, chunked)(inputs, targets)
        expected = functional.cross_entropy(
            made(inputs).logits.flatten(0, 1), targets.flatten(), reduction="sum"
        )
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
        loss.backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in made.parameters()]))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-5)
