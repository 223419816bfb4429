"""What may happen to a problem, or be asked of it, piece by piece: on values and on flat arrays.

An edit changes a `World`, the values of a problem that are not put together, and in the same way
the `Flat` beside it, so that nothing large is built again. `at` is when it happens, in seconds from
the start of the run: no task that is still free starts before the latest of these.
"""

from scheduler.planning.edits_of_attempts import (
    Began,
    Ended,
    Expected,
    Failed,
    OfRunning,
    Reopened,
)
from scheduler.planning.edits_of_tasks import (
    Allocated,
    Believed,
    Due,
    Kept,
    Prioritised,
    Released,
    TaskRemoved,
    TasksAdded,
)
from scheduler.planning.edits_of_workers import (
    FOREVER,
    WorkerAdded,
    WorkerBack,
    WorkerChanged,
    WorkerDrained,
    WorkerLost,
)
from scheduler.planning.world import Edit, World

__all__ = [
    "FOREVER",
    "Allocated",
    "Began",
    "Believed",
    "Due",
    "Edit",
    "Ended",
    "Expected",
    "Failed",
    "Kept",
    "OfRunning",
    "Prioritised",
    "Released",
    "Reopened",
    "TaskRemoved",
    "TasksAdded",
    "WorkerAdded",
    "WorkerBack",
    "WorkerChanged",
    "WorkerDrained",
    "WorkerLost",
    "World",
]
