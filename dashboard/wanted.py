"""Which tasks of a run a viewer wants to see: pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboard import frames
from dashboard.arrays import last_ends, until
from dashboard.reading import RunView

Mask = NDArray[np.bool_]
CLOCK = 1e-6  # seconds that are not late yet


@dataclass(frozen=True)
class Wanted:
    """What is asked for; what is empty leaves everything in. `window` is in seconds of the run."""

    kinds: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    workers: frozenset[str] = frozenset()
    late: bool = False
    window: tuple[float, float] | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Wanted()


def tasks(view: RunView, wanted: Wanted, *, now: float) -> Mask:
    """Which tasks are wanted, in the workflow's order; a window does not count here."""
    workflow = view.plan.workflow
    chosen = np.ones(len(workflow), bool)
    if wanted.kinds:
        chosen &= np.array([each.kind in wanted.kinds for each in workflow.tasks])
    if wanted.states:
        chosen &= np.array([each in wanted.states for each in frames.states(view).values()])
    if wanted.workers:
        chosen &= _on(view, wanted.workers)
    if wanted.late:
        chosen &= late(view, now=now)
    return chosen


def workers(view: RunView, wanted: Wanted) -> Mask:
    """Which workers are wanted, in the order of the view's."""
    return np.array([not wanted.workers or each in wanted.workers for each in view.workers])


def late(view: RunView, *, now: float) -> Mask:
    """Which tasks end, or will, after their deadline or the P90 of their planned end.

    One that has neither ended nor been given up has not ended before now, as long as its run goes
    on; one that never began is late where its plan breaks its deadline.
    """
    workflow, plan = view.plan.workflow, view.plan.spans
    deadline = np.array([np.inf if t.deadline is None else t.deadline for t in workflow.tasks])
    surely, planned = np.full((2, len(workflow)), np.inf)
    surely[plan.task], planned[plan.task] = plan.high, plan.end
    ends = last_ends(until(view.spans, now), len(workflow))
    begun = np.isfinite(ends)
    if view.running:
        going = np.isin(list(frames.states(view).values()), ("waiting", "running", "retrying"))
        ends[going] = np.maximum(ends[going], now)
    too_late: Mask = ends > np.minimum(deadline, surely) + CLOCK
    never: Mask = ~begun & np.isfinite(planned) & (planned > deadline + CLOCK)
    return too_late | never


def within(view: RunView, window: tuple[float, float] | None, *, now: float) -> Mask:
    """Which tasks are planned or tried, at least in part, in a window; all without one."""
    found = np.full(len(view.plan.workflow), window is None)
    if window is not None:
        for spans in (view.plan.spans, until(view.spans, now)):
            inside = (spans.start <= window[1]) & (spans.end >= window[0])
            found[spans.task[inside]] = True
    return found


def read_window(text: str | None) -> tuple[float, float] | None:
    """A window as an address has it, `12.5..80`; None for what is none."""
    low, dots, high = (text or "").partition("..")
    try:
        window = float(low), float(high)
    except ValueError:
        return None
    fine = dots and 0 <= window[0] < window[1] < np.inf
    return window if fine else None


def written_window(window: tuple[float, float]) -> str:
    """A window as an address has it, in as few digits as tell its ends apart."""
    low, high = window
    digits = max(0, 3 - int(np.floor(np.log10(high - low))))
    return f"{round(low, digits):.{digits}f}..{round(high, digits):.{digits}f}"


def _on(view: RunView, names: frozenset[str]) -> Mask:
    """The tasks that were tried on these workers, or are planned there and were never tried."""
    places = [place for place, name in enumerate(view.workers) if name in names]
    plan, tried = view.plan.spans, view.spans
    found, begun = np.zeros((2, len(view.plan.workflow)), bool)
    begun[tried.task] = True
    found[plan.task[np.isin(plan.worker, places)]] = True
    found &= ~begun
    found[tried.task[np.isin(tried.worker, places)]] = True
    return found
