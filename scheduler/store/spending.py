"""What was spent, by record: the money of attempts, at the prices of their runs' workers."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.store.base import Part

RUN = SQLModel.metadata.tables["run"]
EVENT = SQLModel.metadata.tables["event"]
_COLUMNS = ("run_id", "type", "task", "attempt", "worker", "time", "details")
_SORTS = ("started", "ended", "unknown")


class SpendingRows(Part):
    """The part of the store that counts money."""

    def spent(self, since: datetime, *, now: datetime) -> float:
        """The money of all attempts from then on: of those that run, of the time until now."""
        with self._reading() as connection:
            recent = sa.select(RUN.c.id).where(RUN.c.heartbeat >= since)
            mine = sa.and_(EVENT.c.run_id.in_(recent), EVENT.c.type.in_(_SORTS))
            mine = sa.and_(mine, EVENT.c.time >= since)
            query = sa.select(*(EVENT.c[name] for name in _COLUMNS)).where(mine)
            rows = connection.execute(query.order_by(EVENT.c.id)).all()
            runs = {row.run_id for row in rows}
            query = sa.select(RUN.c.id, RUN.c.state, RUN.c.cluster_document)
            found = connection.execute(query.where(RUN.c.id.in_(runs))).all() if runs else []
        rates = {row.id: _rates(row.cluster_document) for row in found}
        going = {row.id for row in found if row.state == "running"}
        begun: dict[tuple[int, str, int], Any] = {}
        total = 0.0
        for row in rows:
            where = (row.run_id, row.task, row.attempt)
            if row.type == "started":
                begun[where] = row
            elif (start := begun.pop(where, None)) is not None:
                total += _money(rates, start, row.time - start.time)
        return total + sum(
            _money(rates, start, max(now - start.time, timedelta(0)))
            for start in begun.values()
            if start.run_id in going
        )


def _rates(cluster: Mapping[str, Any]) -> dict[str, float]:
    """Money for a core and second, by worker."""
    return {
        each["name"]: each.get("price", 0.0) / 3600 / each["cores"] for each in cluster["workers"]
    }


def _money(rates: Mapping[int, Mapping[str, float]], start: Any, took: timedelta) -> float:
    rate = rates.get(start.run_id, {}).get(start.worker, 0.0)
    return float(rate * start.details["cores"] * took.total_seconds())
