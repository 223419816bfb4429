"""What would be if: the plan before and after an edit, side by side.

>>> import numpy as np
>>> from scheduler.planning.edits import WorkerLost
>>> from scheduler.planning.planners.heft import Heft
>>> from scheduler.planning.what_if import WhatIf
>>> from scheduler.workloads.synthetic import random_problem
>>> problem = random_problem(np.random.default_rng(1), 30, 3)
>>> answer = WhatIf(problem, Heft().plan(problem)).asked(WorkerLost(worker="w1"))
>>> answer.after.utilisation["w1"]
0.0
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scheduler.numbers import counted
from scheduler.planning.edits import Edit, World
from scheduler.planning.flat import Flat
from scheduler.planning.kernels.scoring import furthest_behind, spent
from scheduler.planning.planned import Planned
from scheduler.planning.problem import Problem
from scheduler.planning.replanning import Care, Change, Replanned, replanned
from scheduler.planning.schedule import Schedule

THOROUGH = Care(effort=2)


@dataclass(frozen=True)
class Side:
    """A plan in figures.

    `makespan` (seconds), `score` (what it is worth under the objective, lower is better),
    `tardiness` (seconds after deadlines, each times the task's urgency), `cost` (money), `energy`
    (joules), `behind` (seconds by which the worst treated owner is behind; zero where fairness
    weighs nothing), `late` (seconds after its deadline of each task that is late), and by worker
    `utilisation`: the share of its cores' time, from the start of the run to its end, in use.
    """

    makespan: float
    score: float
    tardiness: float
    cost: float
    energy: float
    behind: float
    late: Mapping[str, float]
    utilisation: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Answer:
    """Both sides of a question, and the plan that would be made.

    `unasked` is the plan in force, replanned with nothing asked: the side before.
    """

    edits: tuple[Edit, ...]
    before: Side
    after: Side
    plan: Replanned
    unasked: Replanned

    @property
    def schedule(self) -> Schedule:
        """The plan that would be made."""
        return self.plan.schedule

    @property
    def changes(self) -> tuple[Change, ...]:
        """The placements that would change, and why."""
        return self.plan.changes

    def sentences(self) -> tuple[str, ...]:
        """The answer in words: the end, the money, the deadlines, what moves.

        What replanning alone already changes in the plan in force is told last.
        """
        old, new = self.before, self.after
        asked = " and ".join(each.sentence() for each in self.edits)
        told = [f"If {asked}, the run takes {_against(old.makespan, new.makespan, 's')}."]
        if abs(new.cost - old.cost) > 1e-9:
            told.append(f"It costs {_against(old.cost, new.cost, '')}.")
        for task in dict.fromkeys((*old.late, *new.late)):
            was, now = old.late.get(task, 0.0), new.late.get(task, 0.0)
            if abs(now - was) > 1e-6:
                told.append(f"{task} ends {now:.6g} s after its deadline instead of {was:.6g} s.")
        told.append(f"{_moves(self.plan)}.")
        if self.unasked.changed.size:
            ends = _against(self.unasked.before.makespan, old.makespan, "s")
            told.append(
                "Replanning alone, with nothing asked, already changes the plan in force: the run "
                f"takes {ends}; {_moves(self.unasked)}. What is asked is set against that."
            )
        return tuple(told)


@dataclass(frozen=True, eq=False)
class WhatIf:
    """Answers questions about one problem and a feasible schedule of it.

    Both sides are replanned with the same care, so that what the replanning itself gains is not
    taken for an effect of what is asked.
    """

    problem: Problem
    schedule: Schedule
    care: Care = THOROUGH

    def asked(self, *edits: Edit) -> Answer:
        """What the edits, all together, would change; raises as `Replanner.after`."""
        base = self._base
        plan = replanned(base.world, base.flat, base.after, edits, care=self.care)
        return Answer(edits, self._before, _side(plan), plan, base)

    @cached_property
    def _base(self) -> Replanned:
        problem = self.problem
        plan = Planned.of(self.schedule, problem)
        return replanned(World.of(problem), problem.flat, plan, (), care=self.care)

    @cached_property
    def _before(self) -> Side:
        return _side(self._base)


def _moves(plan: Replanned) -> str:
    moved = len(plan.moved)
    runs = "runs" if moved == 1 else "run"
    return (
        f"{counted(moved, 'task')} {runs} on another worker, {len(plan.changed)} at another time "
        f"or place"
    )


def _side(plan: Replanned) -> Side:
    flat, after, names = plan.flat, plan.after, tuple(plan.world.tasks)
    over = after.end - flat.deadline
    late = np.flatnonzero(over > 0)
    cost, energy = spent(flat, *after)
    behind = furthest_behind(flat, after.end) if flat.aims.fairness > 0 else 0.0
    return Side(
        makespan=after.makespan,
        score=plan.score,
        tardiness=float((flat.weight[late] * over[late]).sum()),
        cost=float(cost),
        energy=float(energy),
        behind=float(behind),
        late={names[row]: float(over[row]) for row in late.tolist()},
        utilisation=_utilisation(flat, after, tuple(plan.world.cluster.index)),
    )


def _utilisation(flat: Flat, plan: Planned, workers: Sequence[str]) -> dict[str, float]:
    cores = np.where(flat.fixed_worker < 0, flat.cores, flat.fixed_cores)
    work = np.bincount(plan.worker, cores * (plan.end - plan.start), minlength=len(workers))
    share = work / (flat.worker_cores * max(plan.makespan, 1e-12))
    return dict(zip(workers, share.tolist(), strict=True))


def _against(old: float, new: float, unit: str) -> str:
    unit = f" {unit}" if unit else ""
    if abs(new - old) <= 1e-9 * max(1.0, abs(old)):
        return f"as before: {new:.6g}{unit}"
    side = "more" if new > old else "less"
    return f"{new:.6g}{unit} instead of {old:.6g}{unit}, {abs(new - old):.6g}{unit} {side}"
