"""What pretraining reads: shards tokenised once, windows, mixtures, and documents that are held out."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.conftest import publish_texts, publish_tokens, sentences
from tilth.errors import Conflict, InvalidInput
from tilth.jobs.reporting import Reporter
from tilth.storage import Storage
from training.llm import shards
from training.llm.cache import Cache
from training.llm.configs.pretrain import PretrainConfig
from training.llm.corpus import IGNORED, Corpus, Held, Stream, corpus
from training.llm.program import Stopped, Workspace
from training.llm.shards import DOCUMENT, TokenShard
from training.llm.spec import Source, Spec
from training.llm.special_tokens import END_OF_TEXT
from training.llm.vocabulary import Vocabulary

Make = Callable[[Spec], Workspace]


@pytest.fixture(scope="module")
def vocabulary(tokenizer_folder: Path) -> Vocabulary:
    return Vocabulary.of(tokenizer_folder, "checkpoint:900/0")


def opened(
    workspace: Make, vocabulary: Vocabulary, sources: list[Source], **config: object
) -> tuple[Corpus, Workspace]:
    settings = {"context": 16, "batch": 4, "micro_batch": 2, "validation_share": 0.0, **config}
    work = workspace(Spec("pretrain", 1, settings, sources))
    return corpus(work, PretrainConfig.from_json(settings), vocabulary), work


def written(vocabulary: Vocabulary, window: np.ndarray) -> str:
    return vocabulary.tokenizer.decode(window.tolist(), skip_special_tokens=False)


def test_the_windows_of_an_epoch_are_the_documents_one_after_another(
    storage: Storage, workspace: Make, vocabulary: Vocabulary
):
    texts = ["The cat sees the dog.", "A <|endoftext|> in a text is text.", "", "Größe 😀"]
    made, _ = opened(workspace, vocabulary, [publish_texts(storage, "a", texts)], context=8)
    (stream,) = made.streams
    whole = stream.read(0, len(stream))
    assert written(vocabulary, whole) == "".join(text + END_OF_TEXT for text in texts if text)
    assert (whole == vocabulary.end).sum() == 3
    windows = made.batch(0, made.windows)
    assert made.windows == (len(stream) - 1) // 8 and windows.shape == (made.windows, 9)
    in_order = windows[np.argsort(made.order.at(0, made.windows)[1])]
    assert np.array_equal(in_order[:, :-1].flatten(), whole[: made.windows * 8])
    assert np.array_equal(in_order[:, -1], whole[8 : made.windows * 8 + 1 : 8])


DOCUMENTS = st.lists(
    st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=12), min_size=1, max_size=4
)


@settings(max_examples=100)
@given(layout=DOCUMENTS, data=st.data())
def test_a_stream_reads_the_kept_documents_wherever_it_begins(layout: list, data: st.DataObject):
    count, made, masks, expected = 0, [], [], []
    for shard in layout:
        lengths, kept = [length for length, _ in shard], np.array([keep for _, keep in shard], bool)
        tokens = np.arange(count, count + sum(lengths), dtype=np.uint16)
        documents = np.array([(length, 0, 0) for length in lengths], DOCUMENT)
        made.append(TokenShard(tokens, documents))
        masks.append(kept)
        for length, keep in shard:
            expected += range(count, count + length) if keep else []
            count += length
    stream = Stream.of(made, masks)
    assert len(stream) == len(expected)
    start = data.draw(st.integers(0, len(expected)))
    size = data.draw(st.integers(0, len(expected) - start))
    assert stream.read(start, size).tolist() == expected[start : start + size]


def test_validation_predicts_each_token_of_a_text_once_and_no_end():
    held = Held("a@1", [np.array([5, 6, 7, 0]), np.array([8, 0])], 20)
    inputs, targets = held.windows(4, end=0)
    assert inputs.tolist() == [[0, 5, 6, 7], [0, 8, 0, 0]]
    assert targets.tolist() == [[5, 6, 7, IGNORED], [8, IGNORED, IGNORED, IGNORED]]


def test_held_out_documents_are_whole_and_never_trained_on(
    storage: Storage, workspace: Make, vocabulary: Vocabulary
):
    texts = sentences(200)
    sources = [publish_texts(storage, "a", texts[:150]), publish_texts(storage, "b", texts[140:])]
    made, _ = opened(workspace, vocabulary, sources, validation_share=0.1)
    held = [written(vocabulary, ids[:-1]) for part in made.held for ids in part.documents]
    trained = Counter()
    for stream in made.streams:
        trained.update(written(vocabulary, stream.read(0, len(stream))).split(END_OF_TEXT)[:-1])
    assert 5 < len(held) < 40 and len(set(held)) == len(held) and set(held) <= set(texts)
    assert set(trained) == set(texts) - set(held)
    assert sum(part.bytes for part in made.held) == sum(len(text.encode()) for text in held)
    assert made.left_out == 210 - trained.total()
    alone, _ = opened(workspace, vocabulary, sources[:1], validation_share=0.1, seed=5)
    again = [written(vocabulary, ids[:-1]) for part in alone.held for ids in part.documents]
    assert set(again) == set(held) & set(texts[:150])  # whatever the mixture and the seed
    few, _ = opened(workspace, vocabulary, sources, validation_share=0.1, validation_tokens=100)
    assert sum(len(ids) for part in few.held for ids in part.documents) <= 100


def test_a_validation_version_is_measured_and_left_out_of_training(
    storage: Storage, workspace: Make, vocabulary: Vocabulary
):
    texts = sentences(60)
    train = publish_texts(storage, "a", texts)
    validation = publish_texts(storage, "v", texts[5:10] + sentences(5, 500), role="validation")
    made, _ = opened(workspace, vocabulary, [train, validation], validation_share=0.5)
    assert [part.reference for part in made.held] == ["v@1"] and len(made.held[0].documents) == 10
    trained = written(vocabulary, made.streams[0].read(0, len(made.streams[0])))
    assert all((text + END_OF_TEXT in trained) == (text not in texts[5:10]) for text in texts)
    assert made.left_out == 5


def test_even_a_few_documents_hold_one_out(storage: Storage, workspace: Make, vocabulary: Vocabulary):
    made, _ = opened(
        workspace, vocabulary, [publish_texts(storage, "a", sentences(4))], validation_share=0.001
    )
    assert len(made.held[0].documents) == 1 and made.left_out == 1
    one, _ = opened(
        workspace, vocabulary, [publish_texts(storage, "b", sentences(1))], validation_share=0.001
    )
    assert one.held == []


def test_weights_epochs_and_length_say_what_is_drawn(
    storage: Storage, workspace: Make, vocabulary: Vocabulary
):
    few = publish_texts(storage, "few", sentences(10), epochs=3.0)
    rest = [
        publish_texts(storage, name, sentences(100, 50 * n), weight=w)
        for n, (name, w) in enumerate([("x", 3.0), ("y", 1.0)])
    ]
    made, _ = opened(workspace, vocabulary, [few, *rest], steps=256, batch=16)
    assert made.windows == 4096
    drawn = Counter(made.order.at(0, made.windows)[0].tolist())
    own = 3 * made.order.portions[0].windows
    assert abs(drawn[0] - own) <= 3 and abs(drawn[1] - (4096 - own) * 3 / 4) <= 3
    by_tokens, _ = opened(workspace, vocabulary, rest, tokens=16 * 100 - 3)
    assert by_tokens.windows == 100
    once, _ = opened(workspace, vocabulary, rest)
    assert once.windows == sum(portion.windows for portion in once.order.portions)


def test_too_little_text_and_no_text_are_refused(storage: Storage, workspace: Make, vocabulary: Vocabulary):
    with pytest.raises(InvalidInput, match="less than one window"):
        opened(workspace, vocabulary, [publish_texts(storage, "a", ["cat"])])
    with pytest.raises(InvalidInput, match="Choose documents"):
        opened(workspace, vocabulary, [])


def test_a_shard_is_tokenised_once_for_a_tokenizer(
    storage: Storage, workspace: Make, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
):
    calls = []
    write = shards._write
    monkeypatch.setattr(shards, "_write", lambda *args: (calls.append(1), write(*args))[1])
    sources = [publish_texts(storage, "a", sentences(20)), publish_texts(storage, "same", sentences(20, 90))]
    opened(workspace, vocabulary, sources)
    opened(workspace, vocabulary, sources, validation_share=0.3, context=8, seed=3)
    assert len(calls) == 2
    other = Vocabulary(
        vocabulary.folder, vocabulary.tokenizer, vocabulary.end, None, "other", "checkpoint:1/0"
    )
    opened(workspace, other, sources)
    assert len(calls) == 4


def test_a_changed_source_is_refused(storage: Storage, workspace: Make, vocabulary: Vocabulary):
    source = publish_texts(storage, "a", sentences(20))
    key = (
        f"datasets/a/1/{workspace(Spec('pretrain', 1, {}, [source])).inputs.manifest(source).shards[0].path}"
    )
    storage.write_bytes(key, b"PAR1 something else PAR1")
    with pytest.raises(Conflict, match="not what was published"):
        opened(workspace, vocabulary, [source])


def test_asked_to_stop_nothing_half_made_stays(
    storage: Storage, workspace: Make, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    source = publish_texts(storage, "a", sentences(20))
    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "stopping", property(lambda self: True))
        with pytest.raises(Stopped):
            opened(workspace, vocabulary, [source])
    assert [path for path in (tmp_path / "cache" / "files").glob("*/*") if path.suffix != ".lock"] == []
    opened(workspace, vocabulary, [source])


def _killed_in_the_middle(cache: Cache, name: str) -> None:
    def make(path: Path) -> None:
        path.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    cache.made(name, make)


def test_a_file_whose_maker_was_killed_is_made_again(tmp_path: Path):
    killed = multiprocessing.get_context("fork").Process(
        target=_killed_in_the_middle, args=(Cache(tmp_path), "ab12")
    )
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "files" / "ab").iterdir()] != []
    path = Cache(tmp_path).made("ab12", lambda part: part.write_bytes(b"whole"))
    assert path.read_bytes() == b"whole"
    assert sorted(p.name for p in path.parent.iterdir()) == ["ab12", "ab12.lock"]
    assert Cache(tmp_path).made("ab12", lambda part: part.write_bytes(b"again")).read_bytes() == b"whole"


@pytest.mark.parametrize("ended", [True, False])
def test_stored_tokens_are_the_same_documents_as_their_texts(
    storage: Storage, workspace: Make, vocabulary: Vocabulary, ended: bool
):
    texts = sentences(60)
    as_tokens = publish_tokens(storage, vocabulary, texts, "checkpoint:900/0", ended=ended)
    as_texts = publish_texts(storage, "a", texts)
    one, _ = opened(workspace, vocabulary, [as_tokens], validation_share=0.1)
    two, _ = opened(workspace, vocabulary, [as_texts], validation_share=0.1)
    assert len(storage.list("datasets/t/1", ".bin")) > 1
    assert np.array_equal(
        one.streams[0].read(0, len(one.streams[0])), two.streams[0].read(0, len(two.streams[0]))
    )
    assert one.held[0].bytes == two.held[0].bytes > 0


def test_tokens_of_another_tokenizer_are_refused(
    storage: Storage, workspace: Make, vocabulary: Vocabulary, tokenizer_part: object
):
    moved = Vocabulary.of(vocabulary.folder, "checkpoint:12/5")
    source = publish_tokens(storage, vocabulary, sentences(9), "checkpoint:900/0")
    opened(workspace, moved, [source])  # the stored checkpoint holds the same tokenizer
    for named in ("gpt2", "checkpoint:901/0"):
        other = publish_tokens(storage, vocabulary, sentences(9, 40), named)
        with pytest.raises(InvalidInput, match="holds tokens of"):
            opened(workspace, moved, [other])
