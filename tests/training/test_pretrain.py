"""Pretraining: the loss, the step, curves that go on exactly after a kill, checkpoints as others load them."""

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from tests.training.conftest import ROOT, events, publish_texts, sentences, start
from tilth.errors import InvalidInput, TilthError
from tilth.jobs.reporting import STOPPED, Reporter
from tilth.storage import Storage
from training.llm import checkpoints, engine, pretrain, trainer_state
from training.llm.cache import Cache
from training.llm.checkpoints import Checkpoint, store
from training.llm.configs.pretrain import PretrainConfig
from training.llm.continuations import continued
from training.llm.corpus import corpus
from training.llm.engine import Engine, Feed
from training.llm.export import write_model
from training.llm.hardware import Hardware, peak_of
from training.llm.model import build, causal, flops_per_token
from training.llm.optimizer import adamw
from training.llm.program import Workspace
from training.llm.ranks import COUNT_VARIABLE, Group
from training.llm.record import tokenizer_hash
from training.llm.sizes import Shape, gpt2, llama
from training.llm.sizes import flops_per_token as counted
from training.llm.spec import Part, Source, Spec
from training.llm.vocabulary import Vocabulary

Make = Callable[[Spec], Workspace]
TINY: dict[str, Any] = {
    "depth": 2,
    "width": 32,
    "heads": 2,
    "context": 32,
    "batch": 8,
    "micro_batch": 4,
    "steps": 12,
    "learning_rate": 3e-3,
    "warmup": 0.1,
    "validation_share": 0.05,
    "validation_tokens": 2000,
    "validate_every": 5,
    "save_every": 4,
    "log_every": 1,
    "samples": 2,
    "sample_tokens": 8,
}
EXACT = ("loss", "grad_norm", "learning_rate", "bits_per_byte", "validation_loss")
CPU = Hardware(torch.device("cpu"), half=False)


@pytest.fixture
def source(storage: Storage) -> Source:
    return publish_texts(storage, "prose", sentences(120))


def tiny(
    source: Source, tokenizer: Part | None, run: int = 1, base: Part | None = None, **config: Any
) -> Spec:
    return Spec("pretrain", run, TINY | config, [source], tokenizer=tokenizer, base=base)


def curve(reported: list[dict[str, Any]]) -> dict[tuple[str, int], float]:
    """The exact points of a run's curves; the first of a name and step stays, as the jobs' table keeps it."""
    found: dict[tuple[str, int], float] = {}
    for event in reported:
        if event["type"] == "metric" and event["name"] in EXACT:
            found.setdefault((event["name"], event["step"]), event["value"])
    return found


def weights(storage: Storage, run: int, step: int, tmp_path: Path) -> dict[str, torch.Tensor]:
    _, folder = checkpoints.load(
        Cache(tmp_path / "cache"), storage, f"checkpoints/{run}/{step}", tmp_path / "read"
    )
    return load_file(folder / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# The step


def windows(rows: int = 8, context: int = 32, vocabulary: int = 100) -> torch.Tensor:
    return torch.randint(0, vocabulary, (rows, context + 1), generator=torch.Generator().manual_seed(1))


def trained(micro_batch: int, steps: int = 3, **config: Any) -> Engine:
    settings = PretrainConfig(**{**TINY, "micro_batch": micro_batch, "steps": steps, **config})
    torch.manual_seed(0)
    made = Engine(build(settings.shape(100), 0, 1), settings, CPU, Group(), steps)
    for _ in range(steps):
        made.step(windows())
    return made


def test_the_loss_of_a_step_is_the_mean_cross_entropy_of_its_tokens():
    settings = PretrainConfig(**TINY)
    torch.manual_seed(0)
    made = Engine(build(settings.shape(100), 0, 1), settings, CPU, Group(), 1)
    data = windows()
    with torch.no_grad():
        scores = made.model(data[:, :-1]).logits.double()
    by_hand = 0.0
    for row in range(8):
        for place in range(32):
            odds = scores[row, place] - scores[row, place].max()
            by_hand += math.log(odds.exp().sum().item()) - odds[data[row, place + 1]].item()
    made.step(data)
    assert made.nats.item() == pytest.approx(by_hand, rel=1e-5)


def test_the_gradient_and_the_step_are_those_of_plain_torch():
    settings = PretrainConfig(**{**TINY, "warmup": 0.0, "schedule": "constant", "clip": 0.2})
    torch.manual_seed(0)
    plain = build(settings.shape(100), 0, 1)
    decayed = [w for w in plain.parameters() if w.dim() > 1]
    others = [w for w in plain.parameters() if w.dim() == 1]
    plain_adamw = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=3e-3,
        betas=(0.9, 0.95),
    )
    data = windows()
    for _ in range(3):
        plain_adamw.zero_grad()
        scores = plain(data[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), data[:, 1:].flatten())
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.2)
        plain_adamw.step()
    made = trained(4, warmup=0.0, schedule="constant", clip=0.2)
    assert norm > 0.2 and made.norm.item() == pytest.approx(norm.item(), rel=1e-4)
    for (name, one), other in zip(plain.named_parameters(), made.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5, msg=name)


