"""Room for large tables that come and go, used again and again."""

import threading
import weakref
from math import prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SPARE = 1.25  # a buffer is so many times as large as was asked: tables that grow a little fit too
MOST = 2**24  # floats: a larger table is made for itself, and nothing is kept of it
IDLE = 8  # buffers that are kept though nobody uses them


class Shelf:
    """Buffers whose memory the system has handed over already.

    To touch memory for the first time costs up to a hundred times what copying into it does.
    A buffer is lent for as long as anybody holds the table, or a view of it.

    >>> shelf = Shelf()
    >>> table = shelf.empty((20, 30))
    >>> place = table.ctypes.data
    >>> shelf.empty((20, 30)).ctypes.data == place
    False
    >>> del table
    >>> shelf.empty((21, 30)).ctypes.data == place
    True
    """

    def __init__(self) -> None:
        self._buffers: list[tuple[bytearray, weakref.ref[Floats]]] = []
        self._lock = threading.Lock()

    def reserve(self, size: int, count: int) -> None:
        """Makes ready so many tables of so many floats; of larger ones than are kept, none."""
        if size > MOST:
            return
        for table in [self.empty((size,)) for _ in range(count)]:
            table.fill(0.0)

    def empty(self, shape: tuple[int, ...]) -> Floats:
        """A table of that shape, contiguous, with anything in it."""
        size = prod(shape)
        if size > MOST:
            return np.empty(shape)
        with self._lock:
            whole = np.frombuffer(self._memory(8 * max(size, 1)), dtype=np.float64)
            self._buffers[-1] = (self._buffers[-1][0], weakref.ref(whole))
        return whole[:size].reshape(shape)  # views of a table hold on to `whole`

    def beside(self, *tables: Floats) -> Floats:
        """The tables beside one another; one of a single axis is a column."""
        columns = [each[:, None] if each.ndim == 1 else each for each in tables]
        found = self.empty((len(columns[0]), sum(each.shape[1] for each in columns)))
        return np.concatenate(columns, axis=1, out=found)

    def below(self, *tables: Floats) -> Floats:
        """The tables below one another."""
        found = self.empty((sum(map(len, tables)), *tables[0].shape[1:]))
        return np.concatenate(tables, out=found)

    def _memory(self, size: int) -> bytearray:
        """A buffer of at least so many bytes that nobody uses; it comes to be the last."""
        idle = [at for at, (_, holder) in enumerate(self._buffers) if holder() is None]
        fits = [at for at in idle if size <= len(self._buffers[at][0]) <= 2 * SPARE * size]
        if fits:
            self._buffers.append(self._buffers.pop(fits[0]))
            return self._buffers[-1][0]
        for at in reversed(idle[: max(0, len(idle) - IDLE + 1)]):
            del self._buffers[at]
        made = bytearray(8 * int(SPARE * size / 8 + 1))
        self._buffers.append((made, weakref.ref(np.empty(0))))
        return made
