"""What a nursery is told to do: a task's work, its place, and the claim of its attempt."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from scheduler.errors import InvalidWorkflow
from scheduler.execution.charge import Charge
from scheduler.execution.claims import Found, Name
from scheduler.execution.events import AttemptEnded, AttemptUnknown, Observation, Start
from scheduler.execution.fates import Ended, Fate, NotBegun, Running, Unknown
from scheduler.execution.measured import observation
from scheduler.execution.place import Place
from scheduler.masking import Masker
from scheduler.planning.problem import Problem
from scheduler.records import Outcome


@dataclass(frozen=True)
class Ordering:
    """How orders of one session are made.

    `runs` is the folder of all claims, None for the one that the worker's environment names.
    Attempts are held to their memory where `hold` says so, and survive who began them where
    `survives` does. `environment` is where secrets are taken from.
    """

    charge: Charge
    environment: Mapping[str, str]
    runs: Path | None
    hold: bool
    survives: bool

    def order(self, problem: Problem, start: Start) -> dict[str, Any]:
        """What a nursery does for this start; an attempt of a kept run is claimed first."""
        task = problem.workflow.task(start.task)
        labels = dict(problem.cluster.worker(start.worker).labels)
        place = Place(start.worker, start.allocation.cores, start.allocation.memory, labels)
        unset = sorted(task.secrets - self.environment.keys())
        names = ", ".join(map(repr, unset))
        return {
            "action": task.action,
            "arguments": dict(task.arguments),
            "command": list(task.command),
            "environment": dict(task.environment),
            "secrets": {each: self.environment[each] for each in task.secrets - {*unset}},
            "refused": f"its secrets are not set where Allot runs: {names}" if unset else None,
            "folder": task.folder,
            "inputs": list(task.inputs),
            "outputs": list(task.outputs),
            "place": asdict(place),
            "timeout": task.timeout,
            "hold": self.hold,
            "claim": self.claim(start),
            "survives": self.survives and self.kept,
        }

    @property
    def kept(self) -> bool:
        """Whether somebody keeps the run, and so may go on with it."""
        return bool(self.charge.token)

    def claim(self, start: Start) -> dict[str, Any] | None:
        """Where the attempt is claimed; None in a run that nobody keeps."""
        if not self.kept:
            return None
        root = None if self.runs is None else str(self.runs)
        return {"root": root, "run": self.charge.token, "name": asdict(name_of(start))}

    def masker(self, problem: Problem, start: Start) -> Masker:
        """Takes the task's secrets out of what is said about its attempts."""
        names = problem.workflow.task(start.task).secrets
        return Masker(self.environment[each] for each in names if each in self.environment)


def name_of(start: Start) -> Name:
    """The name under which an attempt is claimed."""
    return Name(start.task, start.attempt, start.epoch)


def fate_of(found: Found) -> Fate:
    """What a claim tells, as executors tell it."""
    match found.fate:
        case "not_begun":
            return NotBegun()
        case "ended":
            assert found.answer is not None
            return Ended(observation(found.answer))
        case "running":
            return Running()
        case _:
            return Unknown(found.why)


def ended(
    start: Start, observed: Observation, *, doubtful: bool, at: float, time: datetime
) -> AttemptEnded | AttemptUnknown:
    """The end of an attempt; one that is lost is unknown where that is `doubtful`."""
    where = (start.task, start.attempt, start.worker, at, time)
    if doubtful and observed.outcome is Outcome.LOST:
        return AttemptUnknown(*where, observed.message)
    return AttemptEnded(*where, observed)


def demand_work(problem: Problem) -> None:
    """Refuses a workflow of which a task has nothing to run."""
    idle: Sequence[str] = [
        task.id for task in problem.workflow.tasks if task.action is None and not task.command
    ]
    if idle:
        raise InvalidWorkflow(
            f"Task {idle[0]!r} has nothing to run ({len(idle)} such tasks); give each one a "
            "command, or an action 'module:function', or use the simulator.",
            idle,
        )
