"""Numbers, sizes and times as people read them; ``–`` where there is nothing to show."""

from datetime import datetime
from typing import Any

from django.utils import timezone

NOTHING = "–"
_SI = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_BYTES = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def number(value: Any) -> float | None:
    """``value`` as a finite number, or ``None``."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found - found == 0 else None


def _scaled(value: float, unit: float) -> str:
    """Three significant figures at most: 1.23, 12.3, 123."""
    scaled = value / unit
    digits = 0 if abs(scaled) >= 99.95 else 1
    text = f"{scaled:.{digits}f}"
    return text.removesuffix(".0")


def si(value: Any) -> str:
    """A count: 950, 1.2k, 3.4M, 5B."""
    found = number(value)
    if found is None:
        return NOTHING
    for unit, name in _SI:
        if abs(found) >= unit * 0.9995:
            return f"{_scaled(found, unit)}{name}"
    return f"{found:.0f}" if found == int(found) else f"{found:.3g}"


def size(value: Any) -> str:
    """Bytes, in the decimal units that disks are sold by: 1.2 GB."""
    found = number(value)
    if found is None:
        return NOTHING
    for unit, name in _BYTES:
        if abs(found) >= unit * 0.9995:
            return f"{_scaled(found, unit)}\u00a0{name}"
    return f"{found:.0f}\u00a0B"


def duration(value: Any) -> str:
    """Seconds: 250 ms, 45 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    found = number(value)
    if found is None:
        return NOTHING
    if found < 0:
        return f"−{duration(-found)}"
    if found < 1:
        return f"{found * 1000:.0f}\u00a0ms"
    if found < 10:
        return f"{found:.1f}".removesuffix(".0") + "\u00a0s"
    whole = round(found)
    for unit, name, part, part_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // part
            head = f"{whole // unit}\u00a0{name}"
            return f"{head} {rest}\u00a0{part_name}" if rest else head
    return f"{whole}\u00a0s"


def ago(moment: datetime | None) -> str:
    """How long ago: just now, 5 min ago, yesterday's dates as dates."""
    if moment is None:
        return NOTHING
    seconds = (timezone.now() - moment).total_seconds()
    if seconds < 0:
        return moment.strftime("%Y-%m-%d %H:%M")
    if seconds < 45:
        return "just now"
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min ago"
    if seconds < 86400:
        return f"{round(seconds / 3600)} h ago"
    if seconds < 7 * 86400:
        return f"{round(seconds / 86400)} d ago"
    return moment.strftime("%Y-%m-%d")
