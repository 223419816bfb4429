"""One run as it is kept: what was decided is on the disk before it begins."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scheduler.documents import cluster_document, workflow_document
from scheduler.errors import InvalidRecord
from scheduler.execution.charge import Answer, Step
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
)
from scheduler.logs.base import Refused
from scheduler.outlasting import Outlast
from scheduler.records import Outcome, TaskRecord
from scheduler.sizing import MemorySizing, Telling
from scheduler.store import Store
from scheduler.store.intents import Kept
from scheduler.store.leases import Lease
from scheduler.store.plans import NewPlan
from scheduler.store.values import Attempt
from scheduler.workflow import Workflow

LONGEST_RAW = 2000
GROUP = 0.1  # seconds that steps of a simulated run are gathered before they are kept together


@dataclass
class Journal:
    """Keeps the steps of one run, in the epoch of its lease, and what was observed as records.

    Where nothing `real` begins, steps of `group` seconds are kept together. `now` is the plan that
    is followed. With `sizing` each record is learned from as soon as it is kept. `number` is that
    of the last step that was kept: one that is tried again, through `outlast`, is kept once.
    """

    store: Store
    run: int
    lease: Lease
    now: Answer
    clock: Callable[[], datetime]
    seconds: Callable[[], float]
    outlast: Outlast
    number: int = 0
    real: bool = True
    records: bool = True
    sizing: MemorySizing | None = None
    group: float = GROUP
    begun: dict[str, AttemptStarted] = field(default_factory=dict)
    _events: list[Event] = field(default_factory=list)
    _plans: list[NewPlan] = field(default_factory=list)
    _seen: list[TaskRecord] = field(default_factory=list)
    _refused: list[Refused] = field(default_factory=list)
    _kept_at: float = 0.0

    def __post_init__(self) -> None:
        self._kept_at = self.seconds()

    def recall(self, history: Iterable[Event | Answer]) -> None:
        """Takes in what was kept before."""
        for each in history:
            if isinstance(each, Answer):
                self.now = each
            else:
                self._note(each)

    def keep(self, step: Step) -> Sequence[Event]:
        """Keeps a step; returns what is kept now, to be told: nothing where it is gathered.

        Raises StaleEpoch where somebody else has the run: then nothing of it may begin.
        """
        for each in step.events:
            if isinstance(each, AttemptEnded) and self.records:
                self._observe(each)
            self._note(each)
        self._events += step.events
        if step.plan is not None:
            self._change(step.plan)
        if not self.real and self.seconds() - self._kept_at < self.group:
            return ()
        return self.flush()

    def flush(self) -> Sequence[Event]:
        """Keeps what is gathered; returns it."""
        events, seen = self._events, self._seen
        if events:
            self._write(tuple(events), tuple(seen))
        self._events, self._plans, self._seen, self._refused = [], [], [], []
        self._kept_at = self.seconds()
        if self.sizing is not None and seen:
            said = Telling(self.now.problem.forecast)
            self.sizing.learn(seen, lambda each: said.of(each.task, each.worker))
        return events

    def _write(self, events: Sequence[Event], seen: Sequence[TaskRecord]) -> None:
        number = self.number + 1
        kept = Kept(events, tuple(self._plans), seen, tuple(self._refused), number)
        self.outlast(lambda: self.store.keep(self.run, kept, lease=self.lease, at=self.clock()))
        self.number = number

    def _note(self, event: Event) -> None:
        if isinstance(event, AttemptStarted):
            self.begun[event.task] = event

    def _change(self, answer: Answer) -> None:
        before, self.now = self.now, answer
        self._plans.append(difference(before, answer))

    def _observe(self, ended: AttemptEnded) -> None:
        workflow = self.now.problem.workflow
        attempt = _attempt(self.begun[ended.task], ended)
        try:
            record = as_record(attempt, workflow, f"{workflow.name} #{self.run}")
        except InvalidRecord as error:  # a measurement that breaks a rule costs only itself
            line, raw = workflow.index[attempt.task] + 1, repr(attempt)[:LONGEST_RAW]
            self._refused.append(
                Refused(f"run {self.run}", line, error.field, error.rule, error.value, raw)
            )
        else:
            self._seen.append(record)


def difference(before: Answer, after: Answer) -> NewPlan:
    """What must be kept of a plan to know it again from the one before."""
    old, new = before.problem, after.problem
    placed = before.schedule.by_task
    return NewPlan(
        after.schedule.planner,
        after.schedule.lower_bound,
        tuple(each for each in after.schedule.placements if placed.get(each.task) != each),
        None if new.workflow is old.workflow else workflow_document(new.workflow),
        None if new.cluster is old.cluster else cluster_document(new.cluster),
        None if new.forecast is old.forecast else new.forecast,
    )


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
