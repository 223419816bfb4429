"""A past run carried out once more, in a world that is as it was logged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scheduler.backtesting.paces import Paces
from scheduler.backtesting.past import Lived, PastRun
from scheduler.cluster import Allocation
from scheduler.execution.adapting import Adapting
from scheduler.execution.events import AttemptEnded, AttemptStarted, Start, TaskGivenUp
from scheduler.execution.executors.simulator import Draw, Simulator, Truth
from scheduler.forecast import Forecast, uniform_affinity
from scheduler.planning.bounds import lower_bound
from scheduler.planning.objective import Objective
from scheduler.planning.planners.base import Planner
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.records import Outcome
from scheduler.workflow import Workflow

SMALLEST = 1e-6  # seconds: what a log calls zero
AS_LOGGED = 1.0
LEVELS = 3  # quantiles of a forecast without doubt


@dataclass(frozen=True, eq=False)
class AsLogged(Truth):
    """Attempts take what they took; on another worker as much longer as the kind usually does.

    An attempt that failed by itself fails again, whoever is in charge; one that ran out of memory
    does where it gets less than the task needed in the end. Without `faster` no task is faster on
    another worker than it was logged; without `kills` memory is no limit.
    """

    past: PastRun
    paces: Paces
    faster: bool = True
    kills: bool = True

    def draw(self, problem: Problem, start: Start, rng: np.random.Generator) -> Draw:
        """The same for every generator."""
        del rng
        lived = self.past.lived[start.task]
        kind = problem.workflow.task(start.task).kind
        ratio = self.ratio(kind, start.worker, lived.worker)
        fails = start.attempt <= len(lived.failures)
        seconds = lived.failures[start.attempt - 1] if fails else lived.seconds
        before = lived.before if start.attempt == 1 else 0.0
        return Draw(
            duration=max(SMALLEST, before + seconds * ratio),
            memory=(lived.memory or 0.0) if self.kills else 0.0,
            cpu=lived.cpu or 0.0,
            fails=fails,
        )

    def ratio(self, kind: str, worker: str, logged: str) -> float:
        """The time there over the time where it was logged."""
        found = self.paces.ratio(kind, worker, logged)
        return found if self.faster else max(found, AS_LOGGED)


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What a run came to. Seconds, money, byte-seconds; None where the log does not tell.

    `waited` is what tasks waited in all though they were ready, `kills` counts attempts that ran
    out of memory, `moved` is the share of tasks on another worker than logged and `forecast` the
    share of the seconds of attempts that no log tells for that reason.
    """

    makespan: float
    waited: float
    cost: float
    reserved: float | None
    wasted: float | None
    kills: int
    moved: float
    forecast: float
    given_up: int = 0


def carried_out(
    problem: Problem, schedule: Schedule, truth: AsLogged, *, adapting: Adapting | None = None
) -> Carried:
    """The schedule carried out in that world."""
    replan = {} if adapting is None else {"replan": adapting.following(problem, schedule)}
    began: dict[str, AttemptStarted] = {}
    tries: list[tuple[AttemptStarted, AttemptEnded]] = []
    given_up = 0
    for event in Simulator(truth).run(problem, schedule, **replan):
        match event:
            case AttemptStarted():
                began[event.task] = event
            case AttemptEnded():
                tries.append((began[event.task], event))
            case TaskGivenUp():
                given_up += 1
    return _summed(truth.past, tries, given_up)


def repeated(past: PastRun) -> Carried:
    """The run as it was, repeated: nothing begins before it did, each task on the worker it had."""
    tasks = [
        replace(task, release=past.lived[task.id].start, memory=None)
        for task in past.workflow.tasks
    ]
    workflow = Workflow(past.workflow.name, tasks, past.workflow.dependencies)
    truth = AsLogged(past, Paces(), kills=False)
    rows = [
        Placement(task, each.worker, each.start, each.end, _held(past, task))
        for task, each in past.lived.items()
    ]
    problem = Problem(workflow, past.cluster, certain(past, truth), Objective(memory_margin=1.0))
    found = carried_out(problem, Schedule(tuple(rows), "log"), truth)
    told = all(each.allocated is not None for each in past.lived.values())
    return replace(
        found,
        kills=sum(each.killed for each in past.lived.values()),
        reserved=found.reserved if told else None,
        wasted=found.wasted if told else None,
    )


