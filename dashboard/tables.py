"""Frames on the screen: SI columns in units that people read, the same unit down a column.

On the screen a cell has its unit (3.2 GB) and a head has none, but that of a time its zone. A file
has numbers: the keys of the shown frame, which are its heads, name the unit (memory, GB).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from dashboard import session
from dashboard.charts import unit
from dashboard.words import NOTHING, unit_of

GLYPHS = {"succeeded": "✓", "running": "▶", "failed": "✕", "given up": "⊘", "retrying": "↻",
          "waiting": "·",
          "interrupted": "‖", "lost": "?", "out of memory": "✕", "timed out": "✕", "open": "▶",
          "done": "✓",
          "refused": "⊘"}  # fmt: skip
SECONDS = frozenset(
    {"planned", "realised", "bound", "planned start", "start", "planned end", "end", "late", "took",
     "planned duration", "duration", "lower bound",
     "ends later"}
)  # fmt: skip
BYTES = frozenset({"memory", "peak memory", "reserved memory"})
SHARES = frozenset(
    {"over plan", "share", "busy", "planned busy", "failure", "affinity", "difference"}
)
Unit = str | Callable[[float], str]
ROW = 36  # pixels, about
TIMES = frozenset({"at", "started", "created"})
MONEY = frozenset({"cost", "money"})
QUANTITIES = frozenset({"duration", "memory", "cpu", "share", "money", "bar"})
LONG = frozenset({"message", "reason", "raw", "rule", "file", "asked", "answer"})


def show(
    frame: pd.DataFrame,
    *,
    key: str,
    columns: Sequence[str] | None = None,
    height: int | None = None,
    units: Mapping[str, Unit] | None = None,
    on_row: Callable[[int], None] | None = None,
    alt: str | None = None,
) -> None:
    """A table with humanised units; `on_row` is called with the place of the row that is selected.

    `units` says what a column holds where its name does not: duration, memory, cpu, share, money,
    time or bar (a share that is drawn); or how each duration is told, where no one unit fits all.
    """
    shown = frame[list(columns)] if columns is not None else frame
    values, config = prepared(shown, units or {})
    options: dict[str, Any] = {"hide_index": True, "column_config": config, "alt": alt}
    options["placeholder"] = NOTHING
    if height is not None and len(shown) * ROW > height:
        options["height"] = height
    if on_row is None:
        st.dataframe(values, key=key, **options)
        return

    def selected() -> None:
        if rows := st.session_state[key]["selection"]["rows"]:
            on_row(rows[0])

    st.dataframe(values, key=key, on_select=selected, selection_mode="single-row", **options)


def prepared(
    frame: pd.DataFrame, units: Mapping[str, Unit]
) -> tuple[pd.DataFrame | Styler, dict[str, Any]]:
    """What `show` draws, for screens that draw it themselves: what it holds, and how to show it."""
    values, config = humanised(frame, units, zone=session.zone(), currency=session.currency())
    told: dict[Any, Any] = {
        unit_of(each, "s"): tell for each, tell in units.items() if callable(tell)
    }
    return (values.style.format(told, na_rep=NOTHING) if told else values), config


def humanised(
    frame: pd.DataFrame, units: Mapping[str, Unit], *, zone: ZoneInfo, currency: str = ""
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The frame with SI columns rescaled to one readable unit each, and how to show them.

    A column is renamed to name its unit: `duration, min`. Times stay what they are and are shown
    in the zone, which the head of their column names; a file has them in UTC, and says so.
    """
    shown = {
        column: _column(frame[column], units.get(column) or _what(column), zone, currency)
        for column in frame.columns
    }
    values = pd.DataFrame({name: values for name, values, _ in shown.values()}, index=frame.index)
    return values, {name: config for name, _, config in shown.values()}


def _column(values: pd.Series, what: Unit, zone: ZoneInfo, currency: str) -> tuple[str, Any, Any]:
    """Its key, which names the unit, its values in this unit, and how they are shown."""
    name = str(values.name)
    title = name[:1].upper() + name[1:]
    if callable(what):  # the numbers are seconds, whatever is told of them
        numbers = pd.to_numeric(values, errors="coerce")
        return unit_of(name, "s"), numbers, st.column_config.NumberColumn(title)
    if what in QUANTITIES:
        return _quantity(name, title, pd.to_numeric(values, errors="coerce"), what, currency)
    if what == "time":
        config = st.column_config.DatetimeColumn(
            f"{title} ({zone.key})", format="YYYY-MM-DD HH:mm:ss", timezone=zone.key
        )
        return name, pd.to_datetime(values, utc=True), config
    if what == "state":
        told = [f"{GLYPHS.get(each, '')} {each}".strip() for each in values]
        return name, told, st.column_config.TextColumn(title)
    if what == "long":
        return name, values, st.column_config.TextColumn(title, width="medium")
    return name, values, st.column_config.Column(title)


def _quantity(
    name: str, title: str, numbers: pd.Series, what: str, currency: str
) -> tuple[str, pd.Series, Any]:
    if what == "money":
        digits = 2 if not 0 < numbers.abs().max() < 1 else 4
        form = f"%.{digits}f {currency}".strip()
        return unit_of(name, currency), numbers, _number(title, form)
    if what == "bar":
        config = st.column_config.ProgressColumn(
            title, format="%.0f %%", min_value=0, max_value=100, width="small"
        )
        return unit_of(name, "%"), numbers * 100, config
    if what == "share":
        return unit_of(name, "%"), numbers * 100, _number(title, "%.1f %%")
    told, one = _column_unit(what, float(numbers.abs().max() or 0))
    return unit_of(name, told), numbers / one, _number(title, f"%.{_digits(numbers / one)}f {told}")


def csv(frame: pd.DataFrame) -> str:
    """A table as a file: times in ISO 8601, with how far they are from UTC.

    It is for frames without quantities: no unit is told.
    """
    text = frame.copy()
    for column in text.select_dtypes(["datetimetz"]).columns:
        text[column] = [None if pd.isna(each) else each.isoformat() for each in frame[column]]
    return text.to_csv(index=False)


def _what(column: str) -> str:
    quantity, _, level = column.partition(" P")
    if level.isdigit():
        return quantity
    for names, what in (
        (SECONDS, "duration"), (BYTES, "memory"), (SHARES, "share"), (TIMES, "time"),
        (MONEY, "money"), (LONG, "long"),
        (frozenset({"cpu"}), "cpu"), (frozenset({"state", "outcome"}), "state"),
    ):  # fmt: skip
        if column in names:
            return what
    return "text"


def _column_unit(what: str, largest: float) -> tuple[str, float]:
    """As for an axis, but seconds stay seconds longer: the shortest must still be told apart."""
    if what == "duration" and (not largest > 0 or 0.5 <= largest < 7200):
        return "s", 1.0
    return unit(what, largest)


def _number(title: str, form: str) -> Any:
    return st.column_config.NumberColumn(title, format=form)


def _digits(numbers: pd.Series) -> int:
    largest = numbers.abs().max()
    return 2 if pd.isna(largest) or largest < 10 else 1 if largest < 1000 else 0
