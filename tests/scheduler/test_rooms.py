"""Runs on the same workers: together they never hold more than there is, and none starves."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import certain, problem_of

from scheduler import rooms
from scheduler.agent import Agent, RunReport
from scheduler.cluster import Cluster, Worker
from scheduler.documents import cluster_document, workflow_document
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import AttemptEnded, AttemptStarted
from scheduler.execution.executors.local_processes import LocalProcesses
from scheduler.forecast import Forecast
from scheduler.planning.planners.heft import Heft
from scheduler.predictors.base import Predictor
from scheduler.rooms import Limits, Rooms, admitted
from scheduler.store import Store
from scheduler.store.holds import Held, Hold
from scheduler.workflow import Task, Workflow
from scheduler.workloads.synthetic import random_problem

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
GB = 10**9
LIMITS = Limits({"w1": (4.0, 8 * GB), "w2": (2.0, 8 * GB)})


def hold(task: str, worker: str = "w1", cores: float = 1.0, **more: object) -> Hold:
    values = {
        "run": 1, "memory": GB, "owner": "", "wants": False, "since": NOON,
        "task": task, "worker": worker, "cores": cores,
    }  # fmt: skip
    return Hold(**values | more)  # type: ignore[arg-type]


def begun(*asked: list[Hold], mine: tuple[Hold, ...] = (), others: tuple[Hold, ...] = (),
          limits: Limits = LIMITS) -> list[str]:  # fmt: skip
    return [each.task for each in admitted(asked, mine, others, limits)[0]]


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_what_other_runs_hold_is_taken() -> None:
    theirs = (hold("x", cores=3.0, run=2),)
    assert begun([hold("a")], [hold("b")], [hold("c", "w2")], others=theirs) == ["a", "c"]


def test_memory_counts_as_cores_do() -> None:
    assert begun([hold("a", memory=3 * GB)], others=(hold("x", memory=6 * GB, run=2),)) == []


def test_a_gang_begins_as_a_whole_or_not_at_all() -> None:
    gang = [hold("a"), hold("b", "w2")]
    assert begun(gang, others=(hold("x", "w2", 2.0, run=2),)) == []
    assert begun(gang, others=(hold("x", "w2", 1.0, run=2),)) == ["a", "b"]


def test_what_waits_lets_nothing_of_its_run_past_it() -> None:
    theirs = (hold("x", cores=2.0, run=2),)
    assert begun([hold("large", cores=3.0)], [hold("small")], others=theirs) == []


def test_who_has_waited_longer_goes_first() -> None:
    wish = hold("gang", cores=4.0, run=2, wants=True, since=later(-5))
    assert begun([hold("a")], others=(wish,)) == []
    assert begun([hold("a", since=later(-9))], others=(wish,)) == ["a"]


def test_a_run_that_asks_first_for_what_it_wanted_last_waits_for_nobody_in_a_circle() -> None:
    older, newer = hold("older", "w2"), hold("newer", "w2", since=later(2))
    whole = hold("whole", "w2", 2.0, run=2, since=later(1))
    assert begun([whole], others=(_wish(older), _wish(newer))) == [], "it lets the older one go"
    assert begun([newer], [older], others=(_wish(whole),)) == ["older"], "so that one has to go"


def test_the_owner_who_holds_less_goes_first() -> None:
    wish = hold("x", cores=4.0, run=2, wants=True, owner="ann", since=later(-5))
    holds = hold("y", "w2", run=2, owner="ann")
    assert begun([hold("a", owner="bob")], others=(wish, holds)) == ["a"]


def test_an_owner_has_one_quota_in_all_runs() -> None:
    limits = Limits(LIMITS.workers, {"ann": 2.0})
    theirs = (hold("x", run=2, owner="ann"),)
    asked = ([hold("a", owner="ann")], [hold("b", owner="ann")], [hold("c", owner="bob")])
    assert sorted(begun(*asked, others=theirs, limits=limits)) == ["a", "c"]
    assert admitted(asked, (), theirs, limits)[1] == [], "who is over a quota blocks no worker"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_runs_that_share_workers_never_hold_more_than_there_is_and_all_come_to_an_end(
    seed: int,
) -> None:
    rng = random.Random(seed)
    left = {run: [_block(rng, run, i) for i in range(6)] for run in (1, 2, 3)}
    rows = dict[int, tuple[list[Hold], list[Hold]]]((run, ([], [])) for run in left)
    for moment in range(400):
        run = rng.choice([1, 2, 3])
        mine, _ = rows[run]
        mine = [each for each in mine if rng.random() < 0.5]  # the others have ended
        others = [
            each for other, pair in rows.items() if other != run for each in (*pair[0], *pair[1])
        ]
        asked = left[run][: rng.randint(1, 3)]
        begin, wait = admitted([_since(each, moment) for each in asked], mine, others, LIMITS)
        begins = {each.task for each in begin}
        left[run] = [each for each in left[run] if each[0].task not in begins]
        rows[run] = ([*mine, *begin], [_wish(each) for each in wait])
        held = [each for held, _ in rows.values() for each in held]
        for name, (cores, memory) in LIMITS.workers.items():
            assert sum(each.cores for each in held if each.worker == name) <= cores
            assert sum(each.memory for each in held if each.worker == name) <= memory
        assert all(begins.issuperset(_names(b)) or not begins & _names(b) for b in asked)
        for block in asked:
            _WANTED.setdefault(id(block), moment)
        if not any(left.values()):
            break
    assert not any(left.values()), "some run has starved"


_WANTED: dict[int, int] = {}


def _since(block: list[Hold], moment: int) -> list[Hold]:
    at = later(_WANTED.get(id(block), moment))
    return [Hold(**vars(each) | {"since": at}) for each in block]


def _names(block: list[Hold]) -> set[str]:
    return {each.task for each in block}


def _wish(each: Hold) -> Hold:
    return Hold(**vars(each) | {"wants": True})


def _block(rng: random.Random, run: int, number: int) -> list[Hold]:
    more = {"run": run, "owner": rng.choice(["ann", "bob"]), "memory": rng.randint(0, 4) * GB}
    if rng.random() < 0.4:
        return [hold(f"{number}{w}", w, rng.choice([1.0, 2.0]), **more) for w in ("w1", "w2")]
    worker = rng.choice(["w1", "w2"])
    return [hold(f"{number}", worker, rng.uniform(0.5, LIMITS.workers[worker][0]), **more)]


@pytest.mark.parametrize("seed", range(6))
def test_a_start_that_is_taken_back_is_due_again(seed: int) -> None:
    problem = random_problem(np.random.default_rng(seed), 20, 3)
    schedule = Heft().plan(problem)
    dispatch = Dispatch(problem, schedule, transfer=lambda *_: 0.0)
    first = dispatch.due(0.0)
    assert first
    before = {each: vars(held).copy() for each, held in dispatch.tasks.items()}
    for _ in range(3):
        dispatch.take_back([each.task for each in first])
        assert not dispatch.in_flight
        assert dispatch.due(0.0) == first
        assert {each: vars(held) for each, held in dispatch.tasks.items()} == before


CLUSTER = Cluster("c", [Worker(name="w1", cores=2, memory=8 * GB)])


class Short(Predictor):
    """Every task takes a fifth of a second."""

    def predict(self, workflow: Workflow, cluster: Cluster) -> Forecast:
        return certain(workflow, cluster, [[0.2] * len(cluster.workers)] * len(workflow))


def sleeping(name: str, **more: object) -> Task:
    command = ("sleep", "0.2")
    return Task(id=name, kind="nap", memory=GB, command=command, **more)  # type: ignore[arg-type]


def meeting(task: Task, place: Path, *, other: str) -> Task:
    """The task, which ends after the other has begun."""
    waits = f"touch {task.id}; for i in $(seq 1000); do test -e {other} && break; sleep 0.1; done"
    return replace(task, command=("sh", "-c", waits), folder=str(place))


def two_at_once(
    store: Store, place: Path, *, later: float = 0.0, meet: bool = False
) -> list[RunReport]:
    """Two runs of two owners, one of them with a gang that needs the whole worker.

    The one with the gang has begun alone where the other comes `later`. Where they `meet`, a task
    of each ends after one of the other has begun: together those need more than the worker has.
    """
    gang = [sleeping(f"g{i}", gang="pair", owner="ann") for i in (1, 2)]
    alone = [sleeping(f"a{i}", owner="ann") for i in range(9)]
    many = [sleeping(f"b{i}", owner="bob", cores=1 + i % 2) for i in range(6)]
    if meet:
        alone[0] = meeting(alone[0], place, other=many[1].id)
        many[1] = meeting(many[1], place, other=alone[0].id)

    def carried(tasks: list[Task]) -> RunReport:
        time.sleep(later if tasks is many else 0.0)
        executor = LocalProcesses(runs=place / "runs", hold_memory=False)
        agent = Agent(Short(), Heft(), executor, store, lambda: datetime.now(UTC))
        return agent.run(Workflow("w", tasks), CLUSTER)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(carried, [[*alone, *gang], many]))


def most_at_once(store: Store) -> tuple[float, int]:
    """The most cores and bytes that attempts of all runs held at a time, by their events."""
    changes = []
    for run in (1, 2):
        begun: dict[str, AttemptStarted] = {}
        for each in store.run_events(run):
            if isinstance(each, AttemptStarted):
                begun[each.task] = each
                changes.append((each.time, each.allocation.cores, each.allocation.memory))
            elif isinstance(each, AttemptEnded):
                held = begun[each.task].allocation
                changes.append((each.time, -held.cores, -held.memory))
    total = np.cumsum([change[1:] for change in sorted(changes)], axis=0)
    return float(total[:, 0].max()), int(total[:, 1].max())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as opened:
        yield opened


def until_all_have_seen_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes to others settles until they have seen it, and not until they must have."""
    seen, neighbours = set[tuple[int, int]](), Store.neighbours

    def looking(store: Store, run: int, cluster: str) -> tuple[int, ...]:
        found = neighbours(store, run, cluster)
        seen.update((run, each) for each in found)
        return found

    def settling(mine: Rooms) -> bool:
        others = neighbours(mine.store, mine.run, CLUSTER.name)
        return any((each, mine.run) not in seen for each in others)

    monkeypatch.setattr(Store, "neighbours", looking)
    monkeypatch.setattr(Rooms, "_settling", settling)


