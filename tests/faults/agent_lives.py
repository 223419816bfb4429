"""An agent that is killed, or overtaken while it is frozen, at moments that are known to have come.

`python tests/faults/agent_lives.py FOLDER --kills N --frozen N` carries one workflow after another
out with real processes until that many agents were killed, and prints what became of it as JSON.
The judge is a file to which every attempt appends before it does anything else, not the store.
"""

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scheduler.agent import Agent
from scheduler.cluster import Cluster, Worker
from scheduler.errors import StaleEpoch
from scheduler.execution.charge import NEW, Charge
from scheduler.execution.events import Start
from scheduler.execution.executors.local_processes import LocalProcesses
from scheduler.execution.fates import Fate, NotBegun
from scheduler.leases import Watch
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.store import Store, intents
from scheduler.workflow import Dependency, Task, Workflow
from scheduler.workloads.probing import nothing_known

MB = 10**6
CLUSTER = Cluster("here", [Worker(name=name, cores=2, memory=4000 * MB) for name in ("a", "b")])
TASKS, ROWS = 24, 6  # tasks, and how many of them stand side by side
OVERTAKEN, WENT_WELL = 3, 0
PATIENCE = 0.4  # seconds without a sign of life after which a frozen agent is overtaken


def workflow(file: Path) -> Workflow:
    """Layers of tasks, each of which leaves a mark in the file and waits for one before it."""
    tasks = [
        Task(
            id=f"t{i}",
            kind="mark",
            cores=1,
            memory=200 * MB,
            action="side_effects:mark",
            arguments={"file": str(file), "name": f"t{i}", "seconds": 0.02 + 0.01 * (i % 5)},
            max_attempts=1,
        )
        for i in range(TASKS)
    ]
    edges = [Dependency(f"t{i}", f"t{i + ROWS}") for i in range(TASKS - ROWS)]
    return Workflow("marks", tasks, edges)


@dataclass
class Moments:
    """Counts the moments of one agent's life; at the one that is wanted it says so, and waits."""

    wanted: int
    says: int
    hears: int
    count: int = 0
    awake: threading.Event = field(default_factory=threading.Event)
    beating: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.awake.set()

    def come(self, name: str) -> None:
        self.count += 1
        if self.count == self.wanted:
            self.awake.clear()
            with self.beating:  # nor does it give one that was on its way
                pass
            os.write(self.says, name.encode())
            os.read(self.hears, 1)
            self.awake.set()


@dataclass(frozen=True)
class Watched(LocalProcesses):
    """Local processes whose starts are moments; a `blind` one asks nobody what became of them."""

    moments: Moments = field(default_factory=lambda: Moments(0, -1, -1))
    blind: bool = False

    @contextmanager
    def open(self, problem: Problem, charge: Charge = NEW) -> Iterator[Any]:
        token = "" if self.blind else charge.token
        with super().open(problem, Charge(token, charge.epoch, charge.since)) as session:
            begin = session.start
            session.start = self._around(begin)  # type: ignore[method-assign]
            if self.blind:
                session.recall = _all_anew  # type: ignore[method-assign]
            yield session

    def _around(self, begin: Callable[[Start], None]) -> Callable[[Start], None]:
        def start(instruction: Start) -> None:
            self.moments.come("decided and kept, not begun")
            begin(instruction)
            self.moments.come("begun")

        return start


def _all_anew(begun: Sequence[Start]) -> Sequence[Fate]:
    return [NotBegun()] * len(begun)


def live(store_url: str, folder: Path, run: int | None, moments: Moments, *, blind: bool) -> None:
    """One agent's life: begins the workflow, or goes on with the run; never returns."""
    code = 1
    try:
        with Store.open(store_url) as store:
            _keep_in_moments(store, moments)
            executor = Watched(runs=folder / "runs", moments=moments, blind=blind)
            agent = Agent(
                None,  # type: ignore[arg-type]  # nothing is forecast here
                Heft(),
                executor,
                store,
                lambda: datetime.now(UTC),
                beat=PATIENCE / 8,
            )
            if run is None:
                tasks = workflow(folder / "marks")
                problem = Problem(tasks, CLUSTER, nothing_known(tasks, CLUSTER))
                agent.carry_out(problem, Heft().plan(problem))
            else:
                agent.resume(run, patience=Watch(patience=PATIENCE))
        code = WENT_WELL
    except StaleEpoch:
        code = OVERTAKEN
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        raise
    finally:
        os._exit(code)


def _keep_in_moments(store: Store, moments: Moments) -> None:
    keep, beat = store.keep, store.beat_run

    def beat_awake(*args: Any, **more: Any) -> None:
        moments.awake.wait()  # a frozen agent gives no sign of life
        with moments.beating:
            if moments.awake.is_set():
                beat(*args, **more)

    def slowly(*args: Any, **more: Any) -> None:
        moments.come("decided, not kept")
        keep(*args, **more)
        moments.come("kept")

    store.keep, store.beat_run = slowly, beat_awake  # type: ignore[method-assign]


