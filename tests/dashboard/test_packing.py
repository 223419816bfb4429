import base64
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dashboard.components import packing
from dashboard.components.packing import ACTUAL, PLANNED, Bar, packed
from dashboard.reading import RunView

TIMES = st.tuples(st.floats(0, 100), st.floats(0.01, 20)).map(lambda each: (each[0], sum(each)))


def arrays(view: RunView, bars: list[Bar]) -> np.ndarray:
    flat = base64.b64decode(packed(packing.chart(view, bars))["bars"])
    return np.frombuffer(flat, dtype="<f4").reshape(-1, 6)


@given(spans=st.lists(TIMES, min_size=1, max_size=30))
def test_no_two_bars_of_a_row_are_at_one_time(spans: list[tuple[float, float]]) -> None:
    bars = [Bar(f"t{i}", "w0", start, end, ACTUAL) for i, (start, end) in enumerate(spans)]
    rows, lanes = packing._rows(bars, ["w0"])  # noqa: SLF001
    for row in set(rows):
        here = sorted((b.start, b.end) for b, r in zip(bars, rows, strict=True) if r == row)
        assert all(one[1] <= other[0] + 1e-6 for one, other in pairwise(here))
    assert lanes["w0"] == max(rows) + 1


@given(spans=st.lists(TIMES, min_size=1, max_size=30))
def test_no_row_is_wasted(spans: list[tuple[float, float]]) -> None:
    bars = [Bar(f"t{i}", "w0", start, end, ACTUAL) for i, (start, end) in enumerate(spans)]
    _, lanes = packing._rows(bars, ["w0"])  # noqa: SLF001
    most = max(sum(s <= at < e - 1e-9 for s, e in spans) for at, _ in spans)
    assert lanes["w0"] == max(most, 1)


def test_planned_and_actual_bars_may_share_a_row() -> None:
    bars = [Bar("a", "w0", 0, 2, PLANNED), Bar("a", "w0", 0, 3, ACTUAL)]
    assert packing._rows(bars, ["w0"])[0] == (0, 0)  # noqa: SLF001


def test_every_worker_has_a_lane_also_without_a_bar(view: RunView) -> None:
    drawn = packing.chart(view, [])
    assert list(drawn.lanes) == [each.name for each in view.plan.cluster.workers]


def test_each_placement_is_packed_with_its_times(view: RunView) -> None:
    found = arrays(view, packing.planned_bars(view))
    placed = view.plan.schedule.placements
    assert np.allclose(found[:, 0], [each.start for each in placed])
    assert np.allclose(found[:, 1], [each.end for each in placed])


def test_rows_of_a_worker_lie_below_those_of_the_worker_before(view: RunView) -> None:
    bars = packing.planned_bars(view)
    rows, workers = arrays(view, bars)[:, 2], [each.worker for each in bars]
    bottom = {
        name: max(r for r, w in zip(rows, workers, strict=True) if w == name)
        for name in set(workers)
    }
    top = {
        name: min(r for r, w in zip(rows, workers, strict=True) if w == name)
        for name in set(workers)
    }
    names = [each.name for each in view.plan.cluster.workers]
    assert all(bottom[one] < top[other] for one, other in pairwise(names))


def test_a_failed_attempt_is_marked(view: RunView) -> None:
    bars = packing.actual_bars(view, until=0)
    assert [each.state for each in bars].count(packing.FAILED) == 1


def test_the_most_frequent_kind_has_the_first_colour() -> None:
    assert packing.by_frequency(["b", "a", "b", "c", "a", "b"]) == ("b", "a", "c")
