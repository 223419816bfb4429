"""Memory by task and worker: the forecast at its word, what a kill holds, what lies far away."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.cluster import Cluster, Worker
from scheduler.forecast import Forecast
from scheduler.planning.array_edits import beside
from scheduler.sizing import MemorySizing, Telling, Told, with_allocations
from scheduler.sizing import planned as planning
from scheduler.sizing.beliefs import FORECAST
from scheduler.store.runs import packed, unpacked
from scheduler.workflow import Task, Workflow

GB = 1e9
LEVELS = (0.1, 0.5, 0.9)
SURE = 0.1  # the spread of a forecast, in logarithms


def told(middle: float, spread: float = SURE, by: str = "") -> Told:
    return Told(LEVELS, tuple(middle * float(np.exp(spread * z)) for z in (-1.2816, 0, 1.2816)), by)


def forecast_of(memory: np.ndarray, source: str = "somebody") -> Forecast:
    """What is believed where the tasks' memory is likely to be this on each worker."""
    n, m = memory.shape
    spread = np.exp(SURE * np.array([-1.2816, 0.0, 1.2816]))
    usual = np.ones((n, m, 3))
    return Forecast(
        tasks=tuple(f"t{i}" for i in range(n)),
        workers=tuple(f"w{j}" for j in range(m)),
        duration=usual,
        memory=memory[..., None] * spread,
        cpu=usual,
        failure=np.zeros((n, m)),
        affinity=np.full((n, m), 1 / m),
        source=source,
    )


def world(n: int, m: int, *, sizes: bool = False) -> tuple[Workflow, Cluster]:
    named = [{"rows": float(i + 1)} if sizes else {} for i in range(n)]
    tasks = [Task(id=f"t{i}", kind="k", sizes=each) for i, each in enumerate(named)]
    workers = [Worker(name=f"w{j}", cores=4, memory=int(64 * GB)) for j in range(m)]
    return Workflow("w", tasks), Cluster("c", workers)


def test_a_worker_on_which_a_task_needs_more_gives_it_more() -> None:
    forecast = forecast_of(np.array([[GB, 2 * GB]]))
    found = with_allocations(forecast, *world(1, 2), MemorySizing()).allocations
    assert found is not None
    assert found[0, 1, 0] == pytest.approx(2 * found[0, 0, 0], rel=0.15)


def test_what_attempts_needed_on_a_worker_counts_there_and_hardly_elsewhere() -> None:
    chance, sizing = np.random.default_rng(5), MemorySizing()
    for i in range(60):
        worker, usual = ("w0", GB) if i % 2 else ("w1", 3 * GB)
        peak = usual * float(np.exp(0.03 * chance.normal()))
        sizing.observe("k", memory=peak, duration=9.0, worker=worker)
    first, second = (sizing.allocate("k", worker=each).first for each in ("w0", "w1"))
    assert GB < first < 1.5 * GB
    assert 3 * GB < second < 4 * GB


def test_of_workers_that_are_all_the_same_none_gets_more() -> None:
    chance, sizing = np.random.default_rng(6), MemorySizing()
    for i in range(60):
        peak = GB * float(np.exp(0.1 * chance.normal()))
        sizing.observe("k", memory=peak, duration=9.0, worker=f"w{i % 3}")
    named = [sizing.allocate("k", worker=f"w{i}").first for i in range(3)]
    assert max(named) < 1.05 * min(named)


@given(
    usual=st.floats(0.05, 0.2),
    spread=st.floats(0.03, 0.15),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=20, deadline=None)
def test_one_attempt_in_a_hundred_is_killed_at_most_where_the_forecast_is_right(
    usual: float, spread: float, seed: int
) -> None:
    """Peaks are drawn from what is forecast; the worker has 1 GB and one core, as in the demo."""
    peaks = np.exp(spread * np.random.default_rng(seed).normal(size=4000))
    first = MemorySizing().allocate("new", told=told(usual * GB, spread), held=GB).first
    assert (usual * GB * peaks > first).mean() <= 0.012  # a hundredth, and three standard errors
    assert first < 2 * usual * GB


def test_what_holds_more_of_its_worker_gets_more_at_once() -> None:
    held = (0.0, 4 * GB, 16 * GB)
    first = [MemorySizing().allocate("new", told=told(GB), held=each).first for each in held]
    assert sorted(set(first)) == first


