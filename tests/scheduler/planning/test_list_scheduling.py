"""The compiled loops against the same rules written plainly, and HEFT against its paper."""

from bisect import insort
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import problems, rich_problems, thorough
from worlds import GB, problem_of, textbook

from scheduler.cluster import Allocation, Worker
from scheduler.planning.flat import Flat
from scheduler.planning.kernels.compiling import compiled
from scheduler.planning.kernels.gaps import list_on_gaps
from scheduler.planning.kernels.lists import (
    earliest_fit,
    list_on_profiles,
    one_at_a_time,
    reserve,
)
from scheduler.planning.listing import NO_BIAS, placements
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.ranking import by_upward_rank
from scheduler.planning.schedule import Placement, Schedule
from scheduler.planning.timeline import Timeline
from scheduler.workflow import Task
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
    """List scheduling as the words say it: every moment at which something ends is tried."""

    problem: Problem
    duration_weight: float
    insertion: bool

    def place(self, order) -> dict[str, Placement]:
        placed: dict[str, Placement] = dict(self.problem.fixed)
        for row in order:
            if self.problem.workflow.tasks[row].id in placed:
                continue
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
        task, duration = problem.workflow.tasks[row], float(problem.duration[row, column])
        if not problem.eligible[row, column]:
            return None
        edge, travel = problem.workflow.graph.edges, problem.cluster.transfer_seconds
        ready = [problem.now, task.release]
        ready += [
            each.end + travel(edge[each.task, task.id]["bytes"], each.worker, worker.name)
            for each in map(placed.__getitem__, problem.workflow.predecessors(task.id))
        ]
        if not self.insertion:
            ready += [each.start for each in placed.values() if each.worker == worker.name]
        moments = [each.end for each in placed.values()] + [end for _, end in worker.closed]
        needs = problem.allocation(row, column)
        for start in sorted([max(ready), *(each for each in moments if each > max(ready))]):
            each = Placement(task.id, worker.name, start, start + duration, needs)
            if self.fits(each, task, worker, placed):
                return each
        return None

    def fits(self, each: Placement, task: Task, worker: Worker, placed) -> bool:
        if any(first < each.end and each.start < last for first, last in worker.closed):
            return False
        others = [other for other in placed.values() if other.end > other.start]
        beside = [other for other in others if other.start < each.end and each.start < other.end]
        moments = [each.start, *(other.start for other in beside if other.start > each.start)]
        return all(
            self.has_room(task, each, worker, [x for x in beside if x.start <= moment < x.end])
            for moment in moments
        )

    def has_room(self, task: Task, each: Placement, worker: Worker, running) -> bool:
        here = [x.allocation for x in running if x.worker == worker.name]
        if sum(x.cores for x in here) + each.allocation.cores > worker.cores:
            return False
        if sum(x.memory for x in here) + each.allocation.memory > worker.memory:
            return False
        tasks = [self.problem.workflow.task(x.task) for x in running]
        for pool, amount in self.problem.cluster.pools.items():
            needed = task.pools.get(pool, 0.0)
            if needed and sum(x.pools.get(pool, 0.0) for x in tasks) + needed > amount:
                return False
        quota = self.problem.objective.quotas.get(task.owner, np.inf)
        return sum(x.cores for x in tasks if x.owner == task.owner) + task.cores <= quota


@thorough
@given(problem=problems())
def test_heft_is_list_scheduling_by_upward_rank_and_earliest_finish(problem: Problem) -> None:
    plain = Plain(problem, duration_weight=1.0, insertion=True).place(by_upward_rank(problem))
    assert by_name(placements(problem, by_upward_rank(problem))) == plain


@thorough
@given(problem=problems())
def test_fifo_is_list_scheduling_in_the_given_order_by_earliest_start(problem: Problem) -> None:
    plain = Plain(problem, duration_weight=0.0, insertion=False).place(problem.topological)
    queue = placements(problem, problem.topological, duration_weight=0.0, insertion=False)
    assert by_name(queue) == plain


@thorough
@given(problem=rich_problems(), weight=st.sampled_from([0.0, 1.0]), insertion=st.booleans())
def test_lists_keep_every_rule_as_the_words_say_it(problem: Problem, weight, insertion) -> None:
    order = by_upward_rank(problem)
    plain = Plain(problem, duration_weight=weight, insertion=insertion).place(order)
    found = placements(problem, order, duration_weight=weight, insertion=insertion)
    assert by_name(found) == plain


