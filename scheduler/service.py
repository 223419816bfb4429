"""The long-running agent: takes up what was submitted, goes on with what others left, and beats.

All that it knows is in the store: another may take its place at any moment.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from scheduler.agent import Agent
from scheduler.asked import GO_ON, GOES_ON, was_cut_off
from scheduler.documents import cluster_from, objective_from, workflow_from
from scheduler.errors import AllotError, StoreAway
from scheduler.governor import MONEY
from scheduler.leases import Watch, take
from scheduler.store import Store
from scheduler.store.audits import CONTROL
from scheduler.store.leases import Lease
from scheduler.store.questions import OPEN
from scheduler.store.runs import lease_of
from scheduler.store.values import Request

AGENT, RUN = "agent", "run"  # the name of its lease, and the kind of requests that it takes up
PAUSE = 1.0  # seconds between two looks at the store
LONGEST = 60.0  # seconds between two tries to go on with a run, at most
LATER = 60.0  # seconds for runs to let go after their time to stop is over
log = logging.getLogger(__name__)


class Companion(Protocol):
    """Something that is done beside the runs, again and again, as the learner's loop is."""

    def __call__(self, store: Store, now: datetime) -> object:
        """Does what there is to do now; called again when it has returned, and not before."""


@dataclass
class Service:
    """Carries out at most `runs` runs at a time, each with the agent that `agent` makes of its how.

    A run is taken over where its holder is gone, or silent for as long as `watch` waits.
    `companions` are called every `turn` seconds at most, each in a thread of its own. Once `stop`
    is set nothing new is taken up, and runs are let go when their agents' grace is over.
    """

    store: Store
    agent: Callable[[Mapping[str, Any]], Agent]
    clock: Callable[[], datetime]
    seconds: Callable[[], float]
    stop: threading.Event
    runs: int = 4
    turn: float = 30.0
    watch: Watch = field(default_factory=Watch)
    companions: Mapping[str, Companion] = field(default_factory=dict)
    _busy: dict[str, threading.Thread] = field(default_factory=dict)
    _told: dict[int, frozenset[str]] = field(default_factory=dict)  # news that runs were told
    _vain: dict[str, tuple[float, float, str]] = field(default_factory=dict)  # next, pause, why

    def serve(self, *, until_idle: bool = False) -> None:
        """Works until it is told to stop; `until_idle` also ends when nothing is left to be done.

        What waits for people is left then: answers, and causes to be mended for which a run cannot
        be gone on with.
        Raises AllotError where another agent that lives serves this store, and StaleEpoch where
        one has taken its place.
        """
        lease = self._taken()
        if lease is None:
            return
        beside = [self._beside(name, each) for name, each in self.companions.items()]
        try:
            self._work(lease, until_idle=until_idle)
        finally:
            self.stop.set()
            for thread in [*self._busy.values(), *beside]:
                thread.join(LATER)
        self.store.free_lease(lease, at=self.clock())

    def _taken(self) -> Lease | None:
        """Our lease, also where the store is away at first; None where we are to stop before."""
        while not self.stop.is_set():
            try:
                return take(
                    self.store,
                    AGENT,
                    watch=self.watch,
                    monotonic=self.seconds,
                    sleep=time.sleep,
                    at=self.clock,
                )
            except StoreAway as error:
                log.warning("%s Looking again in a while.", error)
                self.watch.forget()
            self.stop.wait(PAUSE)
        return None

    def _work(self, lease: Lease, *, until_idle: bool) -> None:
        while not self.stop.is_set():
            try:
                idle = self._look(lease)
            except StoreAway as error:  # it may come back; whoever has taken our place tells then
                log.warning("%s Looking again in a while.", error)
                self.watch.forget()  # nobody could give a sign of life either
                idle = False
            if until_idle and idle:
                return
            self.stop.wait(PAUSE)

    def _look(self, lease: Lease) -> bool:
        """One look at what is to be done, all of it begun; whether nothing is, and goes on."""
        self.store.beat_lease(lease, at=self.clock())
        self._busy = {name: each for name, each in self._busy.items() if each.is_alive()}
        for name, work in self._wanted():
            vain = name in self._vain and self.seconds() < self._vain[name][0]
            if not vain and name not in self._busy and len(self._busy) < self.runs:
                self._busy[name] = self._begin(name, work)
        return not self._busy

    def _wanted(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """What could be done now, by name: first what others have left, then what was asked for."""
        for run, state in self.store.unfinished_runs():
            name = lease_of(run)
            lease = self.store.lease(name)
            if lease is None or name in self._busy or not self.watch.dead(lease, self.seconds()):
                continue
            news = self._news(run)
            if state == "running" or news - self._told.get(run, frozenset()):
                yield name, lambda run=run, news=news: self._resume(run, news)  # type: ignore[misc]
        for request in self.store.waiting_requests(GO_ON):
            yield f"request {request.id}", lambda request=request: self._go_on(request)  # type: ignore[misc]
        for request in sorted(self.store.waiting_requests(RUN), key=_turn):
            yield f"request {request.id}", lambda request=request: self._run(request)  # type: ignore[misc]

    def _news(self, run: int) -> frozenset[str]:
        """What may let a run go on that waits: answers, requests, and another day's money.

        What was answered before this agent came counts once more: it may have been taken up or not.
        """
        questions = self.store.questions(run=run, limit=None)
        asked = self.store.waiting_requests(CONTROL)
        day, money = f"{self.clock():%Y-%m-%d}", [each for each in questions if each.kind == MONEY]
        another = money and money[0].state == OPEN and money[0].subject != day
        return frozenset(
            [f"answer {each.id}" for each in questions if each.state != OPEN]
            + [f"request {each.id}" for each in asked if each.payload.get("run") == run]
            + ([f"day {day}"] if another else [])
        )

    def _begin(self, name: str, work: Callable[[], object]) -> threading.Thread:
        def carefully() -> None:
            try:
                work()
            except AllotError as error:  # its words say what to do; whoever looks next goes on
                log.warning("%s: %s", name, error)
            except Exception:  # one run that breaks takes no other with it; the store has its end
                log.exception("%s has broken off", name)

        thread = threading.Thread(target=carefully, name=name)
        thread.start()
        return thread

    def _resume(self, run: int, news: frozenset[str]) -> None:
        before = self._told.get(run, frozenset())
        self._told[run] = before | news
        try:
            _, how = self.store.run_how(run)
            agent = self._agent_for(run, how)
            if agent is None:
                self._told[run] = before
            else:
                log.info("going on with run %d", run)
                agent.resume(run, patience=self.watch)
        except StoreAway:  # it may not have heard of them
            self._told[run] = before
            raise

    def _agent_for(self, run: int, how: Mapping[str, Any]) -> Agent | None:
        """Who goes on with a run; None where that cannot be now, to be tried less and less often.

        What cannot be made has a cause that people mend: a network, a package, a setting.
        """
        name = lease_of(run)
        try:
            made = self.agent(how)
        except StoreAway:
            raise
        except Exception as error:  # whatever is missing or broken: the run itself is untouched
            _, pause, told = self._vain.get(name, (0.0, PAUSE, ""))
            why = f"{type(error).__name__}: {error}"
            if why != told:
                log.warning(
                    "Run %d cannot be gone on with: %s. Mend that (allot doctor shows what is "
                    "there); it is tried again by itself, every %.0f seconds in the end.",
                    run, why, LONGEST,
                    exc_info=not isinstance(error, AllotError),
                )  # fmt: skip
            self._vain[name] = (self.seconds() + pause, min(2 * pause, LONGEST), why)
            return None
        self._vain.pop(name, None)
        return made

    def _run(self, request: Request) -> None:
        """Carries out what was submitted; a token tells a run that was begun for it before."""
        asked, token = request.payload, str(request.payload["token"])
        begun = self.store.run_of(token)
        if begun is not None:
            self._answer(request, "done", f"run {begun}")
            return
        try:
            self.agent(asked["how"]).run(
                workflow_from(asked["workflow"]),
                cluster_from(asked["cluster"]),
                objective=objective_from(asked["objective"]),
                token=token,
                owner=str(asked.get("owner") or request.by),
                began=lambda run: self._answer(request, "done", f"run {run}"),
            )
        except StoreAway:  # it may have begun: the next look tells
            raise
        except Exception as error:
            if self.store.run_of(token) is None:  # it has not begun, and would not the next time
                self._answer(request, "refused", str(error))
            raise

    def _go_on(self, request: Request) -> None:
        """Goes on with a run that was cut off, as was asked; once it runs it is like all others."""
        answered = False

        def answer(state: str, words: str) -> None:
            nonlocal answered
            self.store.audit(
                "resume" if state == "done" else "resume refused",
                f"run {request.payload.get('run')}",
                by=request.by,
                at=self.clock(),
                reason=str(request.payload.get("reason", "")),
                details={"words": words},
            )
            self._answer(request, state, words)
            answered = True

        try:
            run = int(request.payload["run"])
            if self.store.run(run, now=self.clock()).state in GOES_ON:
                answer("done", f"run {run} goes on already")
            elif not was_cut_off(self.store, run, at=self.clock()):
                answer("refused", f"run {run} has ended, and nothing of it is left to be done")
            else:
                agent = self.agent(self.store.run_how(run)[1])
                began = partial(answer, "done", f"run {run} goes on")
                agent.resume(run, patience=self.watch, began=began)
        except StoreAway:  # the next look tells whether it goes on
            raise
        except Exception as error:
            if not answered:
                answer("refused", str(error))
            raise

    def _answer(self, request: Request, state: str, words: str) -> None:
        self.store.answer(request.id, state=state, answer=words, at=self.clock())

    def _beside(self, name: str, companion: Companion) -> threading.Thread:
        def again_and_again() -> None:
            while not self.stop.is_set():
                try:
                    companion(self.store, self.clock())
                except Exception:  # what breaks once may work the next time
                    log.exception("the companion %s has broken off", name)
                self.stop.wait(self.turn)

        thread = threading.Thread(target=again_and_again, name=f"companion {name}", daemon=True)
        thread.start()
        return thread


def _turn(request: Request) -> tuple[float, int]:
    """Higher priority first, then as they came."""
    return -float(request.payload.get("priority", 0)), request.id
