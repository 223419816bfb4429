"""A problem as the serial decoders read it, forwards and backwards, and their working space."""

import numpy as np

from scheduler.planning.flat import Flat, Floats, Ints
from scheduler.planning.kernels.serial import Room, Serial

GRID = 1 << 16  # seconds of a grid at most
FIELD, FIELDS = 15, 4  # bits of one pool in a packed number, the highest its guard; and how many
PROFILE = 64  # moments that a worker's profile holds at first


def packed(flat: Flat) -> tuple[Serial, Serial]:
    """What the decoders read forwards, and backwards with the dependencies turned round."""
    duration, memory = flat.duration[flat.row], flat.memory[flat.row]
    able_start, able_worker = _able(duration)
    bounded = _bounded(flat, duration, memory)
    travels = bool(_travels(flat))
    word, ample, guard = _words(flat)
    fore = Serial(
        duration=np.ascontiguousarray(duration),
        memory=np.ascontiguousarray(memory),
        cores=flat.cores,
        need=np.ascontiguousarray(flat.need),
        release=np.maximum(flat.release, flat.now),
        before_start=flat.before_start,
        before_task=flat.before_task,
        before_bytes=flat.before_bytes,
        able_start=able_start,
        able_worker=able_worker,
        worker_cores=flat.worker_cores,
        worker_memory=flat.worker_memory,
        limit=flat.limit,
        per_byte=np.ascontiguousarray(flat.per_byte),
        latency=flat.latency,
        travels=travels,
        bounded=bounded,
        closed_start=flat.closed_start,
        closed=flat.closed,
        fixed_worker=flat.fixed_worker,
        fixed_start=flat.fixed_start,
        fixed_end=flat.fixed_end,
        fixed_cores=flat.fixed_cores,
        fixed_memory=flat.fixed_memory,
        gridded=_gridded(flat, duration, memory, bounded, travels=travels, guard=guard),
        packed=word,
        ample=ample,
        guard=guard,
    )
    back = fore._replace(
        before_start=flat.after_start,
        before_task=flat.after_task,
        before_bytes=flat.after_bytes,
        per_byte=np.ascontiguousarray(flat.per_byte.T),
        release=np.zeros(len(flat.release)),
    )
    return fore, back


def room_for(serial: Serial) -> Room:
    """Working space for one thread."""
    n, m = serial.duration.shape
    happened = int((serial.fixed_worker >= 0).sum()) + len(serial.closed)
    rows = max(PROFILE, 2 * happened + 4, 8 * n // max(m, 1))
    pools = len(serial.limit)
    seconds = _horizon(serial.duration, serial.release) + 1 if serial.gridded else 1
    grid = np.full(seconds, serial.ample, dtype=np.int64)
    return Room(
        worker_time=np.zeros((m, rows)),
        worker_free=np.zeros((m, rows, 2)),
        worker_rows=np.ones(m, dtype=np.int64),
        pool_time=np.zeros(2 * n + 4),
        pool_free=np.zeros((2 * n + 4, pools)),
        pool_rows=np.ones(1, dtype=np.int64),
        pool_grid=grid,
        worker_grid=np.zeros((m if serial.bounded.any() else 0, seconds), dtype=np.int64),
        used=np.zeros(1, dtype=np.int64),
        take=np.zeros(2),
    )


def _able(duration: Floats) -> tuple[Ints, Ints]:
    """The workers that can take each task in compressed rows, its fastest first."""
    able = np.isfinite(duration)
    start = np.zeros(len(duration) + 1, dtype=np.int64)
    np.cumsum(able.sum(axis=1), out=start[1:])
    worker = np.argsort(duration, axis=1, kind="stable")
    kept = np.take_along_axis(able, worker, axis=1)
    return start, worker[kept].astype(np.int64)


def _bounded(flat: Flat, duration: Floats, memory: Floats) -> Ints:
    """Which workers would be too small for all that they can take, at one time."""
    able = np.isfinite(duration)
    cores = (able * flat.cores[:, None]).sum(axis=0)
    bytes_held = np.where(able, memory, 0.0).sum(axis=0)
    closed = np.diff(flat.closed_start) > 0
    full = (cores > flat.worker_cores) | (bytes_held > flat.worker_memory) | closed
    found: Ints = full.astype(np.int64)
    return found


def _travels(flat: Flat) -> bool:
    if len(flat.worker_cores) == 1 or not len(flat.before_task):
        return False
    return flat.latency > 0 or bool(flat.before_bytes.any())


def _gridded(
    flat: Flat, duration: Floats, memory: Floats, bounded: Ints, *, travels: bool, guard: int
) -> bool:
    """Whether whole seconds and one number for all pools are enough, each worker all or nothing."""
    able = np.isfinite(duration)
    times = np.concatenate([duration[able], flat.release])
    plain = not (travels or len(flat.closed) or flat.now or (flat.fixed_worker >= 0).any())
    if not plain or (len(flat.limit) and not guard) or (times != np.floor(times)).any():
        return False
    if _horizon(duration, flat.release) > GRID:
        return False
    least = np.where(able, flat.cores[:, None], np.inf)
    least_bytes = np.where(able, memory, np.inf)
    for w in np.flatnonzero(bounded):
        two = np.sort(least[:, w])[:2].sum() > flat.worker_cores[w]
        if not two and not np.sort(least_bytes[:, w])[:2].sum() > flat.worker_memory[w]:
            return False
    return True


def _horizon(duration: Floats, release: Floats) -> int:
    slowest = np.where(np.isfinite(duration), duration, 0.0).max(axis=1)
    return int(slowest.sum() + release.max(initial=0.0)) + 1


def _words(flat: Flat) -> tuple[Ints, int, int]:
    """What each task takes of all pools as one number, all that there is, and the guard bits."""
    need, limit = flat.need, flat.limit
    word = np.zeros(len(need), dtype=np.int64)
    whole = (need == np.floor(need)).all() and (limit == np.floor(limit)).all()
    fits = len(limit) <= FIELDS and (limit < 1 << (FIELD - 1)).all()
    if not (whole and fits) or not len(limit):
        return word, 0, 0
    shift = FIELD * np.arange(len(limit))
    word = (need.astype(np.int64) << shift).sum(axis=1)
    guard = int((np.int64(1) << (shift + FIELD - 1)).sum())
    return word, int((limit.astype(np.int64) << shift).sum()) + guard, guard
