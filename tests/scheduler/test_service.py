"""The long-running agent: what was submitted is done, what was left is gone on with, once."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from scheduler.agent import Agent
from scheduler.asked import GO_ON, ask_of_run
from scheduler.desk import Desk
from scheduler.documents import cluster_document, objective_document, workflow_document
from scheduler.errors import AllotError, StoreAway
from scheduler.execution.charge import NEW, Charge
from scheduler.execution.events import AttemptEnded, AttemptStarted, Event, Start, TaskDecided
from scheduler.execution.executors.simulator import AsForecast, SimulatedSession, Simulator
from scheduler.execution.fates import Fate, NotBegun, Unknown
from scheduler.leases import Watch
from scheduler.planning.objective import Objective
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.predictors.history import HistoryPredictor
from scheduler.recovery import known
from scheduler.service import Service
from scheduler.store import Store
from scheduler.store.values import Request
from scheduler.workloads.synthetic import random_world

WORLD = random_world(np.random.default_rng(3), 15, 3)
AT_ONCE = 0.0  # patience: whoever holds a lease counts as dead


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as opened:
        yield opened


def agent(store: Store, executor: Simulator | None = None) -> Agent:
    return Agent(
        HistoryPredictor.learn([]),
        Heft(),
        executor or Simulator(AsForecast(), seed=1),
        store,
        lambda: datetime.now(UTC),
        group=0.0,
    )


def service(store: Store, made: Agent | None = None, **more: Any) -> Service:
    return Service(
        store,
        lambda _: made or agent(store),
        lambda: datetime.now(UTC),
        time.monotonic,
        threading.Event(),
        watch=Watch(patience=AT_ONCE),
        **more,
    )


def submit(store: Store, **changes: Any) -> int:
    payload = {
        "token": uuid4().hex,
        "workflow": workflow_document(WORLD.workflow),
        "cluster": cluster_document(WORLD.cluster),
        "objective": objective_document(Objective()),
        "priority": 0,
        "how": {},
    }
    return store.ask("run", payload | changes, by="ann", at=datetime.now(UTC))


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()


class Killed(BaseException):
    """What stands for a kill: nothing that comes after it is written."""


def killed_after(store: Store, events: int, executor: Simulator | None = None) -> int:
    """A run whose agent is gone after so many events; its number."""
    seen: list[Event] = []

    def watch(event: Event) -> None:
        seen.append(event)
        if len(seen) == events:
            raise Killed

    end, store.end_run = store.end_run, lambda *_, **__: None  # type: ignore[method-assign]
    try:
        with pytest.raises(Killed):
            agent(store, executor).run(WORLD.workflow, WORLD.cluster, watch=watch)
    finally:
        store.end_run = end  # type: ignore[method-assign]
    return store.runs(now=datetime.now(UTC))[0].id


def over(store: Store, run: int) -> list[str]:
    """The tasks that ended well or were given up, each as often as that was kept."""
    ended = [
        each.task
        for each in store.run_events(run)
        if isinstance(each, AttemptEnded) and each.observation.outcome == "succeeded"
    ]
    return sorted([*ended, *store.run_given_up(run)])


def states(store: Store) -> list[str]:
    return [each.state for each in store.runs(now=datetime.now(UTC))]


def test_what_was_submitted_is_carried_out_and_answered(store: Store) -> None:
    number = submit(store)
    service(store).serve(until_idle=True)
    (request,) = store.requests()
    assert (request.id, request.state, request.answer) == (number, "done", "run 1")
    assert over(store, 1) == sorted(WORLD.workflow.index)


def test_what_was_submitted_is_hidden_by_no_number_of_later_requests(store: Store) -> None:
    submit(store)
    for _ in range(201):
        store.ask("retrain", {}, by="ann", at=datetime.now(UTC))
    service(store).serve(until_idle=True)
    assert len(states(store)) == 1


def test_what_cannot_be_planned_is_refused_with_the_reason(store: Store) -> None:
    impossible = workflow_document(WORLD.workflow)
    impossible["tasks"][0]["skills"] = ["flying"]
    submit(store, workflow=impossible)
    service(store).serve(until_idle=True)
    (request,) = store.requests()
    assert request.state == "refused"
    assert "flying" in request.answer
    assert states(store) == []


def test_a_request_whose_run_had_begun_when_the_agent_was_killed_begins_no_second(
    store: Store,
) -> None:
    run = killed_after(store, 3)
    token, _ = store.run_how(run)
    submit(store, token=token)
    service(store).serve(until_idle=True)
    assert [each.answer for each in store.requests()] == [f"run {run}"]
    assert len(states(store)) == 1


@pytest.mark.parametrize("events", [1, 7, 20])
def test_a_run_whose_agent_was_killed_is_gone_on_with_to_its_end(store: Store, events: int) -> None:
    run = killed_after(store, events)
    assert states(store) == ["running"]
    service(store).serve(until_idle=True)
    assert over(store, run) == sorted(WORLD.workflow.index)
    assert states(store)[0] in ("succeeded", "failed")
    lease = store.lease(f"run:{run}")
    assert lease is not None
    assert (lease.free, lease.epoch) == (True, 2)


def test_what_is_known_of_a_run_is_what_was_planned_and_has_happened(store: Store) -> None:
    run = killed_after(store, 9)
    found = known(store, run)
    assert found.schedule.by_task == store.run_schedule(run).by_task
    assert found.history == store.run_events(run)
    assert found.problem.workflow.tasks == WORLD.workflow.tasks
    started = {each.task for each in found.history if isinstance(each, AttemptStarted)}
    assert started >= set(found.now.problem.fixed)


def test_a_run_that_somebody_who_lives_has_in_charge_is_left_alone(store: Store) -> None:
    run = killed_after(store, 3)
    at = [0.0]

    def sleeping(seconds: float) -> None:
        at[0] += seconds

    lease = store.lease(f"run:{run}")
    assert lease is not None

    def beat_and_tell() -> float:
        store.beat_lease(lease, at=datetime.now(UTC))
        return at[0]

    busy = agent(store)
    object.__setattr__(busy, "seconds", beat_and_tell)
    with pytest.raises(AllotError, match="who lives"):
        busy.resume(run, patience=Watch(patience=5.0))


def cut_off_after(store: Store, events: int) -> int:
    """A run that somebody stopped by hand after so many events; its number."""
    seen: list[Event] = []

    def watch(event: Event) -> None:
        seen.append(event)
        if len(seen) == events:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        agent(store).run(WORLD.workflow, WORLD.cluster, watch=watch, owner="cem")
    return store.runs(now=datetime.now(UTC))[0].id


def resumed(store: Store, run: int, serving: Service | None = None) -> Request:
    """What became of asking for a run to be resumed, once an agent has nothing left to do."""
    asked = {"run": run, "reason": "power is back"}
    number = store.ask(GO_ON, asked, by="ann", at=datetime.now(UTC))
    (serving or service(store)).serve(until_idle=True)
    found = store.request(number)
    assert found is not None
    return found


def test_a_run_that_was_stopped_by_hand_is_gone_on_with_as_soon_as_somebody_asks(
    store: Store,
) -> None:
    run = cut_off_after(store, 9)
    service(store).serve(until_idle=True)
    assert states(store) == ["interrupted"], "nobody has asked for it"
    number = ask_of_run(
        store, run, "resume", by="ann", at=datetime.now(UTC), reason="power is back"
    )
    service(store).serve(until_idle=True)
    found = store.request(number)
    assert found is not None
    assert (found.state, found.answer) == ("done", f"run {run} goes on")
    assert over(store, run) == sorted(WORLD.workflow.index)
    (kept,) = store.audits(action="resume", subject=f"run {run}")
    assert (kept.by, kept.reason) == ("ann", "power is back")
    assert store.run(run, now=datetime.now(UTC)).owner == "cem"


def test_to_resume_a_run_that_was_taken_over_meanwhile_begins_no_second_time(store: Store) -> None:
    run, serving = killed_after(store, 3), service(store)

    def made(_: object) -> Agent:  # the run is not over before the request was looked at
        assert within(100, lambda: not store.waiting_requests(GO_ON))
        return agent(store)

    serving.agent = made
    assert resumed(store, run, serving).answer == f"run {run} goes on already"
    assert over(store, run) == sorted(WORLD.workflow.index)


def test_to_resume_what_is_over_or_cannot_be_found_is_refused_with_the_reason(
    store: Store,
) -> None:
    agent(store).run(WORLD.workflow, WORLD.cluster)
    found = resumed(store, 1)
    assert (found.state, "nothing of it is left" in found.answer) == ("refused", True)
    found = resumed(store, 9)
    assert (found.state, "no run 9" in found.answer) == ("refused", True)
    with pytest.raises(AllotError, match="has ended"):
        ask_of_run(store, 1, "resume", by="ann", at=datetime.now(UTC))


def test_a_run_that_is_done_for_somebody_says_so(store: Store) -> None:
    submit(store)
    submit(store, owner="bob")
    service(store).serve(until_idle=True)
    assert store.run_owners() == ("ann", "bob")


class Forgetful(Simulator):
    """A world of which nobody knows, after a crash, what became of the first attempt."""

    @contextmanager
    def open(self, problem: Problem, charge: Charge = NEW) -> Iterator[SimulatedSession]:
        with super().open(problem, charge) as session:
            session.recall = self._unknown_first  # type: ignore[method-assign]
            yield session

    def _unknown_first(self, begun: Sequence[Start]) -> Sequence[Fate]:
        return [Unknown("its machine is gone"), *[NotBegun()] * (len(begun) - 1)]


def test_what_nobody_knows_waits_for_people_and_goes_on_when_they_have_decided(
    store: Store,
) -> None:
    forgetful = agent(store, Forgetful(AsForecast(), seed=1))
    run = killed_after(store, 4)
    service(store, forgetful).serve(until_idle=True)
    assert states(store) == ["waiting"]
    (question,) = store.questions(state="open", run=run)
    assert question.subject not in over(store, run)
    service(store, forgetful).serve(until_idle=True)
    assert states(store) == ["waiting"], "nothing was decided, so nothing goes on"
    store.decide(
        question.id, "succeeded", by="ann", reason="the file is there", at=datetime.now(UTC)
    )
    service(store, forgetful).serve(until_idle=True)
    assert sorted([*over(store, run), question.subject]) == sorted(WORLD.workflow.index)
    assert states(store)[0] in ("succeeded", "failed")


def test_an_agent_that_meets_no_store_looks_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(store)
    look, tries = store.lease, list[str]()

    def away_at_first(name: str) -> object:
        tries.append(name)
        if len(tries) == 1:
            raise StoreAway("cut off")
        return look(name)

    monkeypatch.setattr(store, "lease", away_at_first)
    service(store).serve(until_idle=True)
    assert over(store, 1) == sorted(WORLD.workflow.index)


def test_a_run_whose_agent_cannot_be_made_is_tried_less_and_less_often_and_told_of_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run, tries, now = killed_after(store, 4), list[float](), [0.0]
    serving = service(store)

    def made(_: object) -> Agent:
        tries.append(now[0])
        if len(tries) < 9:
            raise ModuleNotFoundError("No module named 'ray'")
        return agent(store)

    def waited(seconds: float) -> bool:
        for each in threading.enumerate():  # what was begun belongs to the time before
            if each.name == f"run:{run}":
                each.join()
        now[0] += seconds
        if len(tries) == 9:
            serving.stop.set()
        return False

    serving.agent, serving.seconds = made, lambda: now[0]
    monkeypatch.setattr(serving.stop, "wait", waited)
    serving.serve()
    pauses = [b - a for a, b in pairwise(tries)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60], abs=1.1)
    assert caplog.text.count("cannot be gone on with: ModuleNotFoundError") == 1
    assert "allot doctor" in caplog.text
    assert over(store, run) == sorted(WORLD.workflow.index)


def test_an_agent_until_idle_leaves_what_only_people_can_mend(store: Store) -> None:
    run, serving = killed_after(store, 4), service(store)

    def broken(_: object) -> Agent:
        raise ModuleNotFoundError("No module named 'ray'")

    serving.agent = broken
    serving.serve(until_idle=True)
    assert states(store) == ["running"]
    service(store).serve(until_idle=True)
    assert over(store, run) == sorted(WORLD.workflow.index)


def test_an_answer_counts_however_many_questions_came_after_its_own(store: Store) -> None:
    run, names, now = killed_after(store, 4), [f"t{i}" for i in range(201)], datetime.now(UTC)
    first, *_ = [
        store.put_question(
            "unknown", name, answers=("succeeded",), reasons=(), at=now, run=run,
            details={"attempt": 1, "worker": "w"},
        )
        for name in names
    ]  # fmt: skip
    store.decide(first, "succeeded", by="ann", reason="", at=now)
    tasks = {name: SimpleNamespace(unknown=True, attempt=1) for name in names}
    dispatch: Any = SimpleNamespace(unknown=tuple(names), stuck=True, tasks=tasks)
    said = Desk(store, run, seconds=time.monotonic).said(dispatch, 1.0, now)
    assert [each.task for each in said if isinstance(each, TaskDecided)] == ["t0"]


def test_an_answer_is_not_forgotten_where_the_store_was_away_as_it_came(store: Store) -> None:
    forgetful = agent(store, Forgetful(AsForecast(), seed=1))
    run = killed_after(store, 4)
    serving = service(store, forgetful)
    serving.serve(until_idle=True)
    (question,) = store.questions(state="open", run=run)
    store.decide(question.id, "succeeded", by="ann", reason="", at=datetime.now(UTC))
    tried = list[object]()

    def made(how: object) -> Agent:
        tried.append(how)
        if len(tried) == 1:
            raise StoreAway("cut off")
        return forgetful

    serving.agent, serving.stop = made, threading.Event()
    serving.serve(until_idle=True)
    assert len(tried) == 2
    assert states(store)[0] in ("succeeded", "failed")


def test_companions_get_their_turn_and_one_that_breaks_takes_nobody_with_it(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    turns: list[str] = []

    def learns(_: Store, __: datetime) -> None:
        turns.append("learner")

    def breaks(_: Store, __: datetime) -> None:
        turns.append("broken")
        raise ValueError("broken on purpose")

    def made(_: object) -> Agent:  # there is something to be done until both have had their turn
        assert within(100, lambda: set(turns) == {"broken", "learner"})
        return agent(store)

    submit(store)
    serving = service(store, companions={"learner": learns, "broken": breaks})
    serving.agent = made
    serving.serve(until_idle=True)
    assert set(turns) == {"broken", "learner"}
    assert "broken on purpose" in caplog.text
    assert over(store, 1) == sorted(WORLD.workflow.index)


def test_a_stopped_agent_leaves_its_run_for_the_next(store: Store) -> None:
    submit(store)
    stopping = threading.Event()
    seen: list[Mapping[str, Any]] = []

    def stop_soon(how: Mapping[str, Any]) -> Agent:
        seen.append(how)
        made = agent(store)
        moment = [0.0]

        def since() -> float | None:
            moment[0] += 1  # asked a few times, then told to stop
            if moment[0] > 8:
                stopping.set()
                return time.monotonic()
            return None

        object.__setattr__(made, "stop", since)
        return made

    first = service(store)
    first.agent, first.stop = stop_soon, stopping
    first.serve()
    assert states(store) == ["running"]
    assert 0 < len(over(store, 1)) < len(WORLD.workflow)
    lease = store.lease("run:1")
    assert lease is not None
    assert lease.free
    service(store).serve(until_idle=True)
    assert over(store, 1) == sorted(WORLD.workflow.index)
