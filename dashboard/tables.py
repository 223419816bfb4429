"""Frames on the screen: SI columns in units that people read, the same unit down a column."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboard import session
from dashboard.charts import unit
from dashboard.words import NOTHING

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
ROW = 36  # pixels, about
TIMES = frozenset({"at", "started", "created"})
MONEY = frozenset({"cost", "money"})
LONG = frozenset({"message", "reason", "raw", "rule", "file", "asked", "answer"})


def show(
    frame: pd.DataFrame,
    *,
    key: str,
    columns: Sequence[str] | None = None,
    height: int | None = None,
    units: Mapping[str, str] | None = None,
    on_row: Callable[[int], None] | None = None,
    alt: str | None = None,
) -> None:
    """A table with humanised units; `on_row` is called with the place of the row that is selected.

    `units` says what a column holds where its name does not: duration, memory, cpu, share, money
    or time.
    """
    shown = frame[list(columns)] if columns is not None else frame
    values, config = humanised(shown, units or {}, zone=session.zone(), currency=session.currency())
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


def humanised(
    frame: pd.DataFrame, units: Mapping[str, str], *, zone: ZoneInfo, currency: str = ""
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The frame with SI columns rescaled to one readable unit each, and how to show them.

    Times stay what they are and are shown in the zone, which the head of their column names.
    """
    values, config = frame.copy(), {}
    for column in frame.columns:
        what = units.get(column) or _what(column)
        title = column[:1].upper() + column[1:]
        if what in ("duration", "memory", "cpu"):
            numbers = pd.to_numeric(frame[column], errors="coerce")
            name, one = _column_unit(what, float(numbers.abs().max() or 0))
            values[column] = numbers / one
            config[column] = _number(title, f"%.{_digits(numbers / one)}f {name}")
        elif what == "share":
            values[column] = pd.to_numeric(frame[column], errors="coerce") * 100
            config[column] = _number(title, "%.1f %%")
        elif what == "time":
            values[column] = pd.to_datetime(frame[column], utc=True)
            config[column] = st.column_config.DatetimeColumn(
                f"{title} ({zone.key})", format="YYYY-MM-DD HH:mm:ss", timezone=zone.key
            )
        elif what == "money":
            values[column] = pd.to_numeric(frame[column], errors="coerce")
            digits = 2 if not 0 < values[column].abs().max() < 1 else 4
            config[column] = _number(title, f"%.{digits}f {currency}".strip())
        elif what == "state":
            values[column] = [f"{GLYPHS.get(each, '')} {each}".strip() for each in frame[column]]
            config[column] = st.column_config.TextColumn(title)
        elif what == "long":
            config[column] = st.column_config.TextColumn(title, width="medium")
        else:
            config[column] = st.column_config.Column(title)
    return values, config


def csv(frame: pd.DataFrame) -> str:
    """A table as a file: times in ISO 8601, with how far they are from UTC."""
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
    if what == "duration" and 0.5 <= largest < 7200:
        return "s", 1.0
    return unit(what, largest)


def _number(title: str, form: str) -> Any:
    return st.column_config.NumberColumn(title, format=form)


def _digits(numbers: pd.Series) -> int:
    largest = numbers.abs().max()
    return 2 if pd.isna(largest) or largest < 10 else 1 if largest < 1000 else 0
