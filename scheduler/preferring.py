"""Plans that change while a run goes on, as people would have them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scheduler.execution.adapting import Following
from scheduler.execution.charge import Answer
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import AttemptEnded
from scheduler.execution.executors.base import Replan
from scheduler.planning.bars import Bar
from scheduler.planning.planners.base import Planner
from scheduler.planning.schedule import Schedule
from scheduler.preferences import preferred

WHY = "people want it so"


@dataclass
class Preferring(Replan):
    """What another replanning finds, as people want it where that costs little (`preferred`).

    A plan in force that people want stays, where a better one would only take tasks away from
    where they want them.
    """

    following: Following
    wanted: tuple[Bar, ...]
    planner: Planner

    def wake_at(self, dispatch: Dispatch, now: float) -> float | None:
        """When the other wishes to be asked."""
        return self.following.wake_at(dispatch, now)

    def after(
        self, dispatch: Dispatch, news: Sequence[AttemptEnded], missing: frozenset[str], now: float
    ) -> Answer | None:
        """The other's plan, or that which people would make of it."""
        problem, before = self.following.problem, self.following.schedule
        answer = self.following.after(dispatch, news, missing, now)
        if answer is None or answer.schedule is before:
            return answer
        happened = {
            task: each
            for task, each in dispatch.happened(now).items()
            if dispatch.tasks[task].over or each.worker not in missing
        }
        rest = replace(answer.problem, fixed=happened, now=now)
        plan = preferred(rest, answer.schedule, self.wanted, self.planner)
        if plan is answer.schedule or not self.following.adopt(plan, happened):
            return answer
        moved = _moved(before, plan) - happened.keys()
        if answer.problem is problem and not moved:
            self.following.adopt(before, happened)
            return None
        reasons = (*answer.reasons, WHY)
        return Answer(answer.problem, plan, reasons, len(moved), (), answer.before, plan.makespan)


def _moved(before: Schedule, after: Schedule) -> set[str]:
    old = before.by_task
    return {
        each.task
        for each in after.placements
        if each.task not in old or old[each.task].worker != each.worker
    }
