"""Workflows, clusters, schedules and objectives as JSON: Allot's own documents, and their schemas.

Every document written carries its sort and version (`"allot": "workflow/1"`). Reading is strict: an
unknown key, a text where a number belongs or an unknown version is refused with the field's path.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
)

from scheduler.cluster import Allocation, Cluster, Worker
from scheduler.errors import InvalidCluster, InvalidInput, InvalidWorkflow, NotFound, UnreadableLog
from scheduler.logs import reading, wfformat
from scheduler.planning.bars import Bar
from scheduler.planning.objective import AIMS, Objective
from scheduler.planning.schedule import Placement, Schedule
from scheduler.workflow import Dependency, Task, Workflow

_UNITS = {"": 1} | {
    f"{prefix}{suffix}": base**power
    for power, prefix in enumerate(("", "k", "m", "g", "t", "p"))
    for suffix, base in (("b", 1000), ("ib", 1024))
}
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([a-z]{0,3})", re.ASCII | re.IGNORECASE)


def _bytes(value: object) -> object:
    """Texts such as "8 GB" (10^9) and "8 GiB" (2^30) as bytes; 8e9 is a whole number too."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        return value
    match = _AMOUNT.fullmatch(value.strip())
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError("must be a number of bytes, or a text such as '8 GB' or '8 GiB'")
    return round(float(match[1]) * _UNITS[match[2].lower()])


