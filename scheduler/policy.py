"""What people demand of every plan and run: bounds that none may cross, and when to ask first."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from scheduler.cluster import Cluster
from scheduler.errors import InvalidInput
from scheduler.planning.bars import Bar
from scheduler.planning.objective import Objective
from scheduler.workflow import Task

PLAN, TASKS = "plan", "tasks"  # the kinds of questions that runs wait for


@dataclass(frozen=True, kw_only=True)
class Approvals:
    """What a person has to approve before it happens.

    A promotion of a network; a plan that costs more money than `cost` or takes more than so many
    `seconds`; tasks of one of the `kinds`, that need one of the `skills`, or have one of the
    `labels`.
    """

    promotion: bool = False
    cost: float | None = None
    seconds: float | None = None
    kinds: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def of_task(self, task: Task) -> str | None:
        """Why the task needs an approval; None where it needs none."""
        if task.kind in self.kinds:
            return f"tasks of the kind {task.kind!r} need an approval"
        if skills := sorted(task.skills.intersection(self.skills)):
            return f"tasks that need the skill {skills[0]!r} need an approval"
        if labels := sorted(task.labels.intersection(self.labels)):
            return f"tasks with the label {labels[0]!r} need an approval"
        return None

    def of_plan(self, cost: float, seconds: float) -> Iterator[str]:
        """Why a plan of this cost and length needs an approval."""
        if self.cost is not None and cost > self.cost:
            yield f"the plan costs {cost:.6g}, more than {self.cost:.6g}"
        if self.seconds is not None and seconds > self.seconds:
            yield f"the plan takes {seconds:.6g} s, more than {self.seconds:.6g} s"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The bounds and the approvals that are in force.

    `never` are the tasks that some workers may not take. The runs of one day (UTC) cost at most
    `cost_a_day`. `quotas` are the cores that an owner's tasks may hold at a time, `shares` the same
    as a share of all cores; of an owner with both the smaller counts.
    """

    approvals: Approvals = field(default_factory=Approvals)
    never: tuple[Bar, ...] = ()
    cost_a_day: float | None = None
    quotas: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)

    def bounded(self, objective: Objective, cluster: Cluster, *, left: float | None) -> Objective:
        """The objective with these bounds; `left` is the money that the day still has."""
        cores = sum(each.cores for each in cluster.workers)
        shared = {owner: share * cores for owner, share in self.shares.items()}
        quotas = _least(objective.quotas, self.quotas, shared)
        budget = min((each for each in (objective.budget, left) if each is not None), default=None)
        new = tuple(bar for bar in self.never if bar not in objective.bars)
        bars = objective.bars + new
        return replace(objective, quotas=quotas, budget=budget, bars=bars)


def _least(*quotas: Mapping[str, float]) -> dict[str, float]:
    owners = dict.fromkeys(owner for each in quotas for owner in each)
    return {owner: min(each[owner] for each in quotas if owner in each) for owner in owners}


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


Words = list[Annotated[str, Field(min_length=1, max_length=1000)]]
Positive = Annotated[float, Field(gt=0)]


class ApprovalsDocument(_Document):
    """When a person has to approve: see `Approvals`."""

    promotion: bool = False
    cost: Annotated[float, Field(ge=0)] | None = None
    seconds: Annotated[float, Field(ge=0)] | None = None
    kinds: Words = []
    skills: Words = []
    labels: Words = []


class NeverDocument(_Document):
    """Tasks (of these labels and kinds) that never run on these workers: see `Bar`."""

    labels: Words = []
    kinds: Words = []
    workers: Words = []
    needs: Words = []
    why: str = ""

    @pydantic.model_validator(mode="after")
    def _bars_something(self) -> "NeverDocument":
        if not (self.workers or self.needs):
            raise ValueError("must name workers, or labels that a worker needs")
        return self


class PolicyDocument(_Document):
    """A policy: see `Policy`."""

    approve: ApprovalsDocument = ApprovalsDocument()
    never: list[NeverDocument] = []
    cost_a_day: Annotated[float, Field(ge=0)] | None = None
    quotas: dict[str, Positive] = {}
    shares: dict[str, Annotated[float, Field(gt=0, le=1)]] = {}


def policy_from(content: Mapping[str, Any]) -> Policy:
    """The policy of a document, with the keys of `[policy]`; raises InvalidInput."""
    try:
        found = PolicyDocument.model_validate(content)
    except pydantic.ValidationError as error:
        told = "; ".join(_told(each["loc"], each) for each in error.errors(include_url=False)[:5])
        raise InvalidInput(f"The policy breaks the rules of its document: {told}.") from None
    approve = found.approve
    return Policy(
        approvals=Approvals(
            promotion=approve.promotion,
            cost=approve.cost,
            seconds=approve.seconds,
            kinds=tuple(approve.kinds),
            skills=tuple(approve.skills),
            labels=tuple(approve.labels),
        ),
        never=tuple(_bar(each) for each in found.never),
        cost_a_day=found.cost_a_day,
        quotas=found.quotas,
        shares=found.shares,
    )


def read_policy(path: Path) -> Mapping[str, Any]:
    """The policy's document in a TOML file, checked; its keys at the top or under `[policy]`.

    Raises InvalidInput.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read as TOML in UTF-8: {error}.") from None
    try:
        policy_from(content.get("policy", content))
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
    found: Mapping[str, Any] = content.get("policy", content)
    return found


def _bar(found: NeverDocument) -> Bar:
    return Bar(
        labels=tuple(found.labels),
        kinds=tuple(found.kinds),
        workers=tuple(found.workers),
        needs=tuple(found.needs),
        why=found.why or "policy",
    )


def _told(place: Sequence[int | str], problem: Mapping[str, Any]) -> str:
    path = ".".join(map(str, place)) or "the policy"
    found = repr(problem["input"])
    shown = found if len(found) <= 80 else f"{found[:79]}…"
    if problem["type"] == "extra_forbidden":
        return f"{path} is not a key of a policy, found {shown}"
    rule = problem["msg"].removeprefix("Value error, ").removeprefix("Input should ")
    return f"{path} {rule if rule.startswith('must') else 'must ' + rule}, found {shown}"