@dataclass
class Life:
    """A forked agent, and the pipes to its moments."""

    pid: int
    heard: int
    tell: int

    @classmethod
    def begin(cls, url: str, folder: Path, run: int | None, wanted: int, *, blind: bool) -> "Life":
        heard, says = os.pipe()
        hears, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(heard)
            os.close(tell)
            live(url, folder, run, Moments(wanted, says, hears), blind=blind)
        os.close(says)
        os.close(hears)
        return cls(pid, heard, tell)

    def moment(self) -> str:
        """The moment at which it now waits; empty when it has ended before that came."""
        return os.read(self.heard, 100).decode()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def go_on(self) -> None:
        os.write(self.tell, b"!")

    def over(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self.heard)
        os.close(self.tell)
        return os.waitstatus_to_exitcode(status)


@dataclass
class Campaign:
    """What faults landed, at which moments, and what became of the tasks."""

    folder: Path
    rng: random.Random
    blind: bool = False
    landed: Counter[str] = field(default_factory=Counter)
    takeovers: list[float] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unknown: int = 0
    runs: int = 0
    wrong_ends: list[str] = field(default_factory=list)

    def go(self, *, kills: int, frozen: int) -> None:
        left = Counter({"killed": kills, "frozen": frozen})
        while left.total() > 0:
            self._one_run(left)

    def _one_run(self, left: Counter[str]) -> None:
        self.runs += 1
        place = self.folder / f"run{self.runs}"
        place.mkdir()
        url, run, ghosts = f"sqlite:///{place / 'allot.db'}", None, list[Life]()
        since: float | None = None
        while True:
            fault = next((each for each in ("killed", "frozen") if left[each] > 0), None)
            if left["frozen"] > 0 and self.rng.random() < left["frozen"] / left.total():
                fault = "frozen"
            wanted = 0 if fault is None else self.rng.randint(1, 9)
            life = Life.begin(url, place, run, wanted, blind=self.blind)
            moment = life.moment()
            if since is not None and moment:
                self.takeovers.append(time.monotonic() - since)
            if not moment or fault is None:
                self._expect(life.over(), WENT_WELL, "the last life")
                break
            left[fault] -= 1
            self.landed[f"{fault}: {moment}"] += 1
            since, run = time.monotonic(), _known_run(url)
            if fault == "killed":
                life.kill()
                self._expect(life.over(), -signal.SIGKILL, "a killed life")
            else:
                ghosts.append(life)
                ghosts = self._let_back(ghosts, keep=1)
        self._let_back(ghosts, keep=0)
        self._judge(place, url)

    def _let_back(self, ghosts: list[Life], *, keep: int) -> list[Life]:
        """Frozen agents come back after somebody has overtaken them, and must do nothing more."""
        while len(ghosts) > keep:
            ghost = ghosts.pop(0)
            ghost.go_on()
            self._expect(ghost.over(), OVERTAKEN, "an overtaken life")
        return ghosts

    def _expect(self, code: int, wanted: int, who: str) -> None:
        if code != wanted:
            self.wrong_ends.append(f"{who} ended with {code}, expected {wanted}")

    def _judge(self, place: Path, url: str) -> None:
        time.sleep(0.3)  # what still runs, and should not, leaves its mark
        marks = Counter((place / "marks").read_text(encoding="ascii").split())
        self.double += [f"{place.name} {task}" for task, count in marks.items() if count > 1]
        with Store.open(url) as store:
            ended = self._ended(place, store)
            self.unknown += len(store.questions(kind="unknown"))
        tasks = {f"t{i}" for i in range(TASKS)}
        self.lost += sorted(f"{place.name} {task}" for task in tasks - (ended & marks.keys()))

    def _ended(self, place: Path, store: Store) -> set[str]:
        """The tasks that succeeded, as the store has them; two who write at once contradict it."""
        try:
            attempts = store.run_attempts(1)
        except KeyError as error:
            self.wrong_ends.append(f"{place.name}: attempt {error} ended before it began")
            return set()
        return {
            each.task
            for each in attempts
            if each.observation is not None and each.observation.outcome == "succeeded"
        }


def _known_run(url: str) -> int | None:
    with Store.open(url) as store:
        runs = store.runs(now=datetime.now(UTC))
    return runs[0].id if runs else None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--frozen", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--blind", action="store_true", help="without claims: must go wrong")
    parser.add_argument("--unfenced", action="store_true", help="without epochs: must go wrong")
    asked = parser.parse_args()
    if asked.unfenced:
        intents.demand = lambda *_, **__: None
    campaign = Campaign(asked.folder, random.Random(asked.seed), blind=asked.blind)
    campaign.go(kills=asked.kills, frozen=asked.frozen)
    seconds = sorted(campaign.takeovers)
    told = {
        "seed": asked.seed,
        "landed": sum(campaign.landed.values()),
        "moments": dict(campaign.landed),
        "runs": campaign.runs,
        "tasks": campaign.runs * TASKS,
        "lost": campaign.lost,
        "double_starts": campaign.double,
        "unknown": campaign.unknown,
        "wrong_ends": campaign.wrong_ends,
        "takeover_median": round(seconds[len(seconds) // 2], 3) if seconds else None,
        "takeover_longest": round(seconds[-1], 3) if seconds else None,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
