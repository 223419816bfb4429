"""Processes and nodes of a Ray cluster that are lost while they carry attempts.

`python tests/faults/ray_losses.py FOLDER --losses N [--nodes M] --seed S` starts a Ray of several
nodes on this machine, carries out one workflow after another there until that many processes or
nodes were lost, and prints what became of it as JSON. Half of the losses are processes that carry
an attempt, a quarter nodes that are gone, a quarter nodes that are frozen. Each node keeps claims
in a folder of its own, which is gone with it. The judge is a file to which every attempt appends
before it does anything else, not the store.
"""

import argparse
import json
import os
import random
import secrets
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
os.environ.update(  # before Ray is imported
    RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32), RAY_USAGE_STATS_ENABLED="0"
)

import ray  # noqa: E402
from ray.cluster_utils import Cluster as Nodes  # noqa: E402
from ray_moments import AFTER, BEFORE, CODE, DONE, Moments  # noqa: E402

from scheduler.agent import Agent  # noqa: E402
from scheduler.cluster import Cluster, Worker  # noqa: E402
from scheduler.execution.adapting import Adapting  # noqa: E402
from scheduler.execution.charge import NEW, Charge  # noqa: E402
from scheduler.execution.events import (  # noqa: E402
    AttemptEnded,
    AttemptStarted,
    AttemptUnknown,
    Decision,
    Event,
    Start,
)
from scheduler.execution.executors.ray_cluster import RayCluster  # noqa: E402
from scheduler.planning.planners.heft import Heft  # noqa: E402
from scheduler.planning.problem import Problem  # noqa: E402
from scheduler.records import Outcome  # noqa: E402
from scheduler.store import Store  # noqa: E402
from scheduler.workflow import Dependency, Task, Workflow  # noqa: E402
from scheduler.workloads.probing import nothing_known  # noqa: E402

MB = 10**6
CORES = 3
A_RUN = 8  # losses at most
BESIDE = 3  # attempts that are under way beside the one that is lost
PATIENCE = 90.0  # seconds for what must happen; beyond it the run is stuck
PROCESSES = [
    *((who, moment) for moment in (BEFORE, AFTER, CODE, DONE) for who in ("ray", "nursery")),
    *(("both", moment) for moment in (AFTER, CODE)),
]
NODES = ["raylet", "machine"]
FROZEN = ["thawed", "never thawed"]


@dataclass(frozen=True)
class Loss:
    """What is lost at which moment of which task."""

    what: str
    moment: str
    task: str

    def __str__(self) -> str:
        return f"{self.what}: {self.moment}"


class House:
    """The nodes of the cluster: one for each worker, made anew when it is lost."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder, self._made = folder, 0
        head = {"num_cpus": 0, "include_dashboard": False}
        self._nodes = Nodes(initialize_head=True, head_node_args=head)
        self._of: dict[str, tuple[Any, str]] = {}
        names = [f"w{i + 1}" for i in range(count)]
        self.cluster = Cluster("several", [self._worker(name) for name in names])
        for name in names:
            self.add(name)
        ray.init(self.address, log_to_driver=False)

    @staticmethod
    def _worker(name: str) -> Worker:
        return Worker(name=name, cores=CORES, memory=8000 * MB)

    @property
    def address(self) -> str:
        return str(self._nodes.address)

    def add(self, worker: str) -> None:
        """A new machine under the worker's name: it knows nothing of any run."""
        self._made += 1
        claims = f"{self._folder}/claims{self._made}"
        node = self._nodes.add_node(
            num_cpus=CORES, resources={f"allot:{worker}": CORES}, env_vars={"ALLOT_RUNS": claims}
        )
        self._of[worker] = node, claims

    def processes(self, worker: str) -> list[psutil.Process]:
        """All that runs on the worker's machine, also what has left its parents."""
        claims = self._of[worker][1]
        return [each for each in psutil.process_iter() if _variable(each, "ALLOT_RUNS") == claims]

    def kill_raylet(self, worker: str) -> None:
        raylet = self._of[worker][0].all_processes["raylet"][0].process
        raylet.kill()
        raylet.wait()  # one that nobody has reaped would seem to be there

    def kill(self, worker: str) -> None:
        """The whole machine at once, with its disk."""
        for each in self.processes(worker):
            with suppress(psutil.NoSuchProcess):
                each.kill()
        shutil.rmtree(self._of[worker][1], ignore_errors=True)

    def signal(self, worker: str, number: signal.Signals) -> bool:
        """Freezes or thaws the machine; whether its raylet was there."""
        raylet = self._of[worker][0].all_processes["raylet"][0].process
        there = _signalled([raylet.pid], number)
        for _ in range(2):  # a process may have started another meanwhile
            _signalled([each.pid for each in self.processes(worker)], number)
        return there

    def forget(self, worker: str) -> None:
        self._nodes.remove_node(self._of[worker][0], allow_graceful=False)

    def close(self) -> None:
        ray.shutdown()
        self._nodes.shutdown()  # type: ignore[no-untyped-call]


