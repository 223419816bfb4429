"""A run whose plan was changed: read from a store as an agent leaves it."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from dashboard.reading import newest_plan, read_plan
from scheduler.documents import cluster_document, workflow_document
from scheduler.execution.events import PlanChanged
from scheduler.planning.planners.heft import Heft
from scheduler.planning.schedule import Placement
from scheduler.store import Store
from scheduler.store.intents import Kept
from scheduler.store.plans import NewPlan
from scheduler.store.runs import lease_of
from tests.dashboard.filler import START, a_problem
from tests.dashboard.test_screens import opened, said


@pytest.fixture
def changed(tmp_path: Path) -> tuple[str, dict[str, Placement]]:
    """A store with a run that was planned again twice, and what its newest plan says."""
    url, problem = f"sqlite:///{tmp_path / 'allot.db'}", a_problem(np.random.default_rng(1), 12)
    plan = Heft().plan(problem)
    one, two = plan.placements[:2]
    once, again = (replace(one, end=one.end + each) for each in (1, 900))
    other = replace(two, worker="w2")
    smaller = cluster_document(problem.cluster) | {"name": "smaller"}
    with Store.open(url) as store:
        run = store.begin_run(
            workflow=workflow_document(problem.workflow), cluster=cluster_document(problem.cluster),
            objective=asdict(problem.objective), forecast=problem.forecast, schedule=plan,
            executor="Simulator", label="", at=START, holder="somebody",
        )  # fmt: skip
        lease = store.lease(lease_of(run))
        assert lease is not None
        plans = (
            NewPlan("heft", 1.0, (once, other)),
            NewPlan("repair", 2.0, (again,), cluster=smaller),
        )
        events = [PlanChanged(5.0, START, ("late",), 1, ("so",), 10.0, 900.0) for _ in plans]
        store.keep(run, Kept(events, plans), lease=lease, at=START)
    return url, {**plan.by_task, one.task: again, two.task: other}


def test_changes_of_a_plan_are_laid_over_one_another(
    changed: tuple[str, dict[str, Placement]],
) -> None:
    with Store.open(changed[0]) as store:
        first = read_plan(store, 1)
        found = newest_plan(store, 1, first)
    assert found is not None
    assert (found.schedule.planner, found.cluster.name) == ("repair", "smaller")
    assert found.schedule.by_task == changed[1]
    assert found.workflow is first.workflow


def test_a_run_that_was_never_planned_again_has_no_newer_plan(full_url: str) -> None:
    with Store.open(full_url) as store:
        assert newest_plan(store, 2, read_plan(store, 2)) is None


def test_the_schedule_shows_the_newest_plan_or_the_first_one(
    changed: tuple[str, dict[str, Placement]], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, changed[0], "schedule")
    assert not app.exception
    assert "Planned again since it began" in said(app)
    ends = app.dataframe[-1].value["planned end"].max()
    app = opened(monkeypatch, changed[0], "schedule", plan="first")
    assert app.dataframe[-1].value["planned end"].max() < ends
