"""Tasks that are alike may share their beliefs: nothing else changes by it."""

from dataclasses import replace

import numpy as np
import pytest

from scheduler.errors import InvalidInput
from scheduler.forecast import Forecast
from scheduler.planning.feasibility import violations
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.workloads.synthetic import random_problem

KINDS = 7


def shared(seed: int = 3) -> Problem:
    """A problem whose tasks are believed by one of a few rows each."""
    problem = random_problem(np.random.default_rng(seed), 90, 6)
    given, rng = problem.forecast, np.random.default_rng(seed)
    few = Forecast(
        tasks=given.tasks,
        workers=given.workers,
        duration=given.duration[:KINDS],
        memory=given.memory[:KINDS],
        cpu=given.cpu[:KINDS],
        failure=given.failure[:KINDS],
        affinity=given.affinity[:KINDS],
        rows=rng.integers(0, KINDS, len(given.tasks)),
    )
    return replace(problem, forecast=few)


def test_a_problem_of_shared_rows_is_that_of_the_same_rows_written_out() -> None:
    few = shared()
    many = replace(few, forecast=few.forecast.by_task())
    for name in ("duration", "believed_duration", "memory", "eligible"):
        assert np.array_equal(getattr(few, name), getattr(many, name))
    assert few.allocation(50, 2) == many.allocation(50, 2)


def test_a_plan_from_shared_rows_is_that_from_the_same_rows_written_out() -> None:
    few = shared()
    plan = Heft().plan(few)
    assert plan == Heft().plan(replace(few, forecast=few.forecast.by_task()))
    assert violations(plan, few) == ()


def test_the_numbers_of_shared_rows_hold_a_row_for_each_sort_of_task() -> None:
    flat = shared().flat
    assert flat.row.shape == (90,)
    assert len(flat.duration) == flat.row.max() + 1 < 90
    assert flat.duration.shape == flat.memory.shape == flat.affinity.shape


def test_a_forecast_by_task_is_its_own() -> None:
    forecast = random_problem(np.random.default_rng(1), 9, 2).forecast
    assert forecast.by_task() is forecast


@pytest.mark.parametrize("rows", [np.zeros(3, np.int64), np.zeros(90), np.full(90, KINDS)])
def test_rows_that_are_not_there_are_refused(rows) -> None:
    with pytest.raises(InvalidInput, match="rows must"):
        replace(shared().forecast, rows=rows)
