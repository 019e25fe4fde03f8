"""Prose → tokenizer → pretraining → fine-tuning → reward model → DPO → GRPO on sums → evaluation, all on CPU."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.journey import Journey, real, small
from tilth.storage import Storage
from training.llm import checkpoints
from training.llm.program import Workspace
from training.llm.spec import Spec

FOLDER = os.environ.get("TILTH_POSTTRAINING_DATA", "")
"""A folder of public sets, whose licences do not let them lie in this repository."""

Make = Callable[[Spec], Workspace]


def check(journey: Journey) -> dict[str, Any]:
    """What holds of every journey; answers its figures."""
    curves, results = journey.curves, journey.results
    for stage in ("pretrain", "sft", "reward", "dpo"):
        losses = curves[stage]["loss"]
        assert losses[-1] < losses[0], stage
    assert results["tokenizer"]["bytes_per_token"]["tokenizer"] > 1
    rewards = curves["grpo"]["reward"]
    before, after = (results[name]["figures"] for name in ("before", "after"))
    scored = results["scored"]["figures"]["held-pairs@1"]["accuracy"]
    assert scored["low"] > 0.5, "the reward model is better than chance on held-out pairs"
    solved = [before["sums@1"]["pass@1"]["value"], after["sums@1"]["pass@1"]["value"]]
    rewarded = [sum(rewards[:5]) / 5, sum(rewards[-5:]) / 5]
    assert rewarded[1] > rewarded[0] + 0.1 and solved[1] > solved[0] + 0.05, "the solve rate rises"
    assert max(curves["grpo"]["kl"]) > 0
    assert set(after) == {"sums@1", "held-pairs@1", "texts@1"}
    assert 0 < after["texts@1"]["bits_per_byte"]["value"] < 8
    return {
        "bits_per_byte": after["texts@1"]["bits_per_byte"]["value"],
        "reward_accuracy": scored,
        "rewards": rewarded,
        "solved": [before["sums@1"]["pass@1"], after["sums@1"]["pass@1"]],
        "losses": {
            stage: (curves[stage]["loss"][0], curves[stage]["loss"][-1])
            for stage in curves
            if "loss" in curves[stage]
        },
        "seconds": journey.seconds,
    }


def test_from_prose_to_an_evaluated_model(storage: Storage, workspace: Make):
    journey = Journey(storage, workspace, small()).go()
    check(journey)
    solver = checkpoints.read(storage, "checkpoints/6/40")
    assert solver.parents == ["sums@1", "checkpoint:5/6"] and solver.holds == "model"
    chain, seen = solver, []
    while chain.stage != "tokenizer":
        seen.append(chain.stage)
        parent = next(name for name in chain.parents if name.startswith("checkpoint:"))
        chain = checkpoints.read(storage, f"checkpoints/{parent.removeprefix('checkpoint:')}")
    assert seen == ["grpo", "dpo", "sft", "pretrain"]
    assert solver.tokenizer_hash == checkpoints.read(storage, "checkpoints/3/60").tokenizer_hash


@pytest.mark.full
def test_from_real_prose_to_an_evaluated_model(storage: Storage, workspace: Make):
    if not FOLDER:
        pytest.skip("the public sets are not at hand: name their folder in TILTH_POSTTRAINING_DATA")
    print(check(Journey(storage, workspace, real(Path(FOLDER))).go()))
