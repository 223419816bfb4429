"""People in charge of runs: what they must approve, what may be spent, and what they prefer."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scheduler.asked import OVERRIDE, Newcomers, Requests
from scheduler.cluster import Cluster
from scheduler.execution.adapting import Following
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import Action, Controlled, Event
from scheduler.execution.executors.base import People, Replan
from scheduler.outlasting import Outlast
from scheduler.planning.bars import Bar
from scheduler.planning.objective import Objective
from scheduler.planning.planners.base import Planner
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.policy import PLAN, TASKS, Policy
from scheduler.predictors.base import Predictor
from scheduler.preferences import NEWEST, Vote, preferences, preferred
from scheduler.preferring import Preferring
from scheduler.store import Store
from scheduler.store.questions import OPEN, Question

LOOK, COUNT = 0.3, 10.0  # seconds between two looks at answers, and at what was spent
APPROVE, REFUSE = "approve", "refuse"
MONEY, BARRED = "money", "barred"  # kinds of questions besides those of policies
WE = "policy"


@dataclass(frozen=True)
class Governor:
    """What a policy and people's habits do to runs, from the first plan to the last attempt.

    `clock` gives aware UTC times, `seconds` is a clock that is never set, `sleep` waits. Workers
    can join runs where `predictor` and `newcomers` are given.
    """

    store: Store
    policy: Policy
    clock: Callable[[], datetime]
    seconds: Callable[[], float]
    sleep: Callable[[float], None]
    predictor: Predictor | None = None
    newcomers: Newcomers | None = None

    def bounded(self, objective: Objective, cluster: Cluster) -> Objective:
        """The objective within the policy: its bars, its quotas, and what the day has left."""
        most, left = self.policy.cost_a_day, None
        if most is not None:
            left = max(0.0, most - spent_today(self.store, self.clock()))
        return self.policy.bounded(objective, cluster, left=left)

    def preferred(self, problem: Problem, schedule: Schedule, planner: Planner) -> Schedule:
        """The plan that people would make of it, where that costs little."""
        return preferred(problem, schedule, self._wanted(), planner)

    def preferring(self, following: Following, planner: Planner) -> Replan:
        """The replanning of one run, as people would have it where that costs little."""
        wanted = self._wanted()
        return Preferring(following, wanted, planner) if wanted else following

    def _wanted(self) -> tuple[Bar, ...]:
        told = self.store.audits(action=OVERRIDE, limit=NEWEST)
        return preferences(Vote.of(each.details) for each in told)

    def people(self, run: int, outlast: Outlast | None = None) -> Sequence[People]:
        """Who is asked about a run: those who ask something of it, and those who must approve.

        What they write outlasts a store that is away as `outlast` does.
        """
        seconds, sleep = self.seconds, self.sleep
        asking = Requests(
            self.store,
            run,
            seconds=seconds,
            sleep=sleep,
            predictor=self.predictor,
            newcomers=self.newcomers,
            outlast=outlast,
        )
        approving = Approving(
            self.store,
            run,
            self.policy,
            clock=self.clock,
            seconds=seconds,
            sleep=sleep,
            outlast=outlast,
        )
        return asking, approving


def keep_policy(store: Store, document: Mapping[str, Any], *, by: str, at: datetime) -> None:
    """Keeps which policy is in force, where it is not the one that was in force before."""
    before = policy_in_force(store)
    if before != dict(document):
        store.audit("policy", "all runs", by=by, at=at, details=document)


def policy_in_force(store: Store) -> dict[str, Any]:
    """The document of the policy that was kept last; empty where there never was one."""
    kept = store.audits(action="policy", limit=1)
    return dict(kept[0].details) if kept else {}


def decide(
    store: Store, question: int, answer: str, *, by: str, reason: str, at: datetime
) -> Question:
    """Answers a question for somebody, and audits it.

    Raises NotFound for a question that there is not, and InvalidInput for an answer that is not
    one of its own, or comes second.
    """
    found = store.decide(question, answer, by=by, reason=reason, at=at)
    about = f"question {question}" if found.run is None else f"run {found.run}"
    words = f"of question {question}, {found.kind}: {found.subject}"
    details = {"question": question, "kind": found.kind, "subject": found.subject, "words": words}
    store.audit(answer, about, by=by, at=at, reason=reason, details=details)
    return found


def spent_today(store: Store, now: datetime) -> float:
    """The money of all attempts since midnight (UTC)."""
    return store.spent(now.replace(hour=0, minute=0, second=0, microsecond=0), now=now)


class Approving(People):
    """Puts to people what the policy wants approved, and holds it back until they have answered.

    What is refused is cancelled. Everything else goes on meanwhile.
    """

    def __init__(
        self,
        store: Store,
        run: int,
        policy: Policy,
        *,
        clock: Callable[[], datetime],
        seconds: Callable[[], float],
        sleep: Callable[[float], None],
        outlast: Outlast | None = None,
    ) -> None:
        self._outlast = outlast or Outlast(seconds, sleep, most=0.0)
        self._store, self._run, self._policy = store, run, policy
        self._clock, self._seconds, self._sleep = clock, seconds, sleep
        self._looked, self._counted = -LOOK, -COUNT
        self._asked_of: set[str] | None = None  # the tasks that were looked at

    def said(self, dispatch: Dispatch, now: float, time: datetime) -> Iterator[Event]:
        """What is held back, and what people have decided."""
        if self._asked_of is None or len(self._asked_of) < len(dispatch.tasks):
            yield from self._withheld(dispatch, now, time)
        if self._seconds() - self._looked >= LOOK:
            self._looked = self._seconds()
            self._ask_of_barred(dispatch, time)
            yield from self._spending(dispatch, now, time)
            for question in self._questions():
                yield from self._decided(question, dispatch, now, time)

    def rest(self) -> None:
        """Waits until it is worth looking again."""
        self._sleep(LOOK)

    def _withheld(self, dispatch: Dispatch, now: float, time: datetime) -> Iterator[Event]:
        """Puts the questions that are new, and holds back what they are about."""
        first = self._asked_of is None
        new = [name for name in dispatch.tasks if name not in (self._asked_of or ())]
        self._asked_of = set(dispatch.tasks)
        before = {name for each in self._questions() for name in each.details.get("tasks", ())}
        if first and not any(each.kind == PLAN for each in self._questions()):
            cost, ends = plan_of(dispatch)
            if reasons := tuple(self._policy.approvals.of_plan(cost, ends)):
                self._put(PLAN, "the plan", reasons, time, ())
                yield self._control(Action.WITHHOLD, now, time, reasons[0])
        for why, tasks in self._classes(dispatch, [name for name in new if name not in before]):
            self._put(TASKS, why, (why,), time, tasks)
            yield self._control(Action.WITHHOLD, now, time, why, tasks)

    def _classes(
        self, dispatch: Dispatch, names: Iterable[str]
    ) -> Iterable[tuple[str, tuple[str, ...]]]:
        classes: dict[str, tuple[str, ...]] = {}
        for name in names:
            why = self._policy.approvals.of_task(dispatch.problem.workflow.task(name))
            if why is not None:
                classes[why] = (*classes.get(why, ()), name)
        return classes.items()

    def _ask_of_barred(self, dispatch: Dispatch, time: datetime) -> None:
        """Tells people of tasks that a bar stopped at the last moment: their plan was wrong."""
        stopped = {task: dispatch.withheld[task] for task in dispatch.barred}
        known = {each.subject for each in self._questions() if each.kind == BARRED}
        for task in sorted(stopped.keys() - known):
            hint = "reassign it, or answer cancel"
            self._put(BARRED, task, (stopped[task], hint), time, (task,), answers=("cancel",))

    def _spending(self, dispatch: Dispatch, now: float, time: datetime) -> Iterator[Event]:
        """Pauses the run when the day's money is spent, and lets it go on the next day."""
        most = self._policy.cost_a_day
        if most is None or self._seconds() - self._counted < COUNT:
            return
        self._counted = self._seconds()
        moment = self._clock()  # money is spent by this clock, whatever time is simulated
        today = f"{moment:%Y-%m-%d}"
        asked = [each for each in self._questions() if each.kind == MONEY]
        of_today = any(each.subject == today for each in asked)
        ours = dispatch.paused_by == WE  # what a person has paused, no new day lets go on
        if asked and not of_today and ours and asked[0].state == OPEN:
            yield self._control(Action.RESUME, now, time, "another day has begun")
        spent = spent_today(self._store, moment)
        if spent >= most and not of_today:
            why = f"the runs of {today} have cost {spent:.6g}, and may cost {most:.6g}"
            self._put(MONEY, today, (why,), time, ())
            if not dispatch.paused:
                yield self._control(Action.PAUSE, now, time, why)

    def _decided(
        self, question: Question, dispatch: Dispatch, now: float, time: datetime
    ) -> Iterator[Event]:
        if question.state == OPEN or question.kind not in (PLAN, TASKS, MONEY, BARRED):
            return
        tasks = tuple(question.details.get("tasks", ()))
        about = tasks or tuple(dispatch.tasks)
        if question.state == APPROVE and question.kind == MONEY:
            if dispatch.paused_by == WE and question.id == self._newest(MONEY):
                yield self._control(Action.RESUME, now, time, question.reason, by=question.by)
        elif question.state == APPROVE:
            waiting = self._waiting()
            held = dispatch.withheld.keys() - dispatch.barred - waiting
            free = tuple(task for task in about if task in held)
            if free and None not in waiting:
                yield self._control(Action.ALLOW, now, time, question.reason, free, question.by)
        elif not all(dispatch.tasks[each].over or dispatch.tasks[each].cancelled for each in about):
            yield self._control(Action.CANCEL, now, time, question.reason, tasks, question.by)

    def _newest(self, kind: str) -> int:
        return max(each.id for each in self._questions() if each.kind == kind)

    def _waiting(self) -> set[str | None]:
        """The tasks of which a question is open still; None stands for all."""
        open_ = [each for each in self._questions() if each.state == OPEN and each.kind != MONEY]
        found: set[str | None] = {None for each in open_ if each.kind == PLAN}
        return found | {task for each in open_ for task in each.details.get("tasks", ())}

    def _questions(self) -> tuple[Question, ...]:
        return self._store.questions(run=self._run, limit=None)

    def _put(
        self,
        kind: str,
        subject: str,
        reasons: Sequence[str],
        time: datetime,
        tasks: Sequence[str],
        *,
        answers: Sequence[str] = (APPROVE, REFUSE),
    ) -> None:
        details = {"tasks": list(tasks)}
        self._outlast.once(
            lambda: self._store.put_question(
                kind,
                subject,
                answers=answers,
                reasons=reasons,
                at=time,
                run=self._run,
                details=details,
            ),
            lambda: any(
                (each.kind, each.subject, each.at) == (kind, subject, time)
                for each in self._questions()
            ),
        )

    def _control(
        self,
        action: Action,
        now: float,
        time: datetime,
        why: str,
        tasks: Sequence[str] = (),
        by: str = WE,
    ) -> Controlled:
        return Controlled(action, now, time, by, why, tuple(tasks))


def plan_of(dispatch: Dispatch) -> tuple[float, float]:
    """The money and the seconds that the plan of a dispatch takes, by the forecast."""
    problem, cost, ends = dispatch.problem, 0.0, 0.0
    for task in dispatch.tasks.values():
        column = problem.cluster.index[task.worker]
        worker, seconds = problem.cluster.workers[column], problem.duration[task.row, column]
        cost += worker.price / 3600 / worker.cores * task.allocation.cores * float(seconds)
        ends = max(ends, task.rank + float(seconds))
    return cost, ends
