"""Policies are checked at the border, bound every plan, and people's habits shape the next one."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from math import comb
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import problem_of

from scheduler.cluster import Allocation
from scheduler.errors import InvalidInput
from scheduler.execution.events import Observation
from scheduler.fairness import owner_uses
from scheduler.planning.bars import Bar
from scheduler.planning.objective import Objective
from scheduler.planning.planners.heft import Heft
from scheduler.policy import Policy, policy_from, read_policy
from scheduler.preferences import Vote, chance_above_half, preferences, preferred
from scheduler.records import Outcome
from scheduler.store.values import Attempt
from scheduler.workflow import Dependency, Task, Workflow

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHOLE = {
    "approve": {"promotion": True, "cost": 5, "seconds": 60, "kinds": ["deploy"], "labels": ["x"]},
    "never": [{"labels": ["personal"], "needs": ["region=eu"]}],
    "cost_a_day": 100.0,
    "quotas": {"ann": 8},
    "shares": {"ann": 0.5, "bob": 0.25},
}


def test_a_policy_says_what_its_document_says() -> None:
    found = policy_from(WHOLE)
    assert found.never == (Bar(labels=("personal",), needs=("region=eu",), why="policy"),)
    assert (found.approvals.promotion, found.approvals.cost, found.cost_a_day) == (True, 5, 100)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"approve": {"kind": ["a"]}}, r"approve.kind is not a key of a policy, found \['a'\]"),
        ({"never": [{"labels": ["a"]}]}, "never.0 must name workers, or labels that a worker"),
        ({"cost_a_day": -1}, "cost_a_day must be greater than or equal to 0, found -1"),
        ({"shares": {"ann": 1.5}}, "shares.ann must be less than or equal to 1, found 1.5"),
        ({"quotas": {"ann": 0}}, "quotas.ann must be greater than 0, found 0"),
        ({"approve": {"cost": float("nan")}}, "approve.cost must be"),
    ],
)
def test_a_wrong_policy_is_refused_by_the_key_and_the_value(content, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        policy_from(content)


def test_a_policy_is_read_from_a_file_of_its_own_or_a_part_of_one(tmp_path: Path) -> None:
    for text in ("cost_a_day = 3", "[policy]\ncost_a_day = 3"):
        (tmp_path / "policy.toml").write_text(text)
        assert policy_from(read_policy(tmp_path / "policy.toml")) == Policy(cost_a_day=3)
    (tmp_path / "policy.toml").write_text("cost_a_day = 'much'")
    with pytest.raises(InvalidInput, match=r"policy.toml: .* found 'much'"):
        read_policy(tmp_path / "policy.toml")


def test_of_every_limit_the_narrowest_counts() -> None:
    cluster = problem_of([[1.0, 1.0]], worker_cores=[10, 10]).cluster
    asked = Objective(quotas={"bob": 2, "cy": 3}, budget=50.0)
    found = policy_from(WHOLE).bounded(asked, cluster, left=20.0)
    assert (found.quotas, found.budget) == ({"ann": 8, "bob": 2, "cy": 3}, 20.0)
    assert policy_from(WHOLE).bounded(found, cluster, left=None) == found


@pytest.mark.parametrize(
    ("task", "why"),
    [
        (Task(id="a", kind="deploy"), "kind 'deploy'"),
        (Task(id="a", kind="k", labels=frozenset({"x"})), "label 'x'"),
        (Task(id="a", kind="k"), None),
    ],
)
def test_tasks_of_a_class_need_an_approval(task: Task, why: str | None) -> None:
    found = policy_from(WHOLE).approvals.of_task(task)
    assert found is None if why is None else why in (found or "")


def test_a_plan_beyond_a_bound_needs_an_approval_and_one_at_it_does_not() -> None:
    approvals = policy_from(WHOLE).approvals
    assert list(approvals.of_plan(5.0, 60.0)) == []
    assert len(list(approvals.of_plan(5.1, 61.0))) == 2


@given(against=st.integers(0, 30), in_favour=st.integers(0, 30))
def test_the_chance_is_the_tail_of_the_beta_distribution(against: int, in_favour: int) -> None:
    """The integral of the density over (1/2, 1), term by term."""
    norm = (against + in_favour + 1) * comb(against + in_favour, against)
    tail = sum(
        Fraction((-1) ** k * comb(in_favour, k), against + k + 1)
        * (1 - Fraction(1, 2 ** (against + k + 1)))
        for k in range(in_favour + 1)
    )
    assert chance_above_half(against, in_favour) == pytest.approx(float(norm * tail))


def votes(count: int, chosen: str = "w2", rejected: str = "w1") -> list[Vote]:
    return [Vote("work", chosen, rejected)] * count


def test_people_are_believed_when_they_have_said_so_often_enough() -> None:
    assert preferences(votes(3)) == ()
    (bar,) = preferences(votes(4))
    assert (bar.kinds, bar.workers) == (("work",), ("w1",))
    assert bar.why == "people took tasks of the kind 'work' away from it 4 of 4 times"
    assert preferences([*votes(4), *votes(3, "w1", "w2")]) == ()


def test_after_enough_overrides_the_plan_is_what_people_chose() -> None:
    problem = problem_of([[10.0, 10.4]])
    planned = Heft().plan(problem)
    assert planned.by_task["t1"].worker == "w1"
    for count, worker in ((3, "w1"), (4, "w2")):
        plan = preferred(problem, planned, preferences(votes(count)), Heft())
        assert plan.by_task["t1"].worker == worker


@pytest.mark.parametrize("seconds", [[10.0, 11.0], [10.0]], ids=["dear", "impossible"])
def test_what_people_prefer_is_no_limit(seconds: list[float]) -> None:
    problem = problem_of([seconds])
    planned = Heft().plan(problem)
    assert preferred(problem, planned, preferences(votes(9)), Heft()) is planned


def test_owners_are_told_their_share_and_their_wait() -> None:
    tasks = [
        replace(Task(id="a", kind="k"), owner="ann"),
        replace(Task(id="b", kind="k"), owner="bob"),
        replace(Task(id="c", kind="k"), owner="bob"),
    ]
    workflow = Workflow("w", tasks, [Dependency("a", "c")])
    given = Allocation(1.0, 1)
    spans = {"a": (0.0, 30.0), "b": (5.0, 10.0), "c": (33.0, 38.0)}
    attempts = [
        Attempt(task, 1, "w1", start, NOW, given, end, Observation(Outcome.SUCCEEDED))
        for task, (start, end) in spans.items()
    ]
    ann, bob = owner_uses([(workflow, attempts)])
    assert (ann.owner, ann.core_seconds, ann.share, ann.waiting) == ("ann", 30.0, 0.75, 0.0)
    assert (bob.core_seconds, bob.tasks, bob.waiting) == (10.0, 2, (5.0 + 3.0) / 2)