def clairvoyant(past: PastRun, truth: AsLogged, planner: Planner) -> tuple[float, float]:
    """The makespan that a planner reaches who knows everything, and the least that any could."""
    problem = Problem(past.workflow, past.cluster, certain(past, truth))
    return planner.plan(problem).makespan, lower_bound(problem)


def in_turn(past: PastRun, truth: AsLogged) -> Carried:
    """What a queue would do: tasks as they were ready, each where it can start first at its turn.

    It asks for no forecast. That is what FIFO plans who knows how long everything takes.
    """
    came = sorted(past.workflow.tasks, key=lambda task: (past.lived[task.id].ready, task.id))
    queued = replace(past, workflow=Workflow(past.workflow.name, came, past.workflow.dependencies))
    problem = Problem(queued.workflow, queued.cluster, certain(queued, truth))
    return carried_out(problem, Fifo().plan(problem), truth)


def certain(past: PastRun, truth: AsLogged) -> Forecast:
    """What somebody would forecast who knows what every task takes on every worker."""
    seconds = np.array(
        [
            [
                _seconds(past.lived[task.id], truth, task.kind, worker)
                for worker in past.cluster.index
            ]
            for task in past.workflow.tasks
        ]
    )
    peaks = np.array([max(1.0, past.lived[task.id].memory or 1.0) for task in past.workflow.tasks])
    pairs = (len(past.workflow), len(past.cluster))
    quantiles = (*pairs, LEVELS)
    return Forecast(
        tasks=tuple(past.workflow.index),
        workers=tuple(past.cluster.index),
        duration=np.broadcast_to(seconds[..., None], quantiles),
        memory=np.broadcast_to(peaks[:, None, None], quantiles),
        cpu=np.ones(quantiles),
        failure=np.zeros(pairs),
        affinity=uniform_affinity(*pairs),
        source="the log",
    )


def _seconds(lived: Lived, truth: AsLogged, kind: str, worker: str) -> float:
    ratio = truth.ratio(kind, worker, lived.worker)
    return max(SMALLEST, lived.before + (sum(lived.failures) + lived.seconds) * ratio)


def _held(past: PastRun, task: str) -> Allocation:
    lived = past.lived[task]
    memory = lived.allocated or lived.memory or 1.0
    return Allocation(past.workflow.task(task).cores, max(1, int(memory)))


def _summed(
    past: PastRun, tries: Sequence[tuple[AttemptStarted, AttemptEnded]], given_up: int
) -> Carried:
    first = {begun.task: begun for begun, _ in reversed(tries)}
    ends = {ended.task: ended.at for _, ended in tries}
    held = [(begun, ended.at - begun.at) for begun, ended in tries]
    known = all(each.memory is not None for each in past.lived.values())
    return Carried(
        makespan=max(ends.values()),
        waited=sum(max(0.0, each.at - _ready(past, task, ends)) for task, each in first.items()),
        cost=sum(_cost(past, begun, seconds) for begun, seconds in held),
        reserved=sum(begun.allocation.memory * seconds for begun, seconds in held),
        wasted=sum(_wasted(past, *each) for each in tries) if known else None,
        kills=sum(each.observation.outcome is Outcome.OUT_OF_MEMORY for _, each in tries),
        moved=sum(past.lived[t].worker != each.worker for t, each in first.items()) / len(first),
        forecast=_elsewhere(past, held),
        given_up=given_up,
    )


def _ready(past: PastRun, task: str, ends: Mapping[str, float]) -> float:
    before = (ends[each] for each in past.workflow.predecessors(task) if each in ends)
    return max([past.workflow.task(task).release, *before])


def _cost(past: PastRun, begun: AttemptStarted, seconds: float) -> float:
    worker = past.cluster.worker(begun.worker)
    return worker.price * seconds / 3600 * begun.allocation.cores / worker.cores


def _wasted(past: PastRun, begun: AttemptStarted, ended: AttemptEnded) -> float:
    """Of an attempt that succeeded what it left, of any other all that it held."""
    good = ended.observation.outcome is Outcome.SUCCEEDED
    used = past.lived[begun.task].memory or 0.0
    left = max(0.0, begun.allocation.memory - used) if good else begun.allocation.memory
    return left * (ended.at - begun.at)


def _elsewhere(past: PastRun, held: Sequence[tuple[AttemptStarted, float]]) -> float:
    total = sum(seconds for _, seconds in held)
    away = sum(s for begun, s in held if begun.worker != past.lived[begun.task].worker)
    return away / total if total else 0.0
