"""What lower bounds count on flat arrays."""

import numpy as np

from scheduler.planning.flat import Floats, Ints
from scheduler.planning.kernels.compiling import compiled


@compiled
def priced_work(work: Floats, price: Floats) -> tuple[Floats, Floats]:
    """The cheapest work of each task (n) at a price per worker, and the work each worker gets (m).

    Shape: work n x m, infinite where not eligible; price m.
    """
    n, m = work.shape
    cheapest, load = np.zeros(n), np.zeros(m)
    for t in range(n):
        best, where = np.inf, 0
        for w in range(m):
            if work[t, w] < np.inf and price[w] * work[t, w] < best:
                best, where = price[w] * work[t, w], w
        cheapest[t] = best
        load[where] += work[t, where]
    return cheapest, load


@compiled
def most_forced(
    share: Floats, latest_first: Ints, before: Floats, after: Floats, levels: Floats
) -> float:
    """The most of start + shares + time after, over the sets of tasks that are late on both sides.

    A set holds the tasks with `before` at least that of one of them and `after` at least one of
    the levels. `latest_first` holds the tasks by falling `before`. Shape: n each.
    """
    most = 0.0
    for level in levels:
        work = 0.0
        for t in latest_first:
            if share[t] > 0 and after[t] >= level:
                work += share[t]
                most = max(most, before[t] + work + level)
    return most