def test_one_piece_and_four_accumulated_ones_have_the_same_loss_and_weights():
    whole, quarters = trained(8), trained(2)
    assert whole.nats.item() == pytest.approx(quarters.nats.item(), rel=1e-6)
    assert whole.norm.item() == pytest.approx(quarters.norm.item(), rel=1e-5)
    for one, other in zip(whole.model.parameters(), quarters.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


class Asked(TorchDispatchMode):
    """Notes the operations that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(str(operation))
        return operation(*args, **(kwargs or {}))


def test_a_step_never_waits_for_the_device():
    made, waits = trained(4, steps=1), "aten._local_scalar_dense.default"
    with Asked() as asked:
        made.step(windows())
    assert "aten._fused_adamw_.default" in asked.names and waits not in asked.names
    with Asked() as asked:
        made.nats.item()
    assert waits in asked.names


@pytest.mark.parametrize(
    "shape",
    [
        gpt2(vocabulary=64, depth=2, width=64, context=16),
        llama(vocabulary=64, depth=1, width=32, heads=2, kv_heads=1, context=16),
    ],
)
def test_causal_attention_without_a_mask_gives_the_same_scores(shape: Shape):
    torch.manual_seed(0)
    model = build(shape, 0, 1).eval()
    inputs = torch.randint(0, 64, (2, 16))
    with torch.no_grad():
        expected = model(inputs).logits
        assert torch.equal(causal(model, 16)(inputs).logits, expected)
    assert flops_per_token(model, 16) == counted(shape)


def test_attention_that_reaches_less_far_than_a_window_keeps_its_mask():
    model = build(llama(vocabulary=64, depth=1, width=32, heads=2, context=16), 0, 1)
    model.config.sliding_window = 8
    assert causal(model, 16).config._attn_implementation == "sdpa"
    assert causal(model, 8).config._attn_implementation != "sdpa"


def test_matrices_decay_and_vectors_do_not():
    model = build(gpt2(vocabulary=64, depth=1, width=64, context=16), 0, 1)
    decays = {
        name: group["weight_decay"]
        for group in adamw(model, 1e-3, 0.1, (0.9, 0.95)).param_groups
        for name in group["param_names"]
    }
    assert decays.keys() == {name for name, _ in model.named_parameters()}
    assert decays["transformer.wte.weight"] == decays["transformer.h.0.mlp.c_fc.weight"] == 0.1
    assert decays["transformer.h.0.mlp.c_fc.bias"] == decays["transformer.ln_f.weight"] == 0.0


def test_windows_are_read_ahead_and_in_any_order():
    asked: list[int] = []
    feed = Feed(lambda step: (asked.append(step), torch.tensor([step]))[1], CPU)
    assert [feed.take(step).item() for step in (3, 4, 5, 1, 2)] == [3, 4, 5, 1, 2]
    feed.close()
    assert asked[:4] == [3, 4, 5, 6]


def test_a_device_is_known_by_its_name():
    assert peak_of("NVIDIA H200", True) == peak_of("NVIDIA H100 80GB HBM3", True) == 989.4e12
    assert peak_of("NVIDIA H100 PCIe", False) == 378e12
    assert peak_of("NVIDIA L40S", True) == 362e12 and peak_of("An unknown one", True) is None


def test_a_tiny_model_takes_one_thread_and_a_larger_one_all(
    workspace: Make, source: Source, tokenizer_part: Part
):
    torch.set_num_threads(2)
    CPU.suit_threads(1e11)
    assert torch.get_num_threads() == 2
    pretrain.run(workspace(tiny(source, tokenizer_part, steps=1)))
    assert torch.get_num_threads() == 1


def test_compiling_is_asked_for_and_kept_between_jobs(
    monkeypatch: pytest.MonkeyPatch, workspace: Make, source: Source, tokenizer_part: Part, tmp_path: Path
):
    asked = []
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
    monkeypatch.setattr(engine.torch, "compile", lambda module, **options: (asked.append(options), module)[1])
    assert pretrain.run(workspace(tiny(source, tokenizer_part, compile="on", steps=1))) is not None
    assert asked == [{"dynamic": False}]
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "cache" / "compiled" / "inductor")


@pytest.mark.full
def test_compiled_steps_are_the_steps():
    plain, made = trained(4), trained(4, compile="on")
    assert made.nats.item() == pytest.approx(plain.nats.item(), rel=1e-5)


# The run


def test_a_run_learns_and_its_checkpoint_is_what_others_load(
    storage: Storage, workspace: Make, source: Source, tokenizer_part: Part, tmp_path: Path
):
    work = workspace(tiny(source, tokenizer_part, steps=60, checkpoint_every=30, log_every=20))
    result = pretrain.run(work)
    assert result is not None and result["checkpoints"] == ["checkpoint:1/30", "checkpoint:1/60"]
    assert result["tokens"] == 60 * 8 * 32 and result["ended_by"] == "steps"
    points = curve(workspace.events)
    assert points["loss", 60] < points["loss", 20] < math.log(384) + 0.5
    assert points["bits_per_byte", 60] < points["bits_per_byte", 5]
    rest = {event["name"] for event in workspace.events if event["type"] == "metric"} - set(EXACT)
    assert rest == {"tokens", "tokens_per_second", "memory"}  # a CPU has no peak to be measured by

    stored, folder = checkpoints.load(Cache(tmp_path / "c"), storage, "checkpoints/1/60", tmp_path / "p")
    assert (stored.holds, stored.architecture, stored.context) == ("model", "LlamaForCausalLM", 32)
    assert stored.tokens == result["tokens"] and stored.parents == ["prose@1", "checkpoint:900/0"]
    assert stored.metrics["bits_per_byte"] == result["bits_per_byte"] == points["bits_per_byte", 60]
    assert stored.tokenizer_hash == tokenizer_hash(folder) and stored.record["seed"] == 0
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    text = "Story 3. The cat sees the dog near the lake."
    ids = tokenizer(text, return_tensors="pt").input_ids
    assert tokenizer.decode(ids[0]) == text and stored.parameters == sum(
        w.numel() for w in model.parameters()
    )
    assert "tilth" not in (folder / "config.json").read_text()
    samples = json.loads((folder / "samples.json").read_text())
    assert len(samples) == 2 and all(
        sample["prompt"].startswith("Story") and sample["text"] for sample in samples
    )
    assert work.states.steps() == []


def test_an_export_has_the_scores_of_the_model_in_training(tokenizer_folder: Path, tmp_path: Path):
    for family in ({}, {"family": "gpt2", "heads": None}):
        made = trained(4, **family)
        write_model(made.model, tokenizer_folder, tmp_path / "export")
        plain = AutoModelForCausalLM.from_pretrained(tmp_path / "export").eval()
        with torch.no_grad():
            assert torch.equal(plain(windows()[:, :-1]).logits, made.model(windows()[:, :-1]).logits)


def test_bits_per_byte_are_the_loss_of_whole_texts_over_their_bytes(
    storage: Storage,
    workspace: Make,
    source: Source,
    tokenizer_part: Part,
    tokenizer_folder: Path,
    tmp_path: Path,
):
    texts = ["Größe? The cat.", "A dog sees."]  # each shorter than a window, so that nothing is cut
    held = publish_texts(storage, "held", texts, role="validation")
    spec = tiny(source, tokenizer_part)
    work = workspace(Spec("pretrain", 1, spec.config, [source, held], tokenizer=tokenizer_part))
    result = pretrain.run(work)
    assert result is not None
    _, folder = checkpoints.load(Cache(tmp_path / "c"), storage, "checkpoints/1/12", tmp_path / "p")
    model, vocabulary = AutoModelForCausalLM.from_pretrained(folder), Vocabulary.of(folder, "")
    data = corpus(work, PretrainConfig.from_json(spec.config), vocabulary)
    row = [vocabulary.end, *[id for ids in data.held[0].documents for id in ids.tolist()]]
    assert len(row) <= 33 and row.count(vocabulary.end) == 3
    with torch.no_grad():
        odds = model(torch.tensor([row[:-1]])).logits[0].double().log_softmax(-1)
    nats = -sum(odds[n, id].item() for n, id in enumerate(row[1:]) if id != vocabulary.end)
    size = sum(len(text.encode()) for text in texts)
    assert result["bits_per_byte"] == pytest.approx(nats / math.log(2) / size, rel=1e-5)


def test_killed_at_any_moment_it_comes_to_the_same_curve_and_weights(
    storage: Storage,
    workspace: Make,
    source: Source,
    tokenizer_part: Part,
    job_dir: Callable[..., Path],
    tmp_path: Path,
):
    settings = {"steps": 150, "log_every": 3, "save_every": 5, "validate_every": 40}
    pretrain.run(workspace(tiny(source, tokenizer_part, **settings)))
    undisturbed = curve(workspace.events)

    disturbed = tiny(source, tokenizer_part, run=2, **settings)
    folder = job_dir(disturbed)
    process = start("training.llm.pretrain", folder)
    while not (seen := storage.list("jobs/2/state", "state.json")) and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    first = events(folder)
    assert seen and max(event["step"] for event in first if event["type"] == "metric") < 150
    workspace.events.clear()
    assert pretrain.run(workspace(disturbed, attempt=2)) is not None
    trained = [event["done"] for event in workspace.events if event.get("stage") == "train"]
    assert min(trained) > 5 and max(trained) == 150
    assert curve(first + workspace.events) == undisturbed
    assert curve(workspace.events) == undisturbed, "also where nobody had read what the killed one reported"
    saved = [event for event in first if event["type"] == "metric" and event["step"] < min(trained)]
    assert saved and all(event in workspace.events for event in saved), "as of when it was measured"
    assert same(weights(storage, 1, 150, tmp_path), weights(storage, 2, 150, tmp_path))


def paused(monkeypatch: pytest.MonkeyPatch, workspace: Make, spec: Spec, after: int) -> list[int]:
    """Run as if SIGTERM came in step ``after``; returns the steps that were trained."""
    steps: list[int] = []
    step = Engine.step

    def counted_step(self: Engine, data: torch.Tensor) -> None:
        step(self, data)
        steps.append(self.done)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "step", counted_step)
        patch.setattr(Reporter, "stopping", property(lambda self: len(steps) == after))
        assert pretrain.run(workspace(spec)) is None
    return steps


def test_paused_in_the_middle_of_a_point_it_goes_on_from_that_very_step(
    storage: Storage,
    workspace: Make,
    source: Source,
    tokenizer_part: Part,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    family = {"family": "gpt2", "heads": None, "log_every": 4, "checkpoint_every": 6, "save_every": 100}
    pretrain.run(workspace(tiny(source, tokenizer_part, **family)))
    undisturbed = curve(workspace.events)
    workspace.events.clear()
    spec = tiny(source, tokenizer_part, run=2, **family)
    assert paused(monkeypatch, workspace, spec, 7) == list(range(1, 8))
    work = workspace(spec, attempt=2)
    assert work.states.steps() == [7]
    assert pretrain.run(work) is not None
    assert curve(workspace.events) == undisturbed
    assert same(weights(storage, 1, 12, tmp_path), weights(storage, 2, 12, tmp_path))


def test_asked_to_stop_before_the_first_step_there_is_nothing_to_save(
    workspace: Make, source: Source, tokenizer_part: Part, monkeypatch: pytest.MonkeyPatch
):
    spec = tiny(source, tokenizer_part)
    assert (
        pretrain.run(workspace(tiny(source, tokenizer_part, run=2))) is not None
    )  # its text is tokenised now
    assert paused(monkeypatch, workspace, spec, 0) == []
    assert workspace(spec).states.steps() == []


def test_a_run_that_had_finished_reports_again_and_trains_nothing(
    workspace: Make, source: Source, tokenizer_part: Part, monkeypatch: pytest.MonkeyPatch
):
    spec = tiny(source, tokenizer_part)
    result = pretrain.run(workspace(spec))
    monkeypatch.setattr(Engine, "step", None)
    assert pretrain.run(workspace(spec, attempt=2)) == result


def test_when_the_time_is_over_the_checkpoint_of_that_step_is_made(
    workspace: Make, source: Source, tokenizer_part: Part, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pretrain.Pretraining, "_seconds", lambda self: 3600.0 * (self.engine.done >= 3))
    result = pretrain.run(workspace(tiny(source, tokenizer_part, time_limit=0.5)))
    assert result is not None and result["ended_by"] == "time_limit"
    assert result["checkpoint"] == "checkpoint:1/3" and result["steps"] == 3


def test_only_the_checkpoints_that_are_to_be_kept_stay(
    storage: Storage, workspace: Make, source: Source, tokenizer_part: Part
):
    result = pretrain.run(workspace(tiny(source, tokenizer_part, checkpoint_every=2, keep=2)))
    assert result is not None
    assert result["checkpoints"] == [f"checkpoint:1/{step}" for step in (8, 10, 12)]
    assert {key.split("/")[2] for key in storage.list("checkpoints/1")} == {"8", "10", "12"}


def test_a_loss_that_is_no_number_ends_the_run_and_leaves_the_last_good_state(
    workspace: Make, source: Source, tokenizer_part: Part, monkeypatch: pytest.MonkeyPatch
):
    step = Engine.step

    def broken(self: Engine, data: torch.Tensor) -> None:
        step(self, data)
        if self.done == 8:
            self.norm = self.norm * math.nan
            self.nats *= math.nan

    monkeypatch.setattr(Engine, "step", broken)
    work = workspace(tiny(source, tokenizer_part))
    with pytest.raises(TilthError, match="no number") as caught:
        pretrain.run(work)
    assert caught.value.code == "diverged" and work.states.steps() == [4]
    unseen = workspace(tiny(source, tokenizer_part, run=2, log_every=100))  # noticed before saving as well
    with pytest.raises(TilthError, match="no number"):
        pretrain.run(unseen)
    assert unseen.states.steps() == [4]


def test_settings_give_the_number_of_steps(workspace: Make, source: Source, tokenizer_part: Part):
    result = pretrain.run(workspace(tiny(source, tokenizer_part, steps=None, tokens=5 * 256)))
    assert result is not None and result["steps"] == 5
    once = pretrain.run(workspace(tiny(source, tokenizer_part, run=2, steps=None, batch=64, micro_batch=64)))
    assert once is not None and 1 <= once["steps"] < 10


# A full disk

FULL = """
mount -t tmpfs -o size={size} none {disk} && cp -r {storage}/. {disk}/ || exit 99
{python} -m training.llm.pretrain {folder}
status=$?; cp -r {disk}/. {after}/; exit $status
"""


def test_a_full_disk_keeps_the_state_before_and_says_so(
    workspace: Make, source: Source, tokenizer_part: Part, monkeypatch: pytest.MonkeyPatch
):
    put = Storage.put

    def full(self: Storage, local: Path, key: str) -> None:
        if "state/000000008" in key:
            raise OSError(errno.ENOSPC, "No space left on device")
        put(self, local, key)

    work = workspace(tiny(source, tokenizer_part))
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "put", full)
        with pytest.raises(TilthError, match="the one before it is kept") as caught:
            pretrain.run(work)
    assert caught.value.code == "disk_full" and work.states.steps() == [4]
    result = pretrain.run(workspace(work.spec, attempt=2))
    assert result is not None and result["steps"] == 12


@pytest.mark.full
def test_a_disk_that_is_really_full_keeps_the_state_before_and_says_so(
    storage: Storage, source: Source, tokenizer_part: Part, job_dir: Callable[..., Path], tmp_path: Path
):
    """A disk of its own, in a mount namespace, that holds one state and not two."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"]).returncode:
        pytest.skip("this host gives no mount namespace to make a small disk in")
    folder = job_dir(tiny(source, tokenizer_part, steps=40))
    disk, after = tmp_path / "disk", tmp_path / "after"
    disk.mkdir()
    after.mkdir()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"storage": str(disk)}))
    script = FULL.format(
        size="700k", disk=disk, storage=storage.url, python=sys.executable, folder=folder, after=after
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    error = json.loads((folder / "attempt-1" / "error.json").read_text())
    assert error["code"] == "disk_full" and "the one before it is kept" in error["message"]
    states = checkpoints.States(Storage(str(after)), "jobs/1").steps()
    assert states and states[0] % 4 == 0
    left = checkpoints.States(Storage(str(after)), "jobs/1").load_newest(Cache(tmp_path / "c2"), tmp_path)
    assert left is not None and load_file(left[1] / trainer_state.TENSORS)


def test_the_library_of_weights_hides_a_full_disk_and_it_is_found(tmp_path: Path):
    def full(folder: Path) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with pytest.raises(TilthError) as caught:
        trainer_state.with_room(tmp_path / "made", full, lambda made: None)
    assert caught.value.code == "disk_full" and not (tmp_path / "made").exists()


# Going on from a base


def stored_model(storage: Storage, model: Any, tokenizer: Path, tmp_path: Path, **known: Any) -> Part:
    write_model(model, tokenizer, tmp_path / "model")
    facts = {"holds": "model", "tokenizer_hash": tokenizer_hash(tokenizer), **known}
    stored = store(storage, tmp_path / "model", Checkpoint(run=800, step=5, stage="import", **facts), 1)
    shutil.rmtree(tmp_path / "model")
    return Part(stored.reference, stored.folder)


def test_pretraining_goes_on_with_a_base_and_without_its_dropout(
    storage: Storage,
    workspace: Make,
    source: Source,
    tokenizer_folder: Path,
    tokenizer_part: Part,
    tmp_path: Path,
):
    settings = GPT2Config(
        vocab_size=384,
        n_positions=64,
        n_embd=32,
        n_layer=1,
        n_head=2,
        attn_pdrop=0.5,
        resid_pdrop=0.5,
        embd_pdrop=0.5,
    )
    torch.manual_seed(3)
    model = GPT2LMHeadModel(settings)
    base = stored_model(storage, model, tokenizer_folder, tmp_path, tokens=1000, licence="MIT", context=64)
    curves = []
    for run in (1, 2):
        torch.manual_seed(run)
        workspace.events.clear()
        work = workspace(
            tiny(source, tokenizer_part if run == 2 else None, run, base, steps=3, learning_rate=1e-3)
        )
        pretrain.run(work)
        curves.append(curve(workspace.events))
    assert curves[0] == curves[1]
    stored = checkpoints.read(storage, "checkpoints/1/3")
    assert stored.tokens == 1000 + 3 * 256 and stored.licence == "MIT" and stored.context == 64
    assert stored.parents == ["prose@1", "checkpoint:800/5"]
    moved = weights(storage, 1, 3, tmp_path)["transformer.wte.weight"] - model.transformer.wte.weight
    assert 0 < moved.abs().max() < 0.01  # it began where the base was


def test_bases_that_do_not_fit_are_refused(
    storage: Storage,
    workspace: Make,
    source: Source,
    tokenizer_folder: Path,
    tokenizer_part: Part,
    tmp_path: Path,
):
    with pytest.raises(InvalidInput, match="needs a tokenizer"):
        pretrain.run(workspace(tiny(source, None)))
    with pytest.raises(InvalidInput, match="holds no model"):
        pretrain.run(workspace(tiny(source, None, base=tokenizer_part)))
    short = GPT2LMHeadModel(GPT2Config(vocab_size=384, n_positions=16, n_embd=32, n_layer=1, n_head=2))
    base = stored_model(storage, short, tokenizer_folder, tmp_path)
    with pytest.raises(InvalidInput, match="too long"):
        pretrain.run(workspace(tiny(source, None, base=base)))
    storage.delete("checkpoints/800")
    few = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=64, n_embd=32, n_layer=1, n_head=2))
    base = stored_model(storage, few, tokenizer_folder, tmp_path)
    with pytest.raises(InvalidInput, match="fewer tokens"):
        pretrain.run(workspace(tiny(source, None, base=base)))
    storage.delete("checkpoints/800")
    base = stored_model(storage, few, tokenizer_folder, tmp_path, tokenizer_hash="other")
    storage.delete("checkpoints/900")
    other = store(
        storage,
        tokenizer_folder,
        Checkpoint(run=900, step=0, stage="tokenizer", holds="tokenizer", tokenizer_hash="x"),
        1,
    )
    with pytest.raises(InvalidInput, match="another tokenizer"):
        pretrain.run(workspace(tiny(source, Part(other.reference, other.folder), base=base)))


