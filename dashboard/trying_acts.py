"""What-if on the screen: what is done with a plan that was tried."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import streamlit as st

from dashboard import asking, session, trying
from dashboard.acts import Acting, Deed
from dashboard.reading import RunView
from dashboard.trying import QUICK, Change, Tried
from scheduler.documents import cluster_document
from scheduler.service import RUN

ON_THE_WAY = ("running", "waiting")
MOST_MOVED = 50  # tasks that are asked to run elsewhere at a time


def acts(view: RunView, change: Change, after: Tried) -> None:
    """Keep the plan, leave it to the agent, or ask the run for it."""
    st.subheader("Use it", anchor=False)
    nothing = "" if change.asks or change.planner != QUICK[0] else "Nothing is changed yet."
    with st.container(horizontal=True):
        asking.act(
            "Keep this plan", partial(_keep, view, change, after), key="keep", reason=asking.NONE,
            icon=":material/bookmark_add:", confirm="Keep it",
            fields=lambda form: st.text_input(
                "Name", key=f"{form}-name", max_chars=80, placeholder="two more large workers"
            ),
        )  # fmt: skip
        asking.act(
            "Run the workflow so", partial(_run, view, change, after), key="run-so",
            icon=":material/send:", confirm="Leave it to the agent",
            disabled=nothing or ("The plan breaks limits." if after.broken else ""),
            explain="A new run of the same workflow, with the changed workers, priorities, "
            "deadlines and aims, is left to the agent, which plans it on the newest forecast.",
        )  # fmt: skip
        asking.act(
            "Ask this run for it", partial(_steer, view, change, after), key="steer-so",
            icon=":material/tune:", confirm="Ask the run",
            disabled=_why_not_steered(view, change, _elsewhere(view, after)),
            explain="Workers that are left out take no more tasks, those added join, priorities "
            "change; the run plans itself again. Prices, deadlines and aims stay as they are.",
            fields=lambda form: st.checkbox(
                f"Also move up to {MOST_MOVED} tasks that have not begun to their workers in this "
                f"plan ({len(_elsewhere(view, after)):,} would move)", key=f"{form}-move",
            ),
        )  # fmt: skip


def _keep(view: RunView, change: Change, after: Tried, who: Acting, _: str, name: Any) -> Deed:
    told = ", ".join(change.sentences(session.currency()))
    named = str(name or "").strip() or told[:80] or "as it is"
    run = view.summary.id
    return who.do(
        "keep plan", f"run {run}", words=f"The plan {named!r} is kept",
        deed=lambda: who.store.keep_draft(
            named, run=run, change=change.plain(), planner=change.planner,
            figures=after.figures(), by=who.who.name, at=who.at,
        ),
    )  # fmt: skip


def _run(view: RunView, change: Change, after: Tried, who: Acting, reason: str, _: Any) -> Deed:
    _, how = who.store.run_how(view.summary.id)
    payload = {
        "token": uuid4().hex, **trying.documents(after.problem), "owner": who.who.name,
        "priority": 0, "how": {**how, "planner": change.planner},
    }  # fmt: skip
    told = ", ".join(change.sentences(session.currency()))
    words = f"run the workflow of run {view.summary.id} with {told}"
    return who.ask(RUN, payload, subject=f"run {view.summary.id}", words=words, reason=reason)


def _steer(
    view: RunView, change: Change, after: Tried, who: Acting, reason: str, move: Any
) -> Sequence[Deed]:
    run, known = view.summary.id, view.plan.cluster.index
    deeds = [who.steer(run, "drain", worker=each, reason=reason) for each in change.removed]
    deeds += [
        who.steer(run, "add", worker=each["name"], document=each, reason=reason)
        for each in cluster_document(after.problem.cluster)["workers"]
        if each["name"] not in known
    ]
    by_priority: dict[int, list[str]] = {}
    for task in after.problem.workflow.tasks:
        if task.priority != view.plan.workflow.task(task.id).priority:
            by_priority.setdefault(task.priority, []).append(task.id)
    deeds += [
        who.steer(run, "priority", tasks=tuple(tasks), priority=value, reason=reason)
        for value, tasks in by_priority.items()
    ]
    moves = list(_elsewhere(view, after).items())[: MOST_MOVED if move else 0]
    deeds += [
        who.steer(run, "reassign", tasks=(name,), worker=worker, reason=reason)
        for name, worker in moves
    ]
    return deeds


def _elsewhere(view: RunView, after: Tried) -> dict[str, str]:
    """Tasks that have not begun and would run on another worker of the run, and on which."""
    planned = view.plan.schedule.by_task
    return {
        each.task: each.worker
        for each in sorted(after.schedule.placements, key=lambda each: (each.start, each.task))
        if each.worker in view.plan.cluster.index
        and each.task not in view.tries
        and (each.task not in planned or planned[each.task].worker != each.worker)
    }


def _why_not_steered(view: RunView, change: Change, moves: Mapping[str, str]) -> str:
    if view.summary.state not in ON_THE_WAY:
        return f"The run is over ({view.summary.state})."
    if not (change.removed or change.copies or change.priorities or moves):
        return "Nothing of it can be asked of a run that goes on: no worker, priority or place."
    return ""