def _variable(process: psutil.Process, name: str) -> str | None:
    with suppress(psutil.Error, OSError):
        return process.environ().get(name)
    return None


@dataclass
class Seen:
    """When it was known of an attempt that something had happened to it, by the monotonic clock."""

    known: dict[tuple[str, int], float] = field(default_factory=dict)
    flying: dict[tuple[str, int], str] = field(default_factory=dict)
    asked: set[tuple[str, int]] = field(default_factory=set)  # people, in their own time

    def know(self, task: str, attempt: int) -> None:
        self.known.setdefault((task, attempt), time.monotonic())

    def event(self, event: Event) -> None:
        if isinstance(event, AttemptStarted):
            self.flying[event.task, event.attempt] = event.worker
        if isinstance(event, AttemptEnded | AttemptUnknown):
            self.flying.pop((event.task, event.attempt), None)
            if isinstance(event, AttemptUnknown):
                self.asked.add((event.task, event.attempt))
            if isinstance(event, AttemptUnknown) or event.observation.outcome is Outcome.LOST:
                self.know(event.task, event.attempt)


@dataclass(frozen=True)
class Watched(RayCluster):
    """Says when it knows of a loss; a `blind` one keeps no claims."""

    seen: Seen = field(default_factory=Seen)
    blind: bool = False

    @contextmanager
    def open(self, problem: Problem, charge: Charge = NEW) -> Iterator[Any]:
        token = "" if self.blind else charge.token
        charge = Charge(token, charge.epoch, charge.since, charge.history)
        with super().open(problem, charge) as session:
            lost = session._lost  # noqa: SLF001  as soon as Ray says so

            def told(start: Start, why: str) -> Any:
                self.seen.know(start.task, start.attempt)
                return lost(start, why)

            session._lost = told  # type: ignore[method-assign]  # noqa: SLF001
            yield session


