"""Why a task ends when it does and not when it was planned to: pure.

The time between the planned end and the end is split into pieces that sum up to it exactly.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dashboard.reading import RunView
from dashboard.words import still
from scheduler.execution.events import Action, Controlled, Event, PlanChanged, TaskDecided
from scheduler.store.values import Attempt

SAME = 1e-6  # seconds: nearer moments are one
NAMED = 3  # tasks that a sentence names


class Why(StrEnum):
    """What a task waited for, or why it took longer."""

    PREDECESSOR = "predecessor"  # the last task that it waits for ended later than planned
    HELD = "held back"  # the run was paused, its worker took nothing, or people were asked
    WORKER = "worker busy"  # nothing but room on its worker was missing, or it started early
    RETRY = "tried again"  # attempts before the last one, and the time between them
    DURATION = "ran longer"  # the last attempt against the planned duration


@dataclass(frozen=True)
class Piece:
    """One part of the delay: its seconds (below zero where time was won), and whom it is about."""

    why: Why
    seconds: float
    tasks: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True)
class Lateness:
    """How much later than planned a task ends, or would if it ended now, and of what that is.

    `ended` says whether it has; `waits` are the tasks that it still waits for.
    """

    seconds: float
    pieces: tuple[Piece, ...]
    ended: bool
    waits: tuple[str, ...] = ()


def lateness(
    view: RunView, task: str, *, now: float, steering: Sequence[Event] = ()
) -> Lateness | None:
    """Of what the delay of a task is made up; `now` is seconds since the run began.

    None for a task that the plan does not place, or that was never tried in a run that is over.
    """
    placed = view.plan.schedule.by_task.get(task)
    tries = view.tries.get(task, ())
    if placed is None or (not tries and not view.running):
        return None
    ready, last, missing = _ready(view, task)
    started = tries[0].start if tries else now
    ends = tries[-1].end if tries else None
    end = now if ends is None else ends
    pieces = [
        Piece(Why.PREDECESSOR, max(0.0, min(ready, started) - placed.start), last),
        *_waited(view, task, tries, max(placed.start, min(ready, started)), started, steering),
    ]
    if len(tries) > 1:
        pieces.append(Piece(Why.RETRY, tries[-1].start - tries[0].start))
    if tries:
        planned = placed.end - placed.start
        pieces.append(Piece(Why.DURATION, (end - tries[-1].start) - planned))
    else:
        pieces.append(Piece(Why.DURATION, -(placed.end - placed.start), words="has not begun"))
    kept = tuple(each for each in pieces if abs(each.seconds) > SAME)
    return Lateness(end - placed.end, kept, ends is not None, missing)


def sentence(piece: Piece) -> str:
    """A piece in words, without its seconds."""
    named = still(", ".join(piece.tasks[:NAMED]))
    more = f" and {len(piece.tasks) - NAMED} more" if len(piece.tasks) > NAMED else ""
    match piece.why:
        case Why.PREDECESSOR:
            return f"it waited for {named}{more}, which ended later than planned"
        case Why.HELD:
            return f"it was held back: {still(piece.words)}"
        case Why.WORKER if piece.seconds < 0:
            return "it could start earlier than planned"
        case Why.WORKER:
            with_ = f" with {named}{more}" if named else ""
            return f"its worker was busy{with_}, or nobody had started it yet"
        case Why.RETRY:
            return "attempts before the last one failed"
        case Why.DURATION if piece.words:
            return f"it {piece.words}: all of it is still to come"
        case Why.DURATION if piece.seconds < 0:
            return "its last attempt was quicker than planned, or has not ended"
        case _:
            return "its last attempt took longer than planned"


def _ready(view: RunView, task: str) -> tuple[float, tuple[str, ...], tuple[str, ...]]:
    """When all that it waits for had ended, which of it was last, and what has not ended yet."""
    before = view.plan.workflow.predecessors(task)
    ends: dict[str, float] = {}
    for each in before:
        tries = view.tries.get(each, ())
        seen = tries[-1].end if tries else None
        ends[each] = float("inf") if seen is None else seen
    missing = tuple(each for each, end in ends.items() if end == float("inf"))
    latest = max(ends.values(), default=0.0)
    last = tuple(each for each, end in ends.items() if end == latest)
    return latest, missing or last, missing


def _waited(
    view: RunView, task: str, tries: Sequence[Attempt], since: float, until: float,
    steering: Sequence[Event],
) -> list[Piece]:  # fmt: skip
    """What lies between the moment at which it could have begun and the one at which it did."""
    if since >= until:
        return [Piece(Why.WORKER, until - since)]
    worker = tries[0].worker if tries else view.plan.schedule.by_task[task].worker
    found, words = 0.0, list[str]()
    for begin, end, why in _holds(steering, task, worker, until):
        shared = min(end, until) - max(begin, since)
        if shared > SAME:
            found, words = found + shared, [*words, why]
    found = min(found, until - since)
    pieces = [Piece(Why.HELD, found, words="; ".join(dict.fromkeys(words)))] if found else []
    return [*pieces, Piece(Why.WORKER, until - since - found, _busy(view, worker, since, until))]


def _holds(
    steering: Sequence[Event], task: str, worker: str, until: float
) -> Iterable[tuple[float, float, str]]:
    """From when to when something was held back, and why, of what concerns this task."""
    open_: dict[str, tuple[float, str]] = {}
    for each in steering:
        if not isinstance(each, Controlled):
            continue
        begins, ends = _concerns(each, task, worker)
        if begins and begins not in open_:
            why = f"{each.action} by {each.by}" + (f" ({each.reason})" if each.reason else "")
            open_[begins] = (each.at, why)
        if ends in open_:
            start, why = open_.pop(ends)
            yield start, each.at, why
    for start, why in open_.values():
        yield start, until, why


def _concerns(event: Controlled, task: str, worker: str) -> tuple[str, str]:
    """What it begins to hold of this task, and what it lets go."""
    mine = not event.tasks or task in event.tasks
    match event.action:
        case Action.PAUSE:
            return "run", ""
        case Action.RESUME if not event.worker:
            return "", "run"
        case Action.DRAIN if event.worker == worker:
            return "worker", ""
        case Action.RESUME if event.worker == worker:
            return "", "worker"
        case Action.WITHHOLD if mine:
            return "people", ""
        case Action.ALLOW if mine:
            return "", "people"
    return "", ""


def _busy(view: RunView, worker: str, since: float, until: float) -> tuple[str, ...]:
    """The tasks that held the worker meanwhile, those that held it longest first."""
    shared = {
        each.task: min(until if each.end is None else each.end, until) - max(each.start, since)
        for each in view.attempts
        if each.worker == worker
    }
    return tuple(sorted((k for k, v in shared.items() if v > SAME), key=lambda k: -shared[k]))


def told(event: Event, task: str) -> str | None:
    """What an event did to a task, in words; None for those that do not concern it."""
    match event:
        case Controlled() if not event.tasks or task in event.tasks:
            what = f"{event.action} by {event.by}"
            what += f" on {event.worker}" if event.worker else ""
            return what + (f": {event.reason}" if event.reason else "")
        case TaskDecided() if event.task == task:
            return f"{event.by} decided {event.decision}: {event.reason}"
        case PlanChanged():
            about = [each for each in event.changes if task in each]
            return f"planned again: {'; '.join(about)}" if about else None
    return None
