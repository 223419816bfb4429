"""The sentence of the whole project: predict, plan, run, record."""

import math
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from scheduler.cluster import Cluster
from scheduler.desk import Desk
from scheduler.documents import cluster_document, workflow_document
from scheduler.errors import AllotError, StaleEpoch, StoreAway, StoreError
from scheduler.execution.adapting import Adapting
from scheduler.execution.charge import Answer, Charge, Step
from scheduler.execution.events import Event, PlanChanged
from scheduler.execution.executors.base import Executor, People, Replan
from scheduler.forecast import Forecast
from scheduler.governor import Governor
from scheduler.journal import GROUP, Journal
from scheduler.leases import BEAT, Watch, take, this_holder
from scheduler.numbers import counted
from scheduler.outlasting import MOST, Outlast
from scheduler.planning.feasibility import violations
from scheduler.planning.impossible import demand_possible
from scheduler.planning.objective import Objective
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.predictors.base import Predictor
from scheduler.recovery import known
from scheduler.rooms import Rooms
from scheduler.sizing import MemorySizing, with_allocations
from scheduler.store import Store
from scheduler.store.leases import Lease
from scheduler.store.runs import lease_of
from scheduler.store.values import Attempt
from scheduler.workflow import Workflow

Watcher = Callable[[Event], None]


@dataclass(frozen=True)
class RunReport:
    """What became of one run. `makespan` is seconds until the last attempt ended.

    `schedule` is what was planned at first, `changes` how that was changed while the run went on.
    `left` are the tasks that are not over: `unknown` ones wait for people, others for those or, in
    a run that was stopped, for whoever goes on with it. `waits` tells that people have to speak
    before anything of them goes on.
    """

    run: int
    forecast: Forecast
    schedule: Schedule
    attempts: tuple[Attempt, ...]
    given_up: Mapping[str, str]
    makespan: float
    changes: tuple[PlanChanged, ...] = ()
    left: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    waits: bool = False

    @property
    def state(self) -> str:
        """succeeded, failed when a task was given up, waiting for people, or running when left."""
        if self.left:
            return "waiting" if self.waits else "running"
        return "failed" if self.given_up else "succeeded"


