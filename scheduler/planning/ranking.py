"""What is urgent: upward rank and critical path of a problem, slack of a schedule."""

from bisect import bisect_right
from collections.abc import Mapping

import numpy as np

from scheduler.planning.kernels.graph import longest_after, mean_durations
from scheduler.planning.problem import Floats, Ints, Problem
from scheduler.planning.schedule import Placement, Schedule

EQUAL = 1e-12  # share of the highest rank below which two ranks are the same
STEP_BITS = 40  # enough to count the steps of that share


def mean_duration(problem: Problem) -> Floats:
    """Seconds of each task, averaged over the workers that can take it, n."""
    mean: Floats = mean_durations(problem.flat.duration)[problem.flat.row]
    return mean


def upward_rank(problem: Problem, *, within: bool = False) -> Floats:
    """The length of the critical path from the start of each task to the end, n.

    With w the mean duration and c the mean transfer between two different workers (zero where there
    is but one): rank(i) = w(i) + max over successors j of (c(i, j) + rank(j)). Topcuoglu, Hariri
    and Wu, "Performance-effective and low-complexity task scheduling" (2002), equation 8. `within`
    takes the mean over the pairs of workers and the workers alone, where a transfer takes no time.
    """
    flat = problem.flat
    delay = mean_transfers(problem, flat.after_bytes, within=within)
    mean = mean_duration(problem)
    return longest_after(flat.order[::-1].copy(), flat.after_start, flat.after_task, delay, mean)


def downward_rank(problem: Problem) -> Floats:
    """The longest way from the start of the workflow to the start of each task, n.

    rank(i) = max over predecessors j of (rank(j) + w(j) + c(j, i)), equation 10 of the same paper.
    """
    flat, mean = problem.flat, mean_duration(problem)
    delay = mean_transfers(problem, flat.before_bytes)
    way = longest_after(flat.order, flat.before_start, flat.before_task, delay, mean)
    rank: Floats = way - mean
    return rank


def by_upward_rank(problem: Problem, *, within: bool = False) -> Ints:
    """Task indices from the highest upward rank down, each after its predecessors.

    Ranks that differ by rounding alone are equal; of equals the first given comes first.
    """
    return falling(upward_rank(problem, within=within), problem.flat.order)


def falling(rank: Floats, order: Ints) -> Ints:
    """The tasks of an order from the highest rank down; of equal ranks the first in the order.

    Ranks are counted in steps of 1e-12 of the highest. Shape: n each.
    """
    highest = float(rank.max())
    steps = np.round(rank[order] / (highest * EQUAL if highest > 0 else 1.0))
    bits = len(order).bit_length()
    if rank.min() < 0 or STEP_BITS + bits > 63:
        return order[np.argsort(-steps, kind="stable")]
    # One number per task, the step before the place in the order: numbers sort faster than rows.
    keys = ((1 << STEP_BITS) - steps.astype(np.int64) << bits) | np.arange(len(order))
    keys.sort()
    tasks: Ints = order[keys & ((1 << bits) - 1)]
    return tasks


def critical_path(problem: Problem) -> tuple[str, ...]:
    """The tasks of the longest way through the workflow, by upward rank, first to last."""
    rank, flat, tasks = upward_rank(problem), problem.flat, problem.workflow.tasks
    here = int(np.argmax(rank))
    path = [tasks[here].id]
    while flat.after_start[here] < flat.after_start[here + 1]:
        row = slice(flat.after_start[here], flat.after_start[here + 1])
        onward = mean_transfers(problem, flat.after_bytes[row]) + rank[flat.after_task[row]]
        here = int(flat.after_task[row][np.argmax(onward)])
        path.append(tasks[here].id)
    return tuple(path)


def slack(schedule: Schedule, problem: Problem) -> Mapping[str, float]:
    """Seconds by which each task could start later without a later end of the whole.

    Workers stay, and of two tasks on one worker the one that ends before the other starts keeps
    doing so; what follows moves along. All tasks moved to their latest start at once still make a
    feasible schedule. Near zero is critical. The schedule must be feasible.
    """
    placed, begin = schedule.by_task, _begin(schedule, problem)
    latest: dict[str, float] = {}
    followers: dict[str, _Followers] = {each.name: _Followers() for each in problem.cluster.workers}
    for task in sorted(problem.workflow.order, key=begin.__getitem__)[::-1]:
        each = placed[task]
        ends = [
            latest[successor] - _transfer(problem, each, placed[successor])
            for successor in problem.workflow.successors(task)
        ]
        ends += [followers[each.worker].first_start_from(each.end), schedule.makespan]
        latest[task] = max(each.start, min(ends) - (each.end - each.start))
        followers[each.worker].add(begin[task], latest[task])
    return {task: max(0.0, latest[task] - placed[task].start) for task in placed}


def transfers(problem: Problem, size: Floats) -> Floats:
    """Seconds that each of these amounts of bytes takes between two different workers."""
    if len(problem.cluster) == 1:
        return np.zeros(len(size))
    return problem.cluster.latency + size / problem.cluster.bandwidth


def mean_transfers(problem: Problem, size: Floats, *, within: bool = False) -> Floats:
    """Seconds that each of these amounts of bytes takes, averaged over the pairs of workers.

    `within` counts each worker as one more pair, within which bytes take no time.
    """
    m = len(problem.cluster)
    share = (m - 1) / (m + 1) if within else 1.0
    if not problem.cluster.links:
        return transfers(problem, size) * share
    rate = float(problem.flat.per_byte.sum()) / (m * (m - 1))
    return (problem.cluster.latency + size * rate) * share


class _Followers:
    """The tasks of one worker seen so far, from the last start to the first."""

    def __init__(self) -> None:
        self.minus_start: list[float] = []  # rising, as bisect wants it
        self.latest: list[float] = []  # the earliest latest start among those up to here

    def add(self, start: float, latest: float) -> None:
        self.minus_start.append(-start)
        self.latest.append(min(latest, self.latest[-1]) if self.latest else latest)

    def first_start_from(self, end: float) -> float:
        count = bisect_right(self.minus_start, -end + 1e-9 * max(1.0, end))
        return self.latest[count - 1] if count else np.inf


def _begin(schedule: Schedule, problem: Problem) -> dict[str, float]:
    # The starts, rising along every dependency even where two differ by less than the clock tells.
    begin: dict[str, float] = {}
    for task in problem.workflow.order:
        before = [begin[each] for each in problem.workflow.predecessors(task)]
        begin[task] = max([schedule.by_task[task].start, *before])
    return begin


def _transfer(problem: Problem, source: Placement, target: Placement) -> float:
    size: float = problem.workflow.graph.edges[source.task, target.task]["bytes"]
    return problem.cluster.transfer_seconds(size, source.worker, target.worker)
