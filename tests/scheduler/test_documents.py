"""Workflows, clusters and schedules as JSON documents."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from log_samples import sample_of
from strategies import problems, quick

from scheduler.cluster import Allocation, Cluster, Worker
from scheduler.documents import (
    cluster_document,
    cluster_from,
    json_schema,
    objective_document,
    objective_from,
    read_cluster,
    read_objective,
    read_schedule,
    read_workflow,
    schedule_document,
    schedule_from,
    workflow_document,
    workflow_from,
)
from scheduler.errors import InvalidCluster, InvalidInput, InvalidWorkflow, NotFound
from scheduler.planning.objective import Objective
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.workflow import Dependency, Task, Workflow

WORKFLOW: dict[str, Any] = {
    "allot": "workflow/1",
    "name": "report",
    "tasks": [
        {"id": "load", "kind": "parse", "sizes": {"input_bytes": 1000}, "memory": "2 GB"},
        {"id": "sum", "kind": "aggregate", "cores": 2, "skills": ["sql"]},
    ],
    "dependencies": [{"source": "load", "target": "sum", "bytes": 500}],
}
CLUSTER: dict[str, Any] = {
    "allot": "cluster/1",
    "name": "desk",
    "workers": [{"name": "w1", "cores": 4, "memory": "8 GiB", "skills": ["sql"], "price": 0.5}],
}
SCHEDULE: dict[str, Any] = {
    "allot": "schedule/1",
    "planner": "heft",
    "makespan": 3.0,
    "lower_bound": 2.5,
    "placements": [{"task": "load", "worker": "w1", "start": 0, "end": 3, "cores": 1, "memory": 5}],
}
READERS = {
    "workflow": (read_workflow, WORKFLOW),
    "cluster": (read_cluster, CLUSTER),
    "schedule": (read_schedule, SCHEDULE),
}
every_document = pytest.mark.parametrize("sort", sorted(READERS))


def file(content: object, tmp_path: Path) -> Path:
    path = tmp_path / "document.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def through_json(document: dict[str, Any]) -> Any:
    return json.loads(json.dumps(document, allow_nan=False))


def test_a_workflow_is_read_with_its_defaults(tmp_path: Path) -> None:
    assert read_workflow(file(WORKFLOW, tmp_path)) == Workflow(
        "report",
        [
            Task(id="load", kind="parse", sizes={"input_bytes": 1000}, memory=2 * 10**9),
            Task(id="sum", kind="aggregate", cores=2, skills=frozenset({"sql"})),
        ],
        [Dependency("load", "sum", 500)],
    )


def test_a_cluster_is_read_with_its_defaults(tmp_path: Path) -> None:
    worker = Worker(name="w1", cores=4, memory=8 << 30, skills=frozenset({"sql"}), price=0.5)
    assert read_cluster(file(CLUSTER, tmp_path)) == Cluster("desk", [worker])


def test_a_schedule_is_read_as_stated(tmp_path: Path) -> None:
    placement = Placement("load", "w1", 0, 3, Allocation(1, 5))
    assert read_schedule(file(SCHEDULE, tmp_path)) == Schedule((placement,), "heft", 2.5)


def test_every_field_of_a_task_and_a_worker_survives() -> None:
    task = Task(
        id="a", kind="k", sizes={"rows": 1.5}, cores=0.5, memory=7, skills=frozenset("xy"),
        priority=-3, action="module:function", arguments={"x": [1, {"y": None}]}, timeout=2.5,
        max_attempts=1,
    )  # fmt: skip
    worker = Worker(
        name="w", cores=2, memory=9, skills=frozenset("xy"), speed=2.0, price=1.5,
        labels={"zone": "a"}, scores={"cpu": 3.5},
    )  # fmt: skip
    workflow, cluster = Workflow("w", [task]), Cluster("c", [worker], bandwidth=5.0, latency=0.25)
    assert workflow_from(through_json(workflow_document(workflow))) == workflow
    assert cluster_from(through_json(cluster_document(cluster))) == cluster


@quick
@given(problems())
def test_documents_written_and_read_are_the_same(problem: Problem) -> None:
    schedule = Fifo().plan(problem)
    assert workflow_from(through_json(workflow_document(problem.workflow))) == problem.workflow
    assert cluster_from(through_json(cluster_document(problem.cluster))) == problem.cluster
    assert schedule_from(through_json(schedule_document(schedule))) == schedule


def test_a_schedule_tells_its_planner_makespan_bound_and_placements() -> None:
    schedule = Schedule((Placement("a", "w", 1.0, 4.0, Allocation(2.0, 10)),), "fifo", 3.0)
    assert schedule_document(schedule) == {
        "allot": "schedule/1",
        "planner": "fifo",
        "makespan": 4.0,
        "lower_bound": 3.0,
        "placements": [
            {"task": "a", "worker": "w", "start": 1.0, "end": 4.0, "cores": 2.0, "memory": 10}
        ],
    }


def test_a_schedule_with_the_violations_that_a_planner_printed_can_be_read() -> None:
    assert schedule_from(SCHEDULE | {"violations": [{"rule": "overlap"}]}).placements


def test_a_schedule_that_breaks_every_rule_can_be_read_and_then_checked() -> None:
    broken = {"task": "x", "worker": "y", "start": -5, "end": -9, "cores": 0, "memory": -1}
    assert schedule_from(SCHEDULE | {"placements": [broken, broken]}).placements[0].end == -9


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (5, 5),
        (8e9, 8 * 10**9),
        ("100", 100),
        ("1 kB", 1000),
        ("1.5 GB", 1_500_000_000),
        ("2GiB", 2 << 30),
    ],
)
def test_memory_may_be_given_with_a_unit(text: object, size: int) -> None:
    task = {"id": "a", "kind": "k", "memory": text}
    assert workflow_from({"name": "w", "tasks": [task]}).tasks[0].memory == size


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cores": -1}, r"tasks\[1\]\.cores must be greater than 0, found -1"),
        ({"cores": "4"}, r"tasks\[1\]\.cores must be a valid number, found '4'"),
        ({"cores": float("nan")}, r"tasks\[1\]\.cores must be a finite number, found nan"),
        ({"cores": float("inf")}, r"tasks\[1\]\.cores must be a finite number, found inf"),
        ({"memory": "8 horses"}, r"tasks\[1\]\.memory must be a number of bytes.*'8 horses'"),
        ({"memory": 1.5}, r"tasks\[1\]\.memory must be a valid integer"),
        ({"memory": 0}, r"tasks\[1\]\.memory must be greater than 0"),
        ({"sizes": {"rows": -2}}, r"tasks\[1\]\.sizes\.rows must be greater than or equal to 0"),
        ({"arguments": {"x": float("nan")}}, r"tasks\[1\]\.arguments must hold finite numbers"),
        ({"speed": 3}, r"tasks\[1\]\.speed is not a field of this document, found 3"),
        ({"kind": ""}, r"tasks\[1\]\.kind must have at least 1 character"),
        ({"id": None}, r"tasks\[1\]\.id must be a valid string, found None"),
        ({"max_attempts": 0}, r"tasks\[1\]\.max_attempts must be greater than or equal to 1"),
        ({"id": "load"}, "found twice: load"),
    ],
)
def test_a_task_that_breaks_a_rule_is_told_with_file_path_rule_and_value(
    change: dict[str, object], told: str, tmp_path: Path
) -> None:
    tasks = [WORKFLOW["tasks"][0], WORKFLOW["tasks"][1] | change]
    path = file(WORKFLOW | {"tasks": tasks}, tmp_path)
    with pytest.raises(InvalidWorkflow, match=rf"document\.json: .*{told}"):
        read_workflow(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"workers": []}, "there are no workers"),
        ({"workers": CLUSTER["workers"] * 2}, "found twice: w1"),
        ({"workers": [{"name": "w1", "cores": 1}]}, r"workers\[0\]\.memory must be given"),
        ({"bandwidth": 0}, "bandwidth must be greater than 0, found 0"),
        ({"latency": float("nan")}, "latency must be a finite number, found nan"),
        ({"racks": 3}, "racks is not a field of this document"),
    ],
)
def test_a_cluster_that_breaks_a_rule_is_told(
    change: dict[str, object], told: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidCluster, match=told):
        read_cluster(file(CLUSTER | change, tmp_path))


@pytest.mark.parametrize("field", ["start", "end", "cores", "memory"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "much", None])
def test_a_placement_that_holds_no_numbers_is_told(field: str, value: object) -> None:
    placement = SCHEDULE["placements"][0] | {field: value}
    with pytest.raises(InvalidInput, match=rf"placements\[0\]\.{field} must be"):
        schedule_from(SCHEDULE | {"placements": [placement]})


@pytest.mark.parametrize("tasks", [[], None, {}])
def test_a_workflow_without_tasks_is_told(tasks: object, tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkflow, match="tasks"):
        read_workflow(file(WORKFLOW | {"tasks": tasks, "dependencies": []}, tmp_path))


def test_a_cycle_is_told_with_its_tasks(tmp_path: Path) -> None:
    circle = [{"source": "load", "target": "sum"}, {"source": "sum", "target": "load"}]
    with pytest.raises(InvalidWorkflow, match="load -> sum -> load") as caught:
        read_workflow(file(WORKFLOW | {"dependencies": circle}, tmp_path))
    assert set(caught.value.tasks) == {"load", "sum"}


@every_document
@pytest.mark.parametrize("tag", ["{}/2", "{}", "recipe/1"])
def test_another_version_is_refused(sort: str, tag: str, tmp_path: Path) -> None:
    read, content = READERS[sort]
    path = file(content | {"allot": tag.format(sort)}, tmp_path)
    with pytest.raises(InvalidInput, match=f"allot must be '{sort}/1', found '{tag.format(sort)}'"):
        read(path)


@every_document
def test_a_document_of_another_sort_is_refused(sort: str, tmp_path: Path) -> None:
    for other, (_, content) in READERS.items():
        if other != sort:
            with pytest.raises(InvalidInput, match=f"allot must be '{sort}/1', found '{other}/1'"):
                READERS[sort][0](file(content, tmp_path))


@every_document
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"{", "must be JSON"),
        (b"[1, 2]", "must be a JSON object"),
        (b"NaN", "must be a JSON object"),
        (b'{"name": "a", "name": "b"}', "must stand once in an object"),
        (b"[" * 100_000, "must not nest so deeply"),
        (b'{"name": "caf\xe9"}', "must be UTF-8 text, found the byte 0xe9"),
        (b"{}", "must be given"),
    ],
)
def test_a_file_that_is_no_document_is_told(
    sort: str, content: bytes, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "document.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=told):
        READERS[sort][0](path)


@every_document
def test_a_missing_file_is_told(sort: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        READERS[sort][0](tmp_path / "nowhere.json")


def test_a_wfformat_document_is_a_workflow_too() -> None:
    found = read_workflow(sample_of("wfformat").file)
    assert (found.name, len(found), len(found.dependencies)) == ("mosaic", 4, 4)


def test_a_wfformat_document_that_breaks_a_rule_is_told_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkflow, match=r"document\.json: .*specification must be an object"):
        read_workflow(file({"name": "x", "workflow": {"specification": 3}}, tmp_path))


@every_document
def test_the_schema_names_every_field_of_the_document(sort: str) -> None:
    schema = json_schema(sort)
    assert set(READERS[sort][1]) <= set(schema["properties"])
    assert schema["additionalProperties"] is False


def test_there_is_no_schema_of_what_is_no_document() -> None:
    with pytest.raises(NotFound, match="workflow, cluster, schedule"):
        json_schema("poem")


@pytest.mark.parametrize("place", range(3))
def test_the_examples_in_the_documentation_can_be_read(place: int) -> None:
    text = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    example = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[place])
    inverse = {"workflow/1": workflow_from, "cluster/1": cluster_from, "schedule/1": schedule_from}
    assert inverse[example["allot"]](example)


def test_an_objective_survives_being_written() -> None:
    asked = Objective(
        makespan=0.0, cost=2.0, hard_deadlines=True, budget=9.0, quotas={"ann": 2.0, "": 1.0}
    )
    assert objective_from(json.loads(json.dumps(objective_document(asked)))) == asked
    assert objective_from(objective_document(Objective())) == Objective()


def test_an_objective_without_aims_is_the_makespan_and_with_aims_only_these() -> None:
    assert objective_from({}) == Objective()
    assert objective_from({"cost": 1}) == Objective(makespan=0.0, cost=1.0)


def test_an_objective_is_read_from_toml_as_from_json(tmp_path: Path) -> None:
    (tmp_path / "o.toml").write_text("makespan = 1\ncost = 0.5\n[quotas]\nann = 4\n")
    (tmp_path / "o.json").write_text('{"makespan": 1, "cost": 0.5, "quotas": {"ann": 4}}')
    found = [read_objective(tmp_path / name) for name in ("o.toml", "o.json")]
    assert found == [Objective(cost=0.5, quotas={"ann": 4.0})] * 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cost = -1", "cost must be greater than or equal to 0, found -1"),
        ("speed = 1", "speed is not a field of this document"),
        ("cost = 'much'", "cost must be a valid number, found 'much'"),
        ("cost 1", "cannot be read as TOML"),
        ("cost = 0", "at least one aim must weigh more than 0"),
    ],
)
def test_an_objective_that_breaks_a_rule_is_refused_with_the_field(tmp_path, text, told) -> None:
    file = tmp_path / "o.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=re.escape(told)) as error:
        read_objective(file)
    assert str(error.value).startswith(str(file))


def every_field() -> tuple[Workflow, Cluster]:
    tasks = [
        Task(
            id="a", kind="k", priority=-2, release=1.5, deadline=9.0, owner="ann",
            pools={"licence": 1.0},
        ),
        Task(id="b", kind="k"),
    ]  # fmt: skip
    workers = [
        Worker(name=name, cores=1, memory=5, price=2.0, power=9.0, closed=((1.0, 2.0), (4.0, 5.0)))
        for name in ("v", "w")
    ]
    links, pools = {("v", "w"): 3.0, ("w", "v"): 4.0}, {"licence": 2.0}
    workflow = Workflow("w", tasks, [Dependency("a", "b", 3.0)])
    return workflow, Cluster("c", workers, links=links, pools=pools, latency=0.5)


def test_windows_pools_links_owners_and_deadlines_survive_being_written() -> None:
    workflow, cluster = every_field()
    written = json.loads(json.dumps([workflow_document(workflow), cluster_document(cluster)]))
    assert workflow_from(written[0]) == workflow
    assert cluster_from(written[1]) == cluster


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("deadline", 0, "tasks[0].deadline must be greater than 0, found 0"),
        ("release", -1, "tasks[0].release must be greater than or equal to 0, found -1"),
        ("pools", {"licence": -1}, "tasks[0].pools.licence must be greater than or equal to 0"),
        ("priority", 1.5, "tasks[0].priority must be a valid integer, found 1.5"),
    ],
)
def test_a_task_that_breaks_a_rule_is_refused_with_the_field(field, value, told) -> None:
    document = workflow_document(every_field()[0])
    document["tasks"][0][field] = value
    with pytest.raises(InvalidWorkflow, match=re.escape(told)):
        workflow_from(document)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"closed": [[2.0, 1.0]]}, "must end after it starts, found 2.0 to 1.0"),
        ({"closed": [[2.0]]}, "workers[0].closed[0] must have at least 2 items"),
        ({"price": -1}, "workers[0].price must be greater than or equal to 0, found -1"),
    ],
)
def test_a_worker_that_breaks_a_rule_is_refused_with_the_field(change, told) -> None:
    document = cluster_document(every_field()[1])
    document["workers"][0] |= change
    with pytest.raises(InvalidCluster, match=re.escape(told)):
        cluster_from(document)


def test_a_link_of_a_worker_that_does_not_exist_is_refused() -> None:
    document = cluster_document(every_field()[1])
    document["links"][0]["source"] = "x"
    with pytest.raises(InvalidCluster, match="x - w must join two of its workers"):
        cluster_from(document)
