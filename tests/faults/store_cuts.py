"""A store that is cut while runs use it: locked, full, moved away, cut off, or killed.

`python tests/faults/store_cuts.py FOLDER --store sqlite|postgresql --cuts N` carries one workflow
after another out with real processes until that many cuts were felt by what a run asked of its
store, and prints what became of it as JSON. What a cut breaks off is gone on with, as by the next
agent. The judge is the file of marks that agent_lives.py has too.
"""

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent_lives import CLUSTER, TASKS, workflow
from store_benches import Bench, bench_of

from scheduler.agent import Agent
from scheduler.errors import StoreAway
from scheduler.execution.executors.local_processes import LocalProcesses
from scheduler.governor import Governor
from scheduler.leases import Watch
from scheduler.outlasting import MOST
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.policy import Policy
from scheduler.store import Store, engine, intents, leases
from scheduler.workloads.probing import nothing_known

WRITES, READS = 0.4, 0.06  # the share of the transactions at which the store is cut
BEAT = 2.0  # seconds: a beat feels some of the cuts in the place of the run
PATIENCE = 0.5  # seconds of silence after which a run that was let go is taken over
Transaction = Callable[[Any], AbstractContextManager[Any]]


@dataclass
class Cutter:
    """Cuts a store at some of the transactions of this thread, for one or two of them each.

    A cut has landed when what was asked of the store failed; each counts once. `back` is how long
    it took from a cut until a step was kept again.
    """

    bench: Bench
    rng: random.Random
    cuts: int
    landed: Counter[str] = field(default_factory=Counter)
    where: Counter[str] = field(default_factory=Counter)
    unfelt: int = 0
    back: list[float] = field(default_factory=list)
    on: bool = False
    _way: str = ""
    _left: int = 0
    _felt: bool = False
    _since: float | None = None

    def around(self, real: Transaction, share: float, name: str) -> Transaction:
        """The same transactions, some of them with a store that is cut."""

        @contextmanager
        def cut(at: Any) -> Iterator[Any]:
            if not self.on or threading.current_thread() is not threading.main_thread():
                with real(at) as connection:
                    yield connection
                return
            self._cut(share, name)
            felt = False
            try:
                with real(at) as connection:
                    yield connection
            except StoreAway:
                felt = True
                raise
            finally:
                self._seen(name, felt=felt)

        return cut

    def kept(self) -> None:
        """A step was kept, or the end of the run: it is back."""
        if self._since is not None:
            self.back.append(time.monotonic() - self._since)
            self._since = None

    def mend(self) -> None:
        """Lets the store be used by others than the run."""
        if self._way:
            self.bench.mend(self._way)
            self._way = ""

    def _cut(self, share: float, name: str) -> None:
        if self._way or self._since or self.landed.total() >= self.cuts:
            return
        if self.rng.random() < share and (way := self._draw(name)):
            self._way, self._left, self._felt = way, self.rng.randint(1, 2), False
            self._since = time.monotonic()
            self.bench.cut(self._way)

    def _draw(self, name: str) -> str:
        """Each way once, then by their weights; what only reads does not commit."""
        writes = name == "write"
        ways = {way: n for way, n in self.bench.ways.items() if writes or "commit" not in way}
        if not ways:
            return ""
        for way in ways:
            if not self.landed[way]:
                return way
        return self.rng.choices(list(ways), list(ways.values()))[0]

    def _seen(self, name: str, *, felt: bool) -> None:
        if not self._way:
            return
        self._left -= 1
        if felt and not self._felt:
            self._felt = True
            self.landed[self._way] += 1
            self.where[name] += 1
        if not felt or self._left <= 0:
            self.mend()
            if not self._felt:
                self.unfelt += 1
                self._since = None


