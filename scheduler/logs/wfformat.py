"""WfCommons WfFormat: workflows with what was observed of each task, as one JSON document.

Versions 1.5 and 1.6 hold a specification and an execution, joined by task id. Versions 1.3 and 1.4
hold one flat list, in which parents are named by name, and 1.3 gives memory in kilobytes.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from scheduler.errors import InvalidInput, InvalidRecord, InvalidWorkflow, UnreadableLog
from scheduler.logs.base import LogFormat, Refused, Source
from scheduler.logs.parsing import utc_time
from scheduler.logs.reading import document, refused, stem, take
from scheduler.records import Outcome, TaskRecord
from scheduler.workflow import Dependency, Task, Workflow

_VERSIONED = re.compile(r'"schemaVersion"\s*:\s*"\d')
_INSTANCE = re.compile(r'"workflow"\s*:\s*\{')
_COUNTED = re.compile(r"_(ID)?\d+$")
_MEASURED = {
    "readBytes": "read_bytes",
    "writtenBytes": "written_bytes",
    "energyInKWh": "energy_kwh",
}
Entry = Mapping[str, object]


class WfFormat(LogFormat):
    """One record for each task that was executed; the format knows no failures and no queue."""

    title = "WfCommons WfFormat (JSON)"
    whole = True

    def recognises(self, path: Path, head: str) -> bool:
        """A JSON object with a version or a workflow inside; the schema itself is none."""
        del path
        marked = _VERSIONED.search(head) or _INSTANCE.search(head)
        return head.lstrip().startswith("{") and bool(marked) and '"$schema"' not in head

    def read(self, source: Source) -> Iterator[TaskRecord | Refused]:
        """Each executed task as a record; its line is its place in the list of executed tasks."""
        try:
            instance = _instance(document(source.path), stem(source.path))
        except InvalidInput as error:
            if isinstance(error, UnreadableLog):
                raise
            raise UnreadableLog(f"{source.path}: {error}") from None
        if not instance.executed:
            raise UnreadableLog(
                f"{source.path} describes a workflow and no execution of it: there is nothing to "
                "take. It can be planned: allot plan."
            )
        for place, entry in enumerate(instance.executed, start=1):
            raw = json.dumps(entry, ensure_ascii=False)
            yield take(source, place, raw, partial(_record, entry, instance, source))
        for task in instance.not_executed:
            missing = InvalidRecord("execution", "must hold every specified task", task)
            yield refused(source, len(instance.executed) + 1, task, missing)


def workflow_of(content: object, name: str) -> Workflow:
    """The workflow that a WfFormat document describes; `name` is used where it has none.

    A dependency carries the files that its source writes and its target reads; a task asks for the
    cores that its execution used, or one. Raises InvalidWorkflow.
    """
    instance = _instance(content, name)
    entries = [_mapping(each, "each executed task") for each in instance.executed]
    cores = {_text(entry, "id"): _amount(entry, "coreCount") or 1 for entry in entries}
    tasks = [
        Task(
            id=each.id,
            kind=instance.kind(each.id),
            sizes=instance.sizes(each),
            cores=cores.get(each.id, 1),
        )
        for each in instance.tasks.values()
    ]
    return Workflow(instance.name, tasks, instance.dependencies())


@dataclass(frozen=True)
class _Specified:
    id: str
    name: str
    parents: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True)
class _Instance:
    name: str
    tasks: Mapping[str, _Specified]
    files: Mapping[str, Entry]
    executed: Sequence[object] = ()

    @cached_property
    def programs(self) -> Mapping[str, str]:
        """The program that each task ran, where the document says so."""
        entries = (each for each in self.executed if isinstance(each, Mapping))
        commands = ((str(each.get("id")), each.get("command")) for each in entries)
        return {
            task: str(each.get("program", ""))
            for task, each in commands
            if isinstance(each, Mapping)
        }

    @property
    def not_executed(self) -> list[str]:
        """The specified tasks of which the execution says nothing."""
        ids = {
            each.get("id")
            for each in self.executed
            if isinstance(each, Mapping) and isinstance(each.get("id"), str)
        }
        return [each for each in self.tasks if each not in ids]

    def kind(self, task: str) -> str:
        """Where a task's name is not its id, the name is the kind; elsewhere its program is."""
        name = self.tasks[task].name
        if name != task:
            return name
        program = self.programs.get(task, "")
        return (
            program if program and not re.search(r"\s", program) else _COUNTED.sub("", task) or task
        )

    def sizes(self, task: _Specified) -> dict[str, float]:
        """How many files a task reads, and their bytes where all are known."""
        found = [self._size(each) for each in task.reads]
        known = [each for each in found if each is not None]
        whole = {"input_bytes": sum(known)} if len(known) == len(found) else {}
        return {"inputs": len(found), **whole}

    def dependencies(self) -> Iterator[Dependency]:
        """Each task with its parents, and the bytes that they hand over."""
        for task in self.tasks.values():
            reads = set(task.reads)
            for parent in task.parents:
                source = self.tasks.get(parent)
                shared = (
                    dict.fromkeys(each for each in source.writes if each in reads) if source else {}
                )
                yield Dependency(parent, task.id, sum(self._known_size(each) for each in shared))

    def _size(self, file: str) -> float | None:
        return _amount(self.files.get(file, {}), "sizeInBytes", "size")

    def _known_size(self, file: str) -> float:
        if (size := self._size(file)) is None:
            raise InvalidWorkflow(
                f"Workflow {self.name!r}: the file {file!r} must have a size, found none."
            )
        return size


