"""The sentence of the whole project: predict, plan, run, record."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from scheduler.cluster import Cluster
from scheduler.documents import cluster_document, workflow_document
from scheduler.errors import AllotError
from scheduler.execution.events import Event
from scheduler.execution.executors.base import Executor
from scheduler.forecast import Forecast
from scheduler.planning.feasibility import violations
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Objective, Problem
from scheduler.planning.schedule import Schedule
from scheduler.predictors.base import Predictor
from scheduler.records import Outcome, TaskRecord
from scheduler.store import Store
from scheduler.store.values import Attempt
from scheduler.workflow import Workflow

Watcher = Callable[[Event], None]


@dataclass(frozen=True)
class RunReport:
    """What became of one run. `makespan` is seconds until the last attempt ended."""

    run: int
    forecast: Forecast
    schedule: Schedule
    attempts: tuple[Attempt, ...]
    given_up: Mapping[str, str]
    makespan: float

    @property
    def state(self) -> str:
        """succeeded, or failed when a task was given up."""
        return "failed" if self.given_up else "succeeded"


@dataclass(frozen=True)
class Agent:
    """Runs workflows with beliefs, a planner and an executor, and records what happened.

    `clock` gives aware UTC times.
    """

    predictor: Predictor
    planner: Planner
    executor: Executor
    store: Store
    clock: Callable[[], datetime]

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

        Raises Infeasible when a task has no worker. Interrupted, the run is recorded as such.
        """
        forecast = self.predictor.predict(workflow, cluster)
        problem = Problem(workflow, cluster, forecast, objective or Objective())
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
                f"The schedule of {schedule.planner} breaks {len(broken)} rules: "
                f"{broken[0].message}"
            )
        run = self._begin(problem, schedule, label)
        with self._recorded(run, problem):
            for event in self.executor.run(problem, schedule):
                self.store.append_events(run, [event], at=self.clock())
                if watch is not None:
                    watch(event)
        attempts, given_up = self.store.run_attempts(run), self.store.run_given_up(run)
        makespan = max((each.end for each in attempts if each.end is not None), default=0.0)
        report = RunReport(run, problem.forecast, schedule, attempts, given_up, makespan)
        why = "; ".join(f"{task}: {reason}" for task, reason in list(given_up.items())[:3])
        self.store.end_run(run, state=report.state, makespan=makespan, message=why, at=self.clock())
        return report

    @contextmanager
    def _recorded(self, run: int, problem: Problem) -> Iterator[None]:
        """Keeps what was observed, however the block ends."""
        try:
            yield
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt)
            state, why = ("interrupted", "stopped by hand") if stopped else ("failed", str(error))
            self.store.end_run(run, state=state, makespan=None, message=why, at=self.clock())
            raise
        finally:
            self._record(run, problem)

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

    def _record(self, run: int, problem: Problem) -> None:
        observed = [
            as_record(attempt, problem.workflow, f"{problem.workflow.name} #{run}")
            for attempt in self.store.run_attempts(run)
            if attempt.observation is not None
        ]
        self.store.add_records([(each.key(), each) for each in observed], f"run {run}")


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
