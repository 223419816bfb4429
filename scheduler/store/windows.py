"""What ran, runs and is to run in a window of time, of all runs at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.store.base import SILENCE, Part
from scheduler.store.plans import PLAN
from scheduler.store.runs import _SUMMARY, EVENT, PLACEMENT, RUN, _summary
from scheduler.store.values import RunSummary

PLANNED, GIVEN_UP, UNKNOWN = "planned", "given up", "unknown"
_TASK, _WORKER, _START, _END, _CORES, _MEMORY = range(6)  # of a placement in the table of plans


class Bar(NamedTuple):
    """What held a worker, holds it or is to hold it; seconds since its run began, bytes.

    `end` is None for what has none. `outcome` is empty as long as there is none, UNKNOWN where
    nobody could find out; PLANNED for what a plan says, with attempt zero; GIVEN_UP for a task that
    will not run, without a worker.
    """

    run: int
    task: str
    attempt: int
    worker: str
    start: float
    end: float | None
    cores: float
    memory: float
    outcome: str


@dataclass(frozen=True)
class Described:
    """The documents of a run's workflow and cluster, as its newest plan has them."""

    workflow: Mapping[str, Any]
    cluster: Mapping[str, Any]


class WindowRows(Part):
    """The part of the store that answers what is on all workers."""

    def runs_within(
        self, since: datetime, until: datetime, *, now: datetime, limit: int
    ) -> tuple[RunSummary, ...]:
        """The runs that went on between two moments, or may, newest first."""
        heard = min(since, now - SILENCE)
        lives = sa.or_(RUN.c.state == "waiting", RUN.c.heartbeat >= heard)
        there = sa.or_(RUN.c.ended >= since, sa.and_(RUN.c.ended.is_(None), lives))
        columns = [RUN.c[name] for name in (*_SUMMARY, "heartbeat")]
        query = sa.select(*columns).where(RUN.c.started < until, there)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(RUN.c.id.desc()).limit(limit)).mappings()
            return tuple(_summary(row, now) for row in rows)

    def bars_of(self, runs: Collection[int], *, coming: Collection[int] = ()) -> tuple[Bar, ...]:
        """All that these runs did, and what the newest plans of those `coming` say, in one query.

        What a plan says of tasks that have begun is there, too.
        """
        with self._reading() as connection:
            sorts = [_tried(list(runs))]
            if coming:
                sorts += [_first(list(coming)), _changed(list(coming), connection.dialect.name)]
                sorts += [_given_up(list(coming))]
            rows = connection.execute(sa.union_all(*sorts)).all()
        planned: dict[tuple[int, str], tuple[int, Bar]] = {}
        found: list[Bar] = []
        for row in rows:
            bar = Bar._make(row)
            if bar.outcome != PLANNED:
                found.append(bar)
                continue
            where, number = (bar.run, bar.task), bar.attempt
            if where not in planned or planned[where][0] < number:
                planned[where] = (number, bar)
        return (*_begun_once(found), *(bar._replace(attempt=0) for _, bar in planned.values()))

    def changes_of(self, runs: Collection[int]) -> dict[int, int]:
        """How often the plans of runs have changed; those of which none has are left out."""
        query = sa.select(PLAN.c.run_id, sa.func.max(PLAN.c.number)).group_by(PLAN.c.run_id)
        with self._reading() as connection:
            rows = connection.execute(query.where(PLAN.c.run_id.in_(list(runs))))
            return {row[0]: row[1] for row in rows}

    def described(self, runs: Collection[int]) -> dict[int, Described]:
        """The documents of runs, of all of them in two queries."""
        ids = list(runs)
        first = sa.select(RUN.c.id, RUN.c.workflow_document, RUN.c.cluster_document)
        later = sa.select(PLAN.c.run_id, PLAN.c.workflow_document, PLAN.c.cluster_document)
        new = PLAN.c.workflow_document.is_not(None) | PLAN.c.cluster_document.is_not(None)
        later = later.where(PLAN.c.run_id.in_(ids), new).order_by(PLAN.c.run_id, PLAN.c.number)
        with self._reading() as connection:
            rows = connection.execute(first.where(RUN.c.id.in_(ids)))
            found = {run: Described(workflow, cluster) for run, workflow, cluster in rows}
            for run, workflow, cluster in connection.execute(later):
                was = found[run]
                found[run] = Described(workflow or was.workflow, cluster or was.cluster)
        return found


