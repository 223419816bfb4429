"""Overview: whether all is well, what runs, what is to come, and what needs a person."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import streamlit as st

from dashboard import (
    asking,
    charts,
    charts_loads,
    frames,
    kept,
    living,
    operating,
    pictures,
    session,
    tables,
)  # fmt: skip
from dashboard.acts import Acting, Care, Deed, agent_care, decides
from dashboard.navigation import FOLDER
from dashboard.words import ago, clipped, count, plain, seconds
from dashboard.zones import midnight
from scheduler.store import Store
from scheduler.store.questions import Question
from scheduler.store.summaries import RunsWanted
from scheduler.store.values import RunSummary, Training

TITLE, ICON, SECTION, PLACE = "Overview", ":material/home:", "Operate", 1

RECENT, ASKED, NEEDS = 12, 5, 3  # runs in the table, questions answered here, needs of one sort
RECALLED = timedelta(days=7)
QUEUE, PLANS = 200, 20  # submissions that are counted, and plans that are summed up, at most
AHEAD, STEPS, DRAWN = timedelta(hours=12), 36, 25  # of the picture of what is to come
ENDINGS = {
    "lost": "has not been heard of for a minute",
    "failed": "failed",
    "interrupted": "was interrupted",
}
CHANGES = (
    "aliases", "drifts", "events", "questions", "records", "refused", "requests", "runs", "sources",
    "trainings",
)  # fmt: skip
TRAIN = "Train one with `allot train`."
WARNING = ":orange[:material/warning:]"
# An icon, what it is, the screen that shows it (with a state of runs: runs?lost), its name.
Need = tuple[str, str, str, str]


def draw() -> None:
    """The whole screen; it redraws itself, at once where something has changed."""
    store = session.store()
    living.live_while(lambda: _all(store), lambda: store.mark(*CHANGES))


def _all(store: Store) -> None:
    moment = session.now()
    runs = store.find_runs(RunsWanted(), now=moment, limit=RECENT)
    trainings = store.trainings(now=moment, limit=1)
    st.caption(f"{plain(session.address())} · {session.when(moment)}")
    if not (store.newest_record() or runs or store.quarantine_count() or store.submissions()):
        _welcome()
        return
    care, states = agent_care(store, moment), store.run_states(now=moment)
    _health(store, care, states, moment)
    _needs(store, care, states, runs, trainings)
    _to_come(store, moment, states.get("running", 0))
    _learned(store, trainings, moment)
    _runs(runs, sum(states.values()))
    _kinds(store, runs)


def _welcome() -> None:
    session.nothing_yet(
        "This store is empty.",
        "Allot learns from task logs. See it do its whole job on this machine first, or give it "
        "logs of your own (JSONL, CSV, Nextflow traces, WfFormat).",
        ("allot demo", "allot ingest LOGS"),
    )
    st.page_link("screens/logs.py", label="Or upload a log here", icon=":material/upload_file:")


def _health(store: Store, care: Care, states: dict[str, int], moment: datetime) -> None:
    day = midnight(moment, session.zone())
    today = store.run_states(now=moment, since=day)
    failed, tries = _tries(store, moment, day)
    queue = store.submissions(limit=QUEUE)
    going, waits = states.get("running", 0), states.get("waiting", 0)
    oldest = f"the first {ago(min(each.at for each in queue), moment)}" if queue else "nothing"
    _tiles(
        ("Agent", "lives" if care.there else "none lives", care.words),
        ("Runs that go on", f"{going:,}", f"{waits:,} more wait for people"),
        ("Left to the agent", f"{len(queue):,}{'+' if len(queue) == QUEUE else ''}",
         f"{oldest} not begun yet"),
        ("Failed runs today", f"{today.get('failed', 0):,}",
         f"of {count(sum(today.values()), 'run')} begun"),
        ("Failed attempts today", f"{failed:,}", f"of {tries:,} that ended"),
    )  # fmt: skip


def _tries(store: Store, moment: datetime, day: datetime) -> tuple[int, int]:
    """How many attempts failed today, of how many that ended."""
    ids = [run for run, _ in store.runs_since(day)]
    found = operating.together(
        [kept.held(store, each, moment) for each in store.runs_of(ids, now=moment)]
    )
    ended = found.of(~found.open & (found.end >= day.timestamp()))
    return int(ended.failed.sum()), len(ended.end)


def _tiles(*tiles: tuple[str, str, str]) -> None:
    for column, (label, value, detail) in zip(st.columns(len(tiles)), tiles, strict=True):
        with column, st.container(border=True, height="stretch", gap="xsmall"):
            st.metric(label, value)
            st.caption(plain(detail))


def _learned(store: Store, trainings: Sequence[Training], moment: datetime) -> None:
    st.subheader("What is known", anchor=False)
    records, found = store.record_count(), kept.kinds(store)
    open_requests = len([each for each in store.requests(state="open") if each.kind != "run"])
    _tiles(
        ("Records", f"{records:,}", count(len({each.kind for each in found}), "kind")),
        ("Quarantined lines", f"{store.quarantine_count(state='open'):,}", "refused, none lost"),
        ("Champion", *_champion(store)),
        ("Last training", *_last(trainings, moment)),
        ("Open requests", f"{open_requests}", "of runs and trainings"),
    )


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


def _needs(
    store: Store, care: Care, states: dict[str, int], runs: Sequence[RunSummary],
    trainings: Sequence[Training],
) -> None:  # fmt: skip
    questions = store.questions(state="open", limit=ASKED + 1)
    needs = [
        *_broken_runs(runs, session.now()),
        *_learning_needs(store, trainings),
        *_log_needs(store),
    ]
    alone = not care.there and (states.get("lost", 0) or store.submissions(limit=1))
    st.subheader("Needs a person", anchor=False)
    if not needs and not questions and not alone:
        st.success("Nothing at the moment.", icon=":material/check_circle:")
        return
    with st.container(border=True, gap="xxsmall"):
        for each in questions[:ASKED]:
            _question(each)
        if len(questions) > ASKED:
            _line((":material/help:", "There are more open questions.", "decisions", "Decisions"))
        if alone:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{WARNING} {plain(care.words)} Nobody takes up what waits.")
                st.code(care.command, language="bash", width="content")
        for need in needs:
            _line(need)


def _line(need: Need) -> None:
    icon, text, place, name = need
    screen, _, state = place.partition("?")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{icon} {text}", width="stretch")
        st.page_link(
            f"screens/{_there(screen)}.py", label=name, icon=":material/arrow_forward:",
            icon_position="right", query_params={"states": state} if state else None,
        )  # fmt: skip


def _there(screen: str) -> str:
    """The screen, or the nearest one that there is."""
    nearest = {"drift": "training", "models": "training"}
    return screen if (FOLDER / f"{screen}.py").exists() else nearest.get(screen, "logs")


def _question(question: Question) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        run = "" if question.run is None else f"run {question.run}, "
        why = clipped("; ".join(question.reasons), 160)
        st.markdown(
            f":material/help: Question {question.id} ({plain(run + question.kind)}): "
            f"{plain(why or question.subject)}",
            width="stretch",
        )
        for answer in question.answers:
            asking.act(
                plain(answer.capitalize()), _answered(question.id, answer),
                key=f"overview-{question.id}-{answer}", role=decides(question.kind),
            )  # fmt: skip


def _answered(question: int, answer: str) -> Callable[[Acting, str, object], Deed]:
    return lambda who, reason, _: who.decide(question, answer, reason=reason)


def _broken_runs(runs: Sequence[RunSummary], moment: datetime) -> Iterator[Need]:
    """Runs that did not end well; those that ended longer ago than people act on are history."""
    known = [each for each in runs if each.ended is None or moment - each.ended < RECALLED]
    for each in [run for run in known if run.state in ENDINGS][:NEEDS]:
        text = f"Run {each.id} of {plain(each.workflow)} {_ended(each.state, each.message)}"
        yield WARNING, text, f"runs?{each.state}", "Act on it"


def _ended(state: str, message: str) -> str:
    return f"{ENDINGS[state]}: {plain(clipped(message, 160))}" if message else f"{ENDINGS[state]}."


def _learning_needs(store: Store, trainings: Sequence[Training]) -> Iterator[Need]:
    if trainings and trainings[0].state in ENDINGS:
        text = f"The last training {_ended(trainings[0].state, trainings[0].message)}"
        yield WARNING, text, "training", "Training"
    for drift in store.drifts(state="open", limit=NEEDS):
        where = " on ".join(each for each in (drift.kind, drift.worker) if each) or "all attempts"
        text = f"{drift.target.capitalize()} of {plain(where)} drifts: {drift.effect:.3g} times."
        yield ":material/trending_up:", text, "drift", "Look at it"
    aliases = store.aliases()
    if "challenger" in aliases:
        text = f"{plain(aliases['challenger'])} challenges the champion."
        yield ":material/swords:", text, "models", "Compare"
    if "champion" not in aliases:
        text = "No network is champion yet: the planner uses the history of each kind. " + TRAIN
        yield ":material/school:", text, "training", "Training"


def _log_needs(store: Store) -> Iterator[Need]:
    held = sorted(name for name, state in store.judged_sources().items() if state == "on hold")
    for name in held[:NEEDS]:
        text = f"The source {plain(clipped(name))} is on hold: nothing is learned from it."
        yield ":material/gpp_maybe:", text, "logs", "Judge it"
    if refused := store.quarantine_count(state="open"):
        text = f"In quarantine: {count(refused, 'line')} of logs that broke a rule."
        yield ":material/rule:", text, "logs", "Look at them"


def _to_come(store: Store, moment: datetime, running: int) -> None:
    """What the plans of runs that go on hold of their workers from now on."""
    going = store.find_runs(RunsWanted(states=frozenset({"running"})), now=moment, limit=PLANS)
    parts = [operating.to_come(kept.plan(store, run), run.started, now=moment) for run in going]
    found = operating.together(parts)
    if not len(found.end):
        return
    sizes = {each.name: each.cores for run in going for each in kept.workers(store, run)}
    first = moment.timestamp()
    last = min(float(found.end.max()), first + AHEAD.total_seconds())
    edges = np.linspace(first, max(last, first + 1.0), STEPS + 1)
    frame = operating.load(found, sizes, edges)
    busiest = frame.mean(axis=1).sort_values(ascending=False).index[:DRAWN]
    st.subheader("What is to come", anchor=False)
    cut = f" The {DRAWN} busiest of {len(sizes):,} workers." if len(sizes) > DRAWN else ""
    cut += f" {running - len(going):,} more runs are left out." if running > len(going) else ""
    st.caption(
        f"The share of its cores that the plans of {count(len(going), 'run')} hold of each worker "
        f"from now on.{cut}"
    )
    times = [datetime.fromtimestamp(each, UTC) for each in edges[:-1]]
    pictures.show(
        charts_loads.load_map(
            frame.loc[busiest].sort_index(), times, session.colours(), session.zone()
        ),
        key="to-come",
        alt="Planned load of each worker; the screen Workers has what is held now as a table.",
    )  # fmt: skip


def _runs(runs: Sequence[RunSummary], total: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Recent runs", anchor=False, width="content")
        if total > len(runs):
            st.page_link("screens/runs.py", label=f"All {total:,}", icon=":material/list_alt:")
    if not runs:
        st.write("No workflow has been run yet. `allot run WORKFLOW --cluster CLUSTER` runs one.")
        return
    st.caption("Select a row to open the run.")
    tables.show(
        frames.runs(runs), key="recent-runs", alt="Recent runs",
        on_row=lambda row: _open(runs[row]), units=dict.fromkeys(("planned", "realised"), seconds),
        columns=("run", "workflow", "label", "state", "planner", "tasks", "planned", "realised",
                 "over plan", "started"),
    )  # fmt: skip
    if run := st.session_state.pop("open-run", None):
        session.choose("run", run)
        st.switch_page("screens/schedule.py", query_params={"run": run})


def _open(run: RunSummary) -> None:
    st.session_state["open-run"] = str(run.id)


def _kinds(store: Store, runs: Sequence[RunSummary]) -> None:
    kinds, colours = kept.kinds(store), session.colours()
    left, right = st.columns(2, gap="medium")
    if runs:
        with left:
            st.subheader("Planned and realised", anchor=False)
            pictures.show(
                charts.plan_and_outcome(frames.runs(runs), colours), key="plan-and-outcome",
                alt="Planned, realised and least makespan by run; the table above says the same.",
            )  # fmt: skip
    if kinds:
        with right if runs else left:
            st.subheader("Attempts by kind", anchor=False)
            pictures.show(
                charts.attempts_by_kind(frames.kinds(kinds), colours), key="attempts-by-kind",
                alt="Attempts by kind; the screen Logs has the table.",
            )  # fmt: skip


draw()
