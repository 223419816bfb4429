"""All runs of a window of time, joined and packed: checked against what the runs say alone."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from dashboard import fleet as fleets
from dashboard.components.fleet_packing import (
    BOTH,
    COLOURS,
    COMING,
    DONE,
    LANES,
    FleetWanted,
    chart,
    late,
    packed,
)
from dashboard.fleet import Fleet, RunBars, Shelf, joined, read, run_bars
from dashboard.frames import STATES
from scheduler.documents import cluster_document, workflow_document
from scheduler.execution.events import AttemptEnded, AttemptStarted, Observation
from scheduler.planning.planners.heft import Heft
from scheduler.records import Outcome
from scheduler.store import Store
from scheduler.store.values import RunSummary
from scheduler.store.windows import GIVEN_UP, PLANNED, Bar, Described
from tests.dashboard.filler import START, a_problem, begin

HOUR = timedelta(hours=1)
NOW = START + 4 * HOUR
PROBLEM = a_problem(np.random.default_rng(2), 8)
PLAN = Heft().plan(PROBLEM)
MADE_OF = Described(workflow_document(PROBLEM.workflow), cluster_document(PROBLEM.cluster))


def columns(data: str, count: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(data), dtype="<f4").reshape(count, -1)


def a_run(number: int = 1, state: str = "running", **more: object) -> RunSummary:
    ended = None if state in ("running", "waiting") else START + HOUR
    return replace(
        RunSummary(number, "nightly", "", state, "heft", "local", "history", 8, 9.0, 1.0, None,
                   START, ended, ""), **more,
    )  # fmt: skip


def a_bar(task: str = "a", *, attempt: int = 1, outcome: str = "succeeded", **more: object) -> Bar:
    return Bar(1, task, attempt, "w1", 10.0, 20.0, 2.0, 1e9, outcome)._replace(**more)


def whole(parts: Sequence[RunBars], **more: object) -> Fleet:
    window = {"since": START - HOUR, "until": START + 24 * HOUR, "now": NOW, **more}
    return joined(parts, **window)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found(full_url: str) -> tuple[Store, Fleet]:
    with Store.open(full_url) as store:
        runs = store.runs_within(START, START + 24 * HOUR, now=NOW, limit=9)
        parts = read(store, Shelf(), runs)
        parts = [replace(e, run=replace(e.run, owner="ann")) if e.run.id == 1 else e for e in parts]
        return store, joined(parts, since=START, until=START + 24 * HOUR, now=NOW)


def test_every_attempt_of_every_run_is_there_by_the_clock(found: tuple[Store, Fleet]) -> None:
    store, fleet = found
    bars = fleet.bars
    assert [each.id for each in fleet.runs] == [2, 1]
    seen = {
        (fleet.runs[fleet.run[t]].id, fleet.names[t], a, fleet.workers[w]): (s, e)
        for t, a, w, s, e in zip(
            bars.task, bars.attempt, bars.worker, bars.start, bars.end, strict=True
        )
    }
    attempts = [(run, each) for run in fleet.runs for each in store.run_attempts(run.id)]
    assert len(seen) == len(attempts)
    for run, each in attempts:
        zero = run.started.timestamp() - fleet.zero
        times = seen[run.id, each.task, each.attempt, each.worker]
        assert times == pytest.approx((each.start + zero, each.end + zero), abs=1e-5)


def test_what_is_known_of_a_task_is_known_of_it_in_its_run_alone(
    found: tuple[Store, Fleet],
) -> None:
    _, fleet = found
    place = fleet.place_of(1, "align-0")
    assert place is not None
    assert (fleet.names[place], fleet.runs[fleet.run[place]].id) == ("align-0", 1)
    assert fleet.kinds[fleet.kind[place]] == "align"
    assert fleet.place_of(1, "nothing") is None
    assert fleet.place_of(9, "align-0") is None


@pytest.mark.parametrize(
    ("bars", "state", "run"),
    [
        ([a_bar()], "succeeded", "running"),
        ([a_bar(end=None, outcome="")], "running", "running"),
        ([a_bar(end=None, outcome="")], "interrupted", "interrupted"),
        ([a_bar(end=None, outcome="")], "interrupted", "lost"),
        ([a_bar(outcome="failed")], "retrying", "running"),
        ([a_bar(outcome="failed")], "failed", "failed"),
        ([a_bar(outcome="failed"), a_bar(attempt=2, start=30.0, end=40.0)], "succeeded", "failed"),
        ([a_bar(outcome="failed"), a_bar(outcome=GIVEN_UP, start=20.0, worker="")], "given up",
         "running"),
        ([a_bar(outcome=GIVEN_UP, start=5.0, worker=""), a_bar()], "succeeded", "running"),
        ([a_bar(attempt=0, outcome=PLANNED)], "waiting", "running"),
    ],
)  # fmt: skip
def test_the_state_of_a_task_follows_from_its_attempts_and_its_run(
    bars: list[Bar], state: str, run: str
) -> None:
    part = run_bars(a_run(state=run), bars, MADE_OF)
    assert part.states == (state,)


def test_only_what_has_not_begun_is_to_come() -> None:
    planned = [a_bar(task, attempt=0, outcome=PLANNED) for task in "abc"]
    part = run_bars(a_run(), [a_bar("a"), a_bar("b", outcome="failed"), *planned], MADE_OF)
    coming = {part.names[t] for t in part.task[part.attempt == 0]}
    assert coming == {"b", "c"}


def test_what_is_to_come_begins_now_at_the_earliest_and_lasts_as_planned() -> None:
    fleet = whole([run_bars(a_run(), [a_bar(attempt=0, outcome=PLANNED)], MADE_OF)])
    now = NOW.timestamp() - fleet.zero
    assert fleet.bars.start.tolist() == pytest.approx([now])
    assert fleet.bars.end.tolist() == pytest.approx([now + 10])


def test_what_runs_reaches_to_now_and_what_was_cut_off_only_to_what_is_known() -> None:
    bars = [a_bar(end=None, outcome=""), a_bar("b", start=12.0, end=33.0)]
    going = whole([run_bars(a_run(), bars, MADE_OF)])
    cut = whole([run_bars(a_run(state="interrupted"), bars, MADE_OF)])
    assert going.bars.end.max() == pytest.approx(NOW.timestamp() - going.zero)
    assert (cut.bars.end - cut.bars.start).tolist() == pytest.approx([23, 21])
    assert cut.now is None


def test_bars_outside_of_the_window_and_runs_that_are_too_many_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = run_bars(
        a_run(state="failed"), [a_bar("a"), a_bar("b", start=7200.0, end=7300.0)], MADE_OF
    )
    fleet = whole([part], until=START + HOUR)
    assert fleet.names == ("a",)
    monkeypatch.setattr(fleets, "MOST_BARS", 3)
    other = replace(part, run=a_run(2, "failed"))
    assert (whole([part, other]).left_out, len(whole([part, other]).runs)) == (1, 1)


def test_no_runs_are_no_bars() -> None:
    fleet = whole([])
    assert (fleet.names, len(fleet.bars.start), fleet.now) == ((), 0, None)
    assert packed(chart(fleet))["names"] == []


def test_runs_that_are_over_are_read_once_and_others_as_often_as_they_are_asked_for(
    tmp_path: object,
) -> None:
    with Store.open(f"sqlite:///{tmp_path}/allot.db") as store:
        run = begin(store, PROBLEM, PLAN, label="", at=START)
        first = PLAN.placements[0]
        where = (first.task, 1, first.worker)
        store.append_events(run, [AttemptStarted(*where, 0.0, START, first.allocation)], at=NOW)
        shelf = Shelf()
        (part,) = read(store, shelf, store.runs(now=NOW))
        assert (part.attempt == 0).sum() == 7
        seen = Observation(Outcome.SUCCEEDED, duration=2.0)
        store.append_events(run, [AttemptEnded(*where, 2.0, START, seen)], at=NOW)
        (part,) = read(store, shelf, store.runs(now=NOW))
        assert part.end.min() == 2.0
        assert not shelf.over
        store.end_run(run, state="failed", makespan=2.0, message="", at=NOW)
        (part,) = read(store, shelf, store.runs(now=NOW))
        assert read(store, shelf, store.runs(now=NOW))[0] is part
        assert (part.attempt == 0).sum() == 0


def test_a_run_that_went_on_after_it_was_cut_off_is_read_anew_when_it_ends_again(
    tmp_path: object,
) -> None:
    with Store.open(f"sqlite:///{tmp_path}/allot.db") as store:
        run, shelf = begin(store, PROBLEM, PLAN, label="", at=START), Shelf()
        store.end_run(run, state="interrupted", makespan=None, message="", at=NOW)
        (cut,) = store.runs(now=NOW)
        assert not read(store, shelf, [cut])[0].names
        first = PLAN.placements[0]
        began = AttemptStarted(first.task, 1, first.worker, 0.0, NOW, first.allocation)
        store.append_events(run, [began], at=NOW)
        (part,) = read(store, shelf, [replace(cut, ended=NOW + HOUR)])
        assert part.names == (first.task,)


@pytest.mark.parametrize("lanes", LANES)
def test_no_two_bars_of_a_row_are_at_one_time(found: tuple[Store, Fleet], lanes: str) -> None:
    drawn = chart(found[1], lanes=lanes)
    for row in np.unique(drawn.row):
        mine = drawn.bars.of(drawn.row == row)
        spans = sorted(zip(mine.start, mine.end, strict=True))
        assert all(one[1] <= other[0] + 1e-6 for one, other in pairwise(spans))


def test_lanes_are_workers_runs_beside_those_of_their_workflow_or_kinds(
    found: tuple[Store, Fleet],
) -> None:
    fleet = found[1]
    names = {lanes: [each.name for each in chart(fleet, lanes=lanes).lanes] for lanes in LANES}
    assert names["worker"] == list(fleet.workers)
    assert [each.split()[0] for each in names["run"]] == ["#1", "#2"]
    assert names["kind"] == list(fleet.kinds)
    assert chart(fleet, lanes="run").lanes[0].detail.startswith("ann · baseline")


def test_usage_is_of_all_on_the_workers_that_are_asked_for(found: tuple[Store, Fleet]) -> None:
    fleet, bars = found[1], found[1].bars
    cores, _ = chart(fleet, asked=FleetWanted(kinds=frozenset(["nothing"]))).usage
    times, held = cores.actual
    at = float(times[len(times) // 2])
    assert held[len(times) // 2] == pytest.approx(
        bars.cores[(bars.start <= at) & (bars.end > at)].sum()
    )
    assert cores.capacity == sum(each.cores for each in fleet.sizes.values())


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        (FleetWanted(runs=frozenset(["1"])), lambda f, t, _: f.runs[f.run[t]].id == 1),
        (FleetWanted(owners=frozenset(["ann"])), lambda f, t, _: f.runs[f.run[t]].id == 1),
        (FleetWanted(kinds=frozenset(["sort"])), lambda f, t, _: f.kinds[f.kind[t]] == "sort"),
        (FleetWanted(workers=frozenset(["w1"])), lambda f, _, w: f.workers[w] == "w1"),
        (FleetWanted(states=frozenset(["given up"])), lambda *_: False),
    ],
)
def test_filters_leave_what_is_asked_for(
    found: tuple[Store, Fleet], asked: FleetWanted, fits: object
) -> None:
    fleet = found[1]
    bars = fleet.bars
    kept = chart(fleet, asked=asked).bars
    wanted = [fits(fleet, t, w) for t, w in zip(bars.task, bars.worker, strict=True)]  # type: ignore[operator]
    assert len(kept.task) == sum(wanted)
    assert all(fits(fleet, t, w) for t, w in zip(kept.task, kept.worker, strict=True))  # type: ignore[operator]


def test_late_is_what_ends_after_its_deadline() -> None:
    part = run_bars(a_run(state="failed"), [a_bar("a"), a_bar("b")], MADE_OF)
    fleet = whole([replace(part, deadline=np.array([19.0, np.inf]))])
    assert late(fleet).tolist() == [True, False]
    assert [fleet.names[t] for t in chart(fleet, asked=FleetWanted(late=True)).bars.task] == ["a"]


def test_layers_part_what_is_done_from_what_is_to_come() -> None:
    part = run_bars(a_run(), [a_bar("a"), a_bar("b", attempt=0, outcome=PLANNED)], MADE_OF)
    fleet = whole([part])
    names = {
        layers: [fleet.names[t] for t in chart(fleet, layers=layers).bars.task]
        for layers in (BOTH, (DONE,), (COMING,))
    }
    assert names == {BOTH: ["a", "b"], (DONE,): ["a"], (COMING,): ["b"]}


def test_what_is_packed_says_of_each_bar_its_run_task_state_and_times(
    found: tuple[Store, Fleet],
) -> None:
    fleet = found[1]
    here = fleet.place_of(2, "solve-23")
    data = packed(chart(fleet, colour=COLOURS[1]), selected=here, near=((0,), ()))
    start, _, row, _, worker, _, _ = columns(data["actual"], 7)
    of = columns(data["tasks"], 7)
    assert len(start) == len(fleet.bars.start)
    assert sorted(zip(row, start, strict=True)) == list(zip(row, start, strict=True))
    assert data["names"][data["selected"]] == "solve-23"
    assert data["runs"][int(of[6][data["selected"]])]["id"] == 2
    assert data["arrows"] == [[0, data["selected"]]]
    states = {STATES[int(each)] for each in of[5]}
    assert states <= {"succeeded", "failed"}
    assert set(worker.astype(int)) == set(range(len(fleet.workers)))
    assert [data["colour"], data["critical"], data["marks"]] == ["state", [], []]
