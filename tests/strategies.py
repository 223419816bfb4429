"""Random values for hypothesis: problems that always have a schedule, and records."""

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from worlds import GB, problem_of

from scheduler.planning.problem import Problem
from scheduler.records import Outcome, TaskRecord

# The first example may compile; no single example has a deadline.
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
