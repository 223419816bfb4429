"""What people ask of a run while it goes on, as changes of a dispatch. No clock, no store.

Nothing here starts an attempt: what is asked changes which tasks may start, where, and in what
order, and tells which attempts are to be stopped. So no task is lost, none runs twice, and no
worker holds more than it has, whatever is asked and when.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from scheduler.execution.events import Action, Controlled, Instruction, Stop
from scheduler.execution.holding import Arrivals, Held
from scheduler.execution.setting_out import inherited
from scheduler.planning.bars import barred
from scheduler.planning.problem import Problem

if TYPE_CHECKING:
    from scheduler.execution.dispatch import Dispatch


STOPPED = "it"  # how the reasons of bars begin


class Controls(ABC):
    """The part of a dispatch that people steer. `bars` are those that the run began with."""

    _tasks: dict[str, Held]
    _problem: Problem
    _arrivals: Arrivals

    @abstractmethod
    def _open_places(self) -> None:
        """Puts every task that is not over in its place again."""

    @abstractmethod
    def _give_up(self, task: Held, reason: str, at: float) -> Iterator[Instruction]:
        """The task will not run, nor those that wait for it."""

    def _uncontrolled(self, problem: Problem) -> None:
        self._paused, self._drained = False, set[str]()
        self._paused_by = ""
        self._withheld = dict[str, str]()  # why, by task
        self._priorities = dict[str, int]()
        self._put = dict[str, None]()  # the tasks that a person has put on a worker
        self._bars = problem.objective.bars

    @property
    def paused(self) -> bool:
        """Whether nothing may begin."""
        return self._paused

    @property
    def paused_by(self) -> str:
        """Who has seen to that; empty where it is not so."""
        return self._paused_by if self._paused else ""

    @property
    def drained(self) -> frozenset[str]:
        """The workers on which nothing may begin."""
        return frozenset(self._drained)

    @property
    def withheld(self) -> Mapping[str, str]:
        """Why tasks that are not over wait for people, by task."""
        return {task: why for task, why in self._withheld.items() if not self._tasks[task].over}

    @property
    def barred(self) -> frozenset[str]:
        """Those of them that a bar stopped at the last moment."""
        return frozenset(task for task, why in self.withheld.items() if why.startswith(STOPPED))

    @property
    def kept(self) -> Mapping[str, str]:
        """On which worker a person has put a task that is not over, by task."""
        held = [self._tasks[name] for name in self._put]
        return {task.name: task.worker for task in held if task.kept and task.open}

    @property
    def priorities(self) -> Mapping[str, int]:
        """The priorities that people have given to single tasks, by task."""
        return dict(self._priorities)

    @property
    def cancelled(self) -> bool:
        """Whether people have cancelled a task, or the run."""
        return any(task.cancelled for task in self._tasks.values())

    @property
    def held_by_people(self) -> bool:
        """Whether something that is left waits for what people say."""
        return (
            self._paused
            or any(not self._tasks[task].over for task in self._withheld)
            or any(task.open and task.worker in self._drained for task in self._tasks.values())
        )

    def _may_start(self, task: Held) -> bool:
        """The last look before an attempt begins: no bar may be crossed, whoever planned it."""
        if task.name in self._withheld:
            return False
        now = self._problem.objective.bars
        bars = now if now is self._bars else (*self._bars, *now)
        if not bars:
            return True
        worker = self._problem.cluster.worker(task.worker)
        why = barred(bars, self._problem.workflow.task(task.name), worker)
        if why is None:
            return True
        self._withheld[task.name] = f"{STOPPED} {why}"
        return False

    def _controlled(self, asked: Controlled) -> Iterator[Instruction]:
        tasks = [self._tasks[each] for each in asked.tasks or self._tasks if each in self._tasks]
        why = f"{asked.action} by {asked.by}" + (f": {asked.reason}" if asked.reason else "")
        match asked.action:
            case Action.CANCEL:
                yield from self._cancel(tasks, why, asked.at)
            case Action.REMOVE:
                self._drained.add(asked.worker)
                yield from self._clear(asked.worker)
            case Action.RETRY:
                self._revive([each for each in tasks if each.given_up])
            case Action.REASSIGN:
                self._reassign(tasks, asked.worker)
            case Action.PRIORITY:
                self._prioritise(tasks, asked.priority, whole=not asked.tasks)
            case _:
                self._open_or_close(asked, why)
        self._arrivals = Arrivals()
        self._open_places()

    def _open_or_close(self, asked: Controlled, why: str) -> None:
        match asked.action:
            case Action.PAUSE:
                self._paused, self._paused_by = True, asked.by
            case Action.RESUME if asked.worker:
                self._drained.discard(asked.worker)
            case Action.RESUME:
                self._paused = False
            case Action.DRAIN:
                self._drained.add(asked.worker)
            case Action.WITHHOLD:
                self._withheld |= dict.fromkeys(asked.tasks or self._tasks, asked.reason or why)
            case Action.ALLOW:
                for task in asked.tasks or tuple(self._withheld):
                    self._withheld.pop(task, None)

    def _cancel(self, tasks: Iterable[Held], why: str, at: float) -> Iterator[Instruction]:
        for task in tasks:
            if task.running:
                task.cancelled = why
                yield Stop(task.name, task.attempt, task.worker)
            elif not task.over:
                task.cancelled = why
                yield from self._give_up(task, why, at)

    def _clear(self, worker: str) -> Iterator[Stop]:
        """Stops what runs on a worker; being stopped costs a task none of its attempts."""
        for task in self._tasks.values():
            if task.running and task.worker == worker and not task.cancelled:
                task.spare += 1
                yield Stop(task.name, task.attempt, task.worker)

    def _revive(self, tasks: Iterable[Held]) -> None:
        """Opens tasks that were given up, with all that they need, and what only waited for them.

        What they need are those they wait for and those they start together with.
        """
        again = self._needed({task.name for task in tasks})
        able = again | self._behind(again)
        while short := {each for each in able - again if not self._needed({each}) <= able}:
            able -= short
        for name in able:
            task = self._tasks[name]
            task.ended, task.given_up, task.cancelled = None, False, ""
            task.forlorn, task.spare = False, task.attempt

    def _needed(self, names: set[str]) -> set[str]:
        """These and all given up ones without which they could not start, in turn."""
        found, left = set(names), list(names)
        while left:
            name = left.pop()
            for each in (*self._problem.workflow.predecessors(name), *self._fellows(name)):
                if self._tasks[each].given_up and each not in found:
                    found.add(each)
                    left.append(each)
        return found

    def _behind(self, names: set[str]) -> set[str]:
        """Those that were given up only because others were, down from these."""
        found, left = set[str](), list(names)
        while left:
            name = left.pop()
            for each in (*self._problem.workflow.successors(name), *self._fellows(name)):
                if self._tasks[each].forlorn and each not in found:
                    found.add(each)
                    left.append(each)
        return found

    def _fellows(self, name: str) -> tuple[str, ...]:
        workflow = self._problem.workflow
        return workflow.gangs.get(workflow.task(name).gang, ())

    def _reassign(self, tasks: Iterable[Held], worker: str) -> None:
        column = self._problem.cluster.index[worker]
        for task in tasks:
            if task.over or task.running:
                continue
            given = self._problem.allocation(task.row, column)
            memory = max(given.memory, task.allocation.memory if task.attempt else 0)
            task.worker, task.kept = worker, True
            self._put[task.name] = None
            task.allocation = type(given)(given.cores, memory)
            self._withheld.pop(task.name, None)

    def _prioritise(self, tasks: Iterable[Held], priority: int, *, whole: bool) -> None:
        named = {task.name: priority for task in tasks if not task.over}
        if not whole:
            self._priorities |= named
        for name, found in inherited(self._problem, {**self._priorities, **named}).items():
            if name in self._tasks:
                self._tasks[name].priority = found


def refusal(dispatch: "Dispatch", asked: Controlled) -> str | None:
    """Why that cannot be carried out now, in words; None where it can."""
    held, cluster = dispatch.tasks, dispatch.problem.cluster
    for name in asked.tasks:
        if name not in held:
            return f"the run has no task {name!r}; it has {len(held)} others"
    if asked.worker and asked.worker not in cluster.index:
        return f"the run has no worker {asked.worker!r}; it has {', '.join(cluster.index)}"
    match asked.action:
        case Action.CANCEL if all(held[each].over for each in asked.tasks or held):
            return _over(asked, held)
        case Action.RETRY:
            return _not_to_retry(asked, held)
        case Action.REASSIGN:
            return _not_to_move(dispatch, asked)
        case Action.PRIORITY if asked.tasks and all(held[each].over for each in asked.tasks):
            return _over(asked, held)
        case Action.PAUSE if dispatch.paused:
            return "the run is paused already"
        case Action.RESUME if not asked.worker and not dispatch.paused:
            return "the run is not paused"
        case Action.RESUME if asked.worker and asked.worker not in dispatch.drained:
            return f"{asked.worker!r} takes tasks already"
        case Action.DRAIN if asked.worker in dispatch.drained:
            return f"{asked.worker!r} is drained already"
    return None


def _over(asked: Controlled, held: Mapping[str, Held]) -> str:
    if not asked.tasks:
        return "every task of the run is over already"
    task = held[asked.tasks[0]]
    how = "was given up" if task.given_up else "has succeeded"
    return f"task {task.name!r} {how} already, at {task.ended or 0.0:.6g} s"


def _not_to_retry(asked: Controlled, held: Mapping[str, Held]) -> str | None:
    for name in asked.tasks:
        task = held[name]
        if not task.given_up:
            state = "runs" if task.running else "has succeeded" if task.over else "waits its turn"
            return f"task {name!r} {state}; only one that was given up can be tried again"
    return None if any(each.given_up for each in held.values()) else "no task was given up"


def _not_to_move(dispatch: "Dispatch", asked: Controlled) -> str | None:
    for name in asked.tasks:
        task = dispatch.tasks[name]
        if task.over:
            return _over(asked, dispatch.tasks)
        if task.running:
            return f"task {name!r} runs on {task.worker!r}; cancel it, or wait for its end"
        if asked.worker in dispatch.drained:
            return f"{asked.worker!r} takes nothing more"
        why = dispatch.unable(name, asked.worker)
        if why is not None:
            return f"task {name!r} cannot run there: {why}"
        if not dispatch.together(name, asked.worker):
            return f"task {name!r} cannot run there: its gang has no room at one time then"
    return None