@thorough
@given(
    problem=rich_problems(tasks=14),
    weight=st.sampled_from([0.0, 0.5, 1.0]),
    insertion=st.booleans(),
    seed=st.none() | st.integers(0, 99),
)
def test_gaps_and_profiles_place_alike(problem: Problem, weight, insertion, seed) -> None:
    flat, n, m = one_task_each(problem.flat), len(problem.workflow), len(problem.cluster)
    rng = np.random.default_rng(seed)
    bias = rng.integers(-4, 5, (n, m)) / 2 if seed is not None else NO_BIAS
    order = by_upward_rank(problem)
    assert one_at_a_time(flat)
    gaps = list_on_gaps(flat, order, bias, weight, insertion)
    profiles = list_on_profiles(flat, order, bias, weight, insertion)
    assert [each.tolist() for each in gaps] == [each.tolist() for each in profiles]


@pytest.mark.parametrize("links", [False, True])
@pytest.mark.parametrize("ccr", [0.1, 1.0, 8.0])
def test_gaps_and_profiles_place_many_tasks_alike(ccr: float, links: bool) -> None:
    problem = random_problem(np.random.default_rng(8), 700, 11, ccr=ccr)
    flat = one_task_each(problem.flat)._replace(uniform=not links)
    order = by_upward_rank(problem)
    gaps = list_on_gaps(flat, order, NO_BIAS, 1.0, True)
    profiles = list_on_profiles(flat, order, NO_BIAS, 1.0, True)
    assert [each.tolist() for each in gaps] == [each.tolist() for each in profiles]


def one_task_each(flat: Flat) -> Flat:
    """The same tasks, each of which fills its worker and shares nothing with others."""
    n, m = flat.row.size, flat.worker_cores.size
    return flat._replace(
        cores=np.ones(n),
        fixed_cores=np.ones(n),
        worker_cores=np.ones(m),
        need=np.zeros((n, 0)),
        limit=np.zeros(0),
    )


def by_name(placed: tuple[Placement, ...]) -> dict[str, Placement]:
    return {each.task: each for each in placed}


def heft_of_the_paper(problem: Problem) -> float:
    """The makespan of HEFT, written from its paper alone for one task at a time per worker."""
    graph, cluster = problem.workflow.graph, problem.cluster
    seconds = {
        task.id: dict(zip(cluster.index, row, strict=True))
        for task, row in zip(problem.workflow.tasks, problem.duration.tolist(), strict=True)
    }

    @cache
    def rank(task: str) -> float:
        follows = [
            graph.edges[task, each]["bytes"] / cluster.bandwidth + rank(each)
            for each in graph.successors(task)
        ]
        return sum(seconds[task].values()) / len(cluster) + max(follows, default=0.0)

    end: dict[str, float] = {}
    place: dict[str, str] = {}
    busy: dict[str, list[tuple[float, float]]] = {worker: [] for worker in cluster.index}
    for task in sorted(seconds, key=rank, reverse=True):
        best = (np.inf, "", 0.0)
        for worker in cluster.index:
            arrive = [
                end[each]
                + cluster.transfer_seconds(graph.edges[each, task]["bytes"], place[each], worker)
                for each in graph.predecessors(task)
            ]
            start = max(arrive, default=0.0)
            for begun, done in busy[worker]:
                if start + seconds[task][worker] <= begun:
                    break
                start = max(start, done)
            best = min(best, (start + seconds[task][worker], worker, start), key=lambda x: x[0])
        end[task], place[task] = best[0], best[1]
        insort(busy[place[task]], (best[2], end[task]))
    return max(end.values())


@pytest.mark.parametrize("seed", range(6))
def test_heft_takes_what_the_paper_takes_to_the_last_digit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    seconds = rng.uniform(1, 9, (80, 5)).tolist()
    edges = {
        (int(a) + 1, b + 1): float(rng.uniform(1, 30))
        for b in range(1, 80)
        for a in rng.choice(b, min(b, 3), replace=False)
    }
    problem = problem_of(seconds, edges, bandwidth=4.0)
    assert Heft().plan(problem).makespan == heft_of_the_paper(problem)


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
