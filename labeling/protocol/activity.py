"""Seconds of work, as far as a browser can be believed: nobody works longer than the clock has run."""

from dataclasses import dataclass

GRACE_SECONDS = 5.0
"""Clocks and networks are not exact."""

LONGEST_SECONDS = 15 * 60.0
"""Most that one report can add: a browser reports every half minute, and after an outage catches up a little."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds with the hands on the task, and seconds with the task in view but untouched."""

    active: float
    idle: float


def credit(active: float, idle: float, elapsed: float) -> Spent:
    """What of a report counts, given the seconds since the last one: together no more than has passed."""
    most = min(max(elapsed + GRACE_SECONDS, 0.0), LONGEST_SECONDS)
    active = min(max(active, 0.0), most)
    return Spent(active, min(max(idle, 0.0), most - active))
