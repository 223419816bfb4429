"""Numbers, times and names as an operator reads them; pure."""

import math
import re
import string
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from dashboard.zones import offset

NOTHING = "—"
JOINER = "\u2060"  # of words: it is not seen, and parts nothing where lines are broken
_ADDRESS = re.compile(  # what Markdown makes links of by itself
    r"(?<=http:)(?=//)|(?<=https:)(?=//)|(?<=www)(?=\.)|(?<=[-.\w+]@)(?=[-\w]+\.[-\w])",
    re.IGNORECASE,
)
MICROSECOND = 1e-6
_EXACT, _LEAST = 1e-6, 0.01  # percent: below it is rounding; too little to say how much it is
# Marks that turn the direction of what follows them, in a name and behind it.
_TURNING = dict.fromkeys((0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
                         "\ufffd")  # fmt: skip
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


def exactly(step: float) -> Callable[[float], str]:
    """Durations down to a step, a power of ten, so that what is told together can be compared.

    With a step of 1: 2 d 4 h 12 min 07 s; of 0.1: 25 min 03.4 s; of 0.001: 1.204 s, 340 ms. What is
    less than a second or a step is told more finely; less than a microsecond is nothing.
    """
    digits = max(0, round(-math.log10(step)))

    def told(value: float) -> str:
        ticks = round(abs(value) * 10**digits)
        if abs(value) < MICROSECOND:
            return "0 s"
        if not ticks or (abs(value) < 1 and digits < 3):
            return exactly(min(step_of([value]), 0.001))(value)
        return f"{'-' if value < 0 else ''}{_clock(ticks, digits)}"

    return told


def step_of(values: Iterable[float]) -> float:
    """A step for durations that are told together: to two digits of the least of them.

    It is a second at most, and no finer than seven digits of the longest need.
    """
    found = [abs(each) for each in values if abs(each) >= MICROSECOND]
    if not found:
        return 1.0
    least = math.floor(math.log10(min(found))) - 1
    return float(10.0 ** min(0, max(least, math.floor(math.log10(max(found))) - 6)))


def _clock(ticks: int, digits: int) -> str:
    """So many parts of a second, of which a second has ten to the power of these digits."""
    whole, part = divmod(ticks, 10**digits)
    if not whole:
        return f"{ticks / 10**digits * 1000:.{max(0, digits - 3)}f} ms"
    passed, last = divmod(whole, 60)
    fraction = f".{part:0{digits}d}" if digits else ""
    if not passed:
        return f"{last}{fraction} s"
    hours, minutes = divmod(passed, 60)
    end = f"{last:02d}{fraction} s"
    if not hours:
        return f"{minutes} min {end}"
    days, hours = divmod(hours, 24)
    return f"{f'{days} d ' if days else ''}{hours} h {minutes:02d} min {end}"


def size(value: float | None) -> str:
    """An amount of bytes in decimal units: 3.4 GB."""
    if value is None or not math.isfinite(value):
        return NOTHING
    power = 0 if value < 1000 else min(int(math.log10(value) / 3 + 1e-9), len(_SIZES) - 1)
    return f"{number(value / 1000**power)} {_SIZES[power]}"


def cores(value: float | None) -> str:
    """A number of cores: 1 core, 1.8 cores."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{number(value)} core{'' if value == 1 else 's'}"


def money(value: float | None, currency: str = "") -> str:
    """An amount of money in the unit in which prices are: 1,204 EUR, 12.34 EUR, 0.0051 EUR."""
    if value is None or not math.isfinite(value):
        return NOTHING
    whole = len(str(int(abs(value))))
    return f"{number(value, whole + 2 if 1 <= abs(value) < 1000 else 3)} {currency}".strip()


def unit_of(name: str, unit: str) -> str:
    """What is to be filled in, with its unit where it has one: Price an hour, EUR."""
    return f"{name}, {unit}" if unit else name


def share(value: float | None) -> str:
    """A share of one as a percentage: 12.3 %, < 0.01 %."""
    if value is None or not math.isfinite(value):
        return NOTHING
    percent = value * 100
    if abs(percent) < _EXACT:
        return "0 %"
    if abs(percent) < _LEAST:
        return f"< {_LEAST} %" if percent > 0 else f"> -{_LEAST} %"
    return f"{number(percent, 3 if abs(percent) >= 1 else 2)} %"


def number(value: float, digits: int = 3) -> str:
    """A number with so many digits that count, as people write it: 1,204, 3.4, 0.0000051."""
    if value == 0:
        return "0"
    before = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}")))) + 1
    text = f"{value:,.{max(0, digits - before)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(value: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 run, 1,204 runs."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def when(time: datetime | None, zone: ZoneInfo) -> str:
    """A moment in a zone, with how far that is from UTC: 2026-05-01 11:00:00 UTC+02:00."""
    if time is None:
        return NOTHING
    local = time.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S} {offset(local)}"


def day_and_time(time: datetime, zone: ZoneInfo) -> str:
    """A moment where the zone is named beside: 1 May 11:00:00."""
    local = time.astimezone(zone)
    return f"{local.day} {local:%b %H:%M:%S}"


def ago(time: datetime | None, now: datetime) -> str:
    """How long since a moment, roughly: just now, 4 min ago, 3 h ago, 2 d ago."""
    if time is None:
        return "never"
    passed = (now - time).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed >= length:
            return f"{int(passed // length)} {unit} ago"
    return "just now" if passed >= 0 else "in the future"


def still(text: str) -> str:
    """Text from outside in which marks that would turn the words around it are seen, and do not."""
    return text.translate(_TURNING)


def plain(text: str) -> str:
    """Text from outside, safe inside Markdown: every mark of punctuation stands for itself.

    What looks like an address becomes no link: an invisible joiner takes it apart.
    """
    return " ".join(_ADDRESS.sub(JOINER, still(text)).translate(_ESCAPED).split())


def clipped(text: str, most: int = 80) -> str:
    """Text of at most so many letters; a cut is shown, and it turns no words around it."""
    text = still(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    shown = still(", ".join(names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def by_frequency(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, the most frequent first; ties by name. A kind's colour is its place here."""
    often: dict[str, int] = {}
    for each in names:
        often[each] = often.get(each, 0) + 1
    return tuple(sorted(often, key=lambda each: (-often[each], each)))
