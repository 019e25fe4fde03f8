"""Quality of a campaign in figures: agreement, known answers, bias, reviewers; and the same by cohort.

Read from the newest 20,000 annotations, and kept for some minutes: pages stay quick at a million tasks, and
an interval says what a sample is worth.
"""

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache

from labeling import gold, labelers
from labeling.models.annotations import Annotation, AnnotationState, Review
from labeling.models.campaigns import Campaign, Member, Profile, Tally
from labeling.models.tasks import Task
from labeling.protocol.cohort import cohorts
from labeling.protocol.kind import Level, Measure
from labeling.protocol.rubric import CRITERIA
from tilth.stats import bias as biases
from tilth.stats.agreement import Agreement, alpha_of, fleiss_of
from tilth.stats.bias import Bias, Comparison
from tilth.stats.bootstrap import Interval, alpha_interval, fleiss_interval
from tilth.stats.counting import count_pairs
from tilth.stats.intervals import Share, share
from tilth.stats.pairs import mean_cohen, mean_cohen_interval, pair_up

NEWEST = 20_000
FRESH_SECONDS = 300
SHARED_UNITS = 10
"""Units that two labelers must share before their kappa says anything."""

NO_INTERVAL = Interval(None, None)
COHORTS = {"expertise": "Expertise", "region": "Region", "language": "First language"}
STANDING = (AnnotationState.SUBMITTED, AnnotationState.ACCEPTED, AnnotationState.ADJUDICATED)


@dataclass(frozen=True, slots=True)
class Row:
    """One annotation as the figures read it."""

    task: int
    labeler: int
    values: dict[str, Any]
    comparison: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class MeasureAgreement:
    """How far labelers agree on one measure; ``kappa`` is Fleiss' and ``pairs`` the mean of Cohen's, for nominal.

    Both come with intervals over drawn tasks.
    """

    measure: Measure
    alpha: Agreement
    interval: Interval
    kappa: float | None
    kappa_interval: Interval
    pairs: float | None
    pairs_interval: Interval
    labelers: int


@dataclass(frozen=True, slots=True)
class Quality:
    """Everything that the quality page shows."""

    annotations: int
    agreement: list[MeasureAgreement]
    bias: Bias
    baseline: Share
    by_labeler: dict[Hashable, Bias]
    reviewers: list[tuple[str, Agreement, Interval]]
    reviews: dict[str, int]


Reading = Callable[[], list[Row]]
"""The annotations that figures are read from, fetched when they are first asked for."""


def reading_of(campaign: Campaign, role: str) -> Reading:
    """One reading for all figures of a page."""
    return functools.cache(lambda: rows(campaign, role=role))


def quality(campaign: Campaign, role: str = Task.Role.NORMAL, read: Reading | None = None) -> Quality:
    """The figures of ordinary or of pilot tasks, at most five minutes old."""
    key = f"labeling:quality:{campaign.pk}:{role}"
    found = cache.get(key)
    if found is None:
        found = measure(campaign, role, read)
        cache.set(key, found, FRESH_SECONDS)
    return found


def measure(campaign: Campaign, role: str = Task.Role.NORMAL, reading: Reading | None = None) -> Quality:
    """The figures as they are now."""
    read = (reading or reading_of(campaign, role))()
    comparisons = [c for row in read if (c := comparison(row, row.labeler))]
    return Quality(
        annotations=len(read),
        agreement=[agreement(read, m) for m in campaign.task_kind.measures(campaign.schema)],
        bias=biases.bias(comparisons),
        baseline=_baseline(read),
        by_labeler=biases.by_group(comparisons),
        reviewers=reviewer_agreement(campaign),
        reviews=_decisions(campaign),
    )


def rows(campaign: Campaign, *, role: str = Task.Role.NORMAL) -> list[Row]:
    """The newest standing annotations of ordinary tasks.

    Those of a pilot (``role``) stand apart: everybody does the same tasks there, talks about them, and the
    guideline changes after them, so a few of them would drown what the campaign itself agrees on.
    """
    found = Annotation.objects.settled().filter(campaign=campaign, state__in=STANDING, role=role)
    newest = found.order_by("-submitted_at").values_list("task_id", "labeler_id", "measures", "comparison")
    return [Row(*values) for values in newest[:NEWEST]]


def agreement(read: list[Row], what: Measure) -> MeasureAgreement:
    """Alpha with its interval; for nominal measures both kappas too."""
    said = [(row.task, row.labeler, row.values[what.name]) for row in read if what.name in row.values]
    counted = count_pairs([task for task, _, _ in said], [_plain(value, what.level) for _, _, value in said])
    nominal = what.level == "nominal"
    pairs = pair_up(
        [(task, labeler, str(value)) for task, labeler, value in said] if nominal else [], SHARED_UNITS
    )
    return MeasureAgreement(
        measure=what,
        alpha=alpha_of(counted, what.level),
        interval=alpha_interval(counted, what.level),
        kappa=fleiss_of(counted).value if nominal else None,
        kappa_interval=fleiss_interval(counted) if nominal else NO_INTERVAL,
        pairs=mean_cohen(pairs),
        pairs_interval=mean_cohen_interval(pairs),
        labelers=len({labeler for _, labeler, _ in said}),
    )


