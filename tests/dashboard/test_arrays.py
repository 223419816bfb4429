from dataclasses import replace

import numpy as np
import pytest

from dashboard.arrays import until
from dashboard.components.usage import steps, usages
from dashboard.reading import RunView
from scheduler.planning.schedule import Schedule


def test_a_whisker_moves_the_planned_end_by_what_the_forecast_is_unsure_of(view: RunView) -> None:
    plan, forecast = view.plan.spans, view.plan.forecast
    for i, each in enumerate(view.plan.schedule.placements):
        row, column = forecast.tasks.index(each.task), forecast.workers.index(each.worker)
        low, middle, high = forecast.duration[row, column]
        assert plan.low[i] == pytest.approx(max(each.end + low - middle, each.start))
        assert plan.high[i] == pytest.approx(each.end + high - middle)


def test_a_whisker_holds_the_planned_end(view: RunView) -> None:
    plan = view.plan.spans
    assert (plan.low <= plan.end + 1e-9).all()
    assert (plan.end <= plan.high + 1e-9).all()


def test_what_is_in_use_is_the_sum_of_what_is_held_at_that_moment(view: RunView) -> None:
    spans = until(view.spans, 0)
    time, held = steps(spans, spans.cores)
    for at in np.linspace(0, time[-1], 50):
        here = [e for e in view.attempts if e.end is not None and e.start <= at < e.end]
        found = held[np.searchsorted(time, at, side="right") - 1]
        assert found == pytest.approx(sum(each.allocation.cores for each in here), abs=1e-6)
    assert held[-1] == 0


def test_no_worker_is_asked_for_more_than_it_has(view: RunView) -> None:
    for name in view.workers:
        place, worker = view.workers.index(name), view.plan.cluster.worker(name)
        there = [each.of(each.worker == place) for each in (view.plan.spans, until(view.spans, 0))]
        for each in usages(*there, cores=worker.cores, memory=worker.memory):
            assert 0 < each.peak <= each.capacity + 1e-6


def test_a_run_that_was_planned_again_is_seen_beside_its_newest_plan(view: RunView) -> None:
    moved = view.plan.schedule.placements[0]
    later = replace(moved, start=moved.start + 5, end=moved.end + 5)
    others = tuple(e for e in view.plan.schedule.placements if e.task != moved.task)
    newest = replace(view.plan, schedule=Schedule((*others, later)))
    seen = replace(view, newest=newest).by_newest
    place = view.plan.workflow.index[moved.task]
    assert seen.plan.spans.start[seen.plan.spans.task == place] == pytest.approx(later.start)
    assert seen.attempts == view.attempts
    assert view.by_newest is view


def test_a_worker_that_the_forecast_does_not_know_has_no_whisker(view: RunView) -> None:
    moved = replace(view.plan.schedule.placements[0], worker="w9")
    strange = replace(view.plan, schedule=Schedule((moved,)))
    assert strange.workers == (*view.plan.workers, "w9")
    assert strange.spans.low == strange.spans.end == strange.spans.high