@given(scale=st.floats(0.01, 100.0))
@settings(max_examples=30, deadline=None)
def test_allocations_do_not_depend_on_the_unit(scale: float) -> None:
    one = MemorySizing().allocate("new", told=told(GB), held=4 * GB)
    other = MemorySizing().allocate("new", told=told(scale * GB), held=4 * scale * GB)
    assert other.allocations == pytest.approx([each * scale for each in one.allocations])


def of_sizes(sizing: MemorySizing, peak: float = GB) -> MemorySizing:
    """A kind that needs the same, but for chance, at sizes from 10 to 100."""
    chance = np.random.default_rng(8)
    for size in np.linspace(10, 100, 40):
        sizing.observe(
            "k",
            memory=peak * float(np.exp(0.3 * chance.normal())),
            duration=9.0,
            sizes={"rows": float(size)},
        )
    return sizing


def test_where_a_forecast_reaches_beyond_all_sizes_seen_it_gets_more() -> None:
    sizing = of_sizes(MemorySizing())
    inside, beyond, far = (
        sizing.allocate("k", sizes={"rows": size}, told=told(GB, 0.02)).first
        for size in (100.0, 150.0, 400.0)
    )
    assert inside < beyond < far


def test_a_forecast_counts_by_what_it_says_of_itself_before_it_was_judged() -> None:
    sizing = of_sizes(MemorySizing())
    sure, unsure = (sizing.allocate("k", told=told(GB, spread)).first for spread in (0.02, 1.0))
    assert sure < 1.3 * GB < unsure


def test_a_forecast_that_was_sure_and_wrong_is_not_believed_for_long() -> None:
    sizing = of_sizes(MemorySizing(), 3 * GB)
    wrong = told(GB, 0.02, by="upstart")
    for _ in range(8):
        sizing.observe("k", memory=3 * GB, duration=9.0, sizes={"rows": 50.0}, told=wrong)
    assert sizing.weights("k")[replace(FORECAST, by="upstart")] < 0.05


def test_each_who_forecasts_is_judged_alone() -> None:
    sizing = of_sizes(MemorySizing())
    for _ in range(9):
        sizing.observe("k", memory=GB, duration=9.0, told=told(9 * GB, by="poor"))
    weights = sizing.weights("k")
    assert weights[replace(FORECAST, by="poor")] < 0.05
    fresh = sizing.allocate("k", told=told(GB, 0.02, by="new")).first
    assert fresh < sizing.allocate("k", told=told(GB, 0.02, by="poor")).first


def test_ladders_are_never_more_than_there_is_time_for_and_the_largest_of_those_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, sizing = list[float](), MemorySizing()
    allocate = sizing.allocate

    def counted(*args: object, **more: object) -> object:
        asked.append(more["told"].memory[-1])  # type: ignore[attr-defined]
        return allocate(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(planning, "MOST", 100)
    monkeypatch.setattr(sizing, "allocate", counted)
    memory = GB * np.exp(np.random.default_rng(1).normal(0, 0.3, (60, 8)))
    forecast = forecast_of(memory)
    found = with_allocations(forecast, *world(60, 8, sizes=True), sizing).allocations
    assert len(asked) <= 100 < forecast.memory[..., 0].size
    assert found is not None
    assert (found[..., 0] >= forecast.memory[..., -1] * 0.99).all()


def test_what_is_told_of_a_worker_that_nobody_knows_is_what_is_usual() -> None:
    telling = Telling(forecast_of(np.array([[GB, 4 * GB]])))
    usual = telling.of("t0", "stranger")
    assert usual is not None
    assert usual.memory[1] == pytest.approx(2 * GB)
    assert telling.of("stranger") is None


def test_a_worker_that_comes_later_gives_the_most_of_any() -> None:
    both = forecast_of(np.array([[GB, 2 * GB], [3 * GB, GB]]))
    known = with_allocations(both, *world(2, 2), MemorySizing())
    wider = beside(known, replace(forecast_of(np.ones((2, 1))), workers=("w2",)), axis=1)
    assert known.allocations is not None
    assert wider.allocations is not None
    assert (wider.allocations[:, 2] == known.allocations.max(axis=1)).all()


def test_allocations_that_were_kept_by_task_alone_are_those_of_every_worker() -> None:
    one = forecast_of(np.array([[GB, GB], [GB, GB]]))
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    for_all = np.repeat(rows[:, None], 2, axis=1)
    object.__setattr__(one, "allocations", rows)  # what could be made then
    found = unpacked(packed(one))
    assert found.allocations is not None
    assert (found.allocations == for_all).all()
