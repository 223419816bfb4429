"""What people ask of one run, taken up from the store while the run goes on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scheduler.cluster import Cluster, Worker
from scheduler.documents import cluster_from
from scheduler.errors import AllotError, InvalidInput
from scheduler.execution.control import refusal
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import Action, Controlled, Decision, Event
from scheduler.execution.executors.base import People
from scheduler.outlasting import Outlast
from scheduler.planning.edits import WorkerAdded, WorkerChanged
from scheduler.predictors.base import Predictor
from scheduler.store import Store
from scheduler.store.audits import CONTROL
from scheduler.store.questions import OPEN
from scheduler.store.values import Request
from scheduler.workflow import Workflow

LOOK = 0.3  # seconds of real time between two looks
JOIN = (Action.ADD, Action.CHANGE)  # of workers: done by the next plan


@dataclass
class Newcomers:
    """Workers that were added to a run or changed, until it is planned with them."""

    waiting: list[WorkerAdded | WorkerChanged] = field(default_factory=list)

    def __call__(self, now: float) -> Sequence[WorkerAdded | WorkerChanged]:  # noqa: ARG002
        """What has come since it was last asked, as `Adapting.meanwhile` wants it."""
        found, self.waiting = self.waiting, []
        return found


class Requests(People):
    """The requests about one run, each carried out or refused in words, and audited.

    `seconds` is a clock that is never set, `sleep` waits for so long. Workers can be added where
    `predictor` and `newcomers` are given: what is believed there, and who plans with them.
    What is written outlasts a store that is away as `outlast` does; without it nothing does.
    """

    def __init__(
        self,
        store: Store,
        run: int,
        *,
        seconds: Callable[[], float],
        sleep: Callable[[float], None],
        predictor: Predictor | None = None,
        newcomers: Newcomers | None = None,
        outlast: Outlast | None = None,
    ) -> None:
        self._outlast = outlast or Outlast(seconds, sleep, most=0.0)
        self._store, self._run, self._seconds, self._sleep = store, run, seconds, sleep
        self._predictor, self._newcomers = predictor, newcomers
        self._looked = -LOOK
        self._promised: list[tuple[Request, Worker]] = []  # what no plan has taken in yet

    def said(self, dispatch: Dispatch, now: float, time: datetime) -> Iterator[Event]:
        """What was asked since the last time, one after the other."""
        if self._seconds() - self._looked < LOOK:
            return
        self._looked = self._seconds()
        for request in self._store.waiting_requests(CONTROL):
            known = any(request.id == each.id for each, _ in self._promised)
            if request.payload.get("run") == self._run and not known:
                yield from self._taken_up(request, dispatch, now, time)

    def taken_in(self, dispatch: Dispatch, now: float, time: datetime) -> Iterator[Event]:
        """The workers that were asked for and are in the plan: answered where that is kept."""
        there = {each.name: each for each in dispatch.problem.cluster.workers}
        wanted = {worker.name: worker for _, worker in self._promised}  # the last word on each
        planned = {name for name, each in wanted.items() if _same_amounts(each, there.get(name))}
        over = [each for each in self._promised if each[1].name in planned]
        self._promised = [each for each in self._promised if each[1].name not in planned]
        for request, worker in over:
            yield Controlled(
                Action(request.payload["action"]),
                now,
                time,
                request.by,
                str(request.payload.get("reason", "")),
                worker=worker.name,
                request=request.id,
            )

    def rest(self) -> None:
        """Waits until it is worth looking again."""
        self._sleep(LOOK)

    def _taken_up(
        self, request: Request, dispatch: Dispatch, now: float, time: datetime
    ) -> Iterator[Event]:
        try:
            if request.payload["action"] in JOIN:
                self._invite(request, dispatch)
                return
            asked = control_of(request, now, time)
            why = self._unknown(asked, dispatch, time) or refusal(dispatch, asked)
        except InvalidInput as error:
            why = str(error)
        if why is not None:
            settled = why.startswith(SETTLED)
            self._answer(request, "done" if settled else "refused", why, time)
            return
        before = {task: dispatch.tasks[task].worker for task in asked.tasks}
        yield asked
        if asked.action is Action.REASSIGN:
            self._learn(asked, before, dispatch.problem.workflow)

    def _unknown(self, asked: Controlled, dispatch: Dispatch, time: datetime) -> str | None:
        """Tries tasks again of which nobody knows what became: a decision, not a control."""
        lost = [task for task in asked.tasks if task in dispatch.unknown]
        if asked.action is not Action.RETRY or not lost:
            return None
        asked_of = self._store.questions(kind="unknown", run=self._run, state=OPEN, limit=None)
        for question in asked_of:
            if question.subject in lost:
                self._decide(question.id, asked, time)
        return f"{SETTLED} that {', '.join(lost)} starts again"

    def _decide(self, question: int, asked: Controlled, time: datetime) -> None:
        by, why = asked.by, asked.reason

        def ours() -> bool:
            found = self._store.question(question)
            return (found.state, found.by, found.reason) == (Decision.AGAIN, by, why)

        self._outlast.once(
            lambda: self._store.decide(question, Decision.AGAIN, by=by, reason=why, at=time), ours
        )

    def _learn(self, asked: Controlled, before: Mapping[str, str], workflow: Workflow) -> None:
        """Keeps what people chose instead of what was planned: plans learn from it."""
        for task, rejected in before.items():
            if rejected != asked.worker:
                kind = workflow.task(task).kind
                details = {"kind": kind, "chosen": asked.worker, "rejected": rejected}
                told = {"task": task, **details}
                self._audit(OVERRIDE, asked.by, asked.time, reason=asked.reason, details=told)

    def _invite(self, request: Request, dispatch: Dispatch) -> None:
        """Has a worker added or changed by the next plan; raises InvalidInput where it cannot.

        The request stays open until a plan has taken it in: whoever takes the run over before
        finds it again.
        """
        if self._newcomers is None or self._predictor is None:
            raise InvalidInput("the run follows its first plan to the end, so no worker can join")
        worker, known = _worker(request.payload), dispatch.problem.cluster.index
        if request.payload["action"] == Action.ADD:
            if worker.name in known or any(worker.name == each.name for _, each in self._promised):
                raise InvalidInput(f"the run has a worker {worker.name!r} already; change it")
            believed = self._predictor.predict(
                dispatch.problem.workflow, Cluster("added", [worker])
            )
            self._newcomers.waiting.append(WorkerAdded(worker=worker, forecast=believed))
        elif worker.name not in known:
            raise InvalidInput(f"the run has no worker {worker.name!r}; it has {', '.join(known)}")
        else:
            changed = WorkerChanged(worker=worker.name, cores=worker.cores, memory=worker.memory)
            self._newcomers.waiting.append(changed)
        self._promised.append((request, worker))

    def _answer(self, request: Request, state: str, words: str, time: datetime) -> None:
        self._outlast(lambda: self._store.answer(request.id, state=state, answer=words, at=time))
        action = f"{request.payload['action']}" + (" refused" if state == "refused" else "")
        reason = str(request.payload.get("reason", ""))
        details = {"words": words, "tasks": request.payload.get("tasks", [])}
        self._audit(action, request.by, time, reason=reason, details=details)

    def _audit(
        self, action: str, by: str, at: datetime, *, reason: str, details: Mapping[str, Any]
    ) -> None:
        about = f"run {self._run}"

        def kept() -> bool:
            found = self._store.audits(action=action, subject=about)
            return any((each.at, each.by, each.details) == (at, by, details) for each in found)

        self._outlast.once(
            lambda: self._store.audit(action, about, by=by, at=at, reason=reason, details=details),
            kept,
        )


OVERRIDE = "override"  # the action of audits that tell where people chose otherwise than the plan
SETTLED = "it is decided"
GOES_ON = frozenset(
    {"running", "waiting", "lost"}
)  # states of runs of which something can be asked
CUT_OFF = frozenset({"interrupted", "failed"})  # of runs that may have ended before their work had
GO_ON = "go on"  # the kind of requests by which the agent goes on with a run that was cut off


def control_of(request: Request, now: float, time: datetime) -> Controlled:
    """What a request asks of a run; raises InvalidInput where it is no such request."""
    payload = request.payload
    try:
        action, tasks = Action(payload["action"]), tuple(map(str, payload.get("tasks", ())))
        worker, priority = str(payload.get("worker", "")), int(payload.get("priority", 0))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"the request cannot be understood: {error!r}") from None
    reason = str(payload.get("reason", ""))
    return Controlled(action, now, time, request.by, reason, tasks, worker, priority, request.id)


def control_payload(
    run: int,
    action: str,
    *,
    tasks: Sequence[str] = (),
    worker: str = "",
    priority: int = 0,
    reason: str = "",
    document: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The request that asks this of a run, as `Store.ask` keeps it."""
    asked: dict[str, Any] = {"run": run, "action": action, "tasks": list(tasks), "reason": reason}
    asked |= {"worker": worker} if worker else {}
    asked |= {"priority": priority} if priority else {}
    return asked | ({"document": dict(document)} if document else {})


