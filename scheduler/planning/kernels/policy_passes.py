"""What a policy reads of the graph before anything is placed: a pass over dependencies each."""

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.compiling import compiled


@compiled
def heirs(flat: Flat, onward: Floats, rank: Floats, most: int) -> tuple[Ints, Floats, Floats]:
    """The `most` most urgent successors of each task, their bytes, and the longest transfer.

    `onward` is the transfer of each dependency (seconds, by source), `rank` the upward rank (n).
    Urgent is the one from which the way to the end, its transfer included, is longest; of equals
    the first. Shape: n x most (-1 where there are fewer), n x most, n.
    """
    n = flat.row.size
    heir, size, longest = np.full((n, most), -1, np.int64), np.zeros((n, most)), np.zeros(n)
    way = np.empty(most)
    for t in range(n):
        way[:] = -1.0
        for e in range(flat.after_start[t], flat.after_start[t + 1]):
            s = flat.after_task[e]
            longest[t] = max(longest[t], onward[e])
            here = onward[e] + rank[s]
            i = most
            while i > 0 and here > way[i - 1]:
                i -= 1
                if i + 1 < most:
                    way[i + 1], heir[t, i + 1], size[t, i + 1] = way[i], heir[t, i], size[t, i]
            if i < most:
                way[i], heir[t, i], size[t, i] = here, s, flat.after_bytes[e]
    return heir, size, longest


@compiled
def families(flat: Flat, usual: Floats) -> Floats:
    """By how many seconds the successors of each task last longer on each worker, n x m.

    Longer than `usual` (n), averaged over the successors; those that a worker cannot take are left
    out there.
    """
    n, m = flat.row.size, flat.worker_cores.size
    longer = np.zeros((n, m))
    for t in range(n):
        first, last = flat.after_start[t], flat.after_start[t + 1]
        for e in range(first, last):
            s = flat.after_task[e]
            for w in range(m):
                d = flat.duration[flat.row[s], w]
                if d < np.inf:
                    longer[t, w] += (d - usual[s]) / (last - first)
    return longer


@compiled
def burdens(flat: Flat, work: Floats) -> Floats:
    """The work that comes after each task, n; a task that waits for several burdens each in part.

    `work` n, in any unit.
    """
    burden = np.zeros(work.size)
    for t in flat.order[::-1]:
        for e in range(flat.after_start[t], flat.after_start[t + 1]):
            s = flat.after_task[e]
            shared = flat.before_start[s + 1] - flat.before_start[s]
            burden[t] += (work[s] + burden[s]) / shared
    return burden
