"""Seconds of work, as far as a browser can be believed: nobody works longer than the clock has run.

Whoever holds several tasks at once has two hands all the same: seconds with the hands on a task count once, for
whichever task reported them first.
"""

from dataclasses import dataclass
from math import inf

GRACE_SECONDS = 5.0
"""Clocks and networks are not exact."""

LONGEST_SECONDS = 15 * 60.0
"""Most that one report can add: a browser reports every half minute, and after an outage catches up a little."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds with the hands on the task, and seconds with the task in view but untouched."""

    active: float
    idle: float


def credit(active: float, idle: float, elapsed: float, free: float = inf) -> Spent:
    """What of a report counts, given the seconds since the last one: together no more than has passed.

    ``free``: of these, the seconds that the person's other tasks have not been credited with.
    """
    most = min(max(elapsed + GRACE_SECONDS, 0.0), LONGEST_SECONDS)
    active = min(max(active, 0.0), most, max(free + GRACE_SECONDS, 0.0))
    return Spent(active, min(max(idle, 0.0), most - active))
