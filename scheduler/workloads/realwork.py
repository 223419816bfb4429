"""Twelve kinds of real work, each done by up to three agents in a way of their own.

Every action makes its input from a seed and works on it with the library that its place's label
`library` names: `numpy` (arrays), `arrow` (columns) or `stdlib` (plain Python). Making the input
is cheap beside the work, so that what is measured is how good the agent is at the kind. Where the
label `pace` is below one, it works as many seconds more as on a slower core. Where the label
`waits` is given, it waits that many seconds for each that it works, as agents do that ask services.
"""

import bz2
import csv
import hashlib
import heapq
import io
import json
import math
import random
import re
import sqlite3
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
from numpy.typing import NDArray

from scheduler.execution.place import Place

Ways = Mapping[str, Callable[..., object]]
Array = NDArray[Any]


def load(place: Place, *, rows: int, seed: int) -> object:
    """Reads comma-separated numbers into columns."""
    table = np.random.default_rng(seed).integers(0, 10**6, (500, 6)).tolist()
    text = _repeated([",".join(map(str, row)) for row in table], rows)
    return _done_by(
        place,
        {
            "numpy": lambda: np.loadtxt(io.StringIO(text), delimiter=",", converters=float),
            "arrow": lambda: pa.csv.read_csv(pa.py_buffer(text.encode())),
            "stdlib": lambda: [
                [float(cell) for cell in row] for row in csv.reader(io.StringIO(text))
            ],
        },
    )


def parse(place: Place, *, rows: int, seed: int) -> object:
    """Reads lines of JSON into a table."""
    draw = random.Random(seed)
    lines = [
        json.dumps({"id": i, "amount": draw.random(), "name": _word(draw)}) for i in range(500)
    ]
    text = _repeated(lines, rows)
    return _done_by(
        place,
        {
            "numpy": lambda: np.array([_fields(line) for line in text.splitlines()]),
            "arrow": lambda: pa.json.read_json(pa.py_buffer(text.encode())),
            "stdlib": lambda: [json.loads(line) for line in text.splitlines()],
        },
    )


def sort(place: Place, *, rows: int, seed: int) -> object:
    """Puts numbers in order."""
    numbers = np.random.default_rng(seed).random(rows)
    return _done_by(
        place,
        {
            "numpy": lambda: np.sort(numbers),
            "arrow": lambda: pc.sort_indices(_column(numbers)),
            "stdlib": lambda: sorted(numbers.tolist()),
        },
    )


