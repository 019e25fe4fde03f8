"""Documents that are stored as tokens are looked through like texts: they are decoded."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.conftest import publish, publish_texts, publish_tokens, sentences
from tilth.storage import Storage
from training.llm.preflight.contamination import contamination
from training.llm.preflight.overlap import overlap
from training.llm.preflight.reading import every_text
from training.llm.preflight.result import State
from training.llm.program import Workspace
from training.llm.spec import Source, Spec
from training.llm.vocabulary import Vocabulary

Make = Callable[[Spec], Workspace]


@pytest.fixture
def vocabulary(tokenizer_folder: Path) -> Vocabulary:
    return Vocabulary.of(tokenizer_folder, "checkpoint:900/0")


def work_on(workspace: Make, *sources: Source) -> Workspace:
    return workspace(Spec("pretrain", 1, {}, list(sources)))


def test_an_evaluation_is_found_in_tokens(storage: Storage, workspace: Make, vocabulary: Vocabulary):
    question = " ".join(f"word{n} of a question" for n in range(5))
    stored = publish_tokens(storage, vocabulary, [*sentences(40), f"Before it. {question}?"])
    exam = publish(
        storage,
        "exam",
        "choices",
        [{"question": question, "options": ["a", "b"], "answer": 0, "subject": "s"}],
        role="eval",
    )
    found = contamination(work_on(workspace, stored, exam), vocabulary)
    assert found.state == State.FAILED
    assert [(row.source, row.number) for row in found.rows] == [("t@1", 41)]


def test_validation_that_is_trained_on_is_found_in_tokens(
    storage: Storage, workspace: Make, vocabulary: Vocabulary
):
    texts = sentences(40)
    stored = publish_tokens(storage, vocabulary, texts)
    held = publish_texts(storage, "held", [texts[7], texts[30].replace(".", "!")], role="validation")
    found = overlap(work_on(workspace, stored, held), vocabulary)
    assert found.state == State.FAILED
    assert sorted(row.number for row in found.rows) == [8, 31]
    apart = replace(publish_tokens(storage, vocabulary, sentences(9, 80), name="u"), role="validation")
    assert overlap(work_on(workspace, stored, apart), vocabulary).state == State.PASSED


@pytest.mark.parametrize("step", [1, 3, 7, 50])
def test_every_nth_document_keeps_its_number(
    storage: Storage, workspace: Make, vocabulary: Vocabulary, step: int
):
    texts = sentences(40)
    stored = publish_tokens(storage, vocabulary, texts)
    work = work_on(workspace, stored)
    assert len(work.inputs.manifest(stored).shards) > 1
    seen = list(every_text(work, stored, vocabulary, step))
    assert [one.number for one in seen] == list(range(1, 41, step))
    assert [one.row["text"] for one in seen] == texts[::step]
