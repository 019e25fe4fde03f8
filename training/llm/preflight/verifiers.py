"""Check of what rewards: verifiers judge their own cases right here, and problems fit their verifiers."""

from collections.abc import Sequence

from tilth.errors import TilthError
from tilth.verify import unit_cases
from tilth.verify.verifiers import VERIFIERS, Claim, check, verify
from training.llm.preflight.reading import Seen, every, step_for_rows
from training.llm.preflight.result import Check, failed, passed, rows
from training.llm.program import Workspace

MOST_PROBLEMS = 200


def verifiers(work: Workspace) -> Check:
    """Try the verifiers of the run's problems, and some problems of each source."""
    answered = ("eval",) if work.spec.stage == "evaluate" else ("train", "validation")
    sources = [s for s in work.spec.sources if s.kind == "problems" and s.role in answered]
    seen = [
        row
        for source in sources
        for row in every(work.inputs, source, step_for_rows(work.inputs, source, MOST_PROBLEMS))
    ]
    if not seen:
        return passed("verifiers", "No problem is to be verified.")
    return judge(seen)


def judge(problems: Sequence[Seen]) -> Check:
    """Each problem's own answer is right, an empty one is not, and each verifier passes its own cases."""
    names = {seen.row.get("verifier") or "exact" for seen in problems}
    unknown = names - VERIFIERS.keys()
    if unknown:
        found = [
            seen.offender(f"there is no verifier {seen.row['verifier']!r}")
            for seen in problems
            if seen.row.get("verifier") in unknown
        ]
        return failed("verifiers", f"There is no verifier {min(unknown)!r}.").with_rows(found)
    try:
        wrong = unit_cases.failed(sorted(names))
        found = [seen.offender(why) for seen in problems if (why := fault(seen))]
    except TilthError as error:
        return failed("verifiers", error.message)
    if wrong:
        case = wrong[0].claim
        return failed(
            "verifiers", f"The verifier {case.verifier} judges {case.text[:80]!r} wrongly on this machine."
        )
    figures = {"problems tried": len(problems), "verifiers": ", ".join(sorted(names))}
    if found:
        words = f"{rows(len(found))} of {len(problems):,} do not fit their verifier: correct or remove them."
        return failed("verifiers", words, figures=figures).with_rows(found)
    return passed("verifiers", "Own answers are found right, empty ones wrong.", figures=figures)


def fault(seen: Seen) -> str:
    """Why a problem cannot be trained on; empty where it can."""
    why = check(seen.row)
    if why:
        return why
    return "an empty answer is found right" if verify(Claim.of("", seen.row)).right else ""