def _record(entry: object, instance: _Instance, source: Source) -> TaskRecord:
    if not isinstance(entry, Mapping):
        raise InvalidRecord("execution", "must hold an object for each task", entry)
    task = _text(entry, "id")
    if task not in instance.tasks:
        raise InvalidRecord("id", "must be that of a specified task", task)
    machines = _texts(entry, "machines")
    executed_at = entry.get("executedAt")
    specified = instance.tasks[task]
    cpu = _amount(entry, "avgCPU")
    measured = {name: _amount(entry, key) for key, name in _MEASURED.items()}
    return TaskRecord(
        run=source.run,
        workflow=instance.name,
        task=task,
        kind=instance.kind(task),
        outcome=Outcome.SUCCEEDED,
        worker=machines[0] if len(machines) == 1 else None,
        started=utc_time("executedAt", str(executed_at), source.timezone) if executed_at else None,
        duration=_amount(entry, "runtimeInSeconds") or None,
        peak_memory=_amount(entry, "memoryInBytes") or None,
        cpu=cpu / 100 if cpu else None,
        requested_cores=_amount(entry, "coreCount"),
        sizes=instance.sizes(specified),
        measured={name: value for name, value in measured.items() if value is not None},
        predecessors=specified.parents,
    )


def _instance(content: object, name: str) -> _Instance:
    whole = _mapping(content, "the document")
    workflow = _mapping(whole.get("workflow"), "workflow")
    name = str(whole.get("name") or name)
    if "specification" in workflow:
        return _two_part(workflow, name)
    kilobytes = str(whole.get("schemaVersion", "")) < "1.4"
    return _flat(_entries(workflow, "tasks"), name, memory_unit=1000 if kilobytes else 1)


def _two_part(workflow: Entry, name: str) -> _Instance:
    specification = _mapping(workflow["specification"], "workflow.specification")
    execution = _mapping(workflow.get("execution", {}), "workflow.execution")
    specified = _entries(specification, "tasks")
    children = _parents_by_child(specified, {})
    tasks = [
        _Specified(
            id=(task := _text(each, "id")),
            name=str(each.get("name") or task),
            parents=_unique(*_texts(each, "parents"), *children.get(task, ())),
            reads=_unique(*_texts(each, "inputFiles")),
            writes=_unique(*_texts(each, "outputFiles")),
        )
        for each in specified
    ]
    files = {_text(each, "id"): each for each in _entries(specification, "files")}
    return _joined(name, tasks, files, _list(execution, "tasks"))


