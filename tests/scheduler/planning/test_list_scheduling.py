"""The compiled loops against the same rules written plainly, and HEFT against its paper."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import problems, thorough
from worlds import GB, problem_of, textbook

from scheduler.cluster import Allocation, Worker
from scheduler.planning.kernels.compiling import compiled
from scheduler.planning.kernels.lists import earliest_fit, reserve
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import by_upward_rank
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.timeline import Timeline
from scheduler.workloads.synthetic import random_problem


def test_heft_takes_80_on_the_example_of_its_paper() -> None:
    assert Heft().plan(textbook()).makespan == 80


def test_heft_places_the_example_as_its_paper_does() -> None:
    placed = {each.task: (each.worker, each.start) for each in Heft().plan(textbook()).placements}
    assert placed == {
        "t1": ("w3", 0.0),
        "t2": ("w1", 27.0),
        "t3": ("w3", 9.0),
        "t4": ("w2", 18.0),
        "t5": ("w3", 28.0),
        "t6": ("w2", 26.0),
        "t7": ("w3", 38.0),
        "t8": ("w1", 57.0),
        "t9": ("w2", 56.0),
        "t10": ("w2", 73.0),
    }


def test_a_short_task_is_put_into_a_gap() -> None:
    edges = {(1, 2): 0.0, (2, 3): 0.0}
    problem = problem_of(
        [[5.0, 5.0], [5.0, 5.0], [5.0, 5.0], [2.0, 2.0]],
        edges,
        skills=["a", "b", "a", "a"],
        worker_skills=["a", "b"],
    )
    assert Heft().plan(problem).by_task["t4"].start == 5.0


def test_in_a_queue_nobody_overtakes() -> None:
    problem = problem_of(
        [[5.0, 5.0], [5.0, 5.0], [5.0, 5.0], [2.0, 2.0]],
        {(1, 2): 0.0, (2, 3): 0.0},
        skills=["a", "b", "a", "a"],
        worker_skills=["a", "b"],
    )
    assert Fifo().plan(problem).by_task["t4"].start == 15.0


def test_a_queue_does_not_look_at_durations() -> None:
    assert Fifo().plan(problem_of([[9.0, 1.0]])).by_task["t1"].worker == "w1"


def test_tasks_share_a_worker_as_long_as_memory_lasts() -> None:
    problem = problem_of(
        [[2.0]] * 3, memory=[4 * GB] * 3, worker_cores=[8.0], worker_memory=[9 * GB]
    )
    starts = sorted(each.start for each in Heft().plan(problem).placements)
    assert starts == [0.0, 0.0, 2.0]


@dataclass(frozen=True)
class Plain:
    """List scheduling as the words say it, on timelines in place of compiled profiles."""

    problem: Problem
    duration_weight: float
    insertion: bool

    def place(self, order) -> dict[str, Placement]:
        placed: dict[str, Placement] = {}
        for row in order:
            options = [
                option
                for column in range(len(self.problem.cluster))
                if (option := self.option(placed, int(row), column)) is not None
            ]
            best = min(options, key=self.cost)  # the first of equals
            placed[best.task] = best
        return placed

    def cost(self, each: Placement) -> float:
        return each.end if self.duration_weight else each.start

    def option(self, placed: dict[str, Placement], row: int, column: int) -> Placement | None:
        problem, worker = self.problem, self.problem.cluster.workers[column]
        task, duration = problem.workflow.tasks[row].id, float(problem.duration[row, column])
        if not problem.eligible[row, column]:
            return None
        here = [each for each in placed.values() if each.worker == worker.name]
        before = [placed[each] for each in problem.workflow.predecessors(task)]
        edge = problem.workflow.graph.edges
        travel = problem.cluster.transfer_seconds
        ready = [
            each.end + travel(edge[each.task, task]["bytes"], each.worker, worker.name)
            for each in before
        ]
        if not self.insertion:
            ready += [each.start for each in here]
        needs = problem.allocation(row, column)
        start = Timeline.of(worker, here).earliest(
            max(ready, default=0.0), duration, cores=needs.cores, memory=needs.memory
        )
        return Placement(task, worker.name, start, start + duration, needs)


@thorough
@given(problem=problems())
def test_heft_is_list_scheduling_by_upward_rank_and_earliest_finish(problem: Problem) -> None:
    plain = Plain(problem, duration_weight=1.0, insertion=True).place(by_upward_rank(problem))
    assert Heft().plan(problem).by_task == plain


@thorough
@given(problem=problems())
def test_fifo_is_list_scheduling_in_the_given_order_by_earliest_start(problem: Problem) -> None:
    plain = Plain(problem, duration_weight=0.0, insertion=False).place(problem.topological)
    assert Fifo().plan(problem).by_task == plain


def test_profiles_that_outgrow_their_room_lose_nothing() -> None:
    problem = random_problem(np.random.default_rng(4), 400, 1, ccr=0)
    plain = Plain(problem, duration_weight=1.0, insertion=True).place(by_upward_rank(problem))
    found = Heft().plan(problem)
    assert found.makespan == pytest.approx(Schedule(tuple(plain.values())).makespan)


WORKER = Worker(name="w", cores=4.0, memory=8)

spans = st.tuples(
    st.integers(0, 30), st.integers(1, 10), st.sampled_from([0.5, 1.0, 2.0]), st.integers(0, 4)
)


@thorough
@given(asked=st.lists(spans, max_size=15), last=spans)
def test_profile_and_timeline_find_the_same_first_moment(asked, last) -> None:
    profile, rows, held = np.zeros((64, 3)), 1, []
    profile[0] = 0.0, WORKER.cores, WORKER.memory
    for ready, duration, cores, memory in [*asked, last]:
        needs = float(ready), float(duration), cores, float(memory)
        start = earliest_fit(profile, rows, *needs, np.inf)
        timeline = Timeline.of(WORKER, held)
        assert start == timeline.earliest(needs[0], needs[1], cores=cores, memory=memory)
        rows = reserve(profile, rows, start, start + duration, cores, float(memory))
        held.append(Placement("t", "w", start, start + duration, Allocation(cores, memory)))


def test_a_worker_packed_without_gaps_keeps_one_row_for_its_past() -> None:
    profile, rows = np.zeros((256, 3)), 1
    profile[0] = 0.0, 1.0, 4.0
    for start in range(100):
        rows = reserve(profile, rows, float(start), start + 1.0, 1.0, 1.0)
    assert profile[:rows].tolist() == [[0.0, 0.0, 3.0], [100.0, 1.0, 4.0]]


def test_a_search_ends_where_it_becomes_useless() -> None:
    profile = np.array([[0.0, 0.0, 0.0], [10.0, 1.0, 1.0]])
    assert earliest_fit(profile, 2, 0.0, 1.0, 1.0, 1.0, 10.0) == np.inf


def test_functions_without_a_place_for_their_cache_are_compiled_all_the_same() -> None:
    scope: dict = {}
    exec("def doubled(x):\n    return 2 * x", scope)  # a function that belongs to no file
    assert compiled(scope["doubled"])(21) == 42
