"""Which plan of a run a task is looked at by, on the screen, and which changed what, why."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from dashboard import kept, session, tables
from dashboard.reading import RunView
from dashboard.reading import kept as once
from dashboard.words import clipped, count, listed, plain, seconds
from scheduler.execution.events import PlanChanged
from scheduler.planning.schedule import Placement
from scheduler.store import Store

BY, OWN = "by-plan", "own"
WIDE = 300  # letters of a reason


def by_plan(store: Store, view: RunView, task: str) -> RunView:
    """The run beside the plan that is chosen; by itself the one that a task's place came from.

    Of a task that has not begun that is the newest one. Where the run was never planned again
    there is nothing to choose.
    """
    told = store.run_changes(view.summary.id)
    moved = kept.changed_placements(store, view.summary) if told else ()
    told = told[: len(moved)]  # the one is read a moment after the other
    if not told:
        return view
    usual = placing(view, task, told, moved)
    numbers = [str(each + 1) for each in range(len(told) + 1)]
    shown = {each: _title(int(each) - 1, told) for each in numbers}
    shown[OWN] = f"The plan of its place: {shown[str(usual + 1)].lower()}"
    with st.container(border=True, gap="xsmall"):
        chosen = session.pick("Plan", [OWN, *numbers], BY, shown=shown.__getitem__)
        number = usual if chosen == OWN else int(chosen) - 1
        _said(view, task, told, moved, number)
        named = plain(clipped(task, 60))
        with st.expander(f"All {len(numbers)} plans, and what each did with {named}"):
            tables.show(
                frame(view, task, told, moved), key="plans", alt="The plans of the run",
                units={"made at": "duration", "run ends at": "duration"},
                on_row=lambda row: session.choose(BY, numbers[row]),
            )  # fmt: skip
    beside = _beside(view)
    if number and number not in beside:
        plan = kept.plan_numbered(store, view.summary, number)
        beside[number] = replace(view, plan=plan, newest=None)
    return beside[number] if number else view


@once
def _beside(view: RunView) -> dict[int, RunView]:  # noqa: ARG001  of each view one
    """The run beside its later plans, as they are asked for."""
    return {}


def placing(
    view: RunView, task: str, told: Sequence[PlanChanged], moved: Sequence[Mapping[str, Placement]]
) -> int:
    """The plan from which a task has its place: of one that has begun, as it was when it began."""
    tries = view.tries.get(task)
    if not tries:
        return len(told)
    began = tries[-1].start
    there = [k + 1 for k, each in enumerate(told) if each.at <= began and task in moved[k]]
    return max(there, default=0)


def frame(
    view: RunView, task: str, told: Sequence[PlanChanged], moved: Sequence[Mapping[str, Placement]]
) -> pd.DataFrame:
    """One row for each plan: when and why it was made, and what it did with the task."""
    first = view.plan.schedule
    rows = [
        {"plan": 1, "made at": 0.0, "because": "the run began", "moved": None,
         "run ends at": first.makespan, "this task": _place(first.by_task.get(task))}
    ]  # fmt: skip
    for k, each in enumerate(told):
        rows.append(
            {"plan": k + 2, "made at": each.at, "because": "; ".join(each.reasons),
             "moved": each.moved, "run ends at": each.ends,
             "this task": _place(moved[k][task]) if task in moved[k] else "as before"}
        )  # fmt: skip
    return pd.DataFrame(rows)


def _said(
    view: RunView, task: str, told: Sequence[PlanChanged],
    moved: Sequence[Mapping[str, Placement]], number: int,
) -> None:  # fmt: skip
    if not number:
        later = [k + 2 for k, each in enumerate(moved) if task in each]
        did = f"Of this task {_plans(later)} changed the place." if later else (
            "No later plan changed the place of this task.")  # fmt: skip
        st.text(f"The plan with which the run began. {did}")
        return
    change = told[number - 1]
    st.text(clipped(f"Made {seconds(change.at)} after the run began: "
                    f"{'; '.join(change.reasons) or 'nobody said why'}.", WIDE))  # fmt: skip
    st.text(
        f"It moved {count(change.moved, 'task')}; the run was to end after {seconds(change.ends)} "
        f"by it, {seconds(change.before)} without it."
    )
    if task not in moved[number - 1]:
        st.text("It left the place of this task as it was.")
        return
    before = _before(view, task, moved, number)
    now = _place(moved[number - 1][task])
    st.text(f"It placed this task on {now}{f', before on {before}' if before else ''}.")
    about = [each for each in change.changes if task in each]
    for each in about[:3]:
        st.text(clipped(each, WIDE))


def _before(view: RunView, task: str, moved: Sequence[Mapping[str, Placement]], number: int) -> str:
    earlier = [each[task] for each in moved[: number - 1] if task in each]
    first = view.plan.schedule.by_task.get(task)
    found = earlier[-1] if earlier else first
    return "" if found is None else _place(found)


def _place(placed: Placement | None) -> str:
    if placed is None:
        return "not placed"
    return f"{placed.worker} from {seconds(placed.start)} to {seconds(placed.end)}"


def _title(number: int, told: Sequence[PlanChanged]) -> str:
    if not number:
        return "Plan 1, with which the run began"
    newest = ", the newest" if number == len(told) else ""
    change = told[number - 1]
    why = clipped("; ".join(change.reasons), 60)
    return f"Plan {number + 1}{newest}, {seconds(change.at)} after the start: {why}"


def _plans(numbers: Sequence[int]) -> str:
    return f"plan{'s' if len(numbers) > 1 else ''} {listed([str(each) for each in numbers], 6)}"