def test_scores_that_are_changed_after_the_output_layer_are_refused():
    from transformers import Gemma2Config, Gemma2ForCausalLM

    from training.llm.first_model import require_plain_loss

    settings = Gemma2Config(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        final_logit_softcapping=0.1,
    )
    with pytest.raises(InvalidInput, match="Gemma2ForCausalLM changes its scores"):
        require_plain_loss(Gemma2ForCausalLM(settings))


# Samples


def test_samples_are_the_same_for_a_seed_and_draw_nothing_from_the_run(tokenizer_folder: Path):
    vocabulary = Vocabulary.of(tokenizer_folder, "")
    model = causal(build(llama(vocabulary=448, depth=1, width=32, heads=2, context=32), 0, 1), 32).eval()
    prompts = [vocabulary.tokenizer.encode(text).ids for text in ("The cat", "A story of the river")]
    before = torch.random.get_rng_state()
    one = continued(model, CPU, vocabulary, prompts, 10, seed=4)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one == continued(model, CPU, vocabulary, prompts, 10, seed=4)
    assert one != continued(model, CPU, vocabulary, prompts, 10, seed=5)
    assert [sample.prompt for sample in one] == ["The cat", "A story of the river"]
    assert model.config._attn_implementation != "sdpa"  # as it was before


