"""Each past run under the policy and under others, all in the same world."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf

from scheduler.backtesting.carried import (
    AsLogged,
    Carried,
    carried_out,
    clairvoyant,
    in_turn,
    repeated,
)
from scheduler.backtesting.known import Known, Learn, demand_no_leak
from scheduler.backtesting.paces import Paces
from scheduler.backtesting.past import LeftOut, PastRun
from scheduler.errors import Infeasible
from scheduler.execution.adapting import Adapting
from scheduler.planning.feasibility import violations
from scheduler.planning.objective import Objective
from scheduler.planning.planners.base import Planner
from scheduler.planning.planners.heft import Heft
from scheduler.planning.planners.search import Search
from scheduler.planning.problem import Problem
from scheduler.records import TaskRecord
from scheduler.sizing import MemorySizing, with_allocations

FAITHFUL = 0.01  # share by which the repeated run may miss the logged makespan
PROBED = 3  # runs in which it is tried whether the predictor sees the future
SIZED_BY = 60  # attempts of each kind that sizing learns from, the newest
POLICY, CAUTIOUS = "policy", "policy, no task faster elsewhere"
LOG, QUEUE = "as logged", "fifo"
Watcher = Callable[[PastRun], None]


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One past run under each policy, by name. `best` is what somebody who knows all reaches.

    `source` is who forecast, `known` how many records had ended before the run began, `bound` the
    least makespan that was possible.
    """

    name: str
    workflow: str
    tasks: int
    source: str
    known: int
    best: float
    bound: float
    carried: Mapping[str, Carried]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Who would have been in charge: forecasts by what `learn` makes of what was known, planner.

    `adapting` plans again on the way; `sizing` chooses what memory attempts get where their owner
    asked for none.
    """

    learn: Learn
    planner: Planner
    objective: Objective = field(default_factory=Objective)
    adapting: Adapting | None = None
    sizing: bool = True


@dataclass(frozen=True, kw_only=True)
class Replaying:
    """Replays past runs under a policy, a queue, and HEFT by the same forecasts, never replanned.

    `paces` is what is true of workers, `thorough` plans for the one who knows all.
    """

    policy: Policy
    paces: Paces
    sizes: "Sizes" = field(default_factory=lambda: Sizes())
    thorough: Planner = field(
        default_factory=lambda: Search(evaluations=2000, seconds=inf, threads=1)
    )

    def runs(
        self,
        past: Iterable[PastRun],
        known: Callable[[PastRun], Known],
        *,
        watch: Watcher | None = None,
    ) -> Iterator[Replayed | LeftOut]:
        """Each run in turn; one that cannot be repeated, or planned, is left out and said why."""
        for number, run in enumerate(past):
            if watch is not None:
                watch(run)
            log = repeated(run)
            if abs(log.makespan - run.makespan) > FAITHFUL * run.makespan:
                why = (
                    f"repeated as it was it takes {log.makespan:.6g} s, logged were "
                    f"{run.makespan:.6g} s"
                )
                yield LeftOut(run.name, why)
                continue
            try:
                yield self._replayed(run, known(run), log, probe=number < PROBED)
            except Infeasible as error:
                yield LeftOut(run.name, str(error))

    def _replayed(self, run: PastRun, known: Known, log: Carried, *, probe: bool) -> Replayed:
        problem = self._problem(run, known, probe=probe)
        truth = AsLogged(run, self.paces)
        cautious = AsLogged(run, self.paces, faster=False)
        best, bound = clairvoyant(run, truth, self.thorough)
        carried = {LOG: log, QUEUE: in_turn(run, truth)}
        for name, world, policy in (
            (POLICY, truth, self.policy.planner),
            (CAUTIOUS, cautious, self.policy.planner),
            ("heft", truth, Heft()),
        ):
            schedule = policy.plan(problem)
            broken = violations(schedule, problem)
            if broken:
                raise Infeasible([broken[0].message])
            adapting = self.policy.adapting if name in (POLICY, CAUTIOUS) else None
            carried[name] = carried_out(problem, schedule, world, adapting=adapting)
        return Replayed(
            name=run.name,
            workflow=run.workflow.name,
            tasks=len(run.workflow),
            source=problem.forecast.source,
            known=sum(1 for _ in known.records()),
            best=min([best, *(each.makespan for name, each in carried.items() if name not in
                              (CAUTIOUS, LOG) and not each.given_up)]),
            bound=bound,
            carried=carried,
        )  # fmt: skip

    def _problem(self, run: PastRun, known: Known, *, probe: bool) -> Problem:
        """What the policy would have known of the run just before it began."""
        if probe:
            forecast = demand_no_leak(self.policy.learn, known, run)
        else:
            forecast = self.policy.learn(known).predict(run.workflow, run.cluster)
        if self.policy.sizing and any(task.memory is None for task in run.workflow.tasks):
            sizing = self.sizes.by(known, run)
            forecast = with_allocations(forecast, run.workflow, run.cluster, sizing)
        return Problem(run.workflow, run.cluster, forecast, self.policy.objective)


class Sizes:
    """The policy for memory, which learns on from run to run, each later than the one before."""

    def __init__(self) -> None:
        self._learned, self._seen = MemorySizing(), Counter[str]()

    def by(self, known: Known, run: PastRun) -> MemorySizing:
        """What the newest attempts of each kind of the run had taught by then."""
        newest: dict[str, list[TaskRecord]] = {task.kind: [] for task in run.workflow.tasks}
        for record in known.records():
            if record.kind in newest:
                newest[record.kind].append(record)
        for kind, records in newest.items():
            new, self._seen[kind] = records[self._seen[kind] :], len(records)
            self._learned.learn(new[-SIZED_BY:])
        return self._learned
