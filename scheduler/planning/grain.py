"""Whether all times of a problem are whole multiples of one unit."""

import numpy as np

from scheduler.planning.flat import Flat, Floats

UNITS = (1.0, 0.5, 0.25, 0.1, 0.01)
SAMPLE = 1000
MOST = 1 << 20  # multiples that a time may be


def grain(flat: Flat) -> float:
    """The largest usual unit of which every time is a whole multiple; zero when there is none.

    Times are durations, transfers, releases, windows and what has happened. A schedule in which
    everything starts as early as it can then has no other times.
    """
    fixed = flat.fixed_worker >= 0
    times = [flat.duration[np.isfinite(flat.duration)], flat.release, flat.closed.ravel()]
    times += [flat.fixed_start[fixed], flat.fixed_end[fixed], np.array([flat.now])]
    if len(flat.worker_cores) > 1 and len(flat.before_bytes):
        rates, sizes = np.unique(flat.per_byte), np.unique(flat.before_bytes)
        if rates.size * sizes.size > MOST:
            return 0.0
        times.append((flat.latency + np.multiply.outer(sizes, rates)).ravel())
    every = np.concatenate(times)
    few = every[:: max(1, every.size // SAMPLE)]  # enough to see that most problems have none
    return next((unit for unit in UNITS if _fits(few, unit) and _fits(every, unit)), 0.0)


def _fits(times: Floats, unit: float) -> bool:
    steps = times / unit
    return bool(steps.max() < MOST and np.abs(steps - np.round(steps)).max() < 1e-9)
