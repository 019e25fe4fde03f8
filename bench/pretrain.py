"""How fast pretraining is beside ``transformers.Trainer`` and a bare loop: ``python bench/pretrain.py --device cuda``.

All three train the same model on the same windows in the same order, each in a process of its own, in turn.
``tilth`` is the stage as a job runs it; ``trainer`` is ``transformers.Trainer`` as it comes (fused AdamW, bf16
where the device has it); ``bare`` is the shortest loop that computes the same step, on windows that lie on
the device already, so that what ``tilth`` adds to it is its overhead. The first steps warm up and are not
counted. Prints tokens/s, MFU and memory (of the GPU; of the process on a CPU). On a CPU the clock is the
processor's time, all threads together, because other programs would take part in the wall's.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from tokenizers import AddedToken, Tokenizer, models  # noqa: E402

from tilth.datasets.build import build_manifest  # noqa: E402
from tilth.datasets.manifest import manifest_key  # noqa: E402
from tilth.datasets.token_files import TokenWriter  # noqa: E402
from tilth.jobs.reporting import Reporter  # noqa: E402
from tilth.storage import Storage  # noqa: E402
from training.llm import pretokens, pretrain  # noqa: E402
from training.llm.cache import Cache  # noqa: E402
from training.llm.checkpoints import Checkpoint, store  # noqa: E402
from training.llm.configs.pretrain import PretrainConfig  # noqa: E402
from training.llm.corpus import corpus  # noqa: E402
from training.llm.hardware import Hardware  # noqa: E402
from training.llm.model import Loss, build, causal  # noqa: E402
from training.llm.optimizer import adamw  # noqa: E402
from training.llm.program import Workspace  # noqa: E402
from training.llm.record import tokenizer_hash  # noqa: E402
from training.llm.sizes import flops_per_token  # noqa: E402
from training.llm.spec import Part, Source, Spec  # noqa: E402
from training.llm.special_tokens import END_OF_TEXT, PAD  # noqa: E402
from training.llm.vocabulary import Vocabulary  # noqa: E402

CONTENDERS = ("tilth", "trainer", "bare")
POINT = 5
"""Steps between two looks at the clock."""


@dataclass(frozen=True)
class Size:
    """What is trained: a model, windows, and how many tokens a vocabulary has."""

    config: dict[str, Any]
    vocabulary: int


SIZES = {
    "cuda": Size({"family": "gpt2", "depth": 12, "context": 1024, "batch": 512, "micro_batch": 32}, 50_257),
    "cpu": Size(
        {"family": "gpt2", "depth": 4, "width": 256, "context": 256, "batch": 8, "micro_batch": 8}, 4096
    ),
}


def main() -> None:
    """Measure each contender in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--steps", type=int, default=30, help="steps that are counted")
    parser.add_argument("--rounds", type=int, default=2, help="how often each is measured, in turn")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of pretrain"
    )
    parser.add_argument("--only", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("There is no GPU here; measure the ratio with --device cpu.")
    if options.only:
        print(json.dumps(measure(options.only, options)))
        return
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(options.rounds):
        for name in CONTENDERS:
            found[name].append(in_own_process(name))
    report(found, options)


def in_own_process(name: str) -> dict[str, Any]:
    """One contender's figures, from a process that holds nothing of the others."""
    done = subprocess.run([sys.executable, *sys.argv, "--only", name], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Tokens/s at each point after the warm-up, and memory."""
    with tempfile.TemporaryDirectory() as folder:
        work, config = workspace(Path(folder), options)
        if name == "tilth":
            return of_tilth(work, config)
        data = corpus(work, config, vocabulary(work))
        model = fresh(config, work)
        contend = of_trainer if name == "trainer" else of_bare
        return contend(model, data, config, Path(folder))


def workspace(folder: Path, options: argparse.Namespace) -> tuple[Workspace, PretrainConfig]:
    """A run on random tokens, stored and read the way any other is; nothing is saved until its end."""
    size, steps = SIZES[options.device], 2 * POINT + options.steps
    never = 10**9
    settings = {
        "steps": steps,
        "log_every": POINT,
        "save_every": never,
        "validate_every": never,
        "validation_share": 0.0,
        "samples": 0,
    }
    config = PretrainConfig.from_json(size.config | settings).override(options.set)
    report = Reporter.null(folder, quiet=True)
    tokenizer = a_tokenizer(report.storage, folder / "made", size.vocabulary)
    wanted = min(config.batch * steps, 20_000) * config.context
    source = random_tokens(report.storage, tokenizer.reference, size.vocabulary, wanted)
    spec = Spec("pretrain", 1, config.to_json(), [source], tokenizer=tokenizer)
    return Workspace(spec, report, Cache(Path(tempfile.gettempdir()) / "tilth-bench")), config


def a_tokenizer(storage: Storage, folder: Path, size: int) -> Part:
    """A tokenizer of ``size`` words that mean nothing."""
    special = {END_OF_TEXT: 0, PAD: 1}
    words = special | {f"w{number}": number for number in range(2, size)}
    made = Tokenizer(models.WordLevel(words, unk_token=PAD))
    made.add_special_tokens([AddedToken(name, special=True) for name in special])
    pretokens.save(made, folder, 1024)
    known = Checkpoint(
        run=9, step=0, stage="tokenizer", holds="tokenizer", tokenizer_hash=tokenizer_hash(folder)
    )
    stored = store(storage, folder, known, 1)
    return Part(stored.reference, stored.folder)


def random_tokens(storage: Storage, tokenizer: str, vocabulary: int, count: int) -> Source:
    """A ``tokens`` version of at least ``count`` tokens in documents of a thousand."""
    random = np.random.default_rng(0)
    writer = TokenWriter(storage, "datasets/random/1/attempt-1", tokenizer, vocabulary)
    for number in range(count // 1000 + 2):
        writer.write(f"{number:032x}", random.integers(2, vocabulary, 1000))
    manifest = build_manifest(storage, "random", 1, "tokens", writer.close(), producer="bench")
    storage.write_bytes(manifest_key("random", 1), manifest.to_json().encode())
    return Source("random@1", "tokens", "datasets/random/1")


def vocabulary(work: Workspace) -> Vocabulary:
    """The run's tokenizer."""
    checkpoint, folder = work.load(work.spec.tokenizer, "tokenizer")
    return Vocabulary.of(folder, checkpoint.reference)


def fresh(config: PretrainConfig, work: Workspace) -> Any:
    """The model that every contender begins with."""
    torch.manual_seed(config.seed)
    return build(config.shape(vocabulary(work).size), 0, 1)


def of_tilth(work: Workspace, config: PretrainConfig) -> dict[str, Any]:
    """The stage as a job runs it; the clock is looked at when it reports a loss, for which it has waited."""
    clock = Points(config, Hardware.choose(config.precision))

    def take(event: dict[str, Any]) -> None:
        if event.get("name") == "loss":
            clock.look(event["step"])

    given = work.report
    report = Reporter(work.spec.to_json(), 1, 0, given.storage, given.prefix, given.job_dir, take)
    pretrain.run(Workspace(work.spec, report, work.cache))
    return clock.figures()


def of_trainer(model: Any, data: Any, config: PretrainConfig, folder: Path) -> dict[str, Any]:
    """``transformers.Trainer`` with its defaults, the same batch and precision."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    hardware = Hardware.choose(config.precision)
    clock = Points(config, hardware)

    class Windows(torch.utils.data.Dataset):  # type: ignore[type-arg]
        """The run's windows by their number."""

        def __len__(self) -> int:
            return data.windows

        def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
            inputs = torch.from_numpy(data.batch(number, 1)[0, :-1])
            return {"input_ids": inputs, "labels": inputs}

    class Timing(TrainerCallback):
        """Looks at the clock after each step."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.look(state.global_step)

    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        per_device_train_batch_size=config.micro_batch,
        gradient_accumulation_steps=config.batch // config.micro_batch,
        max_steps=config.steps,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        bf16=hardware.half,
        logging_steps=POINT,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=not hardware.is_gpu,
    )
    Trainer(model, arguments, train_dataset=Windows(), callbacks=[Timing()]).train()
    return clock.figures()


def of_bare(model: Any, data: Any, config: PretrainConfig, folder: Path) -> dict[str, Any]:
    """The shortest loop: windows on the device beforehand, no curves, no saving."""
    hardware = Hardware.choose(config.precision)
    causal(model, config.context).to(hardware.device).eval()
    loss: Any = Loss(model, chunked=False)
    if hardware.is_gpu or config.compile == "on":
        loss = torch.compile(loss, dynamic=False)
    optimizer = adamw(model, config.learning_rate, config.weight_decay, (config.beta1, config.beta2))
    windows = torch.from_numpy(data.batch(0, config.batch)).to(hardware.device)
    clock = Points(config, hardware)
    for step in range(1, (config.steps or 0) + 1):
        for part in windows.split(config.micro_batch):
            with hardware.autocast():
                nats = loss(part[:, :-1].contiguous(), part[:, 1:].contiguous())
            (nats / (config.batch * config.context)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        clock.look(step)
    return clock.figures()


class Points:
    """Tokens a second at every fifth step, the device waited for; the first two points warm up."""

    def __init__(self, config: PretrainConfig, hardware: Hardware) -> None:
        self.tokens, self.hardware = POINT * config.batch * config.context, hardware
        self.times: list[float] = []

    def look(self, step: int) -> None:
        """After a step."""
        if step % POINT == 0:
            if self.hardware.is_gpu:
                torch.cuda.synchronize()
            self.times.append(time.perf_counter() if self.hardware.is_gpu else time.process_time())

    def figures(self) -> dict[str, Any]:
        """Tokens a second between the points, and the most memory."""
        pairs = zip(self.times[1:], self.times[2:], strict=False)
        return {"speeds": [self.tokens / (b - a) for a, b in pairs], "memory": self.hardware.memory()}


def report(found: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> None:
    """Print the table."""
    size = SIZES[options.device]
    config = PretrainConfig.from_json(size.config).override(options.set)
    shape = config.shape(size.vocabulary)
    hardware = Hardware.choose(config.precision)
    device = torch.cuda.get_device_name() if hardware.is_gpu else f"CPU, {torch.get_num_threads()} threads"
    print(
        f"{config.family}, {shape.parameters:,} parameters, context {config.context}, batch {config.batch} × "
        f"{config.micro_batch}, {'bf16' if hardware.half else 'fp32'}, {device}, torch {torch.__version__}"
    )
    print(f"{'':10}{'tokens/s':>12}{'lowest':>12}{'highest':>12}{'MFU':>8}{'memory':>12}")
    middle = {}
    for name, rounds in found.items():
        speeds = [speed for figures in rounds for speed in figures["speeds"]]
        middle[name] = statistics.median(speeds)
        peak = hardware.peak()
        mfu = f"{middle[name] * flops_per_token(shape) / peak:.1%}" if peak else "–"
        memory = max(figures["memory"] for figures in rounds) / 2**30
        print(
            f"{name:10}{middle[name]:>12,.0f}{min(speeds):>12,.0f}{max(speeds):>12,.0f}{mfu:>8}{memory:>8.2f} GiB"
        )
    print(
        f"tilth is {middle['tilth'] / middle['trainer']:.2f} times the Trainer; its overhead beyond the bare loop "
        f"is {middle['bare'] / middle['tilth'] - 1:+.1%}"
    )


if __name__ == "__main__":
    main()
