"""One pass over the rows of a run as its model will see them: encoded by its tokenizer and its chat template.

What the checks of masks, stops and lengths need to know of a row is a few facts; the ids are not kept.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from tilth.errors import InvalidInput
from training.llm.chat import Chat, Encoded
from training.llm.configs.grpo import GrpoConfig
from training.llm.configs.posttraining import PosttrainingConfig
from training.llm.configs.reward import RewardConfig
from training.llm.configs.sft import SftConfig
from training.llm.dressing import dress
from training.llm.pairs import preferred, scored
from training.llm.preflight.reading import Seen, every, step_for_rows
from training.llm.preflight.result import Offender, Piece, shortened
from training.llm.program import Workspace
from training.llm.rows import place
from training.llm.talks import cut, encode
from training.llm.tools import schemas_of

MOST_ROWS = 20_000
"""Rows of a source that are encoded; of more they are drawn evenly."""
SHOWN = 3
LONGEST_SAMPLE = 3000
NO_ROOM = "leave no room for a completion"


@dataclass(frozen=True)
class Reading:
    """How a run's rows are read: its chat, where they are cut in tokens, the most the base takes, its settings."""

    chat: Chat
    files: Path
    context: int
    longest: int
    config: PosttrainingConfig

    @classmethod
    def of(cls, work: Workspace, config: PosttrainingConfig) -> "Reading":
        """As the stage will: the base's tokenizer made ready for conversations."""
        from transformers import AutoConfig  # takes seconds, which stages without conversations need not wait

        _, folder = work.load(work.spec.base)
        files = work.scratch / "preflight-tokenizer"
        dress(folder, files, config.template)
        settings = AutoConfig.from_pretrained(folder, local_files_only=True)
        longest = int(settings.get_text_config().max_position_embeddings)
        if config.context and config.context > longest:
            raise InvalidInput(f"The model takes {longest:,} tokens: set a shorter context.", field="context")
        return cls(Chat.of(files), files, config.context or longest, longest, config)


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of a row.

    ``fault`` says why nothing would be learned from it, ``refused`` why the template does not write it; both are
    empty for a good row. ``length`` is in tokens, before it is cut. ``ends`` says whether what is trained ends
    with a stop, ``begins_twice`` whether two beginnings stand at the front; ``place`` is the hash of its prompt.
    """

    row: Offender
    length: int = 0
    cut: bool = False
    fault: str = ""
    refused: str = ""
    ends: bool = True
    begins_twice: bool = False
    place: int = 0


@dataclass(frozen=True)
class Survey:
    """The lines of a run's training rows, and some rows as they are written; ``steps`` by source says that of
    each so many rows one was looked at."""

    lines: list[Line] = field(default_factory=list)
    samples: list[Offender] = field(default_factory=list)
    steps: dict[str, int] = field(default_factory=dict)

    def usable(self, source: str) -> list[Line]:
        """The lines of a source that something is learned from."""
        return [line for line in self.lines if line.row.source == source and not (line.fault or line.refused)]


def survey(work: Workspace, reading: Reading) -> Survey:
    """Look at the training rows of a stage after pretraining."""
    found = Survey()
    shown: Counter[str] = Counter()
    for source in work.spec.with_role("train"):
        step = found.steps[source.reference] = step_for_rows(work.inputs, source, MOST_ROWS)
        for seen in every(work.inputs, source, step):
            work.stop_if_asked()
            line, texts = look(reading, seen)
            found.lines.append(line)
            if texts and shown[source.reference] < SHOWN:
                shown[source.reference] += 1
                found.samples.extend(samples(reading, seen, texts))
    return found


def look(reading: Reading, seen: Seen) -> tuple[Line, list[Encoded]]:
    """What is known of a row, and the texts that it is; none where the template refuses it."""
    line = Line(seen.offender(""), place=place(seen.row))
    try:
        texts = list(written(reading, seen))
        fault = _fault(reading, seen, texts)
    except InvalidInput as error:
        return replace(line, refused=error.message), []
    bos = _bos(reading.chat)
    return replace(
        line,
        length=max(len(text.ids) for text in texts),
        cut=any(len(text.ids) > reading.context for text in texts),
        fault=fault,
        ends=all(_ends(reading.chat, text) for text in texts),
        begins_twice=bos is not None and any(text.ids[:2] == [bos, bos] for text in texts),
    ), texts


def written(reading: Reading, seen: Seen) -> Iterator[Encoded]:
    """The texts of a row with what is trained in them: a conversation, both answers of a pair, or a prompt."""
    chat, row = reading.chat, seen.row
    if isinstance(reading.config, GrpoConfig):
        messages = row["prompt"] if "prompt" in row else row["messages"]
        yield chat.encode(messages, schemas_of(reading.config), prompt=True)
    elif isinstance(reading.config, SftConfig):
        yield encode(chat, row)
    else:
        prompt = len(chat.encode(row["prompt"], prompt=True).ids)
        for side in ("chosen", "rejected"):
            whole = chat.encode([*row["prompt"], *row[side]])
            answered = [learn and place >= prompt for place, learn in enumerate(whole.trained)]
            yield replace(whole, trained=answered)


def pieces(encoded: Encoded, context: int, everything: bool) -> list[Piece]:
    """A text cut by what becomes of it: trained, read only, or beyond the context."""
    kinds = [""] * len(encoded.text)
    for number, ((start, end), learn) in enumerate(zip(encoded.offsets, encoded.trained, strict=True)):
        kind = "cut" if number >= context else "trained" if learn or everything else ""
        kinds[start:end] = [kind] * (end - start)
    at, found = 0, []
    for kind, run in groupby(kinds):
        length = len(list(run))
        found.append((encoded.text[at : at + length], kind))
        at += length
    return found


def samples(reading: Reading, seen: Seen, texts: list[Encoded]) -> list[Offender]:
    """A row as the template writes it, what is trained marked."""
    everything = isinstance(reading.config, SftConfig) and not reading.config.assistant_only
    names = ("better answer", "worse answer") if len(texts) == 2 else ("",)
    return [
        seen.offender(name, shortened(pieces(text, reading.context, everything), LONGEST_SAMPLE))
        for name, text in zip(names, texts, strict=True)
    ]


def _fault(reading: Reading, seen: Seen, texts: list[Encoded]) -> str:
    """Why the stage would leave the row out; empty where it would not."""
    config, context = reading.config, reading.context
    if isinstance(config, SftConfig):
        made = cut(texts[0], context, config.assistant_only)
    elif isinstance(config, RewardConfig):
        made = scored(reading.chat, seen.row, context, config.margin)
    elif isinstance(config, GrpoConfig):
        return NO_ROOM if len(texts[0].ids) + config.completion_tokens > context else ""
    else:
        made = preferred(reading.chat, seen.row, context)
    return made if isinstance(made, str) else ""


def _ends(chat: Chat, text: Encoded) -> bool:
    """Whether everything that is trained ends with a stop."""
    following = [*text.trained[1:], False]
    lasts = [
        id for id, learn, goes_on in zip(text.ids, text.trained, following, strict=True) if learn > goes_on
    ]
    return all(id in chat.stops for id in lasts)


def _bos(chat: Chat) -> int | None:
    name = chat.template.variables.get("bos_token")
    return chat.tokenizer.token_to_id(name) if name else None
