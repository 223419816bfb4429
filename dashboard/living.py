"""Parts that redraw themselves, and screens that are drawn anew when something has changed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.session import told

SOON, RARELY = 0.3, 5.0  # seconds from one look at what may change to the next
SLOWLY = 5.0  # seconds until what goes on is drawn although nothing is new
A_DAY, A_WHILE = 86_400.0, 600.0
FEW = 8  # viewers who cost the server little, however often they look
RESTING = 1.5  # how long a screen that goes on changing rests, in times of what its drawing took
CHANGED, MARKS = "drawn because something changed", "marks of the screen"


@dataclass(frozen=True)
class Marked:
    """What a screen was drawn from, told by a mark; whether somebody waits for it to change."""

    mark: Callable[[], object]
    before: object
    waits: bool


def live(draw: Callable[[], None], *, every: float | None) -> None:
    """Draws a part that redraws itself every so many seconds, alone; None draws it once.

    It has a place of its own on the page. What a screen has drawn of a part and a busy server has
    not sent yet is thrown away when that part runs again; without the place, all that comes after
    would move up until then, and the browser would find no end of its page to go on from.
    """

    def part() -> None:
        with told():
            draw()

    with st.container():
        st.fragment(part, run_every=every)()


def live_while(
    draw: Callable[[], None], mark: Callable[[], object] | None, *, every: float = SLOWLY
) -> None:
    """Draws a part, and the screen anew as soon as the mark is another; slowly, where it is not.

    Without a mark nothing of it can change any more: it is drawn once.
    """
    if mark is not None:
        on_change(mark)
    live(draw, every=every if mark is not None else None)


def come_back() -> None:
    """Lets a page that finds its server again ask for its screen, with what the address selects.

    A browser asks only where a part of the page redraws itself; else a page that was open while
    the server was started anew would go on showing what it showed, to a server that knows nothing
    of it. This part shows nothing, and hardly ever.
    """
    live(lambda: None, every=A_DAY)


def on_change(mark: Callable[[], object], *, waits: bool = True) -> None:
    """Draws the whole screen anew as soon as the mark is another than now.

    To be called by the screen before it reads anything that the mark is of, so that nothing is
    missed. Where nobody waits for it, and for nothing else on the screen, it is looked at rarely.
    """
    if MARKS in st.session_state:
        st.session_state[MARKS].append(Marked(mark, mark(), waits))


@contextmanager
def watched() -> Iterator[None]:
    """Draws a whole screen, then looks whether anything of it has changed.

    One part at its end looks at all marks alone: while a screen is drawn, no part that comes before
    others may run again, or what is drawn and not yet sent of it is lost. A screen on which change
    follows change rests meanwhile, the longer the busier its server is.
    """
    began, again = time.monotonic(), st.session_state.pop(CHANGED, False)
    marks: list[Marked] = []
    st.session_state[MARKS] = marks
    yield
    ended = time.monotonic()
    rests = ended + rest(ended - began) if again else ended

    def look() -> None:
        if time.monotonic() >= rests and any(each.mark() != each.before for each in marks):
            st.session_state[CHANGED] = True
            st.rerun()

    if marks:
        every = soon(_viewers(ended))
        live(look, every=every if any(each.waits for each in marks) else max(every, RARELY))


def _viewers(moment: float) -> int:
    """How many had a screen drawn not long ago."""
    seen, context = _seen(), get_script_run_ctx()
    seen[context.session_id if context else ""] = moment
    return sum(moment - each < A_WHILE for each in list(seen.values()))


@st.cache_resource(show_spinner=False)
def _seen() -> dict[str, float]:
    """When each session had its last screen drawn."""
    return {}


def soon(viewers: int) -> float:
    """Seconds from one look to the next: all viewers together look equally often above FEW."""
    return SOON * max(1.0, viewers / FEW)


def rest(took: float) -> float:
    """How long a screen rests that took so long to draw, in seconds."""
    return min(RESTING * took, SLOWLY)
