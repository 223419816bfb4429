"""Numbers, times and names as an operator reads them; pure."""

import math
import re
import string
from collections.abc import Iterable, Sequence
from datetime import datetime

NOTHING = "—"
JOINER = "\u2060"  # of words: it is not seen, and parts nothing where lines are broken
_ADDRESS = re.compile(  # what Markdown makes links of by itself
    r"(?<=http:)(?=//)|(?<=https:)(?=//)|(?<=www)(?=\.)|(?<=[-.\w+]@)(?=[-\w]+\.[-\w])",
    re.IGNORECASE,
)
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
_ESCAPED = str.maketrans({letter: f"\\{letter}" for letter in string.punctuation})


def seconds(value: float | None) -> str:
    """A duration in the unit that fits: 340 ms, 1.2 s, 3 min 20 s, 1 h 05 min, 2 d 3 h."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value < 0:
        return f"-{seconds(-value)}"
    if value == 0:
        return "0 s"
    if value < 0.9995:
        return f"{value * 1000:.3g} ms"
    if value < 59.95:
        return f"{value:.1f} s" if value < 9.95 else f"{value:.3g} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def size(value: float | None) -> str:
    """An amount of bytes in decimal units: 3.4 GB."""
    if value is None or not math.isfinite(value):
        return NOTHING
    power = 0 if value < 1000 else min(int(math.log10(value) / 3 + 1e-9), len(_SIZES) - 1)
    return f"{value / 1000**power:.3g} {_SIZES[power]}"


def cores(value: float | None) -> str:
    """A number of cores: 1 core, 1.8 cores."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.3g} core{'' if value == 1 else 's'}"


def money(value: float | None) -> str:
    """An amount of money, in whatever unit prices are: 1,204, 3.42, 0.0051."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def share(value: float | None) -> str:
    """A share of one as a percentage: 12.3 %."""
    return (
        NOTHING
        if value is None or not math.isfinite(value)
        else f"{value * 100:.{3 if abs(value) >= 0.01 else 2}g} %"
    )


def count(value: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 run, 1,204 runs."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def when(time: datetime | None) -> str:
    """A moment with its zone, to the second: 2026-05-01 09:00:00 UTC."""
    return NOTHING if time is None else f"{time:%Y-%m-%d %H:%M:%S} {time.tzname()}"


def ago(time: datetime | None, now: datetime) -> str:
    """How long since a moment, roughly: just now, 4 min ago, 3 h ago, 2 d ago."""
    if time is None:
        return "never"
    passed = (now - time).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed >= length:
            return f"{int(passed // length)} {unit} ago"
    return "just now" if passed >= 0 else "in the future"


def plain(text: str) -> str:
    """Text from outside, safe inside Markdown: every mark of punctuation stands for itself.

    What looks like an address becomes no link: an invisible joiner takes it apart.
    """
    return " ".join(_ADDRESS.sub(JOINER, text).translate(_ESCAPED).split())


def clipped(text: str, most: int = 80) -> str:
    """Text of at most so many letters; a cut is shown."""
    return text if len(text) <= most else text[: most - 1] + "…"


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def by_frequency(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, the most frequent first; ties by name. A kind's colour is its place here."""
    often: dict[str, int] = {}
    for each in names:
        often[each] = often.get(each, 0) + 1
    return tuple(sorted(often, key=lambda each: (-often[each], each)))
