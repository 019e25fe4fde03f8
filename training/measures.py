"""Which of a training's checkpoints are measured on its evaluation data."""

from tilth.errors import InvalidInput
from training.llm.stages import Stage
from training.models.runs import Measures


def measures_of(found: Stage, wanted: str | None, kinds: list[str]) -> Measures:
    """What is ``wanted``, else the last one where there is evaluation data of ``kinds`` that can measure it."""
    if wanted is not None and wanted not in Measures:
        raise InvalidInput(f"Measured is one of {', '.join(Measures.values)}.", field="measures")
    scorer = found.takes_scorer
    there = found.can_be_measured and bool("preferences" in kinds if scorer else kinds)
    if wanted is None:
        return Measures.LAST if there else Measures.NONE
    if wanted != Measures.NONE and not there:
        which = (
            "preferences as evaluation data: a reward model is measured on nothing else"
            if scorer
            else "evaluation data"
        )
        said = (
            f"Choose {which}."
            if found.can_be_measured
            else f"{found.title} makes no model to measure: leave it out."
        )
        raise InvalidInput(said, field="measures")
    return Measures(wanted)
