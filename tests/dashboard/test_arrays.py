import numpy as np
import pytest

from dashboard.arrays import until
from dashboard.components.usage import steps, usages
from dashboard.reading import RunView


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
