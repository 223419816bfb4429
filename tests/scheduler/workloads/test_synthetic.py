import networkx as nx
import numpy as np
import pytest

from scheduler.workloads.synthetic import (
    KINDS,
    SHAPES,
    chain,
    cluster,
    fork_join,
    layered,
    montage,
    random_world,
    tree,
    truth_of,
)

every_shape = pytest.mark.parametrize("shape", SHAPES)


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@every_shape
def test_one_seed_gives_one_world(shape: str) -> None:
    first, second = (random_world(seeded(5), 40, 4, shape=shape) for _ in range(2))
    assert first.workflow == second.workflow
    assert first.cluster == second.cluster
    assert np.array_equal(first.duration, second.duration)


@every_shape
def test_another_seed_gives_another_world(shape: str) -> None:
    first, second = (random_world(seeded(seed), 40, 4, shape=shape) for seed in (5, 6))
    assert first.workflow != second.workflow


@every_shape
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 50])
def test_every_shape_of_every_size_can_be_planned(shape: str, n: int) -> None:
    problem = random_world(seeded(n), n, 3, shape=shape).problem()
    assert abs(len(problem.workflow) - n) <= 3
    assert problem.eligible[:, 0].all()


def test_a_chain_has_one_way() -> None:
    assert len(list(nx.topological_generations(chain(seeded(), 9).graph))) == 9


def test_a_fork_join_has_two_layers_of_edges() -> None:
    assert len(fork_join(seeded(), 7).dependencies) == 2 * 7


def test_a_tree_has_one_parent_for_each_but_the_root() -> None:
    graph = tree(seeded(), 40, fan=3).graph
    assert nx.is_arborescence(graph)
    assert max(count for _, count in graph.out_degree()) == 3


def test_a_mosaic_ends_in_one_task_that_all_lead_to() -> None:
    graph = montage(seeded(), 6).graph
    (last,) = (task for task, count in graph.out_degree() if count == 0)
    assert len(nx.ancestors(graph, last)) == len(graph) - 1


def test_layers_of_a_hundred_tasks_are_about_ten_deep() -> None:
    assert 7 <= len(list(nx.topological_generations(layered(seeded(), 100).graph))) <= 20


def test_durations_follow_the_law_of_their_kind() -> None:
    workflow = chain(seeded(), 12)
    workers = cluster(seeded(1), 3)
    world = truth_of(workflow, workers, seeded(2), unlikeness=0.0)
    law = {each.name: each for each in KINDS}
    for task in workflow.tasks:
        kind, size = law[task.kind], task.sizes["input_bytes"] / 1e6
        for worker in workers.workers:
            expected = kind.seconds * size**kind.exponent / worker.speed
            assert world.true_duration(task.id, worker.name) == pytest.approx(expected)


def test_unlike_workers_differ_by_kind_and_not_only_by_speed() -> None:
    world = random_world(seeded(), 40, 3, unlikeness=0.5)
    ratio = world.duration[:, 0] / world.duration[:, 1]
    assert len(np.unique(np.round(ratio, 6))) == len({task.kind for task in world.workflow.tasks})


def test_the_ratio_of_transfers_to_durations_is_as_asked() -> None:
    world = random_world(seeded(), 200, 8, ccr=2.0)
    travel = np.mean([each.bytes for each in world.workflow.dependencies]) / world.cluster.bandwidth
    assert travel / world.duration.mean() == pytest.approx(2.0)


def test_the_forecast_has_the_truth_as_its_median() -> None:
    world = random_world(seeded(), 20, 3)
    assert np.allclose(world.forecast(spread=0.3).at("duration", 0.5), world.duration)
    assert np.allclose(world.forecast(spread=0.3).at("duration", 0.9), 1.3 * world.duration)


def test_failures_are_probabilities_known_by_task_and_worker() -> None:
    world = random_world(seeded(), 20, 3)
    task, worker = world.workflow.tasks[3].id, world.cluster.workers[2].name
    assert world.failure_probability(task, worker) == world.failure[3, 2]
    assert 0 <= world.failure.min() <= world.failure.max() < 1


def test_memory_grows_with_the_input_of_a_kind() -> None:
    world = random_world(seeded(), 100, 2)
    rows = [i for i, task in enumerate(world.workflow.tasks) if task.kind == "sort"]
    size = [world.workflow.tasks[i].sizes["input_bytes"] for i in rows]
    assert np.corrcoef(size, world.memory[rows, 0])[0, 1] == pytest.approx(1.0)
