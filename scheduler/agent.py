"""The sentence of the whole project: predict, plan, run, record."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from scheduler.cluster import Cluster
from scheduler.documents import cluster_document, workflow_document
from scheduler.errors import AllotError, InvalidRecord, StoreError
from scheduler.execution.adapting import Adapting
from scheduler.execution.events import AttemptEnded, AttemptStarted, Event, PlanChanged
from scheduler.execution.executors.base import Executor
from scheduler.forecast import Forecast
from scheduler.logs.base import Refused
from scheduler.numbers import counted
from scheduler.planning.feasibility import violations
from scheduler.planning.impossible import demand_possible
from scheduler.planning.objective import Objective
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.predictors.base import Predictor
from scheduler.records import Outcome, TaskRecord
from scheduler.sizing import MemorySizing, told, with_allocations
from scheduler.store import Store
from scheduler.store.values import Attempt
from scheduler.workflow import Workflow

LONGEST_RAW = 2000
Watcher = Callable[[Event], None]


@dataclass(frozen=True)
class RunReport:
    """What became of one run. `makespan` is seconds until the last attempt ended.

    `schedule` is what was planned at first, `changes` how that was changed while the run went on.
    """

    run: int
    forecast: Forecast
    schedule: Schedule
    attempts: tuple[Attempt, ...]
    given_up: Mapping[str, str]
    makespan: float
    changes: tuple[PlanChanged, ...] = ()

    @property
    def state(self) -> str:
        """succeeded, or failed when a task was given up."""
        return "failed" if self.given_up else "succeeded"


@dataclass(frozen=True)
class Agent:
    """Runs workflows with beliefs, a planner and an executor, and records what happened.

    `clock` gives aware UTC times, also when asked from another thread. At least every `beat`
    seconds a run shows that it lives. `sizing` chooses what memory attempts get, and learns from
    each that ends; without it the objective's quantile and margin decide. `adapting` says how runs
    are planned again where they leave the plan; without it they never are.
    """

    predictor: Predictor
    planner: Planner
    executor: Executor
    store: Store
    clock: Callable[[], datetime]
    beat: float = 20.0
    sizing: MemorySizing | None = None
    adapting: Adapting | None = None

    def run(
        self,
        workflow: Workflow,
        cluster: Cluster,
        *,
        objective: Objective | None = None,
        label: str = "planned",
        watch: Watcher | None = None,
    ) -> RunReport:
        """Predicts, plans, runs and records one workflow.

        Raises Infeasible when a task has no worker, or limits cannot all be kept. Interrupted, the
        run is recorded as such.
        """
        forecast = self.predictor.predict(workflow, cluster)
        if self.sizing is not None:
            forecast = with_allocations(forecast, workflow, self.sizing)
        problem = Problem(workflow, cluster, forecast, objective or Objective())
        demand_possible(problem)
        return self.carry_out(problem, self.planner.plan(problem), label=label, watch=watch)

    def carry_out(
        self,
        problem: Problem,
        schedule: Schedule,
        *,
        label: str = "planned",
        watch: Watcher | None = None,
    ) -> RunReport:
        """Runs a given schedule and records it; refuses one that breaks a rule."""
        broken = violations(schedule, problem)
        if broken:
            raise AllotError(
                f"The schedule of {schedule.planner} breaks {counted(len(broken), 'rule')}: "
                f"{broken[0].message} Plan with search, for longer, or loosen a limit."
            )
        run = self._begin(problem, schedule, label)
        with self._ended(run), self._beating(run):
            for event in self._kept_events(run, problem, schedule):
                if watch is not None:
                    watch(event)
            report = self._report(run, problem, schedule)
        why = "; ".join(f"{task}: {reason}" for task, reason in list(report.given_up.items())[:3])
        self.store.end_run(
            run, state=report.state, makespan=report.makespan, message=why, at=self.clock()
        )
        return report

    def _kept_events(self, run: int, problem: Problem, schedule: Schedule) -> Iterator[Event]:
        """What the executor says, kept first; an attempt is recorded as soon as it has ended.

        An executor that observes no news, as one that simulates the forecast, records nothing.
        """
        started: dict[tuple[str, int], AttemptStarted] = {}
        following = None if self.adapting is None else self.adapting.following(problem, schedule)
        now, said = problem, {} if self.sizing is None else told(problem.forecast)
        replan = {} if following is None else {"replan": following}
        for event in self.executor.run(problem, schedule, **replan):
            if following is not None and following.problem is not now:
                now = following.problem
                said = {} if self.sizing is None else told(now.forecast)
            self.store.append_events(run, [event], at=self.clock())
            if isinstance(event, AttemptStarted):
                started[event.task, event.attempt] = event
            elif isinstance(event, AttemptEnded) and self.executor.records:
                attempt = _attempt(started.pop((event.task, event.attempt)), event)
                record = self._record(run, now.workflow, attempt)
                if self.sizing is not None and record is not None:
                    self.sizing.learn([record], {(record.run, record.task): said[record.task]})
            yield event

    def _report(self, run: int, problem: Problem, schedule: Schedule) -> RunReport:
        attempts, given_up = self.store.run_attempts(run), self.store.run_given_up(run)
        makespan = max((each.end for each in attempts if each.end is not None), default=0.0)
        changes = self.store.run_changes(run)
        return RunReport(run, problem.forecast, schedule, attempts, given_up, makespan, changes)

    @contextmanager
    def _ended(self, run: int) -> Iterator[None]:
        """Notes the end of a run whose block breaks off, whatever breaks it."""
        try:
            yield
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt)
            state, why = ("interrupted", "stopped by hand") if stopped else ("failed", str(error))
            message = why.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
            self.store.end_run(run, state=state, makespan=None, message=message, at=self.clock())
            raise

    @contextmanager
    def _beating(self, run: int) -> Iterator[None]:
        """Says every `beat` seconds that the run lives, while its attempts may be silent for long.

        Nothing else tells a run that waits from one that was killed.
        """
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self.beat):
                with suppress(StoreError):  # the next beat, or the next event, says it again
                    self.store.append_events(run, [], at=self.clock())

        beating = threading.Thread(target=beat, name=f"beat of run {run}", daemon=True)
        beating.start()
        try:
            yield
        finally:
            over.set()
            beating.join()

    def _begin(self, problem: Problem, schedule: Schedule, label: str) -> int:
        return self.store.begin_run(
            workflow=workflow_document(problem.workflow),
            cluster=cluster_document(problem.cluster),
            objective=asdict(problem.objective),
            forecast=problem.forecast,
            schedule=schedule,
            executor=type(self.executor).__name__,
            label=label,
            at=self.clock(),
        )

    def _record(self, run: int, workflow: Workflow, attempt: Attempt) -> TaskRecord | None:
        source = f"run {run}"
        try:
            record = as_record(attempt, workflow, f"{workflow.name} #{run}")
        except InvalidRecord as error:  # a measurement that breaks a rule costs only itself
            line = workflow.index[attempt.task] + 1
            refused = Refused(
                source, line, error.field, error.rule, error.value, repr(attempt)[:LONGEST_RAW]
            )
            self.store.quarantine([refused], source, at=self.clock())
            return None
        self.store.add_records([(record.key(), record)], source)
        return record


def _attempt(started: AttemptStarted, ended: AttemptEnded) -> Attempt:
    return Attempt(
        started.task,
        started.attempt,
        started.worker,
        started.at,
        started.time,
        started.allocation,
        ended.at,
        ended.observation,
    )


def as_record(attempt: Attempt, workflow: Workflow, run: str) -> TaskRecord:
    """What was observed of an attempt, as a record to learn from."""
    task, seen = workflow.task(attempt.task), attempt.observation
    assert seen is not None
    succeeded = seen.outcome is Outcome.SUCCEEDED
    ended = (
        None
        if attempt.end is None
        else attempt.started + timedelta(seconds=attempt.end - attempt.start)
    )
    return TaskRecord(
        run=run,
        task=task.id,
        kind=task.kind,
        outcome=seen.outcome,
        worker=attempt.worker,
        workflow=workflow.name,
        attempt=attempt.attempt,
        started=attempt.started,
        ended=ended,
        duration=seen.duration,
        peak_memory=seen.peak_memory,
        cpu=seen.cpu if succeeded else None,
        requested_cores=task.cores,
        requested_memory=task.memory,
        allocated_memory=attempt.allocation.memory,
        time_limit=task.timeout,
        exit_code=seen.exit_code,
        sizes=dict(task.sizes),
        measured=dict(seen.measured),
        predecessors=workflow.predecessors(task.id),
    )
