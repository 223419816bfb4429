"""Going on with a run that somebody else began: its state again, and what became of its attempts.

Pure: from what was kept of the run, and what the executor finds of the attempts without an end.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from scheduler.execution.charge import Answer
from scheduler.execution.dispatch import Dispatch, Transfer
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    AttemptUnknown,
    Event,
    Observation,
    Stop,
    TaskGivenUp,
)
from scheduler.execution.fates import Ended, Fate, NotBegun, Running, Unknown
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.records import Outcome
from scheduler.workflow import Workflow


def restored(
    problem: Problem,
    schedule: Schedule,
    history: Iterable[Event | Answer],
    *,
    transfer: Transfer,
) -> tuple[Dispatch, tuple[Stop, ...]]:
    """The dispatch as it was after this history, which began with the problem and its schedule.

    With it the attempts that were to be stopped, and of which no end is known.
    """
    dispatch, stops = Dispatch(problem, schedule, transfer=transfer), dict[str, Stop]()
    for each in history:
        if isinstance(each, Answer):
            dispatch.replace(each.problem, each.schedule)
            continue
        if isinstance(each, AttemptEnded | AttemptUnknown):
            stops.pop(each.task, None)
        for follows in dispatch.handle(each):
            if isinstance(follows, Stop):
                stops[follows.task] = follows
    return dispatch, tuple(stops.values())


def settled(event: Event, workflow: Workflow) -> Event:
    """What is unknown of an idempotent task counts as lost, so that it is tried again."""
    if not isinstance(event, AttemptUnknown) or not workflow.task(event.task).idempotent:
        return event
    lost = Observation(Outcome.LOST, message=event.why)
    return AttemptEnded(event.task, event.attempt, event.worker, event.at, event.time, lost)


def unfinished(history: Iterable[Event | Answer]) -> tuple[AttemptStarted, ...]:
    """The attempts that had begun, or were about to, and of whose end nothing is known."""
    begun: dict[str, AttemptStarted] = {}
    for each in history:
        if isinstance(each, AttemptStarted):
            begun[each.task] = each
        elif isinstance(each, AttemptEnded | AttemptUnknown | TaskGivenUp):
            begun.pop(each.task, None)
    return tuple(begun.values())


def found(
    start: AttemptStarted,
    fate: Fate,
    *,
    epoch: int,
    at: float,
    time: datetime,
) -> tuple[Event, ...]:
    """What follows from the fate of an attempt that had begun, or was about to.

    One that did not begin begins now, in this epoch, as the same attempt.
    """
    where = (start.task, start.attempt, start.worker)
    match fate:
        case NotBegun():
            return (AttemptStarted(*where, at, time, start.allocation, epoch),)
        case Ended(observation):
            return (AttemptEnded(*where, _end(start, observation, at), time, observation),)
        case Running():
            return ()
        case Unknown(why):
            return (AttemptUnknown(*where, at, time, why),)
    assert_never(fate)


def _end(start: AttemptStarted, observation: Observation, now: float) -> float:
    """When it ended: after as long as was measured, or now at the latest."""
    return now if observation.duration is None else min(now, start.at + observation.duration)
