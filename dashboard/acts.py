"""What people do from a screen, each checked against their role, kept, and audited; no streamlit.

Commands and screens write the same requests and rows: what is done is in `scheduler`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from dashboard.people import ADMIN, OPERATOR, Person
from scheduler.asked import ask_of_run
from scheduler.errors import AllotError, InvalidInput
from scheduler.governor import decide
from scheduler.leases import gone, shown
from scheduler.numbers import counted
from scheduler.service import AGENT, RUN
from scheduler.store import Store
from scheduler.store.leases import Lease
from scheduler.store.runs import lease_of

PROMOTION = "promotion"  # the kind of questions that are about networks
OPEN, DONE, REFUSED = "open", "done", "refused"
SILENT = timedelta(seconds=15)  # without a sign of life for so long, nobody may be there
RUN_ITSELF = "allot agent"


class NotAllowed(AllotError):
    """Somebody asked for what their role may not do."""


@dataclass(frozen=True)
class Deed:
    """What came of an act: done, refused, or open until somebody takes the `request` up."""

    state: str
    words: str
    request: int | None = None
    run: int | None = None


@dataclass(frozen=True)
class Care:
    """Whether somebody is there who takes requests up, in words; if not, the command to start."""

    there: bool
    words: str
    command: str = ""


@dataclass(frozen=True)
class Acting:
    """One person who acts on a store at a moment; all acts of screens go through this.

    Each demands a role and raises NotAllowed where it is missing, whatever the screen showed.
    """

    store: Store
    who: Person
    at: datetime

    def demand(self, role: str) -> None:
        """Raises NotAllowed unless this person may do what is for people of that role."""
        if why := self.who.why_not(role):
            raise NotAllowed(why)

    def do(
        self,
        action: str,
        subject: str,
        deed: Callable[[], object],
        *,
        words: str,
        role: str = OPERATOR,
        reason: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> Deed:
        """Does something at once, and audits it; `words` are for the screen, and kept."""
        self.demand(role)
        deed()
        told = {"words": words, **(details or {})}
        self.store.audit(action, subject, by=self.who.name, at=self.at, reason=reason, details=told)
        return Deed(DONE, words)

    def ask(
        self, kind: str, payload: Mapping[str, Any], *, subject: str, words: str,
        role: str = OPERATOR, reason: str = "",
    ) -> Deed:  # fmt: skip
        """Asks something of the agent or its companions, and audits that it was asked."""
        self.demand(role)
        number = self.store.ask(kind, payload, by=self.who.name, at=self.at)
        self.store.audit(
            f"ask: {kind}", subject, by=self.who.name, at=self.at, reason=reason,
            details={"words": words, "request": number},
        )  # fmt: skip
        return Deed(OPEN, words, number)

    def steer(self, run: int, action: str, *, reason: str = "", **asked: Any) -> Deed:
        """Asks something of one run, which audits what it does of it; as `allot cancel` does.

        `asked` are tasks, worker, priority and document, as `scheduler.asked` names them.
        """
        self.demand(OPERATOR)
        by = self.who.name
        number = ask_of_run(self.store, run, action, by=by, at=self.at, reason=reason, **asked)
        return Deed(OPEN, f"{_asked(action, asked)}, run {run}", number, run)

    def decide(self, question: int, answer: str, *, reason: str = "") -> Deed:
        """Answers a question, once; as `allot decide` does."""
        self.demand(OPERATOR)
        self.demand(decides(self.store.question(question).kind))
        found = decide(self.store, question, answer, by=self.who.name, reason=reason, at=self.at)
        return Deed(DONE, f"Question {question} ({found.kind}: {found.subject}): {answer}")

    def again(self, run: int, *, reason: str = "") -> Deed:
        """Leaves the workflow of a run to the agent once more, as it was asked for before."""
        self.demand(OPERATOR)
        workflow, cluster, objective = self.store.run_documents(run)
        _, how = self.store.run_how(run)
        payload = {
            "token": uuid4().hex, "workflow": workflow, "cluster": cluster,
            "objective": objective, "owner": self.who.name, "priority": 0, "how": how,
        }  # fmt: skip
        words = f"run the workflow of run {run} again"
        return self.ask(RUN, payload, subject=f"run {run}", words=words, reason=reason)

    def withdraw(self, request: int, *, reason: str = "") -> Deed:
        """Takes a request back that nobody has taken up yet; raises InvalidInput otherwise."""
        self.demand(OPERATOR)
        found = self.store.request(request)
        if found is None or found.state != OPEN:
            state = "not there" if found is None else f"{found.state}: {found.answer}"
            raise InvalidInput(f"Request {request} cannot be withdrawn any more; it is {state}.")
        said = f"withdrawn by {self.who.name}" + (f": {reason}" if reason else "")
        return self.do(
            "withdraw", f"request {request}", reason=reason, words=f"Request {request} withdrawn",
            deed=lambda: self.store.answer(request, state=REFUSED, answer=said, at=self.at),
        )  # fmt: skip


def decides(kind: str) -> str:
    """The role of those who answer questions of a kind: who promotes decides on promotions."""
    return ADMIN if kind == PROMOTION else OPERATOR


def come_of(store: Store, deed: Deed) -> Deed:
    """A deed as it stands now: with the answer, once somebody has taken its request up."""
    if deed.state != OPEN or deed.request is None:
        return deed
    found = store.request(deed.request)
    if found is None or found.state == OPEN:
        return deed
    return replace(deed, state=found.state, words=f"{deed.words}: {found.answer}")


def agent_care(store: Store, now: datetime) -> Care:
    """Whether an agent serves the store, by its lease: who, and when it was last heard of."""
    return _care(store.lease(AGENT), now, "No agent serves this store.", "The agent")


def run_care(store: Store, run: int, now: datetime) -> Care:
    """Whether somebody is there who takes up what is asked of a run: whoever holds it."""
    lease = store.lease(lease_of(run))
    held = _care(lease, now, f"Nobody has run {run} in charge.", "Whoever has the run in charge")
    if held.there:
        return held
    agent = agent_care(store, now)
    return agent if agent.there else replace(held, words=f"{held.words} {agent.words}")


def _care(lease: Lease | None, now: datetime, nobody: str, name: str) -> Care:
    if lease is None or lease.free:
        return Care(False, nobody, RUN_ITSELF)
    who, silent = shown(lease.holder), now - lease.at
    if gone(lease.holder):
        return Care(False, f"{name} ({who}) is gone.", RUN_ITSELF)
    if silent > SILENT:
        seconds = round(silent.total_seconds())
        words = f"{name} ({who}) was last heard of {seconds:,} s ago."
        return Care(False, words, RUN_ITSELF)
    return Care(True, f"{name} ({who}) lives.")


def _asked(action: str, asked: Mapping[str, Any]) -> str:
    tasks, worker = asked.get("tasks", ()), asked.get("worker", "")
    parts = [action]
    if tasks:
        parts.append(tasks[0] if len(tasks) == 1 else counted(len(tasks), "task"))
    if worker:
        parts.append(f"on {worker}" if action == "reassign" else str(worker))
    if action == "priority":
        parts.append(f"to {asked.get('priority', 0)}")
    return " ".join(parts)
