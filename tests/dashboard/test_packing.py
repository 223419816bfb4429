import base64
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.arrays import FAILED, RUNNING
from dashboard.components.packing import ACTUAL, BOTH, LANES, PLANNED, chart, packed, thinned
from dashboard.components.rows import rows
from dashboard.reading import RunView
from dashboard.wanted import Wanted
from dashboard.words import by_frequency

TIMES = st.tuples(st.floats(0, 100), st.floats(0.01, 20)).map(lambda each: (each[0], sum(each)))
SPANS = st.lists(TIMES, min_size=1, max_size=30)


def columns(data: str, count: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(data), dtype="<f4").reshape(count, -1)


def placed(spans: list[tuple[float, float]]) -> tuple[np.ndarray, int]:
    start, end = np.array(spans).T
    row, count = rows(np.zeros(len(spans), np.int64), start, end, lanes=1)
    return row, int(count[0])


@given(spans=SPANS)
def test_no_two_bars_of_a_row_are_at_one_time(spans: list[tuple[float, float]]) -> None:
    row, count = placed(spans)
    for each in set(row):
        here = sorted(span for span, r in zip(spans, row, strict=True) if r == each)
        assert all(one[1] <= other[0] + 1e-6 for one, other in pairwise(here))
    assert count == max(row) + 1


@given(spans=SPANS)
def test_no_row_is_wasted(spans: list[tuple[float, float]]) -> None:
    most = max(sum(s <= at < e - 1e-9 for s, e in spans) for at, _ in spans)
    assert placed(spans)[1] == max(most, 1)


@given(spans=SPANS, data=st.data())
def test_wishes_are_granted_where_the_row_is_free_and_never_make_bars_overlap(
    spans: list[tuple[float, float]], data: st.DataObject
) -> None:
    most = placed(spans)[1]
    wishes = data.draw(
        st.lists(st.integers(-1, most - 1), min_size=len(spans), max_size=len(spans))
    )
    start, end = np.array(spans).T
    row, count = rows(
        np.zeros(len(spans), np.int64), start, end, lanes=1, rather=np.array(wishes, np.int64)
    )
    for each in set(row):
        here = sorted(span for span, r in zip(spans, row, strict=True) if r == each)
        assert all(one[1] <= other[0] + 1e-6 for one, other in pairwise(here))
    assert count[0] <= most
    first = min(range(len(spans)), key=lambda i: spans[i])
    assert row[first] == max(wishes[first], 0)


def test_a_planned_bar_stands_in_the_row_of_its_attempt_where_that_is_free(view: RunView) -> None:
    data = packed(chart(view, now=0))
    planned, actual = columns(data["planned"], 7), columns(data["actual"], 7)
    row = dict(zip(actual[3], actual[2], strict=True))
    same = [row.get(task) == place for task, place in zip(planned[3], planned[2], strict=True)]
    assert np.mean(same) > 0.9


def test_lanes_do_not_share_rows_and_an_empty_one_has_a_row() -> None:
    row, count = rows(np.array([2, 0, 2]), np.zeros(3), np.ones(3), lanes=3)
    assert (row.tolist(), count.tolist()) == ([0, 0, 1], [1, 1, 2])


def test_every_worker_has_a_lane_also_where_no_bar_is_wanted(view: RunView) -> None:
    drawn = chart(view, now=0, asked=Wanted(kinds=frozenset(["nothing"])))
    assert [each.name for each in drawn.lanes] == [w.name for w in view.plan.cluster.workers]
    assert drawn.tasks == 0


def test_each_placement_is_packed_with_its_times_task_and_worker(view: RunView) -> None:
    data = packed(chart(view, now=0))
    start, end, _, task, worker, _, _ = columns(data["planned"], 7)
    found = {
        data["names"][int(t)]: (s, e, w)
        for s, e, t, w in zip(start, end, task, worker, strict=True)
    }
    for each in view.plan.schedule.placements:
        expected = (each.start, each.end, data["workers"].index(each.worker))
        assert found[each.task] == pytest.approx(expected, rel=1e-6)


def test_each_attempt_is_packed_with_its_number_and_how_it_stands(view: RunView) -> None:
    data = packed(chart(view, now=0))
    start, _, _, task, _, state, attempt = columns(data["actual"], 7)
    found = {
        (data["names"][int(t)], int(a)): (s, x == FAILED)
        for s, t, x, a in zip(start, task, state, attempt, strict=True)
    }
    assert len(found) == len(view.attempts)
    assert sum(failed for _, failed in found.values()) == 1
    for each in view.attempts:
        assert found[each.task, each.attempt][0] == pytest.approx(each.start, rel=1e-6)


def test_what_still_runs_reaches_to_now(view: RunView) -> None:
    last = replace(view.attempts[-1], end=None, observation=None)
    going = RunView(replace(view.summary, state="running"), view.plan, (last,), {})
    _, end, _, _, _, state, _ = columns(packed(chart(going, now=500))["actual"], 7)
    assert (end.tolist(), state.tolist()) == ([500], [RUNNING])


