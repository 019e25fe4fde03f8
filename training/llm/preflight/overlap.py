"""Check that what is measured is not trained on: the same text, or the same but for case, spaces and marks.

Stages leave out of training what is in the validation data letter by letter; what differs by a comma they cannot
see, and a loss on it measures memory.
"""

from collections.abc import Iterable, Iterator

import xxhash

from training.llm.preflight.reading import Seen, contents, every_text, step_for_bytes
from training.llm.preflight.result import Check, Offender, failed, passed, rows, warned
from training.llm.preflight.words import lightly
from training.llm.program import Workspace
from training.llm.rows import place
from training.llm.spec import Source
from training.llm.vocabulary import Vocabulary

MOST_BYTES = 1 << 30


def overlap(work: Workspace, vocabulary: Vocabulary | None = None) -> Check:
    """Compare all rows of training and validation versions; of very much text every n-th row.

    Documents that are stored as tokens are decoded by ``vocabulary``.
    """
    spec = work.spec
    train, held = spec.with_role("train"), spec.with_role("validation")
    if not held:
        return passed("overlap", "No validation version is given: what is held out is taken out of training.")
    step = step_for_bytes(work.inputs, train, MOST_BYTES)

    def all_of(sources: list[Source], step: int = 1) -> Iterator[Seen]:
        for source in sources:
            yield from every_text(work, source, vocabulary, step)

    found = compare(all_of(train, step), all_of(held), spec.stage != "tokenizer")
    if step == 1:
        return found
    return Check(found.name, found.state, f"{found.words} Of {step} rows one was looked at.", rows=found.rows)


def compare(train: Iterable[Seen], held: Iterable[Seen], left_out: bool) -> Check:
    """What training and validation rows have in common; ``left_out`` says that the stage drops equal ones."""
    exact, near, count = set(), set(), 0
    for seen in held:
        count += 1
        exact.add(exact_key(seen))
        near.add(near_key(seen))
    same: list[Offender] = []
    alike: list[Offender] = []
    for seen in train:
        if exact_key(seen) in exact:
            same.append(seen.offender("the same is in the validation data"))
        elif near_key(seen) in near:
            alike.append(seen.offender("nearly the same is in the validation data"))
    figures = {"validation rows": count, "the same": len(same), "nearly the same": len(alike)}
    if alike or (same and not left_out):
        words = (
            f"{rows(len(alike) + len(same))} of the training data are in the validation data as well: choose versions "
            "that are apart."
        )
        return failed("overlap", words, figures=figures).with_rows(alike + same)
    if same:
        words = f"{rows(len(same))} are in the validation data as well: they are left out of training."
        return warned("overlap", words, figures=figures).with_rows(same)
    return passed("overlap", f"None of {rows(count)} of validation is trained on.", figures=figures)


def exact_key(seen: Seen) -> int:
    """What the stage holds a row apart by: a document's text, or what comes before the first answer."""
    if "text" in seen.row:
        return xxhash.xxh3_64_intdigest(seen.row["text"].encode())
    return place(seen.row)


def near_key(seen: Seen) -> int:
    """The same without case, spaces and the marks of sentences."""
    text = contents(seen.row) if "text" in seen.row else asked(seen)
    return xxhash.xxh3_64_intdigest(lightly(text).encode())


def asked(seen: Seen) -> str:
    """What comes before the first answer."""
    found = []
    for message in seen.row["prompt"] if "prompt" in seen.row else seen.row["messages"]:
        if message["role"] == "assistant":
            break
        found.append(message.get("content") or "")
    return "\n".join(found)