@dataclass(frozen=True)
class Agent:
    """Runs workflows with beliefs, a planner and an executor, and records what happened.

    `clock` gives aware UTC times, also when asked from another thread; `seconds` a clock that is
    never set. Every `beat` seconds a run shows that it lives. `sizing` chooses what memory attempts
    get, and learns from each that ends; without it the objective's quantile and margin decide.
    `adapting` says how runs are planned again where they leave the plan; without it they never
    are. `how` is kept with each run for whoever goes on with it. A run that is to stop, since the
    moment of `seconds` that `stop` tells, begins nothing more and waits at most `grace` seconds for
    what runs. One in which nothing goes on before people speak ends for now after `waits` seconds,
    for whoever goes on with it when they have. `people(run)` are asked what they want of a run,
    beside its questions, and so are those of the `governor`, who holds runs to a policy. Runs of
    one store in which something real begins share the workers of clusters of the same name. Steps
    of a run in which nothing real begins are kept together every `group` seconds. A store that is
    away is waited for, `away` seconds at most; then the run is left to whoever takes it over, with
    what runs of it.
    """

    predictor: Predictor
    planner: Planner
    executor: Executor
    store: Store
    clock: Callable[[], datetime]
    beat: float = BEAT
    sizing: MemorySizing | None = None
    adapting: Adapting | None = None
    how: Mapping[str, Any] = field(default_factory=dict)
    seconds: Callable[[], float] = time.monotonic
    stop: Callable[[], float | None] = lambda: None
    grace: float = 30.0
    waits: float = math.inf
    people: Callable[[int], Sequence[People]] = lambda _: ()
    governor: Governor | None = None
    group: float = GROUP
    away: float = MOST

    def run(
        self,
        workflow: Workflow,
        cluster: Cluster,
        *,
        objective: Objective | None = None,
        label: str = "planned",
        watch: Watcher | None = None,
        token: str | None = None,
        began: Callable[[int], None] | None = None,
        owner: str = "",
    ) -> RunReport:
        """Predicts, plans, runs and records one workflow.

        `token` is a name that no other run of any store has; one is made where none is given.
        `owner` is for whom it is done. `began` is told the run's number as soon as it is kept.
        Raises Infeasible when a task has no worker, or limits cannot all be kept. Interrupted, the
        run is recorded as such.
        """
        forecast = self.predictor.predict(workflow, cluster)
        if self.sizing is not None:
            forecast = with_allocations(forecast, workflow, cluster, self.sizing)
        aims = objective or Objective()
        if self.governor is not None:
            aims = self.governor.bounded(aims, cluster)
        problem = Problem(workflow, cluster, forecast, aims)
        demand_possible(problem)
        schedule = self.planner.plan(problem)
        if self.governor is not None:
            schedule = self.governor.preferred(problem, schedule, self.planner)
        return self.carry_out(
            problem, schedule, label=label, watch=watch, token=token, began=began, owner=owner
        )

    def carry_out(
        self,
        problem: Problem,
        schedule: Schedule,
        *,
        label: str = "planned",
        watch: Watcher | None = None,
        token: str | None = None,
        began: Callable[[int], None] | None = None,
        owner: str = "",
    ) -> RunReport:
        """Runs a given schedule and records it, as `run` does; refuses one that breaks a rule."""
        broken = violations(schedule, problem)
        if broken:
            raise AllotError(
                f"The schedule of {schedule.planner} breaks {counted(len(broken), 'rule')}: "
                f"{broken[0].message} Plan with search, for longer, or loosen a limit."
            )
        token = token or uuid4().hex
        run = self._begin(problem, schedule, label, token, owner)
        if began is not None:
            began(run)
        lease = self._outlast(lambda: self.store.lease(lease_of(run)))
        assert lease is not None
        charge = Charge(token, lease.epoch)
        return self._carry_on(run, lease, Answer(problem, schedule), charge, watch=watch)

    def resume(
        self,
        run: int,
        *,
        watch: Watcher | None = None,
        patience: Watch | None = None,
        began: Callable[[], None] | None = None,
    ) -> RunReport:
        """Goes on with a run whose agent is gone, from what the store knows of it.

        `began` is told as soon as it is kept that the run goes on.
        Attempts that had begun are asked about where they ran: none is begun twice, unless its task
        is idempotent. Raises AllotError where somebody who lives has the run in charge.
        """
        state = self.store.run(run, now=self.clock()).state
        if state == "succeeded":
            raise AllotError(f"Run {run} has succeeded; there is nothing to go on with.")
        lease = take(
            self.store,
            lease_of(run),
            watch=patience or Watch(),
            monotonic=self.seconds,
            sleep=time.sleep,
            at=self.clock,
        )
        with self._ended(run, lease):
            found = self._outlast(lambda: known(self.store, run))
            since = found.since(self.clock() if self.executor.real else None)
            charge = Charge(found.token, lease.epoch, since, found.history)
        begun = Answer(found.problem, found.schedule)
        return self._carry_on(run, lease, begun, charge, now=found.now, watch=watch, began=began)

    def _carry_on(
        self,
        run: int,
        lease: Lease,
        begun: Answer,
        charge: Charge,
        *,
        watch: Watcher | None,
        now: Answer | None = None,
        began: Callable[[], None] | None = None,
    ) -> RunReport:
        """Carries a run out from where it stands, in the epoch of the lease."""
        outlast = self._outlast if self.executor.real else None
        desk = Desk(
            self.store,
            run,
            seconds=self.seconds,
            stop=self.stop,
            grace=self.grace,
            waits=self.waits,
            rooms=Rooms(self.store, run, lease, self.seconds, self.clock)
            if self.executor.real
            else None,
            others=(
                *self.people(run),
                *(self.governor.people(run, outlast) if self.governor else ()),
            ),
            outlast=outlast,
        )
        with self._ended(run, lease), self._beating(lease):
            journal = self._journal(run, lease, begun)
            journal.number = self._outlast(
                lambda: self.store.begin_again(run, lease=lease, at=self.clock())
            )
            if began is not None:
                began()
            journal.recall(charge.history)
            following = self._following(now or begun)
            steps = self.executor.steps(
                begun.problem, begun.schedule, replan=following, people=desk, charge=charge
            )
            with closing(steps):
                for event in _kept(journal, steps):
                    if watch is not None:
                        watch(event)
            report = self._outlast(lambda: self._report(run, begun, desk))
        why = "; ".join(f"{task}: {reason}" for task, reason in list(report.given_up.items())[:3])
        makespan = None if report.left else report.makespan
        self._end(run, lease, state=report.state, makespan=makespan, message=why)
        return report

    @property
    def _outlast(self) -> Outlast:
        return Outlast(self.seconds, time.sleep, self.away)

    def _end(
        self, run: int, lease: Lease, *, state: str, makespan: float | None, message: str
    ) -> None:
        """Notes the end; one whose answer was lost has given the lease back, in our epoch."""
        tried = False

        def end() -> None:
            nonlocal tried
            again, tried = tried, True
            try:
                self.store.end_run(
                    run,
                    state=state,
                    makespan=makespan,
                    message=message,
                    at=self.clock(),
                    lease=lease,
                )
            except StaleEpoch:
                now = self.store.lease(lease.name)
                if not (again and now is not None and now.free and now.epoch == lease.epoch):
                    raise

        self._outlast(end)

    def _following(self, plan: Answer) -> Replan | None:
        """Who changes the plan while the run goes on."""
        if self.adapting is None:
            return None
        following = self.adapting.following(plan.problem, plan.schedule)
        planners = self.adapting.planners or (self.planner,)
        return self.governor.preferring(following, planners[-1]) if self.governor else following

    def _journal(self, run: int, lease: Lease, begun: Answer) -> Journal:
        return Journal(
            self.store,
            run,
            lease,
            begun,
            self.clock,
            self.seconds,
            self._outlast,
            real=self.executor.real,
            records=self.executor.records,
            sizing=self.sizing,
            group=self.group,
        )

    def _report(self, run: int, begun: Answer, desk: Desk) -> RunReport:
        attempts, given_up = self.store.run_attempts(run), self.store.run_given_up(run)
        makespan = max((each.end for each in attempts if each.end is not None), default=0.0)
        return RunReport(
            run,
            begun.problem.forecast,
            begun.schedule,
            attempts,
            given_up,
            makespan,
            self.store.run_changes(run),
            desk.left,
            desk.unknown,
            desk.waiting,
        )

    @contextmanager
    def _ended(self, run: int, lease: Lease) -> Iterator[None]:
        """Notes the end of a run whose block breaks off, whatever breaks it.

        Not where somebody else has the run now: it goes on there. Where the store was away for too
        long the run has not ended: it is for whoever takes it over.
        """
        try:
            yield
        except StaleEpoch:
            raise
        except BaseException as error:
            state, why = _end_by(error)
            message = why.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
            with suppress(StaleEpoch, StoreError):  # then whoever takes the run over finds out
                self.store.end_run(
                    run,
                    state=state,
                    makespan=None,
                    message=message,
                    at=self.clock(),
                    lease=lease,
                )
            if isinstance(error, StoreAway):
                raise StoreAway(
                    f"{error} Run {run} is left as it is, with what runs of it, to be gone on with "
                    f"once the store is back: by the agent, or by: allot run --resume {run}"
                ) from error
            raise

    @contextmanager
    def _beating(self, lease: Lease) -> Iterator[None]:
        """Says every `beat` seconds that the run lives, while its attempts may be silent for long.

        Nothing else tells a run that waits from one that was killed.
        """
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self.beat):
                try:
                    self.store.beat_run(lease, at=self.clock())
                except StaleEpoch:  # the run finds out with its next event
                    return
                except StoreError:  # the next beat, or the next event, says it again
                    continue

        beating = threading.Thread(target=beat, name=f"beat of {lease.name}", daemon=True)
        beating.start()
        try:
            yield
        finally:
            over.set()
            beating.join()

    def _begin(
        self, problem: Problem, schedule: Schedule, label: str, token: str, owner: str
    ) -> int:
        """Keeps a new run; one whose answer was lost is known by its token."""
        tried = False

        def begin() -> int:
            nonlocal tried
            again, tried = tried, True
            if again and (run := self.store.run_of(token)) is not None:
                return run
            return self.store.begin_run(
                workflow=workflow_document(problem.workflow),
                cluster=cluster_document(problem.cluster),
                objective=asdict(problem.objective),
                forecast=problem.forecast,
                schedule=schedule,
                executor=type(self.executor).__name__,
                label=label,
                at=self.clock(),
                token=token,
                how=self.how,
                holder=this_holder(),
                owner=owner,
            )

        return self._outlast(begin)


def _end_by(error: BaseException) -> tuple[str, str]:
    """The state in which a run is left by what breaks it off, and why."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "stopped by hand"
    return ("running" if isinstance(error, StoreAway) else "failed"), str(error)


def _kept(journal: Journal, steps: Generator[Step, None, None]) -> Iterator[Event]:
    """Each event, once it is kept; where another has the run, the executor lets go of it."""
    for step in steps:
        try:
            events = journal.keep(step)
        except (StaleEpoch, StoreAway) as error:
            steps.throw(error)
        yield from events
    yield from journal.flush()