def _tried(runs: list[int]) -> Any:
    """Each attempt: its start and its end stand in rows of their own."""
    sort, told = EVENT.c.type, EVENT.c.details
    begun, over = sort == "started", sort.in_(("ended", "unknown"))
    start = _of(begun, EVENT.c.at).label("begins")
    outcome = _of(sort == "ended", told["outcome"].as_string())
    unknown = sa.case((_of(sort == "unknown", sa.literal(1)) == 1, UNKNOWN), else_="")
    return (
        sa.select(
            EVENT.c.run_id,
            EVENT.c.task,
            EVENT.c.attempt,
            EVENT.c.worker,
            start,
            _of(over, EVENT.c.at).label("ends"),
            _of(begun, told["cores"].as_float()).label("cores"),
            _of(begun, told["memory"].as_float()).label("memory"),
            sa.func.coalesce(outcome, unknown).label("outcome"),
        )
        .where(EVENT.c.run_id.in_(runs), sort.in_(("started", "ended", "unknown")))
        .group_by(EVENT.c.run_id, EVENT.c.task, EVENT.c.attempt, EVENT.c.worker)
        .having(_of(begun, EVENT.c.at).is_not(None))
    )


def _first(runs: list[int]) -> Any:
    """What the first plan says; `attempt` is the number of the plan."""
    held = (PLACEMENT.c[name] for name in ("worker", "start", "end", "cores"))
    memory = sa.cast(PLACEMENT.c.memory, sa.Float)
    number, outcome = sa.literal(0, sa.Integer), sa.literal(PLANNED, sa.String)
    query = sa.select(PLACEMENT.c.run_id, PLACEMENT.c.task, number, *held, memory, outcome)
    return query.where(PLACEMENT.c.run_id.in_(runs))


def _changed(runs: list[int], engine: str) -> Any:
    """What later plans say that differs; of each task what the newest of them says."""
    if engine == "postgresql":
        listed = sa.func.json_array_elements(PLAN.c.placements)
        each = listed.table_valued(
            sa.column("value", sa.JSON), name="placed", joins_implicitly=True
        ).render_derived()

        def item(place: int) -> Any:
            return sa.func.json_extract_path_text(each.c.value, str(place))
    else:
        listed = sa.func.json_each(PLAN.c.placements)
        each = listed.table_valued("value", name="placed", joins_implicitly=True)

        def item(place: int) -> Any:
            return sa.func.json_extract(each.c.value, f"$[{place}]")

    task = sa.cast(item(_TASK), sa.String)
    order = sa.func.row_number().over(
        partition_by=(PLAN.c.run_id, task), order_by=PLAN.c.number.desc()
    )
    said = (
        sa.select(
            PLAN.c.run_id,
            task.label("task"),
            PLAN.c.number,
            sa.cast(item(_WORKER), sa.String).label("worker"),
            *(
                sa.cast(item(place), sa.Float).label(name)
                for place, name in ((_START, "begins"), (_END, "ends"), (_CORES, "cores"))
            ),
            sa.cast(item(_MEMORY), sa.Float).label("memory"),
            order.label("nth"),
        )
        .where(PLAN.c.run_id.in_(runs))
        .subquery()
    )
    columns = (each for each in said.c if each.name != "nth")
    return sa.select(*columns, sa.literal(PLANNED, sa.String)).where(said.c.nth == 1)


def _given_up(runs: list[int]) -> Any:
    none, outcome = sa.literal(0.0, sa.Float), sa.literal(GIVEN_UP, sa.String)
    query = sa.select(
        EVENT.c.run_id,
        EVENT.c.task,
        EVENT.c.attempt,
        EVENT.c.worker,
        EVENT.c.at,
        EVENT.c.at,
        none,
        none,
        outcome,
    )
    return query.where(EVENT.c.run_id.in_(runs), EVENT.c.type == "given_up")


def _begun_once(found: list[Bar]) -> list[Bar]:
    """Without starts that came to nothing: the same attempt began again in another's charge."""
    last: dict[tuple[int, str, int], float] = {}
    for each in found:
        where = each[:3]
        last[where] = max(last.get(where, each.start), each.start)
    return [each for each in found if each.end is not None or each.start >= last[each[:3]]]


def _of(condition: Any, value: Any) -> Any:
    """The value of the row of a group for which this holds."""
    return sa.func.max(sa.case((condition, value)))
