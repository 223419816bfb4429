"""A run whose plan was changed: read from a store as an agent leaves it."""

from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from dashboard import kept
from dashboard.reading import newest_plan, plan_numbered, read_plan
from dashboard.words import plain
from scheduler import recovery
from scheduler.documents import cluster_document, workflow_document
from scheduler.errors import NotFound
from scheduler.execution.charge import Answer
from scheduler.execution.events import AttemptStarted, PlanChanged
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
    ends = app.dataframe[-1].value["planned end, s"].max()
    app = opened(monkeypatch, changed[0], "schedule", plan="first")
    assert app.dataframe[-1].value["planned end, s"].max() < ends


def test_each_plan_of_a_run_is_read_with_what_had_happened_by_then(
    changed: tuple[str, dict[str, Placement]],
) -> None:
    with Store.open(changed[0]) as store:
        known = [each for each in recovery.known(store, 1).history if isinstance(each, Answer)]
        for number, each in enumerate(known, 1):
            found = recovery.plan_of(store, 1, number)
            assert found.schedule.by_task == each.schedule.by_task
            assert (found.reasons, found.problem.now) == (each.reasons, each.problem.now)
            assert found.problem.cluster.name == each.problem.cluster.name
        assert recovery.plan_of(store, 1, 0).schedule == store.run_schedule(1)
        with pytest.raises(NotFound, match="it has 3"):
            recovery.plan_of(store, 1, 3)


def test_what_ran_when_a_plan_was_made_is_fixed_in_its_problem(
    changed: tuple[str, dict[str, Placement]],
) -> None:
    with Store.open(changed[0]) as store:
        first = next(iter(store.run_schedule(1).placements))
        began = AttemptStarted(first.task, 1, first.worker, 0.0, START, first.allocation)
        later = PlanChanged(6.0, START, ("a worker came",), 0, (), 900.0, 900.0)
        lease = store.lease(lease_of(1))
        assert lease is not None
        store.keep(1, Kept([began, later], (NewPlan("heft", 1.0, ()),)), lease=lease, at=START)
        plan = plan_numbered(store, 1, 3)
    assert list(plan.fixed) == [first.task]
    assert plan.fixed[first.task].end >= 6.0
    assert (plan.problem.now, plan.number) == (6.0, 3)


def test_plans_that_came_after_a_run_was_cut_off_are_read_once_it_has_ended_again(
    changed: tuple[str, dict[str, Placement]],
) -> None:
    with Store.open(changed[0]) as store:
        cut = replace(store.run(1, now=START), ended=START)
        assert len(kept.changed_placements(store, cut)) == 2
        later, lease = PlanChanged(6.0, START, ("so",), 0, (), 9.0, 9.0), store.lease(lease_of(1))
        assert lease is not None
        store.keep(1, Kept([later], (NewPlan("heft", 1.0, ()),)), lease=lease, at=START)
        again = replace(cut, ended=START + timedelta(hours=1))
        assert len(kept.changed_placements(store, again)) == 3


@pytest.mark.parametrize("screen", ["decisions", "task"])
def test_a_task_is_explained_by_the_newest_plan_or_by_the_one_that_is_chosen(
    changed: tuple[str, dict[str, Placement]], monkeypatch: pytest.MonkeyPatch, screen: str
) -> None:
    url, newest = changed
    with Store.open(url) as store:
        first = store.run_schedule(1)
    moved = next(each for each in first.placements if newest[each.task].worker != each.worker)
    app = opened(monkeypatch, url, screen, run="1", task=moved.task)
    assert not app.exception
    assert "because" in app.dataframe[0].value.columns
    assert any(each.label.endswith(plain(moved.task)) for each in app.expander)
    assert plain(moved.task) != moved.task, "a name with a mark"
    assert f"It placed this task on {newest[moved.task].worker}" not in said(app)  # the first did
    assert "It left the place of this task as it was." in said(app)
    app = opened(monkeypatch, url, screen, run="1", task=moved.task, **{"by-plan": "2"})
    assert f"It placed this task on {newest[moved.task].worker}" in said(app)
    assert "after the run began: late." in said(app)
    app = opened(monkeypatch, url, screen, run="1", task=moved.task, **{"by-plan": "1"})
    assert "plan 2 changed the place" in said(app)


def test_a_decision_tells_the_start_of_the_plan_that_is_chosen(
    changed: tuple[str, dict[str, Placement]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, newest = changed
    with Store.open(url) as store:
        first = store.run_schedule(1)
    moved = next(each for each in first.placements if newest[each.task].worker != each.worker)
    chosen = {}
    for plan in ("1", "3"):
        app = opened(monkeypatch, url, "decisions", run="1", task=moved.task, **{"by-plan": plan})
        (tile,) = [each.value for each in app.metric if each.label == "Chosen worker"]
        chosen[plan] = tile
    assert chosen == {"1": moved.worker, "3": newest[moved.task].worker}
