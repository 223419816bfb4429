"""Graph: the tasks of a run, what waits for what, and how far it is."""

import networkx as nx
import pandas as pd
import streamlit as st

from dashboard import frames, session, tables
from dashboard.components.dag import Box, counted, dag, packed
from dashboard.components.layout import MOST_DRAWN, columns, grouped, neighbourhood, summary
from dashboard.parts import task_card
from dashboard.reading import RunView
from dashboard.words import count, plain, when

TITLE, ICON, SECTION, PLACE = "Graph", ":material/account_tree:", "Operate", 3


def draw() -> None:
    """The graph of the run that is selected; it redraws itself while the run goes on."""
    store = session.store()
    view = session.pick_run(store)
    if view is not None:
        every = 2.0 if view.running else None
        session.live(lambda: _run(session.view(store, session.again(store, view))), every=every)


def _run(view: RunView) -> None:
    workflow = view.plan.workflow
    st.caption(
        f"{plain(workflow.name)} · started {when(view.summary.started)} · {view.summary.state}"
    )
    tiles = st.columns(4)
    tiles[0].metric("Tasks", f"{len(workflow):,}", border=True)
    tiles[1].metric("Dependencies", f"{len(workflow.dependencies):,}", border=True)
    tiles[2].metric("Columns", max(columns(workflow.graph).values()) + 1, border=True)
    tiles[3].metric("On the critical path", count(len(view.plan.critical), "task"), border=True)
    if len(workflow) <= MOST_DRAWN:
        _tasks(view, workflow.graph, view.plan.critical, key="whole")
    else:
        _large(view)
    frame = frames.tasks(view)
    left, right = st.columns((2, 3), gap="medium")
    with left:
        st.subheader("Selected task", anchor=False)
        task_card(view, session.chosen("task"))
    with right:
        st.subheader("Tasks", anchor=False)
        if group := session.chosen("group"):
            frame = _of_group(view, group, frame)
        tables.show(
            frame, key="graph-tasks", alt="Every task and its state", height=330,
            columns=("task", "kind", "state", "worker", "duration", "late", "attempts", "critical"),
            on_row=lambda row: session.choose("task", str(frame["task"].iloc[row])),
        )  # fmt: skip


def _tasks(view: RunView, graph: "nx.DiGraph[str]", path: tuple[str, ...], *, key: str) -> None:
    states, workflow, critical = frames.states(view), view.plan.workflow, set(path)
    where = {task: (each.worker,) for task, each in view.plan.schedule.by_task.items()}
    boxes = [
        Box(
            name=task, title=task, states={states[task]: 1}, critical=task in critical,
            detail=" · ".join((workflow.task(task).kind, *where.get(task, ()))),
        )
        for task in graph
    ]  # fmt: skip
    dag(
        packed(graph, boxes, path), key=f"dag-{key}-{view.summary.id}",
        selected=session.chosen("task"), on_click=lambda task: session.choose("task", task),
    )  # fmt: skip


def _large(view: RunView) -> None:
    task, workflow = session.chosen("task"), view.plan.workflow
    ways = ["groups", "around"] if task in workflow.index else ["groups"]
    st.caption(
        f"{count(len(workflow), 'task')} are too many to draw apart (at most {MOST_DRAWN}): they "
        "stand in groups. Select a task in the table to see what is around it."
    )
    names = {"groups": "Groups", "around": "Around the selected task"}
    wanted = session.choose_one("Drawn", ways, "drawn", shown=names.__getitem__)
    if wanted == "around" and task is not None:
        _tasks(view, neighbourhood(workflow, task), view.plan.critical, key="around")
        return
    groups, states = grouped(workflow), frames.states(view)
    boxes = [
        Box(name, name, count(len(tasks), "task"), counted(tasks, states))
        for name, tasks in groups.items()
    ]
    dag(
        packed(summary(workflow, groups), boxes), key=f"dag-groups-{view.summary.id}",
        selected=session.chosen("group"), on_click=lambda name: session.choose("group", name),
    )  # fmt: skip


def _of_group(view: RunView, group: str, frame: pd.DataFrame) -> pd.DataFrame:
    tasks = (
        grouped(view.plan.workflow).get(group, ()) if len(view.plan.workflow) > MOST_DRAWN else ()
    )
    if not tasks:
        return frame
    st.caption(f"Only {plain(group)}.")
    if st.button("Show every task", key="every-task"):
        session.choose("group", None)
        st.rerun()
    return frame[frame["task"].isin(tasks)]


draw()
