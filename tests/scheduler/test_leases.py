"""Who lives and who does not, told without anybody's clock; and the game of leases as a whole."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from worlds import problem_of

from scheduler.cluster import Allocation
from scheduler.documents import cluster_document, workflow_document
from scheduler.errors import AllotError, StaleEpoch
from scheduler.execution.events import AttemptEnded, AttemptStarted, Event, Observation
from scheduler.execution.recovery import unfinished
from scheduler.leases import Watch, gone, take, this_holder
from scheduler.planning.planners.heft import Heft
from scheduler.processes import Identity
from scheduler.records import Outcome
from scheduler.store import Store
from scheduler.store.intents import Kept
from scheduler.store.leases import Lease

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HELD = Lease("agent", "somebody elsewhere", 3, 0, NOW)


def test_a_holder_is_dead_after_it_was_silent_for_as_long_as_the_watcher_waits() -> None:
    watch = Watch(patience=10.0)
    told = [watch.dead(HELD, now) for now in (100.0, 105.0, 109.9, 110.0)]
    assert told == [False, False, False, True]


@pytest.mark.parametrize("sign", [{"beats": 1}, {"epoch": 4}])
def test_a_sign_of_life_gives_a_holder_the_whole_time_again(sign: dict[str, int]) -> None:
    watch = Watch(patience=10.0)
    watch.dead(HELD, 100.0)
    lives = replace(HELD, **sign)
    assert [watch.dead(lives, now) for now in (109.0, 118.9, 119.0)] == [False, False, True]


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)])
def test_clocks_that_are_set_neither_kill_nor_save_a_holder(jump: timedelta) -> None:
    watch = Watch(patience=10.0)
    watch.dead(HELD, 100.0)
    jumped = replace(HELD, at=NOW + jump)
    assert [watch.dead(jumped, now) for now in (109.0, 110.0)] == [False, True]


def test_a_lease_that_nobody_holds_needs_no_patience() -> None:
    assert Watch(patience=10.0).dead(replace(HELD, holder=""), 0.0)


def test_a_process_of_this_machine_that_is_over_is_known_to_be_gone_at_once() -> None:
    program = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as child:
        identity = Identity.of(child.pid)
        assert identity is not None
        holder = json.dumps(vars(identity))
        assert not gone(holder)
        child.kill()
        child.wait()
        assert gone(holder)
    later = json.dumps(vars(replace(Identity.here(), started="0")))
    assert gone(later), "a later process with the same number is another one"
    assert not gone(this_holder())
    assert not gone(json.dumps(vars(replace(identity, host="elsewhere"))))


def test_taking_waits_out_a_silent_holder_and_refuses_to_overtake_one_that_lives(
    tmp_path: Path,
) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'a.db'}") as store:
        old = store.take_lease("agent", "elsewhere", seen=None, at=NOW)
        assert old is not None
        at = [0.0]

        def sleep(seconds: float) -> None:
            at[0] += seconds
            if at[0] < 3.0:
                store.beat_lease(old, at=NOW)

        with pytest.raises(AllotError, match="elsewhere"):
            _take(store, at, sleep)
        at[0] = 10.0
        assert _take(store, at, sleep).epoch == 2
        assert at[0] >= 20.0


def _take(store: Store, at: list[float], sleep: object) -> Lease:
    return take(
        store,
        "agent",
        watch=Watch(patience=10.0),
        monotonic=lambda: at[0],
        sleep=sleep,  # type: ignore[arg-type]
        at=lambda: NOW,
    )


@dataclass
class Holder:
    """An agent: what it believes to hold, whether it is frozen, and what it has decided."""

    lease: Lease
    decided: Event | None = None


TASKS = ("t1", "t2", "t3")


class Game(RuleBasedStateMachine):
    """Agents take a run, decide, keep, begin and end attempts, freeze, die and overtake each other.

    `begun` is the world outside: it counts how often each attempt really began, in which epoch.
    A claim, as executors make it, stands between what was kept and what begins.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.store = Store.open(f"sqlite:///{self.folder.name}/a.db")
        problem = problem_of([[1.0]] * len(TASKS))
        self.run = self.store.begin_run(
            workflow=workflow_document(problem.workflow),
            cluster=cluster_document(problem.cluster),
            objective={},
            forecast=problem.forecast,
            schedule=Heft().plan(problem),
            executor="Simulator",
            label="planned",
            at=NOW,
            holder="0",
        )
        lease = self.store.lease(f"run:{self.run}")
        assert lease is not None
        self.agents = [Holder(lease)]
        self.newest = lease.epoch
        self.claims = dict[tuple[str, int], str]()  # what stands for a task in an epoch
        self.begun = list[str]()  # the world outside
        self.over = set[str]()

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(which=st.integers(0, 9), task=st.sampled_from(TASKS))
    def decide_and_keep(self, which: int, task: str) -> None:
        """An agent decides to begin a task of which the store says that it is free."""
        agent = self.agents[which % len(self.agents)]
        if task in self._known():
            return
        start = AttemptStarted(task, 1, "w1", 0.0, NOW, Allocation(1.0, 10), agent.lease.epoch)
        self._keep(agent, start)

    def _keep(self, agent: Holder, event: Event) -> None:
        try:
            self.store.keep(self.run, Kept([event]), lease=agent.lease, at=NOW)
        except StaleEpoch:
            assert agent.lease.epoch < self.newest, "who has the newest epoch is not stale"
            self._leave(agent)
        else:
            assert agent.lease.epoch == self.newest, "who was taken over has written"
            agent.decided = event

    @rule(which=st.integers(0, 9))
    def begin(self, which: int) -> None:
        """What was kept is begun, perhaps much later; its claim must be free."""
        agent = self.agents[which % len(self.agents)]
        start, agent.decided = agent.decided, None
        if isinstance(start, AttemptStarted) and (start.task, start.epoch) not in self.claims:
            self.claims[start.task, start.epoch] = "begun"
            self.begun.append(start.task)

    @rule(which=st.integers(0, 9), task=st.sampled_from(TASKS))
    def end(self, which: int, task: str) -> None:
        """An attempt ends; the agent that waits for it keeps that."""
        agent = self.agents[which % len(self.agents)]
        if task in self.begun and task not in self.over and task in self._known():
            ended = AttemptEnded(task, 1, "w1", 1.0, NOW, Observation(Outcome.SUCCEEDED, 1.0))
            self._keep(agent, ended)
            if agent.decided is ended:
                agent.decided = None
                self.over.add(task)

    @rule()
    def overtake(self) -> None:
        """Another agent sees the holder dead, rightly or not, and goes on from the store."""
        if len(self.agents) > 5:
            return
        seen = self.store.lease(f"run:{self.run}")
        assert seen is not None
        taken = self.store.take_lease(seen.name, str(seen.epoch), seen=seen, at=NOW)
        assert taken is not None
        assert taken.epoch == self.newest + 1
        self.newest = taken.epoch
        self.agents.append(Holder(taken))
        for start in unfinished(self.store.run_events(self.run)):
            where = (start.task, start.epoch)
            if self.claims.setdefault(where, "fence") == "fence":  # it never began, and never will
                again = replace(start, epoch=taken.epoch)
                self._keep(self.agents[-1], again)
                self.begin(len(self.agents) - 1)

    @precondition(lambda self: len(self.agents) > 1)
    @rule(which=st.integers(0, 9))
    def die(self, which: int) -> None:
        """An agent is gone; what it had decided, and not begun, with it."""
        self._leave(self.agents[which % len(self.agents)])

    def _leave(self, agent: Holder) -> None:
        self.agents.remove(agent)
        if not self.agents:
            self.overtake()

    def _known(self) -> set[str]:
        """The tasks of which the store says that an attempt was decided on."""
        return {each.task for each in self.store.run_events(self.run)}  # type: ignore[union-attr]

    @invariant()
    def no_task_begins_twice(self) -> None:
        assert len(self.begun) == len(set(self.begun)), self.begun

    @invariant()
    def the_world_and_the_store_agree(self) -> None:
        assert set(self.begun) <= self._known(), "something began that was not kept before"
        ended = [each for each in self.store.run_events(self.run) if isinstance(each, AttemptEnded)]
        assert {each.task for each in ended} == self.over
        assert len(ended) == len(self.over), "an end was kept twice"


TestGame = Game.TestCase
TestGame.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
