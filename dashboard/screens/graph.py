"""Graph: the tasks of a run, what waits for what, and how far it is."""

import networkx as nx
import pandas as pd
import streamlit as st

from dashboard import frames, graphing, run_choice, session, tables
from dashboard.components.dag import Box, counted, dag, packed
from dashboard.components.layout import MOST_DRAWN, Layout, neighbourhood
from dashboard.parts import task_card
from dashboard.reading import RunView
from dashboard.words import count, plain

TITLE, ICON, SECTION, PLACE = "Graph", ":material/account_tree:", "Operate", 3

WAYS = {
    "whole": "Every task",
    "groups": "Groups",
    "inside": "Inside the group",
    "around": "Around the selected task",
}
REACH = ("1", "2", "3", "5")


def draw() -> None:
    """The graph of the run that is selected; it redraws itself while the run goes on."""
    view = run_choice.pick_run(session.store())
    if view is not None:
        run_choice.live_run(lambda _, found: _run(found), view)


def _run(view: RunView) -> None:
    workflow = view.plan.workflow
    began = session.when(view.summary.started)
    st.caption(f"{plain(workflow.name)} · started {began} · {view.summary.state}")
    with st.container(horizontal=True):  # narrow screens get more than one line of tiles
        st.metric("Tasks", f"{len(workflow):,}", border=True)
        st.metric("Dependencies", f"{len(workflow.source):,}", border=True)
        st.metric("Stages", graphing.depth(view.plan), border=True)
        st.metric("On the critical path", count(len(view.plan.critical), "task"), border=True)
    _picture(view)
    left, right = st.columns((2, 3), gap="medium")
    with left:
        st.subheader("Selected task", anchor=False)
        task_card(view, session.chosen("task"))
    with right:
        st.subheader("Tasks", anchor=False)
        _table(view)


def _picture(view: RunView) -> None:
    plan, task, group = view.plan, session.chosen("task"), _group(view)
    large = len(plan.workflow) > MOST_DRAWN
    if large:
        st.caption(
            f"{count(len(plan.workflow), 'task')} are too many to draw apart (at most "
            f"{MOST_DRAWN}): they stand in groups. Select a group to look inside, or a task to see "
            "what is around it."
        )
    ways = ["groups", *(["inside"] if group else [])] if large else ["whole"]
    ways += ["around"] if task in plan.workflow.index else []
    wanted, reach = ways[0], 0
    if len(ways) > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            wanted = session.choose_one("Drawn", ways, "drawn", shown=WAYS.__getitem__)
            reach = _reach() if wanted == "around" else 0
    if wanted == "around" and task is not None:
        near, left_out = neighbourhood(plan.workflow, task, reach=reach)
        if left_out:
            st.caption(f"The nearest only: {count(left_out, 'task')} more are left out.")
        _tasks(view, near, key="around")
    elif wanted == "inside" and group is not None:
        _inside(view, group)
    elif large:
        _groups(view)
    else:
        graph, place = graphing.whole(plan)
        _tasks(view, graph, key="whole", place=place)


def _reach() -> int:
    shown = "{} step{} away".format
    return int(
        session.choose_one(
            "Reach", REACH, "reach", shown=lambda each: shown(each, "" if each == "1" else "s")
        )
    )


def _group(view: RunView) -> str | None:
    """The group that is selected, where the workflow is drawn in groups."""
    group = session.chosen("group")
    large = len(view.plan.workflow) > MOST_DRAWN
    return group if large and group in graphing.groups(view.plan) else None


def _inside(view: RunView, group: str) -> None:
    many, graph = len(graphing.groups(view.plan)[group]), graphing.inside(view.plan, group)
    if many > len(graph):
        st.caption(f"The first {len(graph)} of {count(many, 'task')} of {plain(group)}.")
    _tasks(view, graph, key="inside")


def _tasks(
    view: RunView, graph: "nx.DiGraph[str]", *, key: str, place: Layout | None = None
) -> None:
    states, plan, critical = frames.states(view), view.plan, set(view.plan.critical)
    where = {task: (each.worker,) for task, each in plan.schedule.by_task.items()}
    boxes = [
        Box(
            name=task, title=task, states={states[task]: 1}, critical=task in critical,
            detail=" · ".join((plan.workflow.task(task).kind, *where.get(task, ()))),
        )
        for task in graph
    ]  # fmt: skip
    dag(
        packed(graph, boxes, plan.critical, place=place), key=f"graph-{key}-{view.summary.id}",
        selected=session.chosen("task"), on_click=lambda task: session.choose("task", task),
    )  # fmt: skip


def _groups(view: RunView) -> None:
    states, (graph, place) = frames.states(view), graphing.of_groups(view.plan)
    boxes = [
        Box(name, name, count(len(tasks), "task"), counted(tasks, states))
        for name, tasks in graphing.groups(view.plan).items()
    ]
    task = session.chosen("task")
    of_task = graphing.group_of(view.plan).get(task) if task else None
    dag(
        packed(graph, boxes, place=place), key=f"graph-groups-{view.summary.id}",
        selected=_group(view) or of_task, on_click=lambda name: session.choose("group", name),
    )  # fmt: skip


def _table(view: RunView) -> None:
    frame, group = frames.tasks(view), _group(view)
    if group is not None:
        frame = _of_group(view, group, frame)
    tables.show(
        frame, key="graph-tasks", alt="Every task and its state", height=330,
        columns=("task", "kind", "state", "worker", "duration", "late", "attempts", "critical"),
        on_row=lambda row: session.choose("task", str(frame["task"].iloc[row])),
    )  # fmt: skip


def _of_group(view: RunView, group: str, frame: pd.DataFrame) -> pd.DataFrame:
    st.caption(f"Only {plain(group)}.")
    if st.button("Show every task", key="every-task"):
        session.choose("group", None)
        st.rerun()
    return frame[frame["task"].isin(graphing.groups(view.plan)[group])]


draw()