@dataclass
class Campaign:
    """Runs under cuts, and what became of them."""

    bench: Bench
    folder: Path
    cutter: Cutter
    away: float
    runs: int = 0
    let_go: int = 0
    double: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def go(self) -> None:
        while self.cutter.landed.total() < self.cutter.cuts:
            self._one_run()

    def _one_run(self) -> None:
        self.runs += 1
        place = self.folder / f"run{self.runs}"
        place.mkdir()
        with Store.open(self.bench.empty(place)) as store:
            self.bench.ready(store)
            self._tell_of_steps(store)
            agent = self._agent(store, place)
            self.cutter.on = True
            self._to_its_end(agent, store, place)
            self.cutter.on = False
            self.cutter.kept()
            self._judge(place, store)

    def _agent(self, store: Store, place: Path) -> Agent:
        def clock() -> datetime:
            return datetime.now(UTC)

        return Agent(
            None,  # type: ignore[arg-type]  # nothing is forecast here
            Heft(),
            LocalProcesses(runs=place / "runs"),
            store,
            clock,
            beat=BEAT,
            away=self.away,
            governor=Governor(store, Policy(), clock, time.monotonic, time.sleep),
        )

    def _tell_of_steps(self, store: Store) -> None:
        keep = store.keep

        def keep_and_tell(*args: Any, **more: Any) -> None:
            keep(*args, **more)
            self.cutter.kept()

        store.keep = keep_and_tell  # type: ignore[method-assign]

    def _to_its_end(self, agent: Agent, store: Store, place: Path) -> None:
        """Begins a run, and goes on with it as often as it is let go."""
        tasks = workflow(place / "marks")
        problem = Problem(tasks, CLUSTER, nothing_known(tasks, CLUSTER))
        begun = list[int]()
        while True:
            try:
                if begun:
                    agent.resume(begun[0], patience=Watch(patience=PATIENCE))
                else:
                    agent.carry_out(problem, Heft().plan(problem), began=begun.append)
            except StoreAway:
                self.let_go += 1
                self.cutter.mend()
                if self._look_for_it(store, begun) == "succeeded":
                    return
            else:
                return

    def _look_for_it(self, store: Store, begun: list[int]) -> str:
        """How the run stands; one whose beginning failed may have begun all the same."""
        self.cutter.on = False
        found = store.runs(now=datetime.now(UTC))
        self.cutter.on = True
        if found and not begun:
            begun.append(found[0].id)
        return found[0].state if found else ""

    def _judge(self, place: Path, store: Store) -> None:
        time.sleep(0.2)  # what still runs, and should not, leaves its mark
        (run,) = store.runs(now=datetime.now(UTC))
        if run.state != "succeeded":
            self.wrong.append(f"{place.name} ended as {run.state}: {run.message}")
        with (place / "marks").open("a+", encoding="ascii") as file:
            file.seek(0)
            marks = Counter(file.read().split())
        self.double += [f"{place.name} {task}" for task, count in marks.items() if count > 1]
        events = Counter(map(repr, store.run_events(run.id)))  # with their times
        self.twice += [f"{place.name} {each[:99]}" for each, n in events.items() if n > 1]
        over = {each.task for each in store.run_attempts(run.id) if each.end is not None}
        tasks = {f"t{i}" for i in range(TASKS)}
        self.lost += sorted(f"{place.name} {task}" for task in tasks - (over & marks.keys()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--cuts", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--way", help="cuts in this way alone")
    parser.add_argument("--share", type=float, default=WRITES, help="of the writes that are cut")
    parser.add_argument("--hasty", action="store_true", help="shorter bounds, to take less time")
    parser.add_argument("--impatient", action="store_true", help="each cut breaks the run off")
    parser.add_argument("--unnumbered", action="store_true", help="no numbers: keeps steps twice")
    asked = parser.parse_args()
    if asked.unnumbered:
        intents._is_next = lambda *_: True  # noqa: SLF001  takes the protection away
    if asked.hasty:
        leases.LONGEST = 2.0
        engine._LINE["keepalives_idle"] = engine._LINE["keepalives_interval"] = 1  # noqa: SLF001
    bench = bench_of(asked.store, asked.folder)
    if asked.way:
        bench.ways = {asked.way: 1.0}
    cutter = Cutter(bench, random.Random(asked.seed), asked.cuts)
    engine.writing = cutter.around(engine.writing, asked.share, "write")  # type: ignore[assignment]
    engine.reading = cutter.around(engine.reading, READS, "read")  # type: ignore[assignment]
    campaign = Campaign(bench, asked.folder, cutter, 0.0 if asked.impatient else MOST)
    try:
        campaign.go()
    finally:
        bench.close()
    sys.stdout.write(json.dumps(_told(campaign, cutter, asked.seed)) + "\n")


def _told(campaign: Campaign, cutter: Cutter, seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "landed": cutter.landed.total(),
        "ways": dict(cutter.landed),
        "asked_ways": list(campaign.bench.ways),
        "where": dict(cutter.where),
        "unfelt": cutter.unfelt,
        "runs": campaign.runs,
        "tasks": campaign.runs * TASKS,
        "lost": campaign.lost,
        "double_starts": campaign.double,
        "kept_twice": campaign.twice,
        "wrong_ends": campaign.wrong,
        "let_go": campaign.let_go,
        "back_longest": round(max(cutter.back, default=0.0), 3),
    }


if __name__ == "__main__":
    main()
