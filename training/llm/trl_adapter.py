"""The one place where TRL's trainers are driven: our order, our encoding, our reports, our checkpoints.

TRL computes losses and takes steps. Everything around is ours: examples come encoded and in order, curves go to
the job's page, states and checkpoints to the storage. Its internals are relied on, so its version is pinned
exactly and checked; golden tests hold mask, packing and losses. Nothing is sent anywhere.
"""

import errno
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from safetensors import SafetensorError
from torch.utils.data import SequentialSampler
from transformers import PrinterCallback, ProgressCallback, TrainerCallback, TrainerControl, TrainerState

from tilth.errors import TilthError
from training.llm.checkpoints import Checkpoint, no_room
from training.llm.configs.posttraining import PosttrainingConfig
from training.llm.generation import asked, samples
from training.llm.hardware import Hardware
from training.llm.program import Stopped, Workspace
from training.llm.rows import Examples
from training.llm.student import WRITES, Kind, Student, keep

TRL = "1.16.0"
FINISHED = "finished.json"
_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
_LEFT_OUT = frozenset(
    {"epoch", "total_flos", "train_loss", "train_runtime", "num_tokens", "step_time"}
    | {"runtime", "samples_per_second", "steps_per_second", "model_preparation_time"}
)
_NAMES = {
    "num_tokens": "tokens",
    "mean_token_accuracy": "token_accuracy",
    "rewards/accuracies": "accuracy",
    "rewards/margins": "margin",
    "rewards/chosen": "chosen",
    "rewards/rejected": "rejected",
    "frac_reward_zero_std": "zero_spread",
    "completions/mean_length": "length",
    "completions/max_length": "length_max",
    "completions/clipped_ratio": "truncated",
    "clip_ratio/region_mean": "clipped",
}


def require_pin() -> None:
    """Raise a :class:`TilthError` where another TRL is installed than the one this code was tested with."""
    found = metadata.version("trl")
    if found != TRL:
        raise TilthError(f"TRL {found} is installed, but Tilth works with {TRL}: make setup-training.", "trl")


def ours(trainer: type, ordered: bool = True) -> Any:
    """A TRL trainer that takes examples as they are and keeps what it knows to itself.

    With ``ordered`` it takes them in their order; trainers for RL have a sampler that repeats each for its group.
    """

    class Ours(trainer):  # type: ignore[misc]
        def _get_train_sampler(self, dataset: Any = None) -> Any:
            if not ordered:
                return super()._get_train_sampler(dataset)
            return SequentialSampler(dataset if dataset is not None else self.train_dataset)

        def _prepare_dataset(self, dataset: Any, *rest: Any, **more: Any) -> Any:
            return dataset

        def _send_telemetry(self) -> None:
            """Tell nobody."""

        def create_model_card(self, *rest: Any, **more: Any) -> None:
            """Write no card: exports write ours."""

    Ours.__name__ = trainer.__name__
    return Ours


def arguments(
    work: Workspace, config: PosttrainingConfig, cls: type, steps: int, measured: bool, **more: Any
) -> Any:
    """TRL's settings for a run of ``steps``; ``measured`` says whether there are held-out examples."""
    hardware = Hardware.choose(config.precision)
    settings: dict[str, Any] = {
        "output_dir": str(work.scratch / "trainer"),
        "max_steps": steps,
        "per_device_train_batch_size": config.micro_batch,
        "per_device_eval_batch_size": config.micro_batch,
        "gradient_accumulation_steps": config.batch // config.micro_batch,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": _SCHEDULES[config.schedule],
        "warmup_steps": math.ceil(config.warmup * steps),
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.clip,
        "bf16": hardware.half,
        "use_cpu": not hardware.is_gpu,
        "gradient_checkpointing": config.recompute,
        "logging_steps": config.log_every,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps" if measured else "no",
        "eval_steps": config.validate_every,
        "eval_on_start": measured,
        "save_strategy": "steps",
        "save_steps": config.save_every,
        "save_total_limit": 1,
        "seed": config.seed,
        "data_seed": config.seed,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": hardware.is_gpu,
    }
    return cls(**{**settings, **more})


def datasets_of(found: Examples) -> tuple[Dataset, Dataset | None]:
    """The examples as TRL reads them: those to train on in the run's order, and the held-out ones."""
    disable_progress_bars()  # a job's log is no terminal
    train = Dataset.from_list(found.rows).select(found.train)
    return train, Dataset.from_list(found.validation) if found.validation else None


