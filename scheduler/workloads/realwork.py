"""Ten kinds of real work, each done by up to three agents in a way of their own.

Every action makes its input from a seed and works on it with the library that its place's label
`library` names: `numpy` (arrays), `arrow` (columns) or `stdlib` (plain Python). Inputs hold numbers
that compress, group and repeat as business data does.
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

WORDS = tuple(
    "".join(pair) for pair in zip("abcdefghij" * 30, "klmnopqrstuvwxyz" * 20, strict=False)
)


def sort(place: Place, *, rows: int, seed: int) -> None:
    """Puts numbers in order."""
    numbers = np.random.default_rng(seed).random(rows)
    _done_by(
        place,
        {
            "numpy": lambda: np.sort(numbers),
            "arrow": lambda: pa.array(numbers).take(pc.sort_indices(pa.array(numbers))),
            "stdlib": lambda: sorted(numbers.tolist()),
        },
    )


def compress(place: Place, *, size: int, seed: int) -> None:
    """Packs bytes."""
    data = _text(size, seed).encode()
    _done_by(
        place,
        {
            "numpy": lambda: bz2.compress(data, 5),
            "arrow": lambda: pa.compress(data, codec="zstd", asbytes=True),
            "stdlib": lambda: zlib.compress(data, 6),
        },
    )


def digest(place: Place, *, size: int, seed: int) -> None:
    """Takes a fingerprint of every kilobyte."""
    data = np.random.default_rng(seed).bytes(size)
    pages = range(0, size, 1024)
    _done_by(
        place,
        {
            "numpy": lambda: _polynomial(
                np.frombuffer(data[: size // 1024 * 1024], dtype=np.uint8)
            ),
            "arrow": lambda: [hashlib.sha3_512(data[at : at + 1024]).digest() for at in pages],
            "stdlib": lambda: [hashlib.sha256(data[at : at + 1024]).digest() for at in pages],
        },
    )


def multiply(place: Place, *, side: int, seed: int) -> None:
    """Multiplies two square matrices."""
    left, right = np.random.default_rng(seed).random((2, side, side))
    _done_by(
        place,
        {
            "numpy": lambda: [left @ right for _ in range(40)],
            "stdlib": lambda: _product(left.tolist(), right.T.tolist()),
        },
    )


def aggregate(place: Place, *, rows: int, seed: int) -> None:
    """Sums amounts by customer, as a query would."""
    rng = np.random.default_rng(seed)
    customers, amounts = rng.integers(0, max(1, rows // 50), rows), rng.random(rows)
    _done_by(
        place,
        {
            "numpy": lambda: _grouped(customers, amounts),
            "arrow": lambda: (
                pa.table({"c": customers, "a": amounts}).group_by("c").aggregate([("a", "sum")])
            ),
            "stdlib": lambda: _queried(customers.tolist(), amounts.tolist()),
        },
    )


def parse(place: Place, *, rows: int, seed: int) -> None:
    """Reads lines of JSON into a table."""
    draw = random.Random(seed)
    lines = "\n".join(
        json.dumps({"id": i, "amount": draw.random(), "name": draw.choice(WORDS)})
        for i in range(rows)
    )
    _done_by(
        place,
        {
            "numpy": lambda: np.array([_fields(line) for line in lines.splitlines()]),
            "arrow": lambda: pa.json.read_json(pa.BufferReader(lines.encode())),
            "stdlib": lambda: [json.loads(line) for line in lines.splitlines()],
        },
    )


def load(place: Place, *, rows: int, seed: int) -> None:
    """Reads comma-separated numbers into columns."""
    table = np.random.default_rng(seed).integers(0, 10**6, (rows, 6))
    text = "\n".join(",".join(map(str, row)) for row in table.tolist())
    _done_by(
        place,
        {
            "numpy": lambda: np.loadtxt(io.StringIO(text), delimiter=","),
            "arrow": lambda: pa.csv.read_csv(pa.BufferReader(text.encode())),
            "stdlib": lambda: [
                [float(cell) for cell in row] for row in csv.reader(io.StringIO(text))
            ],
        },
    )


def count_words(place: Place, *, size: int, seed: int) -> None:
    """Counts how often each word stands in a text."""
    text = _text(size, seed)
    _done_by(
        place,
        {
            "numpy": lambda: np.unique(np.array(text.split()), return_counts=True),
            "arrow": lambda: pc.value_counts(
                pc.list_flatten(pc.split_pattern(pa.array([text]), " "))
            ),
            "stdlib": lambda: Counter(re.findall(r"\w+", text)),
        },
    )


def blur(place: Place, *, side: int, seed: int) -> None:
    """Softens a square picture."""
    picture = np.random.default_rng(seed).random((side, side))
    _done_by(
        place,
        {
            "numpy": lambda: _blurred(picture, times=12),
            "stdlib": lambda: _blurred_slowly(picture.tolist()),
        },
    )


def score(place: Place, *, rows: int, seed: int) -> None:
    """Scores customers with a small trained network of twelve inputs."""
    rng = np.random.default_rng(seed)
    customers, first, second = (
        rng.random((rows, 12)),
        rng.normal(size=(12, 24)),
        rng.normal(size=24),
    )
    _done_by(
        place,
        {
            "numpy": lambda: [
                1 / (1 + np.exp(-np.tanh(customers @ first) @ second)) for _ in range(6)
            ],
            "stdlib": lambda: _scored(customers.tolist(), first.T.tolist(), second.tolist()),
        },
    )


def route(place: Place, *, nodes: int, seed: int) -> None:
    """Finds the shortest ways from one place of a road network to all others."""
    draw = random.Random(seed)
    roads = [[(draw.randrange(nodes), draw.random()) for _ in range(4)] for _ in range(nodes)]
    _done_by(
        place,
        {
            "numpy": lambda: _relaxed(roads),
            "stdlib": lambda: _dijkstra(roads),
        },
    )


def _done_by(place: Place, ways: Ways) -> None:
    library = place.labels.get("library", "stdlib")
    if library not in ways:
        raise LookupError(f"this work has no way for {library!r}; it has {', '.join(ways)}")
    ways[library]()


def _text(size: int, seed: int) -> str:
    draw = np.random.default_rng(seed).zipf(1.3, size // 3) % len(WORDS)
    return " ".join(WORDS[each] for each in draw.tolist())


def _polynomial(data: NDArray[Any]) -> NDArray[Any]:
    state = np.zeros(len(data) // 1024, dtype=np.uint64)
    for column in data.reshape(-1, 1024).T:
        state = state * np.uint64(1099511628211) + column
    return state


def _product(left: list[list[float]], right: list[list[float]]) -> list[list[float]]:
    return [[sum(map(float.__mul__, row, column)) for column in right] for row in left]


def _grouped(keys: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
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


def _blurred(picture: NDArray[Any], *, times: int) -> NDArray[Any]:
    for _ in range(times):
        wide = np.pad(picture, 1, mode="edge")
        rows = wide[:-2] + wide[1:-1] + wide[2:]
        picture = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
    return picture


def _blurred_slowly(picture: list[list[float]]) -> list[list[float]]:
    rows = [
        [(a + b + c) / 3 for a, b, c in zip(row, row[1:], row[2:], strict=False)] for row in picture
    ]
    return [
        [(a + b + c) / 3 for a, b, c in zip(above, here, below, strict=False)]
        for above, here, below in zip(rows, rows[1:], rows[2:], strict=False)
    ]


def _scored(
    customers: list[list[float]], first: list[list[float]], second: list[float]
) -> list[float]:
    scores = []
    for customer in customers:
        hidden = [math.tanh(sum(map(float.__mul__, customer, column))) for column in first]
        scores.append(1 / (1 + math.exp(-sum(map(float.__mul__, hidden, second)))))
    return scores


def _dijkstra(roads: list[list[tuple[int, float]]]) -> list[float]:
    far = [math.inf] * len(roads)
    queue = [(0.0, 0)]
    while queue:
        length, here = heapq.heappop(queue)
        if length >= far[here]:
            continue
        far[here] = length
        for there, road in roads[here]:
            if length + road < far[there]:
                heapq.heappush(queue, (length + road, there))
    return far


def _relaxed(roads: list[list[tuple[int, float]]]) -> NDArray[Any]:
    source = np.repeat(np.arange(len(roads)), [len(each) for each in roads])
    target = np.array([there for each in roads for there, _ in each])
    length = np.array([road for each in roads for _, road in each])
    far = np.full(len(roads), np.inf)
    far[0] = 0.0
    while True:
        nearer = far.copy()
        np.minimum.at(nearer, target, far[source] + length)
        if np.array_equal(nearer, far):
            return far
        far = nearer
