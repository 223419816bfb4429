"""Overview: what is there, what runs, and what needs a person."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import streamlit as st

from dashboard import charts, frames, session, tables
from dashboard.words import ago, count, plain, when
from scheduler.store import Store
from scheduler.store.values import RunSummary, Training

TITLE, ICON, SECTION, PLACE = "Overview", ":material/home:", "Operate", 1

ENDINGS = {
    "lost": "has not been heard of for a minute",
    "failed": "failed",
    "interrupted": "was interrupted",
}
TRAIN = "Train one with `allot train`."
Need = tuple[str, str, str, str]  # an icon, what it is, the screen that shows it, its name


def draw() -> None:
    """The whole screen; it redraws itself."""
    store, moment = session.store(), session.now()
    runs, trainings = store.runs(now=moment), store.trainings(now=moment)
    st.caption(f"{plain(session.address())} · {when(moment)}")
    if not (store.record_count() or runs or store.quarantine_count()):
        _welcome()
        return
    _health(store, runs, trainings)
    _needs(store, runs, trainings)
    _runs(runs)
    _kinds(store, runs)


def _welcome() -> None:
    session.nothing_yet(
        "This store is empty.",
        "Allot learns from task logs. See it do its whole job on this machine first, or give it "
        "logs of your own (JSONL, CSV, Nextflow traces, WfFormat).",
        ("allot demo", "allot ingest LOGS"),
    )
    st.page_link("screens/logs.py", label="Or upload a log here", icon=":material/upload_file:")


def _health(store: Store, runs: Sequence[RunSummary], trainings: Sequence[Training]) -> None:
    moment, kinds = session.now(), store.kinds()
    open_requests = len(store.requests(state="open"))
    going = sum(each.state == "running" for each in runs)
    tiles = (
        ("Records", f"{store.record_count():,}", count(len({each.kind for each in kinds}), "kind")),
        ("Quarantined lines", f"{store.quarantine_count():,}", "refused, none lost"),
        ("Runs", f"{len(runs):,}", f"{going} running now"),
        ("Champion", *_champion(store)),
        ("Last training", *_last(trainings, moment)),
        ("Open requests", f"{open_requests}", "answered by training"),
    )  # fmt: skip
    for column, (label, value, detail) in zip(st.columns(len(tiles)), tiles, strict=True):
        with column, st.container(border=True, height="stretch", gap="xsmall"):
            st.metric(label, value)
            st.caption(plain(detail))


def _champion(store: Store) -> tuple[str, str]:
    if "champion" not in store.aliases():
        return "none yet", "history forecasts"
    found = store.version("champion")
    return found.sharing, found.id


def _last(trainings: Sequence[Training], moment: datetime) -> tuple[str, str]:
    if not trainings:
        return "never", "train with allot train"
    age = ago(trainings[0].started, moment).removesuffix(" ago")
    return age, trainings[0].state if age == "just now" else f"ago, {trainings[0].state}"


def _needs(store: Store, runs: Sequence[RunSummary], trainings: Sequence[Training]) -> None:
    needs = [*_broken_runs(runs), *_learning_needs(store, trainings), *_log_needs(store)]
    st.subheader("Needs a person", anchor=False)
    if not needs:
        st.success("Nothing at the moment.", icon=":material/check_circle:")
        return
    with st.container(border=True, gap="xxsmall"):
        for icon, text, screen, name in needs:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{icon} {text}", width="stretch")
                st.page_link(
                    screen, label=name, icon=":material/arrow_forward:", icon_position="right"
                )


def _broken_runs(runs: Sequence[RunSummary]) -> Iterator[Need]:
    for each in [run for run in runs if run.state in ENDINGS][:3]:
        text = f"Run {each.id} of {plain(each.workflow)} {_ended(each.state, each.message)}"
        yield ":orange[:material/warning:]", text, "screens/schedule.py", "Schedule"


def _ended(state: str, message: str) -> str:
    return f"{ENDINGS[state]}: {plain(message)}" if message else f"{ENDINGS[state]}."


def _learning_needs(store: Store, trainings: Sequence[Training]) -> Iterator[Need]:
    if trainings and trainings[0].state in ENDINGS:
        text = f"The last training {_ended(trainings[0].state, trainings[0].message)}"
        yield ":orange[:material/warning:]", text, "screens/training.py", "Training"
    aliases = store.aliases()
    if "challenger" in aliases:
        text = f"{plain(aliases['challenger'])} challenges the champion."
        yield ":material/swords:", text, "screens/training.py", "Compare"
    if "champion" not in aliases:
        text = "No network is champion yet: the planner uses the history of each kind. " + TRAIN
        yield ":material/school:", text, "screens/training.py", "Training"


def _log_needs(store: Store) -> Iterator[Need]:
    if refused := store.quarantine_count():
        text = f"In quarantine: {count(refused, 'line')} of logs that broke a rule."
        yield ":material/rule:", text, "screens/logs.py", "Look at them"


def _runs(runs: Sequence[RunSummary]) -> None:
    st.subheader("Recent runs", anchor=False)
    if not runs:
        st.write("No workflow has been run yet. `allot run WORKFLOW --cluster CLUSTER` runs one.")
        return
    st.caption("Select a row to open the run.")
    tables.show(
        frames.runs(runs), key="recent-runs", alt="Recent runs",
        on_row=lambda row: _open(runs[row]),
        columns=("run", "workflow", "label", "state", "planner", "tasks", "planned", "realised",
                 "over plan", "started"),
    )  # fmt: skip
    if run := st.session_state.pop("open-run", None):
        session.choose("run", run)
        st.switch_page("screens/schedule.py", query_params={"run": run})


def _open(run: RunSummary) -> None:
    st.session_state["open-run"] = str(run.id)


def _kinds(store: Store, runs: Sequence[RunSummary]) -> None:
    kinds, colours = store.kinds(), session.colours()
    left, right = st.columns(2, gap="medium")
    if runs:
        with left:
            st.subheader("Planned and realised", anchor=False)
            st.plotly_chart(
                charts.plan_and_outcome(frames.runs(runs), colours), key="plan-and-outcome",
                theme=None, config={"displayModeBar": False},
                alt="Planned, realised and least makespan by run; the table above says the same.",
            )  # fmt: skip
    if kinds:
        with right if runs else left:
            st.subheader("Attempts by kind", anchor=False)
            st.plotly_chart(
                charts.attempts_by_kind(frames.kinds(kinds), colours), key="attempts-by-kind",
                theme=None, config={"displayModeBar": False},
                alt="Attempts by kind; the screen Logs has the table.",
            )  # fmt: skip


session.live(draw, every=5.0)
