"""People in charge of runs: what they ask is taken up and audited, what they must approve waits."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from worlds import certain

from scheduler.agent import Agent, RunReport
from scheduler.asked import Newcomers, control_payload
from scheduler.cluster import Cluster, Worker
from scheduler.errors import Infeasible
from scheduler.execution.adapting import Adapting
from scheduler.execution.events import AttemptEnded, AttemptStarted, Event, PlanChanged
from scheduler.execution.executors.local_processes import LocalProcesses
from scheduler.execution.executors.simulator import AsForecast, Simulator
from scheduler.forecast import Forecast
from scheduler.governor import Governor, keep_policy, policy_in_force, spent_today
from scheduler.planning.planners.heft import Heft
from scheduler.policy import Policy, policy_from
from scheduler.predictors.base import Predictor
from scheduler.store import Store
from scheduler.workflow import Dependency, Task, Workflow

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
GB = 10**9
WORKERS = [Worker(name=name, cores=1, memory=8 * GB, price=3600.0) for name in ("w1", "w2")]
CLUSTER = Cluster("c", WORKERS)


class Ten(Predictor):
    """Every task takes ten seconds everywhere, on `slow` a little more."""

    def __init__(self, slow: str = "", by: float = 0.4) -> None:
        self.slow, self.by = slow, by

    def predict(self, workflow: Workflow, cluster: Cluster) -> Forecast:
        row = [10.0 + self.by if each.name == self.slow else 10.0 for each in cluster.workers]
        return certain(workflow, cluster, [row] * len(workflow))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as opened:
        yield opened


class Days:
    """Time as the test wants it: each rest lets a second go by and the next person speak."""

    def __init__(self, *people: Callable[[], object], clock: datetime = NOON) -> None:
        self.people, self.now, self.rests = list(people), 0.0, 0
        self.began = clock

    def clock(self) -> datetime:
        return self.began + timedelta(seconds=self.now)

    def seconds(self) -> float:
        self.now += 1.0
        return self.now

    def sleep(self, _: float) -> None:
        self.rests += 1
        assert self.rests < 50, "the run waits and nobody speaks"
        if self.people:
            self.people.pop(0)()


def chain(*kinds: str) -> Workflow:
    tasks = [Task(id=f"t{i}", kind=kind, memory=GB) for i, kind in enumerate(kinds, 1)]
    edges = [Dependency(a.id, b.id) for a, b in pairwise(tasks)]
    return Workflow("chain", tasks, edges)


def carried(
    store: Store,
    workflow: Workflow,
    policy: Policy,
    days: Days,
    watch: Callable[[Event], None] | None = None,
    predictor: Predictor | None = None,
    planners: tuple[Heft, ...] = (),
) -> RunReport:
    beliefs, newcomers = predictor or Ten(), Newcomers()
    governor = Governor(
        store, policy, days.clock, days.seconds, days.sleep,
        predictor=beliefs, newcomers=newcomers,
    )  # fmt: skip
    agent = Agent(
        beliefs, Heft(), Simulator(AsForecast()), store, days.clock, governor=governor,
        adapting=Adapting(few=300 * len(planners), planners=planners, meanwhile=newcomers),
        group=0.0,
    )  # fmt: skip
    return agent.run(workflow, CLUSTER, watch=watch)


def ask(store: Store, action: str, **asked: Any) -> int:
    return store.ask("control", control_payload(1, action, **asked), by="ann", at=NOON)


def at_start_of(task: str, say: Callable[[], object]) -> Callable[[Event], None]:
    def watch(event: Event) -> None:
        if isinstance(event, AttemptStarted) and event.task == task:
            say()

    return watch


def answered(store: Store, number: int) -> tuple[str, str]:
    found = store.request(number)
    assert found is not None
    return found.state, found.answer


def test_a_task_of_a_class_that_needs_an_approval_waits_and_the_rest_goes_on(store: Store) -> None:
    policy = policy_from({"approve": {"kinds": ["deploy"]}})
    done: list[str] = []

    def approve() -> None:
        (question,) = store.questions(state="open")
        assert (question.kind, question.run, question.details["tasks"]) == ("tasks", 1, ["t2"])
        assert {each.task for each in store.run_attempts(1)} == {"t1", "t4"}
        store.decide(question.id, "approve", by="ann", reason="fine", at=NOON)

    workflow = chain("load", "deploy", "tell")
    workflow = Workflow("w", [*workflow.tasks, Task(id="t4", kind="load", memory=GB)],
                        workflow.dependencies)  # fmt: skip
    report = carried(store, workflow, policy, Days(approve), done.append)
    assert (report.state, len(report.attempts)) == ("succeeded", 4)
    audited = [(each.action, each.by) for each in store.audits(subject="run 1")]
    assert audited == [("allow", "ann"), ("withhold", "policy")]


def test_what_is_refused_is_cancelled_with_what_waits_for_it(store: Store) -> None:
    def refuse() -> None:
        store.decide(1, "refuse", by="ann", reason="not today", at=NOON)

    policy = policy_from({"approve": {"kinds": ["deploy"]}})
    report = carried(store, chain("load", "deploy", "tell"), policy, Days(refuse))
    assert report.given_up["t2"] == "cancel by ann: not today"
    assert set(report.given_up) == {"t2", "t3"}


@pytest.mark.parametrize(
    ("approve", "asks"),
    [({"cost": 19.0}, True), ({"cost": 20.0}, False), ({"seconds": 19.0}, True)],
)
def test_a_plan_that_is_too_dear_or_too_long_begins_when_it_is_approved(
    store: Store, approve: dict[str, float], asks: bool
) -> None:
    def answer() -> None:
        assert store.run_attempts(1) == ()
        store.decide(1, "approve", by="ann", reason="", at=NOON)

    days = Days(answer)
    report = carried(store, chain("load", "tell"), policy_from({"approve": approve}), days)
    assert (report.state, bool(store.questions())) == ("succeeded", asks)


def test_both_questions_about_a_task_must_be_answered(store: Store) -> None:
    policy = policy_from({"approve": {"kinds": ["deploy"], "cost": 0.0}})
    days = Days(
        lambda: store.decide(1, "approve", by="ann", reason="", at=NOON),
        lambda: store.decide(2, "approve", by="ann", reason="", at=NOON),
    )
    assert carried(store, chain("deploy"), policy, days).state == "succeeded"
    assert days.rests >= 2


def test_no_plan_may_put_data_where_the_policy_forbids_it(store: Store) -> None:
    tasks = [Task(id="t1", kind="k", memory=GB, labels=frozenset({"personal"}))]
    never = {"never": [{"labels": ["personal"], "workers": ["w1"], "why": "the law"}]}
    report = carried(store, Workflow("w", tasks), policy_from(never), Days())
    assert [each.worker for each in report.attempts] == ["w2"]
    everywhere = {"never": [{"labels": ["personal"], "workers": ["w1", "w2"], "why": "the law"}]}
    with pytest.raises(Infeasible, match="must not run on 'w1' \\(the law\\)"):
        carried(store, Workflow("w", tasks), policy_from(everywhere), Days())


def test_a_day_costs_no_more_than_it_may_by_plan(store: Store) -> None:
    with pytest.raises(Infeasible, match="budget of 15 is too small"):
        carried(store, chain("a", "b"), policy_from({"cost_a_day": 15}), Days())


class Spent(Store):
    """A store in which so much was spent."""

    money = 0.0

    def spent(self, since: datetime, *, now: datetime) -> float:  # noqa: ARG002
        return self.money


def test_when_the_money_of_the_day_is_spent_the_run_pauses_until_people_or_the_next_day(
    tmp_path: Path,
) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as opened:
        store = Spent(opened._engine, opened.folder)  # noqa: SLF001
        days = Days()

        def next_day() -> None:
            store.money, days.now = 0.0, days.now + 86400

        def spend() -> None:
            store.money = 100.0
            days.now += 100.0

        days.people = [next_day]
        policy = policy_from({"cost_a_day": 60})
        report = carried(store, chain("a", "b", "c"), policy, days, at_start_of("t1", spend))
        assert (report.state, days.rests > 0) == ("succeeded", True)
        (question,) = store.questions(kind="money")
        assert question.reasons == ("the runs of 2026-05-01 have cost 100, and may cost 60",)


def test_another_day_lets_no_run_go_on_that_a_person_has_paused(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as opened:
        store, days, asked = Spent(opened._engine, opened.folder), Days(), list[int]()  # noqa: SLF001

        def pause_and_spend() -> None:
            ask(store, "pause")
            store.money, days.now = 100.0, days.now + 100.0

        def next_day() -> None:
            store.money, days.now = 0.0, days.now + 86400

        quiet = [lambda: None] * 20
        days.people = [next_day, *quiet, lambda: asked.append(ask(store, "resume"))]
        policy = policy_from({"cost_a_day": 60})
        report = carried(store, chain("a", "b"), policy, days, at_start_of("t1", pause_and_spend))
        assert report.state == "succeeded"
        assert answered(store, *asked)[0] == "done"


def test_a_policy_is_kept_when_it_changes_and_tells_what_is_in_force(store: Store) -> None:
    for document in ({}, {"cost_a_day": 3}, {"cost_a_day": 3}, {"approve": {"promotion": True}}):
        keep_policy(store, document, by="ann", at=NOON)
    assert policy_in_force(store) == {"approve": {"promotion": True}}
    assert len(store.audits(action="policy")) == 2


def test_the_day_begins_at_midnight(store: Store) -> None:
    assert spent_today(store, NOON) == 0.0


def test_requests_are_answered_in_words_and_audited(store: Store) -> None:
    numbers: list[int] = []

    def say() -> None:
        numbers.append(ask(store, "cancel", tasks=["t3"], reason="not needed"))
        numbers.append(ask(store, "cancel", tasks=["t9"]))
        numbers.append(ask(store, "fly"))

    report = carried(store, chain("a", "b", "c"), Policy(), Days(), at_start_of("t1", say))
    assert [answered(store, each)[0] for each in numbers] == ["done", "refused", "refused"]
    assert answered(store, numbers[0])[1] == "cancelled: 1 task (t3); what runs of it is stopped"
    assert answered(store, numbers[1])[1] == "the run has no task 't9'; it has 3 others"
    assert set(report.given_up) == {"t3"}
    did = {(each.action, each.reason) for each in store.audits(subject="run 1")}
    assert {("cancel", "not needed"), ("cancel refused", ""), ("fly refused", "")} <= did


def test_a_worker_that_is_added_is_planned_with(store: Store) -> None:
    wide = Workflow("w", [Task(id=f"t{i}", kind="k", memory=GB) for i in range(12)])
    document = {"name": "w3", "cores": 1, "memory": "8 GB"}

    def say() -> None:
        ask(store, "add", worker="w3", document=document)

    kept: list[tuple[str, str]] = []

    def watch(event: Event) -> None:
        at_start_of("t0", say)(event)
        if isinstance(event, PlanChanged):
            kept.append(answered(store, 1))

    report = carried(store, wide, Policy(), Days(), watch)
    assert kept[0][0] == "done", "the plan and the answer are kept together"
    assert "w3" in {each.worker for each in report.attempts}
    assert answered(store, 1) == ("done", "w3 is planned with from now on")


def test_a_worker_with_more_cores_runs_more_at_a_time(store: Store) -> None:
    wide = Workflow("w", [Task(id=f"t{i}", kind="k", memory=GB) for i in range(12)])
    document = {"name": "w1", "cores": 4, "memory": "8 GB"}

    def say() -> None:
        ask(store, "change", worker="w1", document=document)

    report = carried(store, wide, Policy(), Days(), at_start_of("t0", say))
    assert (report.makespan, answered(store, 1)[0]) == (30.0, "done")


def test_a_change_that_no_plan_can_take_in_stays_open(store: Store) -> None:
    row = Workflow("w", [Task(id=f"t{i}", kind="k", memory=GB) for i in range(6)])
    document = {"name": "w2", "cores": 0.5, "memory": "8 GB"}  # a task holds its whole core
    waits: list[tuple[str, str]] = []

    def watch(event: Event) -> None:
        if isinstance(event, AttemptStarted) and event.task == "t0":
            ask(store, "change", worker="w2", document=document)
        if isinstance(event, PlanChanged) and "has to wait" in event.reasons[0]:
            waits.append(answered(store, 1))

    carried(store, row, Policy(), Days(), watch, Ten(slow="w2"))
    assert waits == [("open", "")], "a crash would undo it, so nobody is told that it is done"
    assert answered(store, 1) == ("open", ""), "whoever takes the run over finds it still"


def test_after_enough_overrides_the_next_plan_is_what_people_chose(store: Store) -> None:
    beliefs = Ten(slow="w2")
    task = Workflow("w", [Task(id="t1", kind="k", memory=GB), Task(id="t2", kind="z", memory=GB)],
                    [Dependency("t2", "t1")])  # fmt: skip
    for run in range(1, 6):
        if run <= 4:

            def say(run: int = run) -> None:
                payload = control_payload(run, "reassign", tasks=["t1"], worker="w2")
                store.ask("control", payload, by="ann", at=NOON)

            watch = at_start_of("t2", say)
        else:
            watch = at_start_of("t2", lambda: None)
        report = carried(store, task, Policy(), Days(), watch, beliefs)
        planned = report.schedule.by_task["t1"].worker
        ran = next(each.worker for each in report.attempts if each.task == "t1")
        assert (planned, ran) == ("w1" if run <= 4 else "w2", "w2")


def test_nor_does_a_change_of_plan_take_a_task_from_where_people_want_it(store: Store) -> None:
    task = Workflow("w", [Task(id="t1", kind="k", memory=GB), Task(id="t2", kind="z", memory=GB)],
                    [Dependency("t2", "t1")])  # fmt: skip
    asked = [carried(store, task, Policy(), Days(), None, Ten(slow="w2"), (Heft(),))]
    vote = {"kind": "k", "chosen": "w2", "rejected": "w1"}
    for _ in range(4):
        store.audit("override", "run 1", by="ann", at=NOON, details=vote)
    asked.append(carried(store, task, Policy(), Days(), None, Ten(slow="w2"), (Heft(),)))
    asked.append(carried(store, task, Policy(), Days(), None, Ten(slow="w2", by=20.0), (Heft(),)))
    assert [_worker_of(each, "t1") for each in asked] == ["w1", "w2", "w1"], "dear wishes are none"
    assert not asked[1].changes


def _worker_of(report: RunReport, task: str) -> str:
    return next(each.worker for each in report.attempts if each.task == task)


def test_an_attempt_that_really_runs_is_stopped_within_seconds(
    store: Store, tmp_path: Path
) -> None:
    command = ("python", "-c", "import time; time.sleep(200)")
    task = Task(id="t1", kind="k", memory=GB, action=None, command=command)
    governor = Governor(store, Policy(), lambda: datetime.now(UTC), *clockwork())
    agent = Agent(
        Ten(), Heft(), LocalProcesses(), store, lambda: datetime.now(UTC), governor=governor
    )
    seen: list[Event] = []

    def cancel_what_begins(event: Event) -> None:
        seen.append(event)
        if isinstance(event, AttemptStarted):
            ask(store, "cancel", reason="enough")

    report = agent.run(Workflow("w", [task]), replace_workers(), watch=cancel_what_begins)
    (end,) = [each for each in seen if isinstance(each, AttemptEnded)]
    assert end.observation.outcome == "cancelled"
    assert end.at < 100.0
    assert report.given_up == {"t1": "cancel by ann: enough"}


def clockwork() -> tuple[Callable[[], float], Callable[[float], None]]:
    from time import monotonic, sleep

    return monotonic, sleep


def replace_workers() -> Cluster:
    return Cluster("c", [replace(WORKERS[0], price=0.0)])