class Campaign:
    """What losses landed, and what became of the tasks."""

    def __init__(self, folder: Path, house: House, rng: random.Random, *, blind: bool) -> None:
        self.folder, self.house, self.rng, self.blind = folder, house, rng, blind
        self.landed: Counter[str] = Counter()
        self.known: dict[str, float] = {}
        self.again: list[float] = []
        self.double: list[str] = []
        self.lost: list[str] = []
        self.wrong_ends: list[str] = []
        self.unknown = self.runs = self.tasks = 0

    def go(self, losses: int) -> None:
        left = self._chosen(losses)
        while left:
            some, left = left[:A_RUN], left[A_RUN:]
            self.runs += 1
            _Run(self, f"{'blind' if self.blind else 'run'}{self.runs}", some).go()

    def _chosen(self, losses: int) -> list[tuple[str, str]]:
        """What is lost at which moment: half processes, a quarter nodes, a quarter frozen ones."""
        processes = [each for each in PROCESSES if each[1] == CODE] if self.blind else PROCESSES
        process = self._turns(processes)
        ways = [
            process,
            process,
            self._turns([(each, CODE) for each in NODES]),
            self._turns([(each, CODE) for each in FROZEN]),
        ]
        return [next(ways[0 if self.blind else i % 4]) for i in range(losses)]

    def _turns(self, some: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        while True:
            yield from self.rng.sample(some, len(some))


class _Run:
    """One workflow, and the losses that it meets."""

    def __init__(self, campaign: Campaign, name: str, losses: list[tuple[str, str]]) -> None:
        self._campaign, self._name = campaign, name
        self._house, self._rng = campaign.house, campaign.rng
        self._folder = campaign.folder / name
        self._folder.mkdir()
        self._moments = Moments(self._folder)
        self._losses = [
            Loss(what, moment, f"{name}:victim{i}") for i, (what, moment) in enumerate(losses)
        ]
        self._store = f"sqlite:///{self._folder}/allot.db"
        self._workflow = self._made()
        self._seen = Seen()

    def go(self) -> None:
        for each in self._losses:
            self._moments.ask(each.task, each.moment)
        run = threading.Thread(target=self._carry_out, daemon=True)
        run.start()
        self._faults()  # in the main thread, the only one in which Ray makes nodes
        run.join(PATIENCE)
        if run.is_alive():
            self._wrong("the run is stuck")
        self._judge()

    def _made(self) -> Workflow:
        """Behind the gate before each loss stand the task that it hits and some others."""
        tasks, edges = list[Task](), list[Dependency]()
        for i, loss in enumerate(self._losses):
            gate = f"{self._name}:gate{i}"
            tasks.append(self._task(gate, gate=f"{self._folder}/open{i}", idempotent=True))
            beside = [f"{self._name}:beside{i}.{j}" for j in range(BESIDE)]
            for j, each in enumerate((loss.task, *beside)):
                idempotent = not self._campaign.blind and (i + j) % 2 == 0
                tasks.append(self._task(each, seconds=0.5 + 0.3 * j, idempotent=idempotent))
                edges.append(Dependency(gate, each))
            if i:
                edges.append(Dependency(f"{self._name}:gate{i - 1}", gate))
        self._campaign.tasks += len(tasks)
        return Workflow(self._name, tasks, edges)

    def _task(
        self, name: str, *, idempotent: bool, seconds: float = 0.0, gate: str | None = None
    ) -> Task:
        told = {"folder": str(self._folder), "name": name, "seconds": seconds, "gate": gate}
        return Task(
            id=name,
            kind="work",
            cores=1,
            memory=300 * MB,
            action="ray_moments:work",
            arguments=told,
            idempotent=idempotent,
            max_attempts=6,
        )

    def _carry_out(self) -> None:
        try:
            with Store.open(self._store) as store:
                self._to_the_end(store)
        except Exception as error:
            self._wrong(f"the run ended with {type(error).__name__}: {error}")

    def _to_the_end(self, store: Store) -> None:
        """Until all is over; people decide what nobody else can know, and look at the marks."""
        executor = Watched(address=self._house.address, seen=self._seen, blind=self._campaign.blind)
        agent = Agent(
            None,  # type: ignore[arg-type]  # nothing is forecast here
            Heft(),
            executor,
            store,
            lambda: datetime.now(UTC),
            adapting=Adapting(planners=(Heft(),)),
        )
        cluster = self._house.cluster
        problem = Problem(self._workflow, cluster, nothing_known(self._workflow, cluster))
        report = agent.carry_out(problem, Heft().plan(problem), watch=self._seen.event)
        while report.state == "waiting":
            for each in store.questions(kind="unknown", state="open"):
                self._campaign.unknown += 1
                begun = each.subject in self._marked()
                store.decide(
                    each.id,
                    Decision.SUCCEEDED if begun else Decision.AGAIN,
                    by="somebody",
                    reason="there is its mark" if begun else "there is no mark of it",
                    at=datetime.now(UTC),
                )
            report = agent.resume(report.run, watch=self._seen.event)
        if report.state != "succeeded":
            self._wrong(f"the run ended as {report.state}: {dict(report.given_up)}")

    def _faults(self) -> None:
        try:
            for i, loss in enumerate(self._losses):
                (self._folder / f"open{i}").touch()
                self._fault(loss)
        except Exception as error:  # told, and the run is let go on to its end
            self._wrong(f"{type(error).__name__}: {error}")
        for i, loss in enumerate(self._losses):
            (self._folder / f"open{i}").touch()
            self._moments.go_on(loss.task)

    def _fault(self, loss: Loss) -> None:
        if not self._within(lambda: self._moments.here(loss.task) is not None):
            self._wrong(f"{loss.task}: {loss.moment} has not come")
            return
        carried, worker = self._moments.here(loss.task), self._seen.flying[loss.task, 1]
        assert carried is not None
        time.sleep(self._rng.choice([0.0, 0.3]))  # others are under way by then, or about to be
        struck, hit = self._strike(loss.what, worker, carried)
        then, early = time.monotonic(), self._rng.random() < 0.5
        if early:  # what waits goes on before anybody has asked what became of it, or after
            self._moments.go_on(loss.task)
        if not struck:
            self._wrong(f"{loss.task}: nothing was there to be lost")
            return
        self._campaign.landed[str(loss)] += 1
        known = self._within(lambda: all(self._is_known(each) for each in [(loss.task, 1), *hit]))
        if not known:
            self._wrong(f"{loss.task}: nobody knew of the loss ({loss})")
        for each in [(loss.task, 1), *hit]:
            took = self._seen.known.get(each, then) - then
            sort = _sort(loss.what)
            self._campaign.known[sort] = max(self._campaign.known.get(sort, 0.0), took)
        self._then(loss.what, worker)
        time.sleep(0.0 if early else 1.0)
        self._moments.go_on(loss.task)

    def _is_known(self, attempt: tuple[str, int]) -> bool:
        return attempt in self._seen.known or attempt not in self._seen.flying

    def _strike(
        self, what: str, worker: str, carried: dict[str, int]
    ) -> tuple[bool, list[tuple[str, int]]]:
        """Makes the loss; whether it landed, and what other attempts it hits."""
        if what in ("ray", "nursery", "both"):
            wanted = [carried[each] for each in ("ray", "nursery") if what in (each, "both")]
            return _signalled(wanted, signal.SIGKILL), []
        hit = [each for each, where in list(self._seen.flying.items()) if where == worker]
        if what == "raylet":
            self._house.kill_raylet(worker)
            return True, hit
        if what == "machine":
            self._house.kill(worker)
            return True, hit
        return self._house.signal(worker, signal.SIGSTOP), hit

    def _then(self, what: str, worker: str) -> None:
        """What comes after the loss is known: the node goes on, or another takes its name."""
        if what == "thawed":
            self._house.signal(worker, signal.SIGCONT)
        elif what in ("raylet", "machine", "never thawed"):
            self._house.kill(worker)
            self._house.forget(worker)
            self._house.add(worker)

    def _within(self, holds: Callable[[], bool]) -> bool:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if holds():
                return True
            time.sleep(0.02)
        return False

    def _wrong(self, what: str) -> None:
        self._campaign.wrong_ends.append(f"{self._name}: {what}")

    def _lines(self) -> list[list[str]]:
        marks = self._folder / "marks"
        return [each.split() for each in marks.read_text().splitlines()] if marks.exists() else []

    def _marked(self) -> set[str]:
        return {each[0] for each in self._lines()}

    def _judge(self) -> None:
        time.sleep(0.3)  # what still runs, and should not, leaves its mark
        lines = self._lines()
        begun = Counter((name, attempt) for name, attempt, _ in lines)
        if not self._campaign.blind:
            self._campaign.double += [f"{n} {a}" for (n, a), count in begun.items() if count > 1]
        each_task = Counter(name for name, _, _ in lines)
        every = self._workflow.tasks
        once = [each.id for each in every if not each.idempotent]
        self._campaign.double += [name for name in once if each_task[name] > 1]
        with Store.open(self._store) as store:
            ended = {
                each.task
                for each in store.run_attempts(1)
                if each.observation is not None and each.observation.outcome == "succeeded"
            }
        self._campaign.lost += sorted({e.id for e in every} - (ended & each_task.keys()))
        for name, attempt in self._seen.known.keys() - self._seen.asked:
            moment = self._seen.known[name, attempt]
            later = [float(at) for task, a, at in lines if task == name and int(a) > attempt]
            self._campaign.again += [min(later) - moment] if later else []


def _sort(what: str) -> str:
    if what in FROZEN:
        return "frozen"
    return "node" if what in NODES else "process"


def _signalled(processes: list[int], number: signal.Signals) -> bool:
    """Whether all of them were there to get the signal."""
    there = True
    for each in processes:
        try:
            os.kill(each, number)
        except ProcessLookupError:
            there = False
    return there


def told(campaign: Campaign) -> dict[str, Any]:
    known = {sort: round(seconds, 2) for sort, seconds in sorted(campaign.known.items())}
    return {
        "landed": sum(campaign.landed.values()),
        "moments": dict(campaign.landed),
        "runs": campaign.runs,
        "tasks": campaign.tasks,
        "lost": campaign.lost,
        "double_starts": campaign.double,
        "unknown": campaign.unknown,
        "wrong_ends": campaign.wrong_ends,
        "known_longest": known,
        "again_longest": round(max(campaign.again, default=0.0), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--losses", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--control", type=int, default=0, help="as many more losses without claims: must go wrong"
    )
    asked = parser.parse_args()
    folder, hooks = asked.folder.resolve(), asked.folder.resolve() / "start"
    hooks.mkdir(parents=True)
    begin = f"import pathlib, ray_moments\nray_moments.install(pathlib.Path({str(folder)!r}))\n"
    (hooks / "sitecustomize.py").write_text(begin)
    paths = [str(hooks), str(HERE), str(HERE.parent.parent), *sys.path]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(each for each in paths if each))
    answer = os.dup(1)
    os.dup2(2, 1)  # Ray says much of nodes that are lost
    rng = random.Random(asked.seed)
    house = House(folder, asked.nodes)
    try:
        seeing = Campaign(folder, house, rng, blind=False)
        seeing.go(asked.losses)
        found = {"seed": asked.seed, **told(seeing)}
        if asked.control:
            blind = Campaign(folder, house, rng, blind=True)
            blind.go(asked.control)
            found["control"] = told(blind)
    finally:
        house.close()
    os.write(answer, (json.dumps(found) + "\n").encode())


if __name__ == "__main__":
    main()
