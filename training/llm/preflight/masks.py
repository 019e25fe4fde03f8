"""Checks of what is learned from: template, trained tokens, stop, padding, beginning, lengths."""

from statistics import median

from tokenizers import Tokenizer

from training.llm.chat import Chat, named_tokens
from training.llm.preflight.result import Check, Offender, failed, passed, rows, warned
from training.llm.preflight.survey import Line, Reading, Survey
from training.llm.talks import SILENT

MOST_USELESS = 0.25
"""Share of rows that may be left out, for being too long or for equal answers, before the run is kept from starting."""
MOST_CUT = 0.5
WORTH_SAYING = 0.05


def _at_fault(line: Line, why: str) -> Offender:
    return Offender(line.row.source, line.row.number, line.row.id, why, line.row.excerpt)


def template(survey: Survey) -> Check:
    """The chat template writes every row; some are shown as it does, what is trained marked."""
    refused = [_at_fault(line, line.refused) for line in survey.lines if line.refused]
    if refused:
        words = f"The template refuses {rows(len(refused))}: correct them or choose another template."
        return failed("template", words, samples=tuple(survey.samples)).with_rows(refused)
    return passed(
        "template",
        f"The template writes all {rows(len(survey.lines))} looked at.",
        samples=tuple(survey.samples),
    )


def trained(survey: Survey, reading: Reading) -> Check:
    """Every row has a token to learn from after it is cut at the context.

    A row without an answer is a fault of the data. Rows that are too long, and pairs of equal answers, are left out
    by the stage: some of them are a warning.
    """
    useless = [line for line in survey.lines if line.fault]
    figures = {"rows looked at": len(survey.lines), "rows that teach nothing": len(useless)}
    if not survey.lines:
        return failed("trained", "There is no row to learn from.", figures=figures)
    if not useless:
        return passed("trained", "Every row has something to learn from.", figures=figures)
    words = f"{rows(len(useless))} of {len(survey.lines):,} would teach nothing."
    found = [_at_fault(line, f"rows like it {line.fault}") for line in useless]
    silent = any(line.fault == SILENT for line in useless)
    if silent or len(useless) > MOST_USELESS * len(survey.lines):
        advice = f"Give them an answer or take them out; where they are too long, {_room(reading)}."
        return failed("trained", f"{words} {advice}", figures=figures).with_rows(found)
    return warned("trained", f"{words} They are left out.", figures=figures).with_rows(found)


def stop(survey: Survey, chat: Chat) -> Check:
    """What is trained ends with a stop token, else the model never learns to end."""
    open_ended = [line for line in survey.lines if not line.ends]
    names = [str(chat.tokenizer.id_to_token(id)) for id in chat.stops]
    if not names:
        return failed("stop", "The tokenizer has no token that ends an answer: train with our template.")
    if open_ended:
        found = [_at_fault(line, "what is trained does not end with a stop") for line in open_ended]
        words = f"In {rows(len(open_ended))} what is trained does not end with a stop token."
        return failed("stop", f"{words} Train with our template (template=ours).").with_rows(found)
    return passed("stop", f"Answers end with {' or '.join(names)}, which is trained.")


def padding(named: dict[str, str], known: Tokenizer) -> Check:
    """The token that fills rows is there and ends nothing: a model that pads with its stop never learns to stop."""
    pad, end = named.get("pad_token", ""), named.get("eos_token", "")
    if not pad or known.token_to_id(pad) is None:
        return failed(
            "pad", "The tokenizer has no token to pad with: train with our template (template=ours)."
        )
    if pad == end or known.token_to_id(pad) == known.token_to_id(end):
        return failed(
            "pad", f"{pad} both pads and ends: the model would not learn to stop. Name another one."
        )
    return passed("pad", f"{pad} pads, {end} ends.")


def unpadded(end: str) -> Check:
    """For pretraining without a token to pad with: windows are full, and nothing needs it."""
    return passed("pad", f"No token pads; {end} ends.")


def padding_of(reading: Reading) -> Check:
    """The same for the tokenizer as the run uses it."""
    return padding(named_tokens(reading.files), reading.chat.tokenizer)


def beginning(survey: Survey, reading: Reading) -> Check:
    """A text begins once: two beginnings are something that no model has seen."""
    name = reading.chat.template.variables.get("bos_token")
    if not name:
        return passed("bos", "This tokenizer marks no beginning.")
    twice = [_at_fault(line, f"begins with {name} twice") for line in survey.lines if line.begins_twice]
    if twice:
        words = (
            f"{rows(len(twice))} begin with {name} twice: the template writes it where a message does too."
        )
        return failed("bos", words).with_rows(twice)
    if survey.samples and _added_again(reading, survey.samples[0], name):
        return warned(
            "bos",
            f"Training has one {name}. But the tokenizer adds another to what the template wrote: whoever serves the "
            "model must encode without special tokens.",
        )
    return passed("bos", f"No text begins with {name} twice.")


def _added_again(reading: Reading, sample: Offender, name: str) -> bool:
    """Whether the tokenizer, left to itself, puts a beginning before one that the template has written."""
    whole = Tokenizer.from_file(str(reading.files / "tokenizer.json"))
    id = whole.token_to_id(name)
    text = "".join(text for text, _ in sample.excerpt)
    return whole.encode(text, add_special_tokens=True).ids[:2] == [id, id]


def lengths(survey: Survey, reading: Reading) -> Check:
    """How long the rows are, and which share is cut at the context."""
    found = sorted(line.length for line in survey.lines if not line.refused)
    if not found:
        return failed("lengths", "There is no row to measure.")
    cut = [line for line in survey.lines if line.cut]
    share, context = len(cut) / len(found), reading.context
    said = f"{share:.1%} of the rows are longer than {context:,} tokens"
    about = {
        "figures": {
            "shortest": found[0],
            "median": round(median(found)),
            "longest": found[-1],
            "context": context,
            "share cut": round(share, 4),
        },
        "bins": histogram(found),
    }
    rows_cut = [
        _at_fault(line, f"{line.length:,} tokens") for line in sorted(cut, key=lambda line: -line.length)
    ]
    if share > MOST_CUT:
        return failed("lengths", f"{said}: {_room(reading)} or shorten them.", **about).with_rows(rows_cut)
    if share > WORTH_SAYING:
        return warned("lengths", f"{said}.", **about).with_rows(rows_cut)
    return passed("lengths", f"{said}.", **about)


def _room(reading: Reading) -> str:
    """What gives long rows more room."""
    if reading.context < reading.longest:
        return f"raise the context (the model takes up to {reading.longest:,} tokens)"
    return f"choose a base that takes more than {reading.longest:,} tokens"


def histogram(sizes: list[int]) -> tuple[tuple[int, int], ...]:
    """Counts by doubling widths, from the shortest on: (upper edge, rows)."""
    edge = 1 << max(3, (min(sizes) - 1).bit_length())
    bins, left = [], sorted(sizes)
    while left:
        inside = sum(1 for size in left if size <= edge)
        bins.append((edge, inside))
        left, edge = left[inside:], edge * 2
    return tuple(bins)
