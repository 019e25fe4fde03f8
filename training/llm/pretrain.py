"""The stage ``pretrain``: windows of text in, a language model out.

Every ``save_every`` steps the whole state of the run is stored; killed at any moment it goes on from there
and comes to the same weights and the same curve as a run that nobody disturbed. Curves, by step: ``loss``
(nats a token, mean since the last point), ``tokens`` (seen so far), ``grad_norm``, ``learning_rate``, ``tokens_per_second``, ``mfu``
(where the device's peak is known), ``memory`` (bytes); and ``bits_per_byte`` and ``validation_loss`` on
held-out documents.
"""

import gc
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch

from tilth.errors import InvalidInput, TilthError
from training.llm import checkpoints, trainer_state
from training.llm.bases import Base
from training.llm.checkpoints import Checkpoint
from training.llm.configs.pretrain import PretrainConfig
from training.llm.continuations import beginnings, continued
from training.llm.corpus import Corpus, corpus
from training.llm.engine import Engine, Feed
from training.llm.export import write_model
from training.llm.first_model import first_model
from training.llm.hardware import Hardware
from training.llm.model import flops_per_token
from training.llm.program import Workspace, main
from training.llm.ranks import count, gather
from training.llm.record import record, template_hash
from training.llm.trainer_state import with_room
from training.llm.validation import Validation

GO_ON, STOP, TIME_OVER = range(3)
SAMPLES = "samples.json"
FINISHED = "finished.json"


