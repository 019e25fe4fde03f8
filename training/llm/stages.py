"""The stages there are: what each reads, what it makes, which settings it has. Light: no torch.

Adding a stage is one config file, one program module and one entry here.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from tilth.errors import InvalidInput
from training.llm.config import Config


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    ``config`` names the settings class as ``module:class``; the program is ``training.llm.<module>``.
    ``train``, ``validation``, ``evals`` and ``search`` (what a tool searches) list the dataset kinds allowed in
    each role; ``base`` says
    whether a checkpoint to start from is ``required``, ``optional`` or ``none``; ``makes`` is
    ``checkpoint`` or the dataset kind that its rows are. ``most_gpus`` is over how many devices its program
    can share the work; ``folder`` names the setting that may hold a folder of the server;
    ``takes_scorer`` that the base may be a reward model; ``needs_dataset`` that a stage which makes rows
    cannot do without a dataset to put them into.
    """

    name: str
    title: str
    description: str
    config: str
    train: tuple[str, ...]
    base: str = "required"
    validation: tuple[str, ...] = ()
    evals: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    makes: str = "checkpoint"
    needs_tokenizer: bool = False
    takes_reward_model: bool = False
    takes_reference: bool = False
    most_gpus: int = 1
    folder: str = ""
    takes_scorer: bool = False
    needs_dataset: bool = False

    @property
    def program(self) -> str:
        """The module that ``python -m`` runs."""
        return f"training.llm.{self.config.partition(':')[0]}"

    def kinds(self, role: str) -> tuple[str, ...]:
        """The dataset kinds that it reads in a role."""
        return {
            "train": self.train,
            "validation": self.validation,
            "eval": self.evals,
            "search": self.search,
        }[role]

    @property
    def role(self) -> str:
        """The role of what it reads in the first place."""
        return "train" if self.train or not self.evals else "eval"

    @property
    def makes_rows(self) -> bool:
        """Whether it makes rows of a dataset and no checkpoints."""
        return self.makes != "checkpoint"

    @property
    def can_be_measured(self) -> bool:
        """Whether it trains a model on data, so that what it makes can be measured and compared."""
        return bool(self.train and self.evals) and not self.makes_rows

    @property
    def is_ready(self) -> bool:
        """Whether its program is there to be run."""
        return find_spec(self.program) is not None

    @property
    def config_class(self) -> type[Config]:
        """The class of its settings."""
        module, _, name = self.config.partition(":")
        found: type[Config] = getattr(import_module(f"training.llm.configs.{module}"), name)
        return found


EVALS = ("problems", "choices", "preferences", "documents")
"""What a model is measured on. Chosen for a training it is looked for in the training data before the run starts."""
SEARCHED = ("documents",)
"""What the tool ``search`` finds passages in."""

_ALL = (
    Stage(
        "tokenizer",
        "Tokenizer",
        "Learn a vocabulary of byte-level tokens from documents",
        "tokenizer:TokenizerConfig",
        train=("documents",),
        validation=("documents",),
        base="none",
    ),
    Stage(
        "pretrain",
        "Pretraining",
        "Train a model from nothing, or go on with one, on documents",
        "pretrain:PretrainConfig",
        train=("documents", "tokens"),
        validation=("documents", "tokens"),
        evals=EVALS,
        base="optional",
        needs_tokenizer=True,
        most_gpus=64,
    ),
    Stage(
        "sft",
        "Fine-tuning (SFT)",
        "Teach a model to answer, from conversations",
        "sft:SftConfig",
        train=("conversations", "completions"),
        validation=("conversations", "completions"),
        evals=EVALS,
    ),
    Stage(
        "reward",
        "Reward model",
        "Teach a model to score answers, from comparisons",
        "reward:RewardConfig",
        train=("preferences",),
        validation=("preferences",),
        evals=EVALS,
        takes_scorer=True,
    ),
    Stage(
        "dpo",
        "Preferences (DPO)",
        "Teach a model to prefer what people preferred",
        "dpo:DpoConfig",
        train=("preferences",),
        validation=("preferences",),
        evals=EVALS,
        takes_reference=True,
    ),
    Stage(
        "grpo",
        "Reinforcement (GRPO, RLOO)",
        "Let a model try, and learn from what a verifier or a reward model rewards",
        "grpo:GrpoConfig",
        train=("problems", "prompts"),
        validation=("problems", "prompts"),
        evals=EVALS,
        search=SEARCHED,
        takes_reward_model=True,
        takes_reference=True,
    ),
    Stage(
        "sample",
        "Sampling",
        "Let a model answer prompts; the answers become a dataset version",
        "sample:SampleConfig",
        train=("prompts", "problems"),
        search=SEARCHED,
        makes="completions",
        needs_dataset=True,
    ),
    Stage(
        "evaluate",
        "Evaluation",
        "Measure a model on problems, multiple choice, held-out preferences and texts, or on tasks in a folder",
        "evaluate:EvaluateConfig",
        train=(),
        evals=EVALS,
        search=SEARCHED,
        makes="eval_items",
        takes_scorer=True,
        folder="tasks",
    ),
    Stage(
        "import",
        "Import",
        "Take in a model in Hugging Face's layout, from a folder or the Hub",
        "import_:ImportConfig",
        train=(),
        base="none",
        folder="source",
    ),
)

STAGES: dict[str, Stage] = {item.name: item for item in _ALL}


def stage(name: str) -> Stage:
    """The stage of this name, or :class:`InvalidInput` listing those there are."""
    if name not in STAGES:
        raise InvalidInput(f"There is no stage {name!r}; stages are {', '.join(STAGES)}.", field="stage")
    return STAGES[name]
