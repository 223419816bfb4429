"""WfFormat documents, on made-up workflows."""

import contextlib
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_samples import refusal, sample_of, source, taken

from scheduler.errors import InvalidInput, InvalidWorkflow, UnreadableLog
from scheduler.logs.base import Refused
from scheduler.logs.wfformat import WfFormat, workflow_of
from scheduler.records import TaskRecord

FORM = WfFormat()
FLAT = {
    "name": "old",
    "schemaVersion": "1.3",
    "workflow": {
        "makespan": 9,
        "machines": [{"nodeName": "box-1"}],
        "tasks": [
            {
                "name": "cut_ID1", "type": "compute", "runtime": 2.5, "cores": 2, "memory": 4,
                "avgCPU": 50, "machine": "box-1", "command": {"program": "cut"},
                "children": ["join_ID2"],
                "files": [
                    {"link": "input", "name": "all.raw", "size": 300},
                    {"link": "output", "name": "left.raw", "size": 100},
                ],
            },
            {
                "name": "join_ID2", "type": "compute", "runtime": 1, "parents": ["cut_ID1"],
                "files": [{"link": "input", "name": "left.raw", "size": 100}],
            },
        ],
    },
}  # fmt: skip


def sample() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(sample_of("wfformat").file.read_text(encoding="utf-8"))
    content["workflow"]["execution"]["tasks"][2]["runtimeInSeconds"] = 4  # its planted fault
    return content


def written(content: object, tmp_path: Path) -> Path:
    path = tmp_path / "instance.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_the_workflow_of_a_document_has_its_kinds_sizes_and_cores() -> None:
    found = workflow_of(sample(), "unnamed")
    assert [(each.id, each.kind, each.cores) for each in found.tasks] == [
        ("split_ID01", "cut", 2),
        ("blend_ID02", "blend", 1),
        ("blend_ID03", "blend", 1),
        ("join_3", "PLOT.JOIN", 1),
    ]
    assert found.task("blend_ID03").sizes == {"inputs": 2, "input_bytes": 3000}


def test_a_dependency_carries_the_files_that_its_source_writes_and_its_target_reads() -> None:
    found = {
        (each.source, each.target): each.bytes for each in workflow_of(sample(), "x").dependencies
    }
    assert found == {
        ("split_ID01", "blend_ID02"): 1000,
        ("split_ID01", "blend_ID03"): 3000,
        ("blend_ID02", "join_3"): 10,
        ("blend_ID03", "join_3"): 20,
    }


def test_a_dependency_stated_at_its_source_only_is_kept() -> None:
    content = sample()
    content["workflow"]["specification"]["tasks"][3]["parents"] = []
    assert workflow_of(content, "x").predecessors("join_3") == ("blend_ID02", "blend_ID03")


def test_a_parent_that_is_no_task_is_named() -> None:
    content = sample()
    content["workflow"]["specification"]["tasks"][0]["parents"] = ["ghost"]
    with pytest.raises(InvalidWorkflow, match="ghost"):
        workflow_of(content, "x")


def test_a_file_without_a_size_leaves_input_bytes_open(tmp_path: Path) -> None:
    content = sample()
    content["workflow"]["specification"]["files"].pop(0)
    found = taken(FORM, written(content, tmp_path))
    assert found[0].sizes == {"inputs": 1}


def test_a_file_with_a_bad_size_costs_only_the_tasks_that_read_it(tmp_path: Path) -> None:
    content = sample()
    content["workflow"]["specification"]["files"][0]["sizeInBytes"] = -5
    found = refusal(FORM, written(content, tmp_path))
    assert (found.line, found.field, found.rule) == (1, "sizeInBytes", "must not be negative")


@pytest.mark.parametrize(
    "field", ["runtimeInSeconds", "avgCPU", "memoryInBytes", "coreCount", "readBytes"]
)
@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (float("nan"), "must be finite"),
        (float("inf"), "must be finite"),
        (-1, "must not be negative"),
        ("7", "must be a number"),
        (True, "must be a number"),
    ],
)
def test_a_number_that_breaks_a_rule_is_refused_by_its_field(
    field: str, value: object, rule: str, tmp_path: Path
) -> None:
    content = sample()
    content["workflow"]["execution"]["tasks"][0][field] = value
    found = refusal(FORM, written(content, tmp_path))
    assert (found.line, found.field, found.rule) == (1, field, rule)


def test_an_executed_task_that_is_not_specified_is_refused(tmp_path: Path) -> None:
    content = sample()
    content["workflow"]["execution"]["tasks"].append({"id": "ghost", "runtimeInSeconds": 1})
    found = refusal(FORM, written(content, tmp_path))
    assert (found.line, found.field, found.value) == (5, "id", "'ghost'")


def test_a_specified_task_that_was_not_executed_is_told(tmp_path: Path) -> None:
    content = sample()
    content["workflow"]["execution"]["tasks"].pop()
    found = refusal(FORM, written(content, tmp_path))
    assert (found.field, found.value) == ("execution", "'join_3'")


def test_a_workflow_that_was_not_executed_is_no_log(tmp_path: Path) -> None:
    content = sample()
    del content["workflow"]["execution"]
    with pytest.raises(UnreadableLog, match="no execution of it"):
        list(FORM.read(source(written(content, tmp_path))))


def test_a_workflow_that_was_not_executed_can_be_planned() -> None:
    content = sample()
    del content["workflow"]["execution"]
    assert len(workflow_of(content, "x")) == 4


def test_one_task_id_twice_is_told(tmp_path: Path) -> None:
    content = sample()
    content["workflow"]["specification"]["tasks"] *= 2
    with pytest.raises(UnreadableLog, match="found twice: blend_ID02"):
        list(FORM.read(source(written(content, tmp_path))))


def test_a_flat_document_gives_memory_in_kilobytes_and_parents_by_name(tmp_path: Path) -> None:
    first, second = taken(FORM, written(FLAT, tmp_path))
    assert (first.duration, first.peak_memory, first.cpu) == (2.5, 4000, 0.5)
    assert (first.worker, first.requested_cores, first.kind) == ("box-1", 2, "cut")
    assert first.sizes == {"inputs": 1, "input_bytes": 300}
    assert (second.kind, second.predecessors) == ("join", ("cut_ID1",))


def test_a_flat_document_is_a_workflow_too() -> None:
    (found,) = workflow_of(FLAT, "x").dependencies
    assert (found.source, found.target, found.bytes) == ("cut_ID1", "join_ID2", 100)


def test_the_schema_is_no_instance() -> None:
    schema = '{"$schema": "x", "properties": {"workflow": {"type": "object"}, "schemaVersion": {}}}'
    assert not FORM.recognises(Path("schema.json"), schema)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a JSON value."""
    yield place
    parts = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, each in parts:
        yield from places(each, (*place, key))


PLACES = [place for content in (sample(), FLAT) for place in places(content) if place]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.sampled_from(PLACES), value=anything)
def test_anything_anywhere_in_a_document_is_read_or_told(
    tmp_path: Path, place: tuple[Any, ...], value: object
) -> None:
    for content in (sample(), copy.deepcopy(FLAT)):
        inner: Any = content
        try:
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
        try:
            found = list(FORM.read(source(written(content, tmp_path))))
            assert all(isinstance(each, TaskRecord | Refused) for each in found)
        except UnreadableLog:
            pass
        with contextlib.suppress(InvalidInput):
            workflow_of(content, "x")