@dataclass
class Telling(TrainerCallback):  # type: ignore[misc]
    """Tells the job's page of a training, keeps its states, and ends it when asked or out of time.

    Weights that are no numbers are never stored over ones that are.
    ``export`` stores the model as a checkpoint of the step, with the tokens so far and the last metrics.
    """

    work: Workspace
    config: PosttrainingConfig
    export: Callable[[int, int, dict[str, float]], Any]
    hardware: Hardware
    last: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    stopped: bool = False
    _before: int = 0
    _began: float = field(default_factory=time.monotonic)
    _mark: tuple[float, int] | None = None

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **more: Any) -> None:
        self.tokens = max((int(entry.get("num_tokens", 0)) for entry in state.log_history), default=0)
        # When a run goes on, RL's trainers go on counting tokens in their state; the others begin at zero.
        self._before = 0 if state.num_input_tokens_seen else self.tokens
        self.work.report.progress(state.global_step, state.max_steps, "train")

    def on_log(
        self,
        args: Any,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        logs = logs or {}
        if "num_tokens" in logs:
            self._count(logs, state.global_step)
        if "loss" in logs:
            for name, value in self.hardware.points().items():
                self.work.report.metric(name, value, state.global_step)
        for name, value in logs.items():
            shown = metric_name(name)
            if shown and isinstance(value, int | float):
                self.work.report.metric(shown, float(value), state.global_step)
                self.last[shown] = float(value)

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **more: Any) -> None:
        step = state.global_step
        self.work.report.progress(step, state.max_steps, "train")
        every = self.config.checkpoint_every
        if every and step % every == 0 and step < state.max_steps:
            require_finite(more["model"], step)
            self.export(step, self.tokens, dict(self.last))
        if self.work.report.stopping:
            self.stopped = step < state.max_steps
            control.should_save = control.should_training_stop = True
        if self.config.time_limit and time.monotonic() - self._began > self.config.time_limit * 3600:
            self.work.report.log(f"The time limit is reached after step {step}: the run ends here.")
            control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: TrainerState, control: TrainerControl, **more: Any) -> None:
        require_finite(more["model"], state.global_step)
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self.work.save_state(folder, state.global_step)

    def _count(self, logs: dict[str, Any], step: int) -> None:
        self.tokens = logs["num_tokens"] = self._before + int(logs["num_tokens"])
        self.work.report.metric("tokens", float(self.tokens), step)
        now, mark = time.monotonic(), self._mark
        if mark and now > mark[0] and self.tokens > mark[1]:
            self.work.report.metric("tokens_per_second", (self.tokens - mark[1]) / (now - mark[0]), step)
        self._mark = (now, self.tokens)


def require_finite(model: torch.nn.Module, step: int) -> None:
    """Raise where a weight is no finite number: the state and the checkpoint before are the ones to go on from."""
    sound = torch.stack([torch.isfinite(weight).all() for weight in model.parameters()])
    if not bool(sound.all()):
        raise TilthError(
            f"The weights are no numbers any more at step {step:,}: lower the learning rate, then retry; the run goes "
            "on from its last good state.",
            "diverged",
        )


def metric_name(name: str) -> str:
    """Our name for one of TRL's; those of held-out examples begin with ``validation_``. Empty: not shown."""
    prefix, plain = ("validation_", name.removeprefix("eval_")) if name.startswith("eval_") else ("", name)
    if plain in _LEFT_OUT:
        return ""
    return prefix + _NAMES.get(plain, plain)


def _error_of(error: Exception) -> OSError:
    """The error of writing behind an error of a library."""
    return error if isinstance(error, OSError) else OSError(errno.EIO, str(error))


def fit(work: Workspace, trainer: Any, telling: Telling) -> None:
    """Train from the newest state to the end; raises :class:`Stopped` where the job was asked to stop before."""
    for noisy in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(noisy)
    trainer.add_callback(telling)
    found = work.newest_state()
    try:
        trainer.train(resume_from_checkpoint=str(found[1]) if found else None)
    except (OSError, SafetensorError) as error:  # TRL saves its state to the scratch first
        full = f"os error {errno.ENOSPC}" in str(error)
        raise no_room(OSError(errno.ENOSPC, str(error)) if full else _error_of(error)) from error
    if telling.stopped:
        raise Stopped
    require_finite(trainer.model, trainer.state.global_step)
    if trainer.eval_dataset is not None:
        trainer.evaluate()
    shutil.rmtree(trainer.args.output_dir, ignore_errors=True)


def train(
    work: Workspace,
    config: PosttrainingConfig,
    student: Student,
    found: Examples,
    trainer: Any,
    kind: Kind = WRITES,
) -> dict[str, Any]:
    """Train to the end, store the checkpoint, and answer the stage's result."""
    shown = [] if kind.scores else asked(work, config.samples)

    def export(step: int, tokens: int, last: dict[str, float]) -> Checkpoint:
        said = samples(
            trainer.model,
            student.chat,
            shown,
            student.stops,
            student.tokenizer.pad_token_id,
            config.sample_tokens,
        )
        return keep(work, student, config, trainer.model, step, tokens, last, kind, said)

    telling = Telling(work, config, export, Hardware.choose(config.precision))
    fit(work, trainer, telling)
    stored = export(trainer.state.global_step, telling.tokens, telling.last)
    result = {
        "checkpoint": stored.reference,
        "rows": len(found.rows),
        "examples": len(found.train),
        "validation_rows": len(found.validation),
        "left_out": dict(found.left_out),
        "metrics": telling.last,
    }
    work.report.storage.write_json(f"{work.report.prefix}/{FINISHED}", result)
    work.states.clear()
    return result


def finished(work: Workspace) -> dict[str, Any] | None:
    """The result of a run that was killed between its end and its report, else ``None``."""
    storage, key = work.report.storage, f"{work.report.prefix}/{FINISHED}"
    return dict(storage.read_json(key)) if storage.exists(key) else None
