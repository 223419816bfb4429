"""Task: one task of a run in depth: what was believed, what came of it, and why it is late."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from dashboard import asking, frames, lateness, run_choice, session, tables
from dashboard.acts import Acting, Deed
from dashboard.asking import NEEDED
from dashboard.lateness import Lateness
from dashboard.parts import pairs, state_badge
from dashboard.plan_choice import by_plan
from dashboard.reading import RunView
from dashboard.words import NOTHING, clipped, cores, count, listed, plain, seconds, size
from scheduler.asked import CUT_OFF, GOES_ON
from scheduler.execution.events import Event
from scheduler.forecast import QUANTITIES
from scheduler.planning.schedule import Placement
from scheduler.store import Store
from scheduler.store.outputs import AttemptOutput
from scheduler.workflow import Task

TITLE, ICON, SECTION, PLACE = "Task", ":material/task_alt:", "Operate", 3

NAMES = {"duration": "Duration", "memory": "Peak memory", "cpu": "Cores in use"}
SEEN = {"duration": "duration", "memory": "peak_memory", "cpu": "cpu"}
WORDS: Mapping[str, Callable[[float | None], str]] = {
    "duration": seconds, "memory": size, "cpu": cores
}  # fmt: skip
LINES = 200  # of an output that are shown at a time
WIDE = 400  # letters of a line
OVER = "The run is over: nothing can be asked of it."


def draw() -> None:
    """The task that is selected; it redraws itself while its run goes on."""
    store = session.store()
    found = run_choice.pick_task(store)
    if found is None:
        return
    view, task = found
    _acts(view, task)
    run_choice.live_run(lambda opened, found: _task(opened, found, task), view)
    _output(store, view, task)


def _task(store: Store, first: RunView, task: str) -> None:
    view = by_plan(store, first, task)
    known, placed = view.plan.workflow.task(task), view.plan.schedule.by_task.get(task)
    _headline(view, known, placed)
    steering = store.steering_of(view.summary.id)
    left, right = st.columns((3, 2), gap="medium")
    with left:
        _beside(view, task, placed)
        _attempts(view, task)
    with right:
        _late(lateness.lateness(view, task, now=_now(view), steering=steering), view)
        _around(view, task)
        _told(steering, task)


def _headline(view: RunView, task: Task, placed: Placement | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(task.id)}**", width="content")
        state_badge(frames.states(view)[task.id])
        if task.id in view.plan.critical:
            st.badge("critical path", color="orange")
        for screen, label, icon in (
            ("decisions", "Why this worker?", ":material/alt_route:"),
            ("schedule", "In the schedule", ":material/view_timeline:"),
            ("graph", "In the graph", ":material/account_tree:"),
        ):
            st.page_link(
                f"screens/{screen}.py", label=label, icon=icon,
                query_params={"run": str(view.summary.id), "task": task.id},
            )  # fmt: skip
    tries = view.tries.get(task.id, ())
    last = tries[-1] if tries else None
    held = last or placed
    with st.container(border=True):
        pairs(
            "Kind", task.kind, "Owner", task.owner or NOTHING, "Priority", str(task.priority),
            "Deadline", seconds(task.deadline), "Tries", f"{len(tries)} of {task.max_attempts}",
        )  # fmt: skip
        pairs(
            "Planned worker", placed.worker if placed else NOTHING,
            "Worker", last.worker if last else NOTHING,
            "Reserved", size(held.allocation.memory) if held else NOTHING,
            "Peak memory", _peak(tries), "Cores", cores(held.allocation.cores) if held else NOTHING,
        )  # fmt: skip
        if reason := view.given_up.get(task.id):
            st.text(f"Given up: {clipped(reason, WIDE)}")


def _peak(tries: Sequence[object]) -> str:
    peaks = [getattr(getattr(each, "observation", None), "peak_memory", None) for each in tries]
    found = [each for each in peaks if each is not None]
    return size(max(found)) if found else NOTHING


def _beside(view: RunView, task: str, placed: Placement | None) -> None:
    """What was believed of each quantity on the planned worker, beside what was measured."""
    st.subheader("Forecast beside actual", anchor=False)
    if placed is None or placed.worker not in view.plan.forecast.workers:
        st.write("The plan does not place this task on a worker that the forecast knows.")
        return
    believed = frames.forecast_by_worker(view.plan.forecast, task).set_index("worker")
    levels = [frames.level_name(each) for each in view.plan.forecast.quantiles]
    last = next((each.observation for each in reversed(view.tries.get(task, ()))
                 if each.observation), None)  # fmt: skip
    rows = []
    for quantity in QUANTITIES:
        words, names = WORDS[quantity], [f"{quantity} {each}" for each in levels]
        seen = getattr(last, SEEN[quantity], None)
        values = [float(each) for each in believed.loc[placed.worker, names].to_numpy(float)]
        rows.append(
            {"": NAMES[quantity], **dict(zip(levels, map(words, values), strict=True)),
             "Actual": words(seen), "Where": _where(seen, values, levels)}
        )  # fmt: skip
    st.dataframe(
        pd.DataFrame(rows), key="beside", hide_index=True,
        alt="Forecast by level beside what was measured",
    )  # fmt: skip
    st.caption(f"Forecast for {plain(placed.worker)} by {plain(view.plan.forecast.source)}.")


def _where(seen: float | None, values: Sequence[float], levels: Sequence[str]) -> str:
    if seen is None:
        return "not measured yet"
    if seen < values[0]:
        return f"below {levels[0]}"
    if seen > values[-1]:
        return f"above {levels[-1]}"
    return f"{levels[0]} to {levels[-1]}"


def _attempts(view: RunView, task: str) -> None:
    st.subheader("Attempts", anchor=False)
    if task not in view.tries:
        st.write("It has not been tried yet.")
        return
    mine = replace(view, attempts=view.tries[task])  # not the frame of all that a large run has
    tables.show(
        frames.attempts(mine), key="task-attempts", alt="Every attempt of the task",
        columns=("attempt", "worker", "outcome", "start", "end", "duration", "peak memory",
                 "reserved memory", "cpu", "reserved cores", "message"),
    )  # fmt: skip


def _late(found: Lateness | None, view: RunView) -> None:
    st.subheader("Why then", anchor=False)
    if found is None:
        st.write("It was never tried, and its run is over.")
        return
    side = "later" if found.seconds > 0 else "earlier"
    with st.container(border=True, gap="xxsmall"):
        if found.ended:
            st.text(f"It ended {seconds(abs(found.seconds))} {side} than planned. Of that:")
        elif found.seconds > 0:
            st.text(f"It is {seconds(found.seconds)} late by now. Of that:")
        else:
            st.text(f"It is to end in {seconds(-found.seconds)} by the plan.")
        for each in found.pieces:
            if found.ended or found.seconds > 0:
                st.text(f"{_signed(each.seconds)}: {lateness.sentence(each)}")
        if found.waits and view.running:
            st.text(f"It still waits for {listed(found.waits)}.")


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else ''}{seconds(value)}"


def _around(view: RunView, task: str) -> None:
    st.subheader("What it waits for, and what waits for it", anchor=False)
    states, workflow = frames.states(view), view.plan.workflow
    rows = [
        {"": "before", "task": each, "state": states[each]} for each in workflow.predecessors(task)
    ] + [{"": "after", "task": each, "state": states[each]} for each in workflow.successors(task)]
    if not rows:
        st.write("Nothing on either side.")
        return
    tables.show(
        pd.DataFrame(rows), key="around", height=220, alt="Tasks before and after",
        on_row=lambda row: session.choose("task", str(rows[row]["task"])),
    )  # fmt: skip


def _told(steering: Sequence[Event], task: str) -> None:
    found = [(each.at, words) for each in steering if (words := lateness.told(each, task))]
    if not found:
        return
    st.subheader("What people and plans did", anchor=False)
    with st.container(border=True, gap="xxsmall"):
        for at, words in found[-20:]:
            st.text(f"{seconds(at)}: {clipped(words, WIDE)}")
        if len(found) > 20:
            st.caption(f"The last 20 of {len(found)}.")


def _acts(view: RunView, task: str) -> None:
    run, over = view.summary.id, "" if view.summary.state in GOES_ON else OVER
    workers = list(view.plan.cluster.index)

    def steer(action: str, **asked: object) -> Callable[[Acting, str, object], Deed]:
        return lambda who, reason, _: who.steer(run, action, reason=reason, tasks=(task,), **asked)

    cut = view.summary.state in CUT_OFF and "interrupted" in frames.states(view).values()
    with st.container(horizontal=True):
        if cut:
            asking.act(
                "Resume the run",
                lambda who, reason, _: who.steer(run, "resume", reason=reason),
                key="task-resume", icon=":material/play_arrow:",
                explain="The agent goes on with the run from where it stood when it was cut off.",
            )  # fmt: skip
        asking.act(
            "Retry", steer("retry"), key="task-retry", icon=":material/replay:", disabled=over,
            explain="Tries it again if it was given up or is unknown, and what waits for it.",
        )  # fmt: skip
        asking.act(
            "Reassign", lambda who, reason, worker: who.steer(
                run, "reassign", reason=reason, tasks=(task,), worker=worker
            ),
            key="task-reassign", icon=":material/move_down:", disabled=over, reason=NEEDED,
            fields=lambda form: st.selectbox("To the worker", workers, key=f"{form}-worker"),
            explain="It runs there and nowhere else; later plans learn from it.",
        )  # fmt: skip
        asking.act(
            "Priority", lambda who, reason, number: who.steer(
                run, "priority", reason=reason, tasks=(task,), priority=int(number)
            ),
            key="task-priority", icon=":material/priority_high:", disabled=over,
            fields=lambda form: st.number_input(
                "Priority (higher goes first)", value=0, step=1, min_value=-1000, max_value=1000,
                key=f"{form}-number",
            ),
        )  # fmt: skip
        asking.act(
            "Cancel", steer("cancel"), key="task-cancel", icon=":material/cancel:", disabled=over,
            explain="Ends the task; what waits for it is given up.", confirm="Cancel the task",
        )  # fmt: skip


def _output(store: Store, view: RunView, task: str) -> None:
    st.subheader("What it wrote", anchor=False)
    key = "task-search"
    text = st.text_input("Search in what it wrote", key=key, max_chars=200)
    found = store.outputs(view.summary.id, task=task, text=text.strip() or None)
    if not found:
        st.write("No line contains that." if text.strip() else "Nothing was written.")
        return
    for each in found:
        label = f"attempt {each.attempt} · {each.stream}"
        with st.expander(label, expanded=len(found) < 3):
            _stream(each, text.strip())


def _stream(found: AttemptOutput, text: str) -> None:
    lines = found.lines_with(text) if text else list(enumerate(found.text.splitlines(), 1))
    cut = len(lines) - LINES
    shown = lines if cut <= 0 else (lines[:LINES] if text else lines[-LINES:])
    if cut > 0:
        which = "first" if text else "last"
        st.caption(f"The {which} {LINES} of {len(lines):,} lines.")
    if found.left_out:
        st.caption(f"{count(found.left_out, 'byte')} between its beginning and its end "
                   "were not kept.")  # fmt: skip
    st.code("\n".join(f"{number:>6}  {clipped(line, WIDE)}" for number, line in shown),
            language=None, wrap_lines=True, height=min(360, 40 + 24 * len(shown)))  # fmt: skip


def _now(view: RunView) -> float:
    if view.running:
        return (session.now() - view.summary.started).total_seconds()
    ends = [each.start if each.end is None else each.end for each in view.attempts]
    return view.summary.makespan or max(ends, default=0.0)


draw()
