"""Random values for hypothesis: problems that always have a schedule, and records."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import reject, settings
from hypothesis import strategies as st
from worlds import GB, changed, one_by_one, problem_of

from scheduler.errors import Infeasible, InvalidWorkflow
from scheduler.planning.bars import Bar
from scheduler.planning.objective import Objective
from scheduler.planning.problem import Problem
from scheduler.records import Outcome, TaskRecord

# The first example may compile; no single example has a deadline.
few = settings(deadline=None, max_examples=25)
quick = settings(deadline=None, max_examples=60)
thorough = settings(deadline=None, max_examples=250)


@st.composite
def problems(draw: st.DrawFn, *, tasks: int = 10, workers: int = 4) -> Problem:
    """Up to so many tasks and workers, unrelated durations, cores, memory, skills, transfers.

    All numbers are whole or halves, so that sums are exact. The first worker can take every task.
    """
    n, m = draw(st.integers(1, tasks)), draw(st.integers(1, workers))
    seconds = st.integers(1, 20).map(lambda half: half / 2)
    pairs = [(a, b) for a in range(1, n + 1) for b in range(a + 1, n + 1)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=2 * n)) if pairs else []

    def rows(values: st.SearchStrategy, count: int) -> list:
        return draw(st.lists(values, min_size=count, max_size=count))

    size = st.integers(0, 12).map(float)
    return problem_of(
        rows(st.lists(seconds, min_size=m, max_size=m), n),
        {pair: draw(size) for pair in chosen},
        cores=rows(st.sampled_from([0.5, 1.0, 2.0, 4.0]), n),
        memory=rows(st.integers(1, 8).map(lambda gigabytes: gigabytes * GB), n),
        skills=rows(st.sampled_from(["", "", "gpu", "licence", "gpu licence"]), n),
        worker_cores=[4.0, *rows(st.sampled_from([1.0, 2.0, 4.0, 6.0]), m - 1)],
        worker_memory=[8 * GB, *rows(st.integers(2, 16).map(lambda each: each * GB), m - 1)],
        worker_skills=["gpu licence", *rows(st.sampled_from(["", "gpu", "licence"]), m - 1)],
        bandwidth=draw(st.sampled_from([1.0, 2.0, 4.0])),
        latency=draw(st.sampled_from([0.0, 0.5])),
    )


@st.composite
def rich_problems(
    draw: st.DrawFn, *, tasks: int = 10, workers: int = 4, hard: bool = False
) -> Problem:
    """Problems of every rule: releases, windows, pools, links, quotas, prices, and a history.

    `one_by_one` has a schedule for each. With `hard` it keeps the deadlines and the budget too.
    """
    problem = draw(problems(tasks=tasks, workers=workers))
    halves = st.integers(0, 40).map(lambda half: half / 2)
    amounts = st.sampled_from([0.0, 0.0, 1.0, 2.0])
    some = {
        task: {
            "release": draw(st.just(0.0) | halves),
            "deadline": draw(st.none() | halves.map(lambda each: each + 0.5)),
            "owner": draw(st.sampled_from(["", "ann", "bob"])),
            "priority": draw(st.integers(-2, 3)),
            "pools": {"licence": draw(amounts), "disk": draw(amounts)},
        }
        for task in problem.workflow.index
    }
    window = st.tuples(halves, st.integers(1, 8)).map(lambda each: (each[0], each[0] + each[1] / 2))
    hosts = {
        worker: {
            "closed": tuple(draw(st.lists(window, max_size=3))),
            "price": draw(st.sampled_from([0.0, 1.0, 3.5])),
            "power": draw(st.sampled_from([0.0, 100.0])),
        }
        for worker in problem.cluster.index
    }
    names = list(problem.cluster.index)
    pairs = [(a, b) for a in names for b in names if a != b]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=3)) if pairs else []
    whole = changed(
        problem,
        tasks=some,
        workers=hosts,
        links={pair: draw(st.sampled_from([0.5, 8.0])) for pair in chosen},
        pools={"licence": draw(st.sampled_from([2.0, 3.0])), "disk": 2.0},
        objective=Objective(
            quotas={"ann": draw(st.sampled_from([4.0, 5.0, 100.0]))}, bars=draw(_bars(problem))
        ),
    )
    return _hard(draw(_under_way(whole))) if hard else draw(_under_way(whole))


@st.composite
def _bars(draw: st.DrawFn, problem: Problem) -> tuple[Bar, ...]:
    """Some tasks that could run on several workers may not run on one of them."""
    found = []
    for task, row in problem.workflow.index.items():
        able = [name for name, w in problem.cluster.index.items() if problem.eligible[row, w]]
        if len(able) > 1 and draw(st.sampled_from([False, False, True])):
            found.append(Bar(tasks=(task,), workers=(draw(st.sampled_from(able)),), why="so said"))
    return tuple(found)


@st.composite
def _under_way(draw: st.DrawFn, problem: Problem) -> Problem:
    """Some first tasks of one schedule have happened, and the last of these may still run."""
    rows = one_by_one(problem).placements
    done = rows[: draw(st.integers(0, len(rows) - 1))]
    if not done or draw(st.booleans()):
        return problem
    now = done[-1].start + draw(st.sampled_from([0.0, 0.5, 1.0])) * (done[-1].end - done[-1].start)
    return changed(problem, fixed=done, now=now)


def _hard(problem: Problem) -> Problem:
    """With limits that `one_by_one` just keeps."""
    rows = one_by_one(problem)
    late = {
        each.task: {"deadline": max(each.end, problem.workflow.task(each.task).deadline or 0.0)}
        for each in rows.placements
    }
    spent = sum(
        problem.cluster.worker(each.worker).price / 3600
        * (each.end - each.start)
        * each.allocation.cores / problem.cluster.worker(each.worker).cores
        for each in rows.placements
    )  # fmt: skip
    limits = replace(problem.objective, hard_deadlines=True, budget=spent)
    return changed(problem, tasks=late, objective=limits)


_names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30).filter(
    str.strip
)
_amounts = st.none() | st.floats(0, 1e15, allow_nan=False)
_times = st.none() | st.datetimes(
    datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)
)


@st.composite
def records(draw: st.DrawFn) -> TaskRecord:
    """Any record that keeps the rules, names in any script included."""
    started = draw(_times)
    ended = started + draw(st.timedeltas(timedelta(0), timedelta(days=9))) if started else None
    keys = st.text(alphabet="abcxyz_", min_size=1, max_size=8)
    numbers = st.dictionaries(keys, st.floats(0, 1e15, allow_nan=False), max_size=3)
    return TaskRecord(
        run=draw(_names),
        task=draw(_names),
        kind=draw(_names),
        outcome=draw(st.sampled_from(Outcome)),
        worker=draw(st.none() | _names),
        attempt=draw(st.integers(1, 9)),
        started=started,
        ended=ended,
        duration=draw(_amounts),
        peak_memory=draw(_amounts),
        cpu=draw(_amounts),
        requested_memory=draw(_amounts),
        exit_code=draw(st.none() | st.integers(-255, 255)),
        sizes=draw(numbers),
        measured=draw(numbers),
        predecessors=tuple(draw(st.lists(_names, max_size=3))),
    )


@st.composite
def ganged(draw: st.DrawFn, given: st.SearchStrategy[Problem]) -> Problem:
    """Problems in which some tasks that wait for nothing of each other start together.

    A history that would have begun a gang in part is left out.
    """
    problem = draw(given)
    names = list(problem.workflow.index)
    gang = {name: draw(st.sampled_from(["", "", "one", "two"])) for name in names}
    apart = {name: bool(each) and draw(st.booleans()) for name, each in gang.items()}
    fields = {name: {"gang": gang[name], "apart": apart[name]} for name in names}
    whole = {gang[task] for task in problem.fixed} - {""}
    try:
        if whole & {gang[task] for task in names if task not in problem.fixed}:
            problem = Problem(
                problem.workflow, problem.cluster, problem.forecast, problem.objective
            )
        return changed(problem, tasks=fields)
    except (InvalidWorkflow, Infeasible):
        reject()