def _finite_json(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise ValueError("must hold finite numbers only") from None
    return value


Bytes = Annotated[
    int,
    BeforeValidator(_bytes, json_schema_input_type=int | str),
    Field(gt=0, le=10**18, description='bytes, or a text such as "8 GB" or "8 GiB"'),
]
_BYTES: TypeAdapter[int] = TypeAdapter(Bytes)
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class TaskDocument(_Document):
    """One task: see `scheduler.workflow.Task`."""

    id: Text
    kind: Text
    sizes: dict[str, NotNegative] = {}
    cores: Positive = 1.0
    memory: Bytes | None = None
    skills: list[Text] = []
    pools: dict[Text, NotNegative] = {}
    priority: int = 0
    release: NotNegative = 0.0
    deadline: Positive | None = None
    owner: str = ""
    labels: list[Text] = []
    action: str | None = None
    arguments: Annotated[dict[str, Any], AfterValidator(_finite_json)] = {}
    timeout: Positive | None = None
    max_attempts: Annotated[int, Field(ge=1)] = 3
    command: list[str] = []
    environment: dict[str, str] = {}
    secrets: list[str] = []
    folder: str | None = None
    inputs: list[str] = []
    outputs: list[str] = []
    idempotent: bool = False
    backoff: NotNegative = 0.0
    gang: str = ""
    apart: bool = False


class DependencyDocument(_Document):
    """`target` starts after `source` has ended and its `bytes` have arrived."""

    source: Text
    target: Text
    bytes: NotNegative = 0.0


class WorkflowDocument(_Document):
    """A workflow: tasks, and the dependencies between them."""

    allot: Literal["workflow/1"] = "workflow/1"
    name: Text
    tasks: list[TaskDocument]
    dependencies: list[DependencyDocument] = []


class WorkerDocument(_Document):
    """One worker: see `scheduler.cluster.Worker`."""

    name: Text
    cores: Positive
    memory: Bytes
    skills: list[Text] = []
    speed: Positive = 1.0
    scores: dict[Text, Positive] = {}
    price: NotNegative = 0.0
    power: NotNegative = 0.0
    closed: list[Annotated[list[NotNegative], Field(min_length=2, max_length=2)]] = []
    labels: dict[str, str] = {}


class LinkDocument(_Document):
    """The bandwidth between two workers; for both directions unless the other is given too."""

    source: Text
    target: Text
    bandwidth: Positive


class ClusterDocument(_Document):
    """A cluster: workers, and how bytes travel between them (bytes per second, seconds)."""

    allot: Literal["cluster/1"] = "cluster/1"
    name: Text
    workers: list[WorkerDocument]
    bandwidth: Positive = 125e6
    latency: NotNegative = 0.0
    links: list[LinkDocument] = []
    pools: dict[Text, NotNegative] = {}


class PlacementDocument(_Document):
    """One task on one worker; seconds from the start of the run, cores, bytes."""

    task: Text
    worker: Text
    start: float
    end: float
    cores: float
    memory: Annotated[int, BeforeValidator(_bytes, json_schema_input_type=int | str)]


class ScheduleDocument(_Document):
    """A schedule. `makespan` and `violations` tell what the planner found; nothing reads them."""

    allot: Literal["schedule/1"] = "schedule/1"
    planner: str = "unknown"
    makespan: float | None = None
    lower_bound: NotNegative = 0.0
    violations: list[Any] = []
    placements: list[PlacementDocument]


class BarDocument(_Document):
    """Tasks that may not run on some workers: see `scheduler.planning.bars.Bar`."""

    labels: list[Text] = []
    kinds: list[Text] = []
    tasks: list[Text] = []
    workers: list[Text] = []
    needs: list[Text] = []
    only: list[Text] = []
    why: str = ""


class ObjectiveDocument(_Document):
    """An objective: see `scheduler.planning.objective.Objective`.

    The weights of the aims; those left out weigh nothing, and without any the makespan weighs 1.
    """

    allot: Literal["objective/1"] = "objective/1"
    makespan: NotNegative = 0.0
    tardiness: NotNegative = 0.0
    flow: NotNegative = 0.0
    cost: NotNegative = 0.0
    energy: NotNegative = 0.0
    fairness: NotNegative = 0.0
    hard_deadlines: bool = False
    budget: NotNegative | None = None
    quotas: dict[str, Positive] = {}
    bars: list[BarDocument] = []
    duration_quantile: Annotated[float, Field(gt=0, lt=1)] = 0.5
    memory_quantile: Annotated[float, Field(gt=0, lt=1)] = 0.9
    memory_margin: Annotated[float, Field(ge=1)] = 1.2
    memory_chance: Annotated[float, Field(gt=0, lt=1)] | None = None


_SORTS: Mapping[str, type[_Document]] = {
    "workflow": WorkflowDocument,
    "cluster": ClusterDocument,
    "schedule": ScheduleDocument,
    "objective": ObjectiveDocument,
}
_Some = TypeVar("_Some", bound=_Document)


def read_workflow(path: Path) -> Workflow:
    """The workflow in a file: Allot's own JSON, or WfFormat, told apart by content.

    Raises InvalidInput for a file that cannot be read, InvalidWorkflow for what is no workflow.
    """
    content = _content(path)
    try:
        if isinstance(content, dict) and "workflow" in content and "allot" not in content:
            return wfformat.workflow_of(content, reading.stem(path))
        return workflow_from(content)
    except InvalidWorkflow as error:
        raise InvalidWorkflow(f"{path}: {error}", error.tasks) from None
    except InvalidInput as error:
        raise InvalidWorkflow(f"{path}: {error}") from None


def read_cluster(path: Path) -> Cluster:
    """The cluster in a file of Allot's own JSON; raises InvalidInput or InvalidCluster."""
    content = _content(path)
    try:
        return cluster_from(content)
    except InvalidCluster as error:
        raise InvalidCluster(f"{path}: {error}", error.workers) from None


def read_worker(path: Path) -> Cluster:
    """A cluster of the one worker in a file, written as in a cluster's document."""
    whole = {"allot": "cluster/1", "name": "added", "workers": [_content(path)]}
    try:
        return cluster_from(whole)
    except InvalidCluster as error:
        raise InvalidCluster(f"{path}: {error}", error.workers) from None


def read_schedule(path: Path) -> Schedule:
    """The schedule in a file of Allot's own JSON; raises InvalidInput."""
    content = _content(path)
    try:
        return schedule_from(content)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None


def read_objective(path: Path) -> Objective:
    """The objective in a file of Allot's own JSON, or of TOML with the same keys.

    Raises InvalidInput.
    """
    content = _toml(path) if path.suffix == ".toml" else _content(path)
    try:
        return objective_from(content)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None


def read_bytes(text: str) -> int:
    """The bytes that a text names as a document does: 8000000000, 8e9, "8 GB" or "8 GiB".

    Raises ValueError.
    """
    with suppress(ValueError):
        return _BYTES.validate_python(float(text))
    return _BYTES.validate_python(text)


def workflow_from(content: object) -> Workflow:
    """The workflow that `workflow_document` wrote; raises InvalidWorkflow."""
    found = _checked(WorkflowDocument, content, InvalidWorkflow)
    tasks = [Task(**_values(each, Task)) for each in found.tasks]
    dependencies = [Dependency(each.source, each.target, each.bytes) for each in found.dependencies]
    return Workflow(found.name, tasks, dependencies)


def cluster_from(content: object) -> Cluster:
    """The cluster that `cluster_document` wrote; raises InvalidCluster."""
    found = _checked(ClusterDocument, content, InvalidCluster)
    workers = [Worker(**_values(each, Worker)) for each in found.workers]
    return Cluster(
        found.name,
        workers,
        bandwidth=found.bandwidth,
        latency=found.latency,
        links={(each.source, each.target): each.bandwidth for each in found.links},
        pools=found.pools,
    )


def schedule_from(content: object) -> Schedule:
    """The schedule that `schedule_document` wrote, whether or not it keeps its problem's rules.

    Raises InvalidInput.
    """
    found = _checked(ScheduleDocument, content, InvalidInput)
    placements = tuple(
        Placement(each.task, each.worker, each.start, each.end, Allocation(each.cores, each.memory))
        for each in found.placements
    )
    return Schedule(placements, planner=found.planner, lower_bound=found.lower_bound)


def objective_from(content: object) -> Objective:
    """The objective that `objective_document` wrote; raises InvalidInput."""
    found = _checked(ObjectiveDocument, content, InvalidInput)
    values = {each.name: getattr(found, each.name) for each in fields(Objective)}
    if not found.model_fields_set & set(AIMS):
        values["makespan"] = 1.0
    values["bars"] = tuple(_bar(each) for each in found.bars)
    return Objective(**values)


def workflow_document(workflow: Workflow) -> dict[str, Any]:
    """The workflow as JSON values; what has its default is left out."""
    dependencies = [
        {"source": each.source, "target": each.target, "bytes": each.bytes}
        for each in workflow.dependencies
    ]
    return {
        "allot": "workflow/1",
        "name": workflow.name,
        "tasks": [_plain(each, TaskDocument) for each in workflow.tasks],
        "dependencies": dependencies,
    }


def cluster_document(cluster: Cluster) -> dict[str, Any]:
    """The cluster as JSON values; what has its default is left out of the workers."""
    links = [
        {"source": source, "target": target, "bandwidth": rate}
        for (source, target), rate in cluster.links.items()
    ]
    return {
        "allot": "cluster/1",
        "name": cluster.name,
        "workers": [_plain(each, WorkerDocument) for each in cluster.workers],
        "bandwidth": cluster.bandwidth,
        "latency": cluster.latency,
        **({"links": links} if links else {}),
        **({"pools": cluster.pools} if cluster.pools else {}),
    }


def schedule_document(schedule: Schedule) -> dict[str, Any]:
    """The schedule as JSON values."""
    placements = [
        {
            "task": each.task,
            "worker": each.worker,
            "start": each.start,
            "end": each.end,
            "cores": each.allocation.cores,
            "memory": each.allocation.memory,
        }
        for each in schedule.placements
    ]
    return {
        "allot": "schedule/1",
        "planner": schedule.planner,
        "makespan": schedule.makespan,
        "lower_bound": schedule.lower_bound,
        "placements": placements,
    }


def objective_document(objective: Objective) -> dict[str, Any]:
    """The objective as JSON values: the aims that weigh something, and what is not the default."""
    values = {each.name: getattr(objective, each.name) for each in fields(Objective)}
    defaults = {name: each.default for name, each in ObjectiveDocument.model_fields.items()}
    values["bars"] = [_bar_document(each) for each in objective.bars]
    told = {name: value for name, value in values.items() if value != defaults[name]}
    return {"allot": "objective/1", **told}


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of a sort of document: `workflow`, `cluster`, `schedule`, `objective`.

    Raises NotFound for any other name.
    """
    if name not in _SORTS:
        raise NotFound(f"There is no document {name!r}; known: {', '.join(_SORTS)}.")
    return _SORTS[name].model_json_schema()


def _content(path: Path) -> object:
    try:
        return reading.document(path)
    except UnreadableLog as error:
        raise InvalidInput(str(error)) from None


def _toml(path: Path) -> object:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read as TOML in UTF-8: {error}.") from None


def _checked(sort: type[_Some], content: object, refuse: type[InvalidInput]) -> _Some:
    title = next(name for name, each in _SORTS.items() if each is sort)
    if not isinstance(content, dict):
        article = "An" if title[0] in "aeiou" else "A"
        raise refuse(f"{article} {title} must be a JSON object, found {repr(content)[:80]}.")
    try:
        return sort.model_validate(content)
    except pydantic.ValidationError as error:
        problems = error.errors(include_url=False)
        told = "; ".join(_told(each["loc"], each) for each in problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise refuse(f"The {title} breaks the rules of its document: {told}{more}.") from None
    except RecursionError:
        raise refuse("The document must not nest so deeply.") from None


def _told(place: Sequence[int | str], problem: Mapping[str, Any]) -> str:
    """One broken rule as: field path, rule, value found."""
    path = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in place).lstrip(
        "."
    )
    found = repr(problem["input"])
    shown = found if len(found) <= 80 else f"{found[:79]}…"
    rule = re.sub(r"^(Value error, |\w+ should )", "", problem["msg"])
    if problem["type"] == "missing":
        return f"{path} must be given"
    if problem["type"] == "extra_forbidden":
        return f"{path} is not a field of this document, found {shown}"
    rule = rule if rule.startswith("must") else f"must {rule}"
    return f"{path} {rule}, found {shown}"


def _values(document: _Document, value: type) -> dict[str, Any]:
    found = {each.name: getattr(document, each.name) for each in fields(value)}
    if "closed" in found:  # lists in a document, tuples in a value
        found["closed"] = tuple(map(tuple, found["closed"]))
    if value is not Task:  # a worker's labels have values
        return found | {"skills": frozenset(found["skills"])}
    sets = {name: frozenset(found[name]) for name in ("skills", "labels", "secrets")}
    return found | sets | {name: tuple(found[name]) for name in ("command", "inputs", "outputs")}


def _bar(document: BarDocument) -> Bar:
    names = (name for name in BarDocument.model_fields if name != "why")
    lists: dict[str, Any] = {name: tuple(getattr(document, name)) for name in names}
    return Bar(why=document.why, **lists)


def _bar_document(bar: Bar) -> dict[str, Any]:
    values = {name: getattr(bar, name) for name in BarDocument.model_fields}
    return {name: each if name == "why" else list(each) for name, each in values.items() if each}


def _plain(value: Task | Worker, sort: type[_Document]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, field in sort.model_fields.items():
        own = getattr(value, name)
        own = sorted(own) if isinstance(own, frozenset) else own
        own = [list(window) for window in own] if name == "closed" else own
        own = list(own) if isinstance(own, tuple) else own
        if field.is_required() or own != field.default:
            plain[name] = dict(own) if isinstance(own, Mapping) else own
    return plain
