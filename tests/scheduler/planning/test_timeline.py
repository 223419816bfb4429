import math

import pytest

from scheduler.cluster import Allocation, Worker
from scheduler.planning.schedule import Placement
from scheduler.planning.timeline import Timeline

WORKER = Worker(name="w", cores=4.0, memory=10)


@pytest.fixture
def timeline() -> Timeline:
    """3 cores and 2 bytes held in 0..4, 2 cores and 9 bytes in 6..8."""
    return Timeline.of(
        WORKER,
        [
            Placement("a", "w", 0.0, 4.0, Allocation(3.0, 2)),
            Placement("b", "w", 6.0, 8.0, Allocation(2.0, 9)),
        ],
    )


@pytest.mark.parametrize(
    ("time", "free"), [(0.0, (1, 8)), (3.9, (1, 8)), (4.0, (4, 10)), (6.0, (2, 1)), (99.0, (4, 10))]
)
def test_what_is_free_changes_when_a_task_starts_or_ends(timeline, time, free) -> None:
    assert timeline.free_at(time) == free


@pytest.mark.parametrize(
    ("ready", "duration", "cores", "memory", "start"),
    [
        (0.0, 2.0, 1.0, 1, 0.0),  # beside the first task
        (0.0, 2.0, 2.0, 1, 4.0),  # cores come free at its end
        (0.0, 3.0, 2.0, 2, 8.0),  # the gap of two seconds is too short
        (5.0, 1.0, 4.0, 10, 5.0),  # the gap from its middle on
        (20.0, 9.0, 4.0, 10, 20.0),  # after everything
        (0.0, 1.0, 5.0, 1, math.inf),  # never
    ],
)
def test_the_earliest_start_is_the_first_gap_that_is_long_enough(
    timeline, ready, duration, cores, memory, start
) -> None:
    assert timeline.earliest(ready, duration, cores=cores, memory=memory) == start


def test_an_idle_worker_is_free_at_once() -> None:
    assert Timeline.of(WORKER, []).earliest(3.0, 1.0, cores=4.0, memory=10) == 3.0