def test_who_comes_to_others_begins_nothing_until_they_must_have_seen_it(store: Store) -> None:
    problem = problem_of([[1.0]] * 2)
    runs = [
        store.begin_run(
            workflow=workflow_document(problem.workflow),
            cluster=cluster_document(problem.cluster), objective={}, forecast=problem.forecast,
            schedule=Heft().plan(problem), executor="LocalProcesses", label="", at=NOON,
            holder="somebody",
        )
        for _ in range(2)
    ]  # fmt: skip
    lease, moment = store.lease(f"run:{runs[1]}"), [7.0]
    assert lease is not None
    coming = Rooms(store, runs[1], lease, lambda: moment[0], lambda: NOON)
    dispatch = Dispatch(problem, Heft().plan(problem), transfer=lambda *_: 0.0)
    begins = []
    for moment[0] in (7.0, 7.0 + 0.9 * rooms.SETTLING, 7.0 + rooms.SETTLING):
        first = dispatch.due(0.0)
        out = coming.crowded_out(first, dispatch)  # type: ignore[arg-type]
        dispatch.take_back([each.task for each in first])
        begins.append((len(first), len(out)))
    assert begins == [(1, 1), (1, 1), (1, 0)]


@pytest.mark.parametrize("later", [0.0, 0.2])
def test_two_runs_at_once_hold_no_more_of_a_worker_than_it_has(
    store: Store, tmp_path: Path, later: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    until_all_have_seen_it(monkeypatch)
    reports = two_at_once(store, tmp_path, later=later)
    assert [each.state for each in reports] == ["succeeded", "succeeded"]
    cores, memory = most_at_once(store)
    assert cores == 2.0
    assert memory <= 8 * GB
    ganged = [each.start for each in store.run_attempts(reports[0].run) if each.task[0] == "g"]
    assert len(set(ganged)) == 1
    assert not store.neighbours(3, "c"), "they are over"


def test_without_a_look_at_others_they_would_hold_more(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rooms, "crowded_out", lambda *_: frozenset())
    two_at_once(store, tmp_path, meet=True)
    assert most_at_once(store)[0] > 2.0


def test_what_a_dead_run_wanted_keeps_nobody_and_what_it_held_counts_until_somebody_could_have_it(
    store: Store, tmp_path: Path
) -> None:
    two_at_once(store, tmp_path)
    ours, theirs = store.lease("run:1"), store.lease("run:2")
    assert ours is not None
    assert theirs is not None
    moment = [0.0]
    looking = Rooms(store, 1, ours, lambda: moment[0], lambda: NOON)
    held = Held((hold("x", run=2), hold("y", run=2, wants=True)), {2: theirs})
    assert theirs.free
    assert [each.task for each in looking._counted(held)] == ["x"]  # noqa: SLF001
    moment[0] = rooms.ORPHANED
    assert looking._counted(held) == []  # noqa: SLF001