def aggregate(place: Place, *, rows: int, seed: int) -> object:
    """Sums amounts by customer, as a query would."""
    rng = np.random.default_rng(seed)
    customers, amounts = rng.integers(0, max(1, rows // 200), rows), rng.random(rows)
    return _done_by(
        place,
        {
            "numpy": lambda: _grouped(customers, amounts),
            "arrow": lambda: _table(c=customers, a=amounts).group_by("c").aggregate([("a", "sum")]),
            "stdlib": lambda: _queried(customers.tolist(), amounts.tolist()),
        },
    )


def count_words(place: Place, *, size: int, seed: int) -> object:
    """Counts how often each word stands in a text."""
    draw = random.Random(seed)
    text = _repeated([" ".join(_word(draw) for _ in range(12)) for _ in range(400)], size // 84)
    return _done_by(
        place,
        {
            "numpy": lambda: np.unique(np.array(text.split()), return_counts=True),
            "arrow": lambda: pc.value_counts(
                pc.list_flatten(pc.utf8_split_whitespace(_single(text)))
            ),
            "stdlib": lambda: Counter(re.findall(r"\w+", text)),
        },
    )


def score(place: Place, *, rows: int, seed: int) -> object:
    """Scores customers with a small trained network of twelve inputs."""
    rng = np.random.default_rng(seed)
    customers, first, second = (
        rng.random((rows, 12)),
        rng.normal(size=(12, 24)),
        rng.normal(size=24),
    )
    return _done_by(
        place,
        {
            "numpy": lambda: 1 / (1 + np.exp(-np.tanh(customers @ first) @ second)),
            "stdlib": lambda: _scored(customers.tolist(), first.T.tolist(), second.tolist()),
        },
    )


def multiply(place: Place, *, side: int, seed: int) -> object:
    """Multiplies two square matrices."""
    left, right = np.random.default_rng(seed).random((2, side, side))
    return _done_by(
        place,
        {
            "numpy": lambda: left @ right,
            "stdlib": lambda: _product(left.tolist(), right.T.tolist()),
        },
    )


def blur(place: Place, *, side: int, seed: int) -> object:
    """Softens a square picture four times."""
    picture = np.random.default_rng(seed).random((side, side))
    return _done_by(
        place,
        {
            "numpy": lambda: _blurred(picture, times=4),
            "stdlib": lambda: _blurred_slowly(picture.tolist(), times=4),
        },
    )


def route(place: Place, *, nodes: int, seed: int) -> object:
    """Finds the shortest ways from one place of a long road network to all others."""
    rng = np.random.default_rng(seed)
    ahead = rng.integers(1, 40, (nodes, 3)) + np.arange(nodes)[:, None]
    target, length = np.minimum(ahead, nodes - 1), rng.random((nodes, 3))
    return _done_by(
        place,
        {
            "numpy": lambda: _relaxed(target, length),
            "stdlib": lambda: _dijkstra(target.tolist(), length.tolist()),
        },
    )


def sign(place: Place, *, messages: int, seed: int) -> object:
    """Signs messages with a key of 512 bits."""
    draw = random.Random(seed)
    key, modulus = draw.getrandbits(512), draw.getrandbits(512) | 1
    texts = [draw.getrandbits(500) for _ in range(messages)]
    return _done_by(
        place,
        {
            "numpy": lambda: _powers(np.array(texts, dtype=object), key, modulus),
            "stdlib": lambda: [pow(text, key, modulus) for text in texts],
        },
    )


def compress(place: Place, *, size: int, seed: int) -> object:
    """Packs bytes."""
    data = np.random.default_rng(seed).integers(97, 113, size, dtype=np.uint8).tobytes()
    return _done_by(
        place,
        {
            "numpy": lambda: bz2.compress(data, 5),
            "arrow": lambda: pa.compress(data, codec="zstd", asbytes=True),
            "stdlib": lambda: zlib.compress(data, 6),
        },
    )


def digest(place: Place, *, size: int, seed: int) -> object:
    """Takes a fingerprint of every four kilobytes."""
    data = np.random.default_rng(seed).bytes(size // 4096 * 4096)
    return _done_by(
        place,
        {
            "numpy": lambda: _polynomial(np.frombuffer(data, dtype=np.uint8).reshape(-1, 4096)),
            "arrow": lambda: [hashlib.sha3_512(page).digest() for page in _pages(data)],
            "stdlib": lambda: [hashlib.sha256(page).digest() for page in _pages(data)],
        },
    )


def _done_by(place: Place, ways: Ways) -> object:
    library = place.labels.get("library", "stdlib")
    if library not in ways:
        raise LookupError(f"this work has no way for {library!r}; it has {', '.join(ways)}")
    began = time.monotonic() - time.process_time()  # an attempt is a process of its own
    done = ways[library]()
    _keep_pace(began, float(place.labels.get("pace", 1)), float(place.labels.get("waits", 0)))
    return done


def _keep_pace(began: float, pace: float, waits: float) -> None:
    """Works as much longer as this attempt would have on a slower core, and waits for the rest.

    What it lost to others on its core is part of what it waits, as far as that goes.
    """
    works = time.process_time() / pace
    while pace < 1 and time.process_time() < works:
        hashlib.sha256(b"busy" * 4096).digest()
    if waits > 0:
        time.sleep(max(0.0, began + works * (1 + waits) - time.monotonic()))


def _word(draw: random.Random) -> str:
    return f"{draw.choice(('north', 'south', 'west', 'east'))}{draw.randrange(90)}"


def _repeated(lines: list[str], count: int) -> str:
    whole, rest = divmod(max(1, count), len(lines))
    return "\n".join(lines * whole + lines[:rest])


def _column(values: Array) -> Any:
    """An Arrow array over the same memory."""
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)]
    )


def _single(text: str) -> Any:
    """An Arrow array of one text."""
    data = text.encode()
    ends = np.array([0, len(data)], dtype=np.int32)
    return pa.StringArray.from_buffers(1, pa.py_buffer(ends), pa.py_buffer(data))


def _table(**columns: Array) -> Any:
    return pa.Table.from_arrays([_column(each) for each in columns.values()], names=list(columns))


def _pages(data: bytes) -> list[bytes]:
    return [data[at : at + 4096] for at in range(0, len(data), 4096)]


def _polynomial(pages: Array) -> Array:
    state = np.zeros(len(pages), dtype=np.uint64)
    for column in pages.T:
        state = state * np.uint64(1099511628211) + column
    return state


def _product(left: list[list[float]], right: list[list[float]]) -> list[list[float]]:
    return [[sum(map(float.__mul__, row, column)) for column in right] for row in left]


def _grouped(keys: Array, values: Array) -> Array:
    order = np.argsort(keys, kind="stable")
    _, starts = np.unique(keys[order], return_index=True)
    return np.add.reduceat(values[order], starts)


def _queried(keys: list[int], values: list[float]) -> list[tuple[int, float]]:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE sale (c INTEGER, a REAL)")
        database.executemany("INSERT INTO sale VALUES (?, ?)", zip(keys, values, strict=True))
        return database.execute("SELECT c, SUM(a) FROM sale GROUP BY c").fetchall()


def _fields(line: str) -> tuple[float, float]:
    found = re.findall(r"[-\d.e]+(?=[,}])", line)
    return float(found[0]), float(found[1])


def _blurred(picture: Array, *, times: int) -> Array:
    for _ in range(times):
        wide = np.pad(picture, 1, mode="edge")
        rows = wide[:-2] + wide[1:-1] + wide[2:]
        picture = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
    return picture


def _blurred_slowly(picture: list[list[float]], *, times: int) -> list[list[float]]:
    for _ in range(times):
        rows = [
            [a + b + c for a, b, c in zip(row, row[1:], row[2:], strict=False)] for row in picture
        ]
        picture = [
            [(a + b + c) / 9 for a, b, c in zip(above, here, below, strict=False)]
            for above, here, below in zip(rows, rows[1:], rows[2:], strict=False)
        ]
    return picture


def _scored(
    customers: list[list[float]], first: list[list[float]], second: list[float]
) -> list[float]:
    scores = []
    for customer in customers:
        hidden = [math.tanh(sum(map(float.__mul__, customer, column))) for column in first]
        scores.append(1 / (1 + math.exp(-sum(map(float.__mul__, hidden, second)))))
    return scores


def _dijkstra(target: list[list[int]], length: list[list[float]]) -> list[float]:
    far = [math.inf] * len(target)
    far[0] = 0.0
    queue = [(0.0, 0)]
    while queue:
        so_far, here = heapq.heappop(queue)
        if so_far > far[here]:
            continue
        for there, road in zip(target[here], length[here], strict=True):
            if so_far + road < far[there]:
                far[there] = so_far + road
                heapq.heappush(queue, (so_far + road, there))
    return far


def _relaxed(target: Array, length: Array) -> Array:
    """Bellman and Ford's way: every road at once, again and again until nothing gets nearer."""
    far = np.full(len(target), np.inf)
    far[0] = 0.0
    while True:
        nearer = far.copy()
        np.minimum.at(nearer, target.ravel(), (far[:, None] + length).ravel())
        if np.array_equal(nearer, far):
            return far
        far = nearer


def _powers(texts: Array, key: int, modulus: int) -> Array:
    """Squaring and multiplying, all messages side by side."""
    result = np.ones(len(texts), dtype=object)
    for bit in f"{key:b}":
        result = result * result % modulus
        if bit == "1":
            result = result * texts % modulus
    return result