def ask_of_run(
    store: Store, run: int, action: str, *, by: str, at: datetime, reason: str = "", **asked: Any
) -> int:
    """Asks this of a run that goes on, as `control_payload` names it; returns the request's number.

    To resume a run that was cut off is asked of the agent. Raises NotFound for a run that there is
    not, and AllotError for one that has ended.
    """
    state = store.run(run, now=at).state
    if action == Action.RESUME and not asked.get("worker") and was_cut_off(store, run, at=at):
        return store.ask(GO_ON, {"run": run, "reason": reason}, by=by, at=at)
    if state not in GOES_ON:
        interrupted = f"go on with it by: allot run --resume {run}"
        anew = "start its workflow again with: allot run"
        raise AllotError(
            f"Run {run} has ended ({state}), so nothing can be asked of it any more; "
            f"{interrupted if state == 'interrupted' else anew}"
        )
    payload = control_payload(run, action, reason=reason, **asked)
    return store.ask(CONTROL, payload, by=by, at=at)


def was_cut_off(store: Store, run: int, *, at: datetime) -> bool:
    """Whether a run has ended before its work had, so that one can go on with it.

    Raises NotFound for a run that there is not.
    """
    found = store.run(run, now=at)
    if found.state not in CUT_OFF:
        return False
    done = store.progress_of([run])[run].succeeded
    return done + len(store.run_given_up(run)) < found.tasks


def _worker(payload: Mapping[str, Any]) -> Worker:
    whole = {"allot": "cluster/1", "name": "asked", "workers": [payload.get("document")]}
    return cluster_from(whole).workers[0]


def _same_amounts(asked: Worker, there: Worker | None) -> bool:
    return there is not None and (asked.cores, asked.memory) == (there.cores, there.memory)
