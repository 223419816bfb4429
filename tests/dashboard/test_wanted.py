from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import frames, wanted
from dashboard.reading import RunView
from dashboard.wanted import Wanted, read_window, written_window


def names(view: RunView, asked: Wanted, now: float = 0.0) -> set[str]:
    tasks = np.array(list(view.plan.workflow.index))
    return set(tasks[wanted.tasks(view, asked, now=now)].tolist())


def test_nothing_asked_for_leaves_every_task_in(view: RunView) -> None:
    assert len(names(view, Wanted())) == len(view.plan.workflow)


def test_filters_hold_together(view: RunView) -> None:
    asked = Wanted(kinds=frozenset(["sort", "solve"]), states=frozenset(["succeeded"]))
    kind = {each.id: each.kind for each in view.plan.workflow.tasks}
    state = frames.states(view)
    found = names(view, asked)
    assert found == {t for t in kind if kind[t] in asked.kinds and state[t] in asked.states}


def test_a_task_is_on_the_worker_that_tried_it_else_where_it_is_planned(view: RunView) -> None:
    given_up = next(iter(view.given_up))
    planned = view.plan.schedule.by_task[given_up].worker
    for worker in view.workers:
        tried = {each.task for each in view.attempts if each.worker == worker}
        expected = tried | ({given_up} if worker == planned else set())
        assert names(view, Wanted(workers=frozenset([worker]))) == expected


def test_a_task_that_was_tried_elsewhere_is_not_on_the_worker_it_was_planned_on(
    view: RunView,
) -> None:
    moved = replace(view.attempts[0], worker="w9")
    seen = RunView(view.summary, view.plan, (moved,), {})
    planned = view.plan.schedule.by_task[moved.task].worker
    assert moved.task in names(seen, Wanted(workers=frozenset(["w9"])))
    assert moved.task not in names(seen, Wanted(workers=frozenset([planned])))


def test_late_is_what_ended_after_the_p90_of_its_plan(view: RunView) -> None:
    plan = view.plan.spans
    surely = dict(zip(plan.task.tolist(), plan.high.tolist(), strict=True))
    index = view.plan.workflow.index
    ends = {each.task: each.end or 0.0 for each in view.attempts}
    late = {task for task, end in ends.items() if end > surely[index[task]] + 1e-6}
    assert late
    assert names(view, Wanted(late=True)) == late


def test_what_has_not_ended_is_late_once_its_time_is_over(view: RunView) -> None:
    going = RunView(replace(view.summary, state="running"), view.plan, (), {})
    assert names(going, Wanted(late=True), now=0.0) == set()
    assert names(going, Wanted(late=True), now=1e9) == set(view.plan.workflow.index)


def test_a_window_keeps_what_is_planned_or_tried_in_it(view: RunView) -> None:
    window = (10.0, 20.0)
    found = wanted.within(view, window, now=0.0)
    for task, inside in zip(view.plan.workflow.index, found, strict=True):
        spans = [view.plan.schedule.by_task[task], *view.tries.get(task, ())]
        assert inside == any(s.start <= window[1] and (s.end or 0) >= window[0] for s in spans)


@given(low=st.floats(0, 1e6), length=st.floats(1e-3, 1e6))
def test_a_window_is_read_as_it_was_written(low: float, length: float) -> None:
    found = read_window(written_window((low, low + length)))
    assert found == pytest.approx((low, low + length), abs=length / 100)


@pytest.mark.parametrize(
    "text", [None, "", "5", "a..b", "9..3", "3..3", "-1..4", "0..inf", "nan..2"]
)
def test_an_address_that_names_no_window_shows_the_whole_run(text: str | None) -> None:
    assert read_window(text) is None
