"""Axes of time in a zone: pure. Plotly knows none, so its axes are in UTC and marks say the time.

Marks stand at round times of the zone, also across a change of summer time.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import plotly.graph_objects as go

STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
         86400, 172800, 604800, 1209600)  # fmt: skip
DAY, MONTHS = 86400, (1, 2, 3, 6, 12, 24, 60, 120, 600)
MONDAY = datetime(1970, 1, 5)  # a round time of the clock for every step up to two weeks
MOST = 7  # marks of an axis


def zoned(
    figure: go.Figure, times: Iterable[datetime], zone: ZoneInfo, *, most: int = MOST
) -> None:
    """Marks the axis of a figure whose x are these times, and names the zone."""
    known = [datetime.fromtimestamp(each.timestamp(), UTC) for each in times]
    if not known:
        return
    marks = ticks(min(known), max(known), zone, most=most)
    figure.update_xaxes(
        type="date", tickmode="array", tickvals=[plain(each) for each, _ in marks],
        ticktext=[text for _, text in marks], title_text=zone.key, fixedrange=True,
    )  # fmt: skip


def plain(time: datetime) -> datetime:
    """A moment as plotly takes it: in UTC, without saying so."""
    return time.astimezone(UTC).replace(tzinfo=None)


def ticks(
    first: datetime, last: datetime, zone: ZoneInfo, *, most: int = MOST
) -> list[tuple[datetime, str]]:
    """Moments from first to last at round times of the zone, in order, with what to write there.

    The first mark of each day has the day, the very first one the year.
    """
    length = (last - first).total_seconds()
    step = next((each for each in STEPS if each * most >= length), None)
    walls = _months(first, last, zone, most) if step is None else _rounds(first, last, zone, step)
    folds = (0,) if step is None or step >= DAY else (0, 1)  # a day has one beginning
    found = sorted(
        {each for wall in walls for each in _moments(wall, zone, folds) if first <= each <= last}
    )
    return list(zip(found, _texts(found, zone, step), strict=True))


def _texts(moments: Iterable[datetime], zone: ZoneInfo, step: int | None) -> Iterator[str]:
    before: datetime | None = None
    for each in moments:
        local = each.astimezone(zone)
        day = f"{local.day} {local:%b}"
        year = f" {local.year}" if before is None or before.year != local.year else ""
        if step is None or step >= DAY:
            yield f"{local:%b}{year}" if step is None else f"{day}{year}"
        else:
            time = f"{local:%H:%M:%S}" if step < 60 else f"{local:%H:%M}"
            new = before is None or before.date() != local.date()
            yield f"{time}<br>{day}{year}" if new else time
        before = local


def _rounds(first: datetime, last: datetime, zone: ZoneInfo, step: int) -> Iterator[datetime]:
    """Times of the clock that are multiples of the step, wherever the clock may stand meanwhile."""
    low, high = _clocks(first, last, zone)
    wall = low - (low - MONDAY) % timedelta(seconds=step)
    while wall <= high:
        yield wall
        wall += timedelta(seconds=step)


def _months(first: datetime, last: datetime, zone: ZoneInfo, most: int) -> Iterator[datetime]:
    low, high = _clocks(first, last, zone)
    many = (high.year - low.year) * 12 + high.month - low.month
    step = next((each for each in MONTHS if each * most >= many), MONTHS[-1])
    number = (low.year * 12 + low.month - 1) // step * step
    while (wall := datetime(number // 12, number % 12 + 1, 1)) <= high:
        yield wall
        number += step


def _clocks(first: datetime, last: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The least and the greatest that the clock of the zone shows from first to last."""
    offsets = [each.astimezone(zone).utcoffset() or timedelta() for each in (first, last)]
    return plain(first) + min(offsets), plain(last) + max(offsets)


def _moments(wall: datetime, zone: ZoneInfo, folds: Sequence[int]) -> Iterator[datetime]:
    """When the clock of the zone shows this: once, twice where it is set back, or never."""
    for fold in folds:
        moment = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
            yield moment
