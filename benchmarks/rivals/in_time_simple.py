"""What a practitioner would pick to forecast a trace: medians, lines, LightGBM; as measured.

Each is told the kind, the cores and the request, and where it is declared known the bytes read.
Natural logarithms throughout; settings as in the measured rivals. Needs the extra `bench`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.public.sizey import INPUT, Trace
from benchmarks.rivals.wastage_boosted import boosted, line, median

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SLOWER = {"learning_rate": 0.05, "min_data_in_leaf": 8}  # for trees on top of lines
MIDDLE = {"objective": "quantile", "alpha": 0.5}


@dataclass(frozen=True, eq=False)
class Table:
    """What a rival is told of each row: kind, cores, log request, log bytes read last if known."""

    rows: Floats
    logs: Floats
    learn: Ints

    @property
    def part(self) -> tuple[Floats, Floats, Floats]:
        """The rows to learn from, with what was observed of them."""
        seen = self.learn[~np.isnan(self.logs[self.learn])]
        return self.rows[seen], self.logs[seen], np.ones(len(seen))


Rival = Callable[[Table], Floats]


def table_of(trace: Trace, observed: Floats, *, size: bool) -> Table:
    """A trace with one quantity of each record, NaN where not observed."""
    kinds = {k: i for i, k in enumerate(dict.fromkeys(r.kind for r in trace.records))}
    rows = [
        [
            float(kinds[record.kind]),
            record.requested_cores or np.nan,
            np.log1p(record.requested_memory or np.nan),
            *([np.log1p(record.measured.get(INPUT, np.nan))] if size else []),
        ]
        for record in trace.records
    ]
    return Table(np.array(rows), np.log(observed), trace.learn)


def median_of_kind(table: Table) -> Floats:
    """The median of the kind."""
    return _everywhere(table, median(*table.part))


def line_of_kind(table: Table) -> Floats:
    """A line of the kind over the logarithm of the bytes read."""
    return _everywhere(table, line(*table.part))


def trees(table: Table) -> Floats:
    """LightGBM's median over all kinds."""
    return _everywhere(table, boosted(**MIDDLE)(*table.part))


def line_and_trees(table: Table) -> Floats:
    """LightGBM by least squares on what the lines leave."""
    return _on_lines(table, objective="l2")


def line_and_median_trees(table: Table) -> Floats:
    """The same by its median: stronger than what was measured before."""
    return _on_lines(table, **MIDDLE)


BEFOREHAND: Mapping[str, Rival] = {"median of the kind": median_of_kind, "LightGBM median": trees}
WITH_SIZE: Mapping[str, Rival] = {
    **BEFOREHAND,
    "line of the kind": line_of_kind,
    "line + LightGBM": line_and_trees,
    "line + LightGBM median": line_and_median_trees,
}


def _on_lines(table: Table, **objective: object) -> Floats:
    under = line_of_kind(table)
    left = Table(table.rows, table.logs - under, table.learn)
    return under + _everywhere(left, boosted(**objective, **SLOWER)(*left.part))


def _everywhere(table: Table, fitted: Callable[[Floats], Floats]) -> Floats:
    """What is said of each row of the kinds that were learned; NaN of others."""
    known = np.isin(table.rows[:, 0], np.unique(table.rows[table.learn, 0]))
    told = np.full(len(table.rows), np.nan)
    told[known] = fitted(table.rows[known])
    return told