def _plain(value: Any, level: Level) -> Any:
    return str(value) if level == "nominal" else float(value)


def comparison(row: Row, group: Hashable) -> Comparison | None:
    """One annotation as a comparison, if somebody won in it."""
    data = row.comparison
    if not data:
        return None
    return Comparison(group, data["winner"], (data["lengths"][0], data["lengths"][1]), data["first"])


def _baseline(read: list[Row]) -> Share:
    """How well "the longer one" would have guessed each task's majority."""
    votes: dict[int, list[dict[str, Any]]] = {}
    for row in read:
        if row.comparison:
            votes.setdefault(row.task, []).append(row.comparison)
    lengths, winners = [], []
    for found in votes.values():
        for_second = sum(c["winner"] for c in found)
        if 2 * for_second != len(found):
            lengths.append((found[0]["lengths"][0], found[0]["lengths"][1]))
            winners.append(int(2 * for_second > len(found)))
    return biases.length_baseline(lengths, winners)


def reviewer_agreement(campaign: Campaign) -> list[tuple[str, Agreement, Interval]]:
    """How far reviewers who scored the same work agree, by rubric criterion (ordinal alpha)."""
    reviews = Review.objects.filter(annotation__campaign=campaign).exclude(scores={})
    scored = list(reviews.order_by("-at").values_list("annotation_id", "scores")[:NEWEST])
    found = []
    for name, (title, _) in CRITERIA.items():
        said = [(str(key), scores[name]) for key, scores in scored if name in scores]
        counted = count_pairs([key for key, _ in said], [float(value) for _, value in said])
        if counted.units:
            found.append((title, alpha_of(counted, "ordinal"), alpha_interval(counted, "ordinal")))
    return found


def _decisions(campaign: Campaign) -> dict[str, int]:
    found: dict[str, int] = {}
    decisions = Review.objects.filter(annotation__campaign=campaign).order_by("-at")
    for decision in decisions.values_list("decision", flat=True)[:NEWEST]:
        found[decision] = found.get(decision, 0) + 1
    return found


@dataclass(frozen=True, slots=True)
class Slice:
    """One group of a cohort; the figures are ``None`` where the group is too small to be told."""

    name: str
    people: int
    gold: Share | None
    longer: Share | None
    first: Share | None
    agreement: MeasureAgreement | None
    accepted: Share | None


def recent_slices(campaign: Campaign, by: str, role: str, read: Reading) -> list[Slice]:
    """Quality and bias by cohort (:func:`slices`), at most five minutes old."""
    key = f"labeling:slices:{campaign.pk}:{role}:{by}"
    found: list[Slice] | None = cache.get(key)
    if found is None:
        found = slices(campaign, by, role, read)
        cache.set(key, found, FRESH_SECONDS)
    return found


def slices(
    campaign: Campaign, by: str, role: str = Task.Role.NORMAL, reading: Reading | None = None
) -> list[Slice]:
    """Quality and bias by cohort as they are now, of those who have submitted; groups of fewer than five people are not told."""
    working = Tally.objects.filter(campaign=campaign, submitted__gt=0).values("labeler")
    members = Member.objects.filter(campaign=campaign, user__in=working).values_list("user_id", flat=True)
    cohort = dict(Profile.objects.filter(user__memberships__campaign=campaign).values_list("user_id", by))
    groups = cohorts({user: cohort.get(user, "") for user in members})
    known, read = gold.by_labeler(campaign), (reading or reading_of(campaign, role))()
    found: dict[Hashable, Slice] = {
        name: _slice(campaign, name, users, known, read) for name, users in groups.items()
    }
    told = biases.suppress(found, lambda name: len(groups[str(name)]))
    return [
        told[name] or Slice(str(name), 0, None, None, None, None, None)
        for name in sorted(groups, key=lambda name: (-len(groups[name]), name))
    ]


def _slice(
    campaign: Campaign, name: str, users: list[int], known: dict[int, Share], newest: list[Row]
) -> Slice:
    inside = set(users)
    read = [row for row in newest if row.labeler in inside]
    found = biases.bias(c for row in read if (c := comparison(row, name)))
    first = campaign.task_kind.measures(campaign.schema)[:1]
    days = Tally.objects.filter(campaign=campaign, labeler__in=users)
    golds = [known[user] for user in users if user in known]
    if len(golds) < biases.SMALLEST_CELL:
        golds = []
    return Slice(
        name,
        len(users),
        share(sum(g.hits for g in golds), sum(g.total for g in golds)),
        found.longer,
        found.first,
        agreement(read, first[0]) if first else None,
        labelers.accepted(labelers.sums(days)),
    )
