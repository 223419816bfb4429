import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged_worlds import logs

from learner.features import UNKNOWN, Columns, Known
from scheduler.cluster import Cluster, Worker
from scheduler.errors import InvalidInput
from scheduler.records import Outcome, TaskRecord
from scheduler.workflow import Task, Workflow


def record(**changes) -> TaskRecord:
    usual = {"run": "r", "task": "t", "kind": "sort", "outcome": Outcome.SUCCEEDED, "worker": "w"}
    return TaskRecord(**(usual | changes))


def columns() -> Columns:
    return Columns.learn(logs(60))


def test_a_record_and_the_task_that_it_was_have_the_same_columns() -> None:
    seen = record(
        sizes={"input_bytes": 2e6}, workflow="nightly", worker="beta", requested_cores=2.0
    )
    task = Task(id="t", kind="sort", sizes={"input_bytes": 2e6}, cores=2.0)
    worker = Worker(name="beta", cores=4, memory=2**30)
    pairs = columns().encode_pairs(Workflow("nightly", [task]), Cluster("one", [worker]))
    row = columns().encode([Known.of_record(seen)])
    for name in ("kind", "worker", "workflow", "numbers", "missing"):
        assert np.array_equal(getattr(pairs, name), getattr(row, name)), name


def test_pairs_come_task_by_task() -> None:
    tasks = [Task(id="a", kind="sort"), Task(id="b", kind="merge")]
    workers = [Worker(name=name, cores=1, memory=1) for name in ("alpha", "beta", "weak")]
    pairs = columns().encode_pairs(Workflow("x", tasks), Cluster("c", workers))
    kinds, names = columns().kinds, columns().workers
    assert [kinds[i] for i in pairs.kind] == ["sort"] * 3 + ["merge"] * 3
    assert [names[i] for i in pairs.worker] == ["alpha", "beta", "weak"] * 2


def test_names_never_seen_are_unknown_and_sizes_not_given_are_missing() -> None:
    row = columns().encode([Known("new", "new", None, {})])
    assert [row.kind[0], row.worker[0], row.workflow[0]] == [UNKNOWN] * 3
    assert (row.missing == 1).all()
    assert (row.numbers == 0).all()


def test_nothing_measured_becomes_a_column() -> None:
    names = {number.name for number in columns().numbers if not number.context}
    assert names == {"input_bytes", "requested_cores"}


def test_a_size_that_the_log_also_measures_is_refused_as_a_leak() -> None:
    leaking = record(sizes={"rchar": 3.0}, measured={"rchar": 3.0})
    with pytest.raises(InvalidInput, match="'rchar'"):
        Columns.learn([leaking])


def test_a_leak_passes_when_declared_as_known_beforehand() -> None:
    leaking = record(sizes={"rchar": 3.0}, measured={"rchar": 3.0})
    found = Columns.learn([leaking], known_beforehand={"rchar"})
    assert [number.name for number in found.numbers] == ["rchar"]


def test_a_size_that_repeats_the_duration_is_refused_as_a_leak() -> None:
    leaking = [record(sizes={"wall": float(i)}, duration=float(i)) for i in range(5)]
    with pytest.raises(InvalidInput, match=r"'wall'.*duration"):
        Columns.learn(leaking)


def test_columns_survive_being_written_down() -> None:
    plain = columns().as_plain()
    assert Columns.from_plain(json.loads(json.dumps(plain))).as_plain() == plain


@given(st.floats(0, 1e18))
def test_every_size_gives_a_finite_number(size: float) -> None:
    row = columns().encode([Known("sort", "beta", None, {"input_bytes": size})])
    assert np.isfinite(row.numbers).all()
