import math

import pytest

from learner import position
from learner.position import Told, positions
from scheduler.records import Outcome, TaskRecord
from scheduler.workflow import Dependency, Task, Workflow

# a -> b -> d, a -> c -> d, with one, two, four and eight seconds
DIAMOND = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
TOLD = {task: Told(2.0**i, 10.0 * (i + 1)) for i, task in enumerate("abcd")}


def column(name: str) -> dict[str, float]:
    return {task: math.expm1(row[name]) for task, row in positions(TOLD, DIAMOND).items()}


def test_the_level_is_the_longest_way_from_a_first_task() -> None:
    assert column("level") == pytest.approx({"a": 0, "b": 1, "c": 1, "d": 2})


def test_the_upward_rank_is_the_heaviest_way_down_to_an_end() -> None:
    assert column("upward_rank") == pytest.approx({"a": 4 + 8, "b": 8, "c": 8, "d": 0})


def test_the_downward_rank_is_the_heaviest_way_from_a_beginning() -> None:
    assert column("downward_rank") == pytest.approx({"a": 0, "b": 1, "c": 1, "d": 1 + 4})


def test_fan_in_and_fan_out_count_neighbours() -> None:
    assert column("fan_in") == pytest.approx({"a": 0, "b": 1, "c": 1, "d": 2})
    assert column("fan_out") == pytest.approx({"a": 2, "b": 1, "c": 1, "d": 0})


def test_the_first_round_hears_the_mean_of_the_neighbours_and_the_second_of_theirs() -> None:
    rows = positions(TOLD, DIAMOND)
    b, c = math.log1p(2.0), math.log1p(4.0)
    assert rows["d"]["before_1_duration"] == pytest.approx((b + c) / 2)
    assert rows["d"]["before_2_duration"] == pytest.approx(math.log1p(1.0))
    assert rows["a"]["after_2_size"] == pytest.approx(math.log1p(40.0))


def test_a_graph_without_edges_says_nothing_of_positions() -> None:
    assert positions(TOLD, []) == {}


def test_dependencies_in_a_circle_say_nothing() -> None:
    assert positions(TOLD, [*DIAMOND, ("d", "a")]) == {}


def test_a_record_and_the_task_it_was_have_the_same_position() -> None:
    usual = {"sort": 1.0, "merge": 2.0}
    tasks = [Task(id="x", kind="sort", sizes={"bytes": 5.0}), Task(id="y", kind="merge")]
    workflow = Workflow("w", tasks, [Dependency("x", "y")])
    done = Outcome.SUCCEEDED
    records = [
        TaskRecord(run="r", task="x", kind="sort", outcome=done, sizes={"bytes": 5.0}),
        TaskRecord(run="r", task="y", kind="merge", outcome=done, predecessors=("x",)),
    ]
    assert position.of_records(records, usual) == position.of_workflow(workflow, usual)