def test_bars_lie_by_row_and_time_as_the_browser_expects(view: RunView) -> None:
    data = packed(chart(view, now=0))
    for start, _, row, *_ in (columns(data["planned"], 7), columns(data["actual"], 7)):
        assert sorted(zip(row, start, strict=True)) == list(zip(row, start, strict=True))


@pytest.mark.parametrize("lanes", LANES)
def test_rows_of_a_lane_lie_below_those_of_the_lane_before(view: RunView, lanes: str) -> None:
    def lane_of(bar: np.ndarray) -> object:
        task = view.plan.workflow.tasks[view.plan.workflow.index[data["names"][int(bar[3])]]]
        if lanes == "worker":
            return data["workers"][int(bar[4])]
        return task.kind if lanes == "kind" else None

    data = packed(chart(view, now=0, lanes=lanes))
    names = [each["name"] for each in data["lanes"] for _ in range(each["rows"])]
    for bars in (columns(data["planned"], 7), columns(data["actual"], 7)):
        for bar in bars.T:
            assert lane_of(bar) in (None, names[int(bar[2])])


def test_stages_follow_one_another_along_every_dependency(view: RunView) -> None:
    data = packed(chart(view, now=0, lanes="stage"))
    lane = [k for k, each in enumerate(data["lanes"]) for _ in range(each["rows"])]
    bars = columns(data["planned"], 7)
    of = {data["names"][int(t)]: lane[int(row)] for row, t in zip(bars[2], bars[3], strict=True)}
    assert all(of[d.source] < of[d.target] for d in view.plan.workflow.dependencies)


def test_a_layer_that_is_not_wanted_has_no_bars_but_its_usage_goes_with_it(view: RunView) -> None:
    for layers, kept in (((PLANNED,), "planned"), ((ACTUAL,), "actual"), (BOTH, "")):
        data = packed(chart(view, now=0, layers=layers))
        for name in ("planned", "actual"):
            there = kept in ("", name)
            assert bool(columns(data[name], 7).size) == there
            assert all(bool(each[name]) == there for each in data["usage"])


@pytest.mark.parametrize(
    ("asked", "keeps"),
    [
        (Wanted(kinds=frozenset(["sort"])), lambda task, _: task.kind == "sort"),
        (Wanted(workers=frozenset(["w1"])), lambda _, worker: worker == "w1"),
    ],
)
def test_only_bars_that_are_asked_for_are_packed(
    view: RunView, asked: Wanted, keeps: Callable[..., bool]
) -> None:
    data, tasks = packed(chart(view, now=0, asked=asked)), view.plan.workflow
    bars = columns(data["actual"], 7)
    found = [(tasks.task(data["names"][int(t)]), data["workers"][int(w)]) for t, w in bars[3:5].T]
    assert found
    assert all(keeps(*each) for each in found)
    whole = columns(packed(chart(view, now=0))["actual"], 7).shape[1]
    assert len(found) < whole


def test_arrows_join_the_selected_task_with_what_it_waits_for_and_what_waits_for_it(
    view: RunView,
) -> None:
    data, workflow = packed(chart(view, now=0), selected="solve-23"), view.plan.workflow
    found = {(data["names"][a], data["names"][b]) for a, b in data["arrows"]}
    before = {(each, "solve-23") for each in workflow.predecessors("solve-23")}
    assert found == before | {("solve-23", each) for each in workflow.successors("solve-23")}
    assert data["names"][data["selected"]] == "solve-23"


def test_a_selection_that_is_not_shown_has_no_arrows(view: RunView) -> None:
    asked = Wanted(kinds=frozenset(["sort"]))
    data = packed(chart(view, now=0, asked=asked), selected="solve-23")
    assert (data["selected"], data["arrows"]) == (None, [])


def test_the_critical_path_is_packed_in_its_order(view: RunView) -> None:
    data = packed(chart(view, now=0))
    assert tuple(data["names"][each] for each in data["critical"]) == view.plan.critical


def test_steps_that_are_few_stay_as_they_are() -> None:
    time, value = thinned(np.array([0.0, 1.0]), np.array([2.0, 0.0]), most=2)
    assert (time.tolist(), value.tolist()) == ([0, 1], [2, 0])


@given(values=st.lists(st.floats(0, 9), min_size=30, max_size=60), most=st.integers(2, 20))
def test_thinned_steps_keep_the_most_in_each_stretch_of_time(
    values: list[float], most: int
) -> None:
    time, value = np.cumsum(np.linspace(0.5, 2, len(values))), np.array(values)
    edges, found = thinned(time, value, most=most)
    ends = np.append(edges[1:], np.inf)
    for low, high, peak in zip(edges, ends, found, strict=True):
        held = value[max(0, np.searchsorted(time, low, side="right") - 1)]
        assert peak == max(held, value[(time >= low) & (time < high)].max(initial=0.0))


def test_the_most_frequent_kind_has_the_first_colour() -> None:
    assert by_frequency(["b", "a", "b", "c", "a", "b"]) == ("b", "a", "c")
