"""Windows of time around now or between two moments, as an address has them: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
YEARS = range(1971, 2500)  # in any zone, and as far again before and after, there is such a time


@dataclass(frozen=True)
class Period:
    """From one moment to another, later one."""

    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.until - self.since

    def moved(self, times: float) -> "Period":
        """As many times its own length later; earlier below zero."""
        by = self.length * times
        return Period(self.since + by, self.until + by)

    def written(self) -> str:
        """As an address has it: 2026-05-04T09:00:00Z..2026-05-04T21:00:00Z."""
        return f"{_written(self.since)}..{_written(self.until)}"


AROUND: Mapping[str, tuple[str, timedelta, timedelta]] = {
    "now": ("Around now", HOUR, 3 * HOUR),
    "next": ("The next 12 hours", HOUR, 12 * HOUR),
    "day": ("A day back and ahead", DAY, DAY),
    "week": ("The last 7 days", 7 * DAY, DAY),
    "month": ("The last 30 days", 30 * DAY, DAY),
}


def around(name: str, now: datetime) -> Period:
    """What one of AROUND means now."""
    _, before, after = AROUND[name]
    return Period(now - before, now + after)


def read(text: str | None) -> Period | None:
    """A period as an address has it; None for what is none."""
    low, dots, high = (text or "").partition("..")
    try:
        found = Period(_read(low), _read(high))
    except (ValueError, OverflowError):
        return None
    fits = found.since.year in YEARS and found.until.year in YEARS
    return found if dots and fits and found.since < found.until else None


def _read(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _written(moment: datetime) -> str:
    finer = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=finer).replace("+00:00", "Z")
