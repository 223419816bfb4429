"""What a task may say about its real work."""

import json
from typing import Any

import pytest

from scheduler.documents import json_schema, workflow_document, workflow_from
from scheduler.errors import InvalidWorkflow
from scheduler.workflow import Task, Workflow

FULL: dict[str, Any] = {
    "id": "t",
    "kind": "k",
    "command": ("sort", "-o", "out", "in"),
    "environment": {"LC_ALL": "C"},
    "secrets": frozenset({"DB_PASSWORD", "B"}),
    "folder": "/data",
    "inputs": ("in",),
    "outputs": ("out",),
    "idempotent": True,
    "backoff": 2.5,
}


def test_work_goes_through_a_document_unchanged() -> None:
    workflow = Workflow("w", [Task(**FULL)])
    assert workflow_from(json.loads(json.dumps(workflow_document(workflow)))) == workflow


def test_what_is_not_said_is_not_written() -> None:
    (written,) = workflow_document(Workflow("w", [Task(id="t", kind="k")]))["tasks"]
    assert written == {"id": "t", "kind": "k"}


def test_the_schema_has_every_field_of_work() -> None:
    known = json_schema("workflow")["$defs"]["TaskDocument"]["properties"]
    assert FULL.keys() <= known.keys()


def test_a_list_is_as_good_as_a_tuple() -> None:
    listed = Task(id="t", kind="k", command=["a", "b"])  # type: ignore[arg-type]
    assert listed == Task(id="t", kind="k", command=("a", "b"))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"command": "ls -l"}, "no shell"),
        ({"command": ["a"], "action": "b:c"}, "found both"),
        ({"command": [" "]}, "must name a program"),
        ({"command": ["a\0"]}, r"command\[0\] must be text without NUL"),
        ({"command": ["a", "\ud800"]}, r"command\[1\]"),
        ({"command": ["a", 1]}, r"command\[1\] must be a text, found 1"),
        ({"command": ["a"], "environment": {"A=B": "x"}}, "must name variables"),
        ({"command": ["a"], "environment": {"ALLOT_CORES": "9"}}, "set by Allot itself"),
        ({"command": ["a"], "environment": {"A": "x\0"}}, "without NUL"),
        ({"command": ["a"], "secrets": frozenset({"1"})}, "secrets must name variables"),
        ({"command": ["a"], "folder": ""}, "folder must be a path"),
        ({"command": ["a"], "inputs": ("",)}, r"inputs\[0\] must be a path"),
        ({"command": ["a"], "outputs": ("a\0",)}, r"outputs\[0\]"),
        ({"command": ["a"], "backoff": -1}, "backoff must not be negative"),
        ({"command": ["a"], "backoff": float("nan")}, "backoff must be a finite number"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidWorkflow, match=told):
        Task(id="t", kind="k", **fields)
