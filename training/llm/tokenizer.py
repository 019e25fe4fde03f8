"""The stage ``tokenizer``: documents in, a byte-level BPE vocabulary out, with its compression measured."""

from collections.abc import Iterable, Iterator
from typing import Any

from tokenizers import Tokenizer

from tilth.errors import InvalidInput
from training.llm import pretokens
from training.llm.chat_template import TEMPLATE
from training.llm.checkpoints import Checkpoint
from training.llm.compression import Measured, gpt2, measure
from training.llm.configs.tokenizer import TokenizerConfig
from training.llm.drawing import Texts, shares
from training.llm.program import Workspace, main
from training.llm.record import record, template_hash, tokenizer_hash

OURS, GPT2 = "tokenizer", "gpt2"
PROGRESS_EVERY = 1000


def run(work: Workspace) -> dict[str, Any] | None:
    """Train the tokenizer, measure it, store it as ``checkpoint:<run>/0``."""
    config = TokenizerConfig.from_json(work.spec.config)
    documents = Texts(work.inputs, work.spec.with_role("train"), config.seed)
    sizes = documents.bytes_by_language()
    if not sizes.total():
        raise InvalidInput("The documents hold no text to learn from: choose other ones.", field="dataset")
    quotas = shares(sizes, config.sample_bytes, config.balance)
    kept_out = bool(work.spec.with_role("validation")) or next(documents.kept_out(), None) is not None
    expected = int(sum(quotas[language] * size for language, size in sizes.items()))
    drawn = documents.draw(quotas, all=bool(work.spec.with_role("validation")) or not kept_out)
    trained = pretokens.train(_reporting(work, drawn, expected), config.vocabulary, config.minimum_count)
    if work.report.stopping:
        return None
    work.report.progress(expected, expected, "measure")
    report = _compression(work, documents, trained, config, kept_out)
    stored = _store(work, config, trained, report["bytes_per_token"])
    work.report.progress(1, 1, "done")
    return {"checkpoint": stored.reference, **report}


def _reporting(work: Workspace, texts: Iterable[str], expected: int) -> Iterator[str]:
    """The texts as they are, with the bytes told to the job's page; they end early when asked to stop."""
    read = 0
    for number, text in enumerate(texts):
        if number % PROGRESS_EVERY == 0:
            work.report.progress(min(read, expected), expected, "read")
            if work.report.stopping:
                return
        read += len(text.encode())
        yield text


def _compression(
    work: Workspace, documents: Texts, trained: Tokenizer, config: TokenizerConfig, kept_out: bool
) -> dict[str, Any]:
    validation = work.spec.with_role("validation")
    texts: Iterable[tuple[str, str]] = documents
    if validation:
        texts = Texts(work.inputs, validation, config.seed)
    elif kept_out:
        texts = documents.kept_out()
    compared = {OURS: pretokens.plain(trained)}
    other = gpt2()
    if other is not None:
        compared[GPT2] = other
    found = measure(compared, _at_most(texts, config.measure_bytes))
    return {
        "measured_on": "validation" if validation else "kept out" if kept_out else "training text",
        "measured_bytes": found[""].bytes,
        "bytes_per_token": _ratios(found.pop(""), compared),
        "languages": {language: _ratios(found[language], compared) for language in sorted(found)},
    }


def _ratios(measured: Measured, names: Iterable[str]) -> dict[str, float]:
    return {name: round(measured.ratio(name), 4) for name in names}


def _at_most(texts: Iterable[tuple[str, str]], limit: int) -> Iterator[tuple[str, str]]:
    """Texts until ``limit`` bytes are passed."""
    read = 0
    for language, text in texts:
        if read >= limit:
            return
        read += len(text.encode())
        yield language, text


def _store(
    work: Workspace, config: TokenizerConfig, trained: Tokenizer, measured: dict[str, float]
) -> Checkpoint:
    made = work.scratch / "tokenizer"
    pretokens.save(trained, made, config.context, template=TEMPLATE)
    checkpoint = Checkpoint(
        run=work.spec.run,
        step=0,
        stage=work.spec.stage,
        holds="tokenizer",
        context=config.context,
        tokenizer_hash=tokenizer_hash(made),
        template_hash=template_hash(made),
        config=config.to_json(),
        metrics={f"bytes_per_token/{name}": value for name, value in measured.items()},
        parents=work.spec.parents,
        record=record(config.seed),
    )
    return work.store(made, checkpoint)


if __name__ == "__main__":
    main(run)
