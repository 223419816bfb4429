"""Tasks that start together: what a workflow with gangs must keep, and how it is written."""

import json

import pytest

from scheduler.documents import workflow_document, workflow_from
from scheduler.errors import InvalidWorkflow
from scheduler.workflow import Dependency, Task, Workflow


def gang(name: str, *ids: str, apart: bool = False) -> list[Task]:
    return [Task(id=each, kind="work", gang=name, apart=apart) for each in ids]


def edges(*pairs: str) -> list[Dependency]:
    return [Dependency(*pair.split()) for pair in pairs]


def test_a_workflow_knows_its_gangs() -> None:
    tasks = [*gang("train", "a", "b"), Task(id="c", kind="work"), *gang("serve", "d", "e")]
    assert Workflow("w", tasks).gangs == {"train": ("a", "b"), "serve": ("d", "e")}


def test_a_gang_of_one_is_a_task_like_any_other() -> None:
    assert Workflow("w", gang("alone", "a")).gangs == {}


def test_no_task_of_a_gang_waits_for_another_of_it() -> None:
    with pytest.raises(InvalidWorkflow, match="'train' the dependencies a -> b") as caught:
        Workflow("w", gang("train", "a", "b"), edges("a b"))
    assert caught.value.tasks == ("a", "b")


def test_not_even_by_way_of_others() -> None:
    tasks = [*gang("train", "a", "b"), Task(id="c", kind="work")]
    with pytest.raises(InvalidWorkflow, match=r"'train'.* a -> c, c -> b"):
        Workflow("w", tasks, edges("a c", "c b"))


def test_gangs_that_wait_for_one_another_are_refused() -> None:
    tasks = [*gang("one", "a", "b"), *gang("two", "c", "d")]
    with pytest.raises(InvalidWorkflow, match="start together"):
        Workflow("w", tasks, edges("a c", "d b"))


def test_gangs_one_after_the_other_are_fine() -> None:
    tasks = [*gang("one", "a", "b"), *gang("two", "c", "d")]
    assert len(Workflow("w", tasks, edges("a c", "b c", "b d")).gangs) == 2


def test_a_gang_and_a_task_may_have_the_same_name() -> None:
    tasks = [*gang("c", "a", "b"), Task(id="c", kind="work")]
    assert Workflow("w", tasks, edges("a c")).gangs == {"c": ("a", "b")}


def test_only_a_task_of_a_gang_can_be_apart() -> None:
    with pytest.raises(InvalidWorkflow, match="name a gang"):
        Task(id="a", kind="work", apart=True)


def test_gangs_survive_being_written_and_read() -> None:
    workflow = Workflow("w", [*gang("train", "a", "b", apart=True), Task(id="c", kind="work")])
    document = workflow_document(workflow)
    assert workflow_from(json.loads(json.dumps(document))) == workflow
    assert "gang" not in document["tasks"][2]
