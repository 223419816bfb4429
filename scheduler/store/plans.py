"""Plans that took the place of others while a run went on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

import scheduler.store.tables  # noqa: F401  fills the metadata
from scheduler.cluster import Allocation
from scheduler.forecast import Forecast
from scheduler.planning.schedule import Placement
from scheduler.store.base import Part
from scheduler.store.runs import packed, unpacked

PLAN = SQLModel.metadata.tables["plan"]


@dataclass(frozen=True)
class NewPlan:
    """A plan that took the place of another.

    `placements` are those that differ from the plan before. The documents of the workflow and the
    cluster, and the forecast, are there where they are others than before.
    """

    planner: str
    lower_bound: float
    placements: tuple[Placement, ...]
    workflow: Mapping[str, Any] | None = None
    cluster: Mapping[str, Any] | None = None
    forecast: Forecast | None = None


class PlanRows(Part):
    """The part of the store that keeps changes of plans."""

    def run_plans(self, run: int) -> tuple[NewPlan, ...]:
        """The plans that took the place of the first, in order: one for each change of the run."""
        query = sa.select(PLAN).where(PLAN.c.run_id == run).order_by(PLAN.c.number)
        with self._reading() as connection:
            return tuple(
                NewPlan(
                    row["planner"],
                    row["lower_bound"],
                    tuple(
                        Placement(task, worker, start, end, Allocation(cores, memory))
                        for task, worker, start, end, cores, memory in row["placements"]
                    ),
                    row["workflow_document"],
                    row["cluster_document"],
                    None if row["forecast"] is None else unpacked(row["forecast"]),
                )
                for row in connection.execute(query).mappings()
            )


def add_plan(connection: Connection, run: int, plan: NewPlan) -> None:
    """Keeps a change of plan, in a transaction that keeps more."""
    count = sa.select(sa.func.count()).select_from(PLAN).where(PLAN.c.run_id == run)
    row = {
        "run_id": run,
        "number": connection.execute(count).scalar_one() + 1,
        "planner": plan.planner,
        "lower_bound": plan.lower_bound,
        "placements": [
            [
                each.task,
                each.worker,
                each.start,
                each.end,
                each.allocation.cores,
                each.allocation.memory,
            ]
            for each in plan.placements
        ],
        "workflow_document": None if plan.workflow is None else dict(plan.workflow),
        "cluster_document": None if plan.cluster is None else dict(plan.cluster),
        "forecast": None if plan.forecast is None else packed(plan.forecast),
    }
    connection.execute(PLAN.insert(), row)
