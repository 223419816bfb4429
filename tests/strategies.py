"""Random problems for hypothesis: small, of every shape the rules know, always with a schedule."""

from hypothesis import settings
from hypothesis import strategies as st
from worlds import GB, problem_of

from scheduler.planning.problem import Problem

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
