"""Passes over the graph on flat arrays."""

import numpy as np

from scheduler.planning.flat import Floats, Ints
from scheduler.planning.kernels.compiling import compiled


@compiled
def mean_durations(duration: Floats) -> Floats:
    """The mean of each row over the workers that can take it, k of k x m."""
    k, m = duration.shape
    mean, total = np.zeros(k), np.zeros(4)
    for row in range(k):
        total[:], count = 0.0, 0  # four sums side by side, so that none waits for the last
        for w in range(0, m - 3, 4):
            for i in range(4):
                able = duration[row, w + i] < np.inf
                total[i] += duration[row, w + i] if able else 0.0
                count += able
        for w in range(m - m % 4, m):
            able = duration[row, w] < np.inf
            total[0] += duration[row, w] if able else 0.0
            count += able
        mean[row] = ((total[0] + total[1]) + (total[2] + total[3])) / max(count, 1)
    return mean


@compiled
def longest_after(
    backwards: Ints, start_of: Ints, successor: Ints, delay: Floats, weight: Floats
) -> Floats:
    """The longest way from the start of each task to the end of the workflow, n.

    A way weighs its tasks' `weight` (n) and its dependencies' `delay`. `backwards` holds every task
    after its successors.
    """
    longest = np.zeros(weight.size)
    for t in backwards:
        after = 0.0
        for e in range(start_of[t], start_of[t + 1]):
            after = max(after, delay[e] + longest[successor[e]])
        longest[t] = weight[t] + after
    return longest


@compiled
def earliest_ends(
    order: Ints, start_of: Ints, predecessor: Ints, delay: Floats, duration: Floats
) -> Floats:
    """When each task could end on each worker if every worker could do everything at once, n x m.

    A predecessor runs wherever that is best for this one task: with EF the result and W the
    durations, EF[t, w] = W[t, w] + max over p of min(EF[p, w], delay + min over v of EF[p, v]).
    The optimistic cost table of Arabnejad and Barbosa (PEFT, 2014), read forwards.
    """
    n, m = duration.shape
    ends, soonest = np.full((n, m), np.inf), np.full(n, np.inf)
    ready = np.zeros(m)
    for t in order:
        ready[:] = 0.0
        for e in range(start_of[t], start_of[t + 1]):
            p = predecessor[e]
            for w in range(m):
                ready[w] = max(ready[w], min(ends[p, w], soonest[p] + delay[e]))
        for w in range(m):
            ends[t, w] = ready[w] + duration[t, w]
            soonest[t] = min(soonest[t], ends[t, w])
    return ends
