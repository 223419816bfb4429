"""When the tasks of a past run could have begun, by predecessors and by what workers held."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scheduler.cluster import Cluster, Worker
from scheduler.workflow import Workflow

LEEWAY = 1e-9  # of a worker
Held = list[tuple[float, float, float, float]]  # from, to, cores, bytes


@dataclass(frozen=True)
class Stay:
    """A task on its worker, from `start` to `end` (seconds of the run), with what it held."""

    task: str
    worker: str
    start: float
    end: float
    cores: float
    memory: float


def set_out(
    workflow: Workflow, cluster: Cluster, stays: Sequence[Stay]
) -> Iterator[tuple[Stay, float, float]]:
    """Each stay, when its task was ready, and from when on its worker had room for it until then.

    In order of their start, each beside those before it with what they were given so: together
    they never hold more than the worker has, where the logged stays did not.
    """
    ends = {each.task: each.end for each in stays}
    held = defaultdict[str, Held](list)
    for stay in sorted(stays, key=lambda each: (each.start, each.end, each.task)):
        before = [ends[each] for each in workflow.predecessors(stay.task)]
        ready = min(stay.start, max([workflow.task(stay.task).release, *before]))
        begins = _room_since(stay, ready, held[stay.worker], cluster.worker(stay.worker))
        held[stay.worker].append((begins, stay.end, stay.cores, stay.memory))
        yield stay, ready, begins


def _room_since(stay: Stay, ready: float, held: Held, worker: Worker) -> float:
    """From when on the worker had room until the stay began, no earlier than it was ready."""
    near = [each for each in held if each[1] > ready and each[0] < stay.start]
    moments = {ready, stay.start}
    moments.update(at for each in near for at in each[:2] if ready < at < stay.start)
    since = stay.start
    for at in sorted(moments, reverse=True)[1:]:
        beside = [each for each in near if each[0] <= at and each[1] >= since]
        cores = stay.cores + sum(each[2] for each in beside)
        memory = stay.memory + sum(each[3] for each in beside)
        if cores > worker.cores * (1 + LEEWAY) or memory > worker.memory * (1 + LEEWAY):
            break
        since = at
    return since