def _flat(entries: Sequence[Entry], name: str, *, memory_unit: int) -> _Instance:
    ids = {str(each.get("name")): _flat_id(each) for each in entries}
    children = _parents_by_child(entries, ids)
    tasks: list[_Specified] = []
    files: dict[str, Entry] = {}
    for each in entries:
        own = [(_text(file, "name"), file) for file in _entries(each, "files")]
        files |= dict(own)
        reads = [file for file, entry in own if entry.get("link") == "input"]
        parents = [ids.get(parent, parent) for parent in _texts(each, "parents")]
        task = _flat_id(each)
        writes = [file for file, _ in own if file not in reads]
        tasks.append(
            _Specified(
                id=task,
                name=str(each.get("name") or task),
                parents=_unique(*parents, *children.get(task, ())),
                reads=_unique(*reads),
                writes=_unique(*writes),
            )
        )
    executed = [
        _executed(each, memory_unit)
        for each in entries
        if {"runtime", "runtimeInSeconds"} & each.keys()
    ]
    return _joined(name, tasks, files, executed)


def _executed(each: Entry, memory_unit: int) -> Entry:
    """An entry of the flat list in the words of version 1.5."""
    renamed = {"runtime": "runtimeInSeconds", "cores": "coreCount", "energy": "energyInKWh"}
    entry = {renamed.get(key, key): value for key, value in each.items()} | {"id": _flat_id(each)}
    if (memory := _amount(each, "memory")) is not None:
        entry["memoryInBytes"] = memory * memory_unit
    return entry | ({"machines": [each["machine"]]} if each.get("machine") else {})


def _flat_id(each: Entry) -> str:
    """Names are unique in the flat list, and what parents are called by."""
    return _text(each, "name") if each.get("name") else _text(each, "id")


def _joined(
    name: str, tasks: Sequence[_Specified], files: Mapping[str, Entry], executed: Sequence[object]
) -> _Instance:
    twice = sorted(task for task, count in Counter(each.id for each in tasks).items() if count > 1)
    if twice:
        raise InvalidWorkflow(
            f"Workflow {name!r}: each task id must be unique, found twice: {', '.join(twice)}.",
            twice,
        )
    return _Instance(name, {each.id: each for each in tasks}, files, executed)


def _parents_by_child(entries: Sequence[Entry], ids: Mapping[str, str]) -> dict[str, list[str]]:
    """Some writers state a dependency at its source only."""
    found: dict[str, list[str]] = {}
    for each in entries:
        own = str(each.get("name") if ids else each.get("id"))
        for child in _texts(each, "children"):
            found.setdefault(ids.get(child, child), []).append(ids.get(own, own))
    return found


def _unique(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _mapping(value: object, where: str) -> Entry:
    if not isinstance(value, Mapping):
        raise InvalidWorkflow(f"WfFormat: {where} must be an object, found {str(value)[:100]!r}.")
    return value


def _entries(within: Entry, key: str) -> list[Entry]:
    return [_mapping(each, f"each of {key}") for each in _list(within, key)]


def _list(within: Entry, key: str) -> list[object]:
    value = within.get(key) or []
    if not isinstance(value, list):
        raise InvalidWorkflow(f"WfFormat: {key} must be a list, found {str(value)[:100]!r}.")
    return value


def _texts(entry: Entry, key: str) -> list[str]:
    value = entry.get(key) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidRecord(key, "must be a list of names", value)
    return value


def _text(entry: Entry, key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidRecord(key, "must be a text that is not empty", value)
    return value


def _amount(entry: Entry, *keys: str) -> float | None:
    """The number under the first of these keys that is there."""
    key = next((each for each in keys if entry.get(each) is not None), None)
    if key is None:
        return None
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidRecord(key, "must be a number", value)
    if value != value or value in (float("inf"), float("-inf")):
        raise InvalidRecord(key, "must be finite", value)
    if value < 0:
        raise InvalidRecord(key, "must not be negative", value)
    return value