def test_a_prompt_beside_a_longer_one_is_continued_as_if_alone(
    tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("training.llm.continuations.TOP_K", 1)
    vocabulary = Vocabulary.of(tokenizer_folder, "")
    torch.manual_seed(0)
    model = causal(build(gpt2(vocabulary=384, depth=1, width=64, context=32), 0, 1), 32).eval()
    prompts = [vocabulary.tokenizer.encode(text).ids for text in ("The cat", "A story of the river")]
    both = continued(model, CPU, vocabulary, prompts, 10, seed=0)
    assert both == [continued(model, CPU, vocabulary, [prompt], 10, seed=0)[0] for prompt in prompts]


# Several processes


def test_two_ranks_go_on_with_what_one_has_begun_and_train_the_same_model(
    storage: Storage,
    workspace: Make,
    source: Source,
    tokenizer_part: Part,
    job_dir: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    settings = {"log_every": 4, "checkpoint_every": 6, "save_every": 8}
    alone = pretrain.run(workspace(tiny(source, tokenizer_part, **settings)))
    expected = curve(workspace.events)
    workspace.events.clear()
    spec = tiny(source, tokenizer_part, run=2, **settings)
    paused(monkeypatch, workspace, spec, 2)
    folder = job_dir(spec, attempt=2)
    process = start("training.llm.pretrain", folder, **{COUNT_VARIABLE: "2"})
    assert process.wait(200) == 0
    result = json.loads((folder / "attempt-2" / "result.json").read_text())
    assert alone is not None and result["steps"] == alone["steps"]
    found = curve(events(folder, 2))
    assert found.keys() == expected.keys()
    for point, value in expected.items():
        assert found[point] == pytest.approx(value, rel=1e-4), point
    one, two = weights(storage, 1, 12, tmp_path), weights(storage, 2, 12, tmp_path)
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-4)
    assert checkpoints.read(storage, "checkpoints/2/12").record["processes"] == 2


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("dies", ["rank 1", "rank 0", "asked to stop", "rank 0 by a fault"])
def test_ranks_end_together(dies: str, job_dir: Callable[..., Path]):
    fault = {"fault": "no room"} if dies == "rank 0 by a fault" else {}
    folder = job_dir(Spec("ranks", 1, fault))
    process = start("tests.training.rank_stage", folder, **{COUNT_VARIABLE: "2"})
    while not (met := events(folder)) and process.poll() is None:
        time.sleep(0.05)
    assert met[0]["value"] == 2.0
    (other,) = children(process.pid) or [0]  # at a fault both may be gone by now
    if fault:
        assert process.wait(60) == 1
        assert json.loads((folder / "attempt-1" / "error.json").read_text())["code"] == "fault"
    elif dies == "asked to stop":
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(60) == STOPPED
    else:
        os.kill(other if dies == "rank 1" else process.pid, signal.SIGKILL)
        process.wait(60)
    if dies == "rank 1":
        error = json.loads((folder / "attempt-1" / "error.json").read_text())
        assert error["code"] == "rank_died" and error["retryable"]
    for _ in range(200):
        if not Path(f"/proc/{other}").exists():
            break
        time.sleep(0.05)
    assert not Path(f"/proc/{other}").exists()


def test_a_batch_that_cannot_be_shared_is_refused(
    workspace: Make, source: Source, tokenizer_part: Part, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(COUNT_VARIABLE, "2")
    with pytest.raises(InvalidInput, match="2 devices"):
        pretrain.run(workspace(tiny(source, tokenizer_part, batch=9, micro_batch=3)))