def run(work: Workspace) -> dict[str, Any] | None:
    """Train, validate, store checkpoints; ``None`` where the run was asked to stop and has saved itself."""
    storage, finished = work.report.storage, f"{work.report.prefix}/{FINISHED}"
    if storage.exists(finished):  # killed between its end and its report
        return dict(storage.read_json(finished))
    config = PretrainConfig.from_json(work.spec.config)
    if work.rank == 0 and config.batch % count():
        raise InvalidInput(f"batch is a multiple of the {count()} devices: change it.", field="batch")
    base = Base.of(work)
    data = corpus(work, config, base.vocabulary)  # before the other ranks start: one tokenises for all
    _keep_compiled(work)
    group = gather(work, "training.llm.pretrain")
    hardware = Hardware.choose(config.precision, group.rank)
    steps = config.steps or max(1, data.windows // config.batch)
    model = first_model(base, config)
    tokens = min(config.micro_batch, config.batch // group.size) * config.context
    hardware.suit_threads(flops_per_token(model, config.context) * tokens)
    engine = Engine(model, config, hardware, group, steps)
    pretraining = Pretraining(work, config, base, data, engine)
    try:
        with group.watched():
            return pretraining.run()
    finally:
        pretraining.close()


class Pretraining:
    """One run from where it stands to its end."""

    def __init__(
        self, work: Workspace, config: PretrainConfig, base: Base, data: Corpus, engine: Engine
    ) -> None:
        self.work, self.config, self.base, self.data, self.engine = work, config, base, data, engine
        self.group = engine.group
        self.validation = Validation(data, base.vocabulary.end)
        self.feed = Feed(self._windows, engine.hardware)
        self.prompts = beginnings(config, data, base.vocabulary)
        self.flops = flops_per_token(engine.model, config.context)
        self.peak = engine.hardware.peak()
        self.measured: dict[str, float] = {}
        self.kept: list[str] = []
        self.before = trainer_state.resume(work, engine)
        self.begun, self.started = engine.done, time.monotonic()
        self.clock = Clock(engine.done)

    def run(self) -> dict[str, Any] | None:
        """Train to the end, the time limit, or until asked to stop."""
        self._announce()
        signal = GO_ON
        while self.engine.done < self.engine.steps:
            signal = self.group.decided(self._signal())
            if signal != GO_ON:
                break
            self.engine.step(self.feed.take(self.engine.done))
            self.clock.first_step(self.engine)
            self._do_what_is_due()
        if signal == STOP:
            if self.engine.done > self.begun:
                self._save()
            self.group.close()
            return None
        return self._finish(signal)

    def close(self) -> None:
        """Give back what the loop holds."""
        self.feed.close()
        gc.enable()
        gc.unfreeze()

    def _do_what_is_due(self) -> None:
        done, config = self.engine.done, self.config
        last = done == self.engine.steps
        if last or done % config.log_every == 0:
            self._log()
        if last or done % config.validate_every == 0:
            self._validate()
        if not last and config.checkpoint_every and done % config.checkpoint_every == 0:
            self._validate()
            self._export()
        if not last and done % config.save_every == 0:
            self._save()

    def _signal(self) -> int:
        if self.work.report.stopping:
            return STOP
        limit = self.config.time_limit
        return TIME_OVER if limit is not None and self._seconds() > limit * 3600 else GO_ON

    def _seconds(self) -> float:
        return self.before + time.monotonic() - self.started

    def _windows(self, step: int) -> torch.Tensor:
        rows = self.config.batch // self.group.size
        return torch.from_numpy(self.data.batch(step * self.config.batch + self.group.rank * rows, rows))

    def _announce(self) -> None:
        engine, report = self.engine, self.work.report
        weights = sum(weight.numel() for weight in engine.model.parameters())
        tokens = self.config.batch * self.config.context
        report.log(
            f"{weights:,} parameters; steps {engine.done:,} to {engine.steps:,} of {tokens:,} tokens on "
            f"{self.group.size} × {engine.hardware.device.type}, {'bf16' if engine.hardware.half else 'fp32'}; "
            f"{self.data.left_out:,} documents held out of training"
        )

    def _log(self) -> None:
        """A point of the curves: the one place where the loop waits for the device."""
        engine, report = self.engine, self.work.report
        steps = engine.done % self.config.log_every or self.config.log_every
        nats, norm = torch.stack([self.group.summed(engine.nats), engine.norm.double()]).tolist()
        engine.nats.zero_()
        loss = nats / (steps * self.config.batch * self.config.context)
        if not math.isfinite(loss):
            raise TilthError(
                f"The loss is no number any more at step {engine.done:,}: lower the learning rate or warm up "
                "longer, and start from the last checkpoint.",
                "diverged",
            )
        self.measured["loss"] = loss
        speed = self.clock.speed(engine) * self.config.batch * self.config.context
        points = {
            "loss": loss,
            "tokens": self._tokens(),
            "grad_norm": norm,
            "learning_rate": engine.rate(engine.done - 1),
            **engine.hardware.points(),
        }
        if speed:
            points["tokens_per_second"] = speed
            if self.peak:
                points["mfu"] = speed * self.flops / (self.peak * self.group.size)
        self._report(points)
        report.progress(engine.done, engine.steps, "train", f"loss {loss:.4f}")

    def _validate(self) -> None:
        if self.validation and self.measured.get("step") != self.engine.done:
            found = self.validation.measure(self.engine)
            self.measured |= found | {"step": self.engine.done}
            self._report(found)
        self.clock.restart(self.engine)

    def _report(self, points: dict[str, float]) -> None:
        for name, value in points.items():
            self.work.report.metric(name, value, self.engine.done)

    def _save(self) -> None:
        engine = self.engine
        self.group.summed(engine.nats)
        if not self.group.leads:
            engine.nats.zero_()
        self._require_finite()
        if self.group.leads:
            trainer_state.save(self.work, engine, self._seconds())
        self.clock.restart(engine)

    def _require_finite(self) -> None:
        """Weights that are no numbers are never stored over ones that are."""
        if not math.isfinite(self.engine.norm.item()):
            raise TilthError(
                f"The gradient is no number any more at step {self.engine.done:,}: lower the learning rate and "
                "start from the last checkpoint.",
                "diverged",
            )

    def _finish(self, signal: int) -> dict[str, Any]:
        self._validate()
        self._export()
        result = {
            "checkpoint": self.kept[-1] if self.kept else "",
            "checkpoints": self.kept,
            "steps": self.engine.done,
            "tokens": self._tokens(),
            "ended_by": "time_limit" if signal == TIME_OVER else "steps",
            **self._metrics(),
        }
        if self.group.leads:
            report = self.work.report
            report.storage.write_json(f"{report.prefix}/{FINISHED}", result)
            self.work.states.clear()
        self.group.close()
        return result

    def _tokens(self) -> int:
        return self.engine.done * self.config.batch * self.config.context

    def _metrics(self) -> dict[str, float]:
        return {name: value for name, value in self.measured.items() if name != "step"}

    def _export(self) -> None:
        """Store the model as it is as a checkpoint, with samples; others beyond ``keep`` go."""
        if not self.group.leads:
            return
        self._require_finite()
        engine, vocabulary = self.engine, self.base.vocabulary
        samples = continued(
            engine.model,
            engine.hardware,
            vocabulary,
            self.prompts,
            self.config.sample_tokens,
            self.config.seed,
        )

        def write(folder: Path) -> None:
            write_model(engine.model, vocabulary.folder, folder)
            listed = [sample.to_json() for sample in samples]
            (folder / SAMPLES).write_text(json.dumps(listed, ensure_ascii=False, indent=1))

        stored = with_room(
            self.work.scratch / "export", write, lambda made: self.work.store(made, self._checkpoint())
        )
        self._forget_older(stored)
        self.clock.restart(engine)

    def _checkpoint(self) -> Checkpoint:
        model, base = self.engine.model, self.base.checkpoint
        return Checkpoint(
            run=self.work.spec.run,
            step=self.engine.done,
            stage=self.work.spec.stage,
            holds="model",
            tokens=self._tokens() + (base.tokens if base else 0),
            parameters=sum(weight.numel() for weight in model.parameters()),
            architecture=type(model).__name__,
            context=base.context if base and base.context else self.config.context,
            tokenizer_hash=self.base.vocabulary.hash,
            template_hash=template_hash(self.base.vocabulary.folder),
            licence=base.licence if base else "",
            config=self.config.to_json(),
            metrics=self._metrics(),
            parents=self.work.spec.parents,
            record=record(self.config.seed, processes=self.group.size),
        )

    def _forget_older(self, stored: Checkpoint) -> None:
        storage = self.work.report.storage
        keys = storage.list(f"checkpoints/{stored.run}", checkpoints.NAME)
        steps = sorted(int(key.split("/")[-2]) for key in keys)
        if self.config.keep is not None and self.work.spec.prunes:
            earlier = [step for step in steps if step < stored.step]
            for step in earlier[: max(0, len(earlier) - self.config.keep)]:
                folder = checkpoints.checkpoint_folder(stored.run, step)
                storage.delete(f"{folder}/{checkpoints.NAME}")  # first: what is half gone is no checkpoint
                storage.delete(folder)
                steps.remove(step)
                self.work.report.log(
                    f"checkpoint:{stored.run}/{step} was removed: {self.config.keep} are kept"
                )
        self.kept = [f"checkpoint:{stored.run}/{step}" for step in steps]


class Clock:
    """Steps a second, without the time that validation and saving take; and Python's garbage, by hand.

    The collector is off while steps run: it would stop the host in the middle of feeding the device.
    """

    def __init__(self, done: int) -> None:
        self._begun = done
        self._from: tuple[int, float] | None = None

    def first_step(self, engine: Engine) -> None:
        """After the first step (which compiles and fills pools): time from here on."""
        if engine.done == self._begun + 1:
            gc.collect()
            gc.freeze()
            gc.disable()
            self.restart(engine)

    def restart(self, engine: Engine) -> None:
        """Time from here on, and let go of garbage."""
        gc.collect()
        if engine.hardware.is_gpu:
            torch.cuda.synchronize(engine.hardware.device)
        self._from = (engine.done, time.perf_counter())

    def speed(self, engine: Engine) -> float:
        """Steps a second since the last point; 0 where there was none. The device has just been waited for."""
        now = (engine.done, time.perf_counter())
        before, self._from = self._from, now
        if before is None or now[0] == before[0]:
            return 0.0
        return (now[0] - before[0]) / (now[1] - before[1])


def _keep_compiled(work: Workspace) -> None:
    """Compiled kernels stay on the machine for the runs that follow."""
    folder = work.cache.root / "compiled"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder / "inductor"))
    os.environ.setdefault("TRITON_CACHE_DIR", str(folder / "triton"))


if __name__ == "__main__":
    main(run)
