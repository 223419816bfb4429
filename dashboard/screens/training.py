"""Training: what the networks learn, how well, and what the newest logs changed."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
import streamlit as st

from dashboard import acts_of_learning as acts
from dashboard import (
    asking,
    charts,
    charts_learning,
    filters,
    frames,
    learning,
    living,
    pictures,
    session,
    tables,
    training_curves,
)
from dashboard.acts import agent_care
from dashboard.people import ADMIN
from dashboard.words import NOTHING, ago, count, plain, seconds
from scheduler.store import Store
from scheduler.store.trainings import stop_asked
from scheduler.store.values import ModelVersion, Training
from scheduler.store.watching import NEWEST, Arrived

TITLE, ICON, SECTION, PLACE = "Training", ":material/model_training:", "Learn", 1

SECONDS = {"duration before": "duration"}
PARTS = {"one": "One training", "compare": "Compare", "new": "What the newest logs changed"}


def draw() -> None:
    """What can be asked, then one training, several side by side, or what new records say."""
    store = session.store()
    living.on_change(lambda: store.mark("trainings", "requests"))
    trainings = store.trainings(now=session.now())
    if not trainings:
        session.nothing_yet(
            "Nothing has been trained yet.",
            "A training learns from the records in the store and reports here while it runs.",
            ("allot train", "allot agent"),
        )
        _ask(store)
        _asked(store)
        return
    _ask(store)
    wanted = session.choose_one("Part", list(PARTS), "learning", shown=PARTS.__getitem__)
    if wanted == "one":
        _training(store, trainings)
    elif wanted == "compare":
        _compare(store, trainings)
    else:
        _newest(store, trainings)
    _asked(store)


def _training(store: Store, trainings: Sequence[Training]) -> None:
    known = {str(each.id): each for each in trainings}
    moment = session.now()
    good = [name for name, each in known.items() if each.state in ("running", "succeeded")]
    found = session.pick(
        "Training",
        list(known),
        "training",
        default=good[0] if good else None,
        shown=lambda each: _line(known[each], ago(known[each].started, moment)),
    )
    training = known[found]

    def details() -> None:
        newest = store.training(int(found), now=session.now())
        if newest.state != training.state:
            st.rerun()
        _details(store, newest)

    running = training.state == "running"
    living.live_while(details, (lambda: store.mark("metrics")) if running else None, every=1.0)
    _acts(store, training)
    _scores(store, training)
    with st.expander("All trainings"):
        tables.show(frames.trainings(trainings), key="trainings", alt="All trainings")


def _acts(store: Store, training: Training) -> None:
    """What may be done with a training: stopped while it runs, else continued or deleted."""
    number = training.id
    if training.state == "running":
        if stop_asked(store, number) is not None:
            st.info("It was asked to stop, and ends after its epoch.", icon=":material/schedule:")
            return
        asking.button(
            "Stop after this epoch", lambda who: acts.stop(who, number, ""), key=f"stop-{number}",
            icon=":material/stop:",
        )  # fmt: skip
        return
    if training.state != "succeeded":
        st.caption("Go on from its last checkpoint")
        st.code(f"allot train --resume {number}", language="bash")
    asking.act(
        "Delete this training", lambda who, reason, _: acts.delete(who, number, reason),
        key=f"delete-{number}", role=ADMIN, icon=":material/delete:",
        confirm=f"Delete training {number}",
        explain="Its numbers and checkpoints go; a network that it saved stays.",
    )  # fmt: skip


def _line(each: Training, age: str) -> str:
    return f"#{each.id} · {each.sharing} · {each.state} · {age}"


def _details(store: Store, training: Training) -> None:
    metrics = frames.metrics(store.training_metrics(training.id))
    ended = training.ended or session.now()
    tiles = st.columns(5)
    tiles[0].metric("State", training.state, border=True)
    tiles[1].metric("Sharing", plain(training.sharing), border=True)
    tiles[2].metric("Workers", training.workers, border=True)
    tiles[3].metric("Took", seconds((ended - training.started).total_seconds()), border=True)
    epochs = metrics["epoch"].nunique()
    planned = int(training.settings.get("epochs", 0) or 0)
    of = f" of {planned}" if planned and training.state == "running" else ""
    tiles[4].metric("Epochs", f"{epochs}{of}", border=True)
    if training.state == "running" and planned:
        share, more = learning.progress(training, metrics, session.now())
        st.progress(share, text="starting" if more is None else f"about {seconds(more)} to go")
    st.caption(
        f"Started {session.when(training.started)} · saved as {plain(training.version or NOTHING)}"
    )
    if training.message:
        st.text(training.message)
    if metrics.empty:
        st.info("No epoch has been reported yet.", icon=":material/hourglass_empty:")
        return
    training_curves.show(metrics)
    with st.expander("Settings and every number"):
        left, right = st.columns((1, 2))
        left.json(dict(training.settings))
        with right:
            tables.show(metrics, key="metrics", height=360, alt="Every number of the training")


def _chart(figure: go.Figure, key: str) -> None:
    pictures.show(figure, key=f"curve-{key}", alt="Every number stands in the table below.")


def _scores(store: Store, training: Training) -> None:
    """What its network scored on attempts that were held out: by target, by kind and worker."""
    versions: Mapping[str, ModelVersion] = {each.id: each for each in store.versions()}
    version = versions.get(training.version or "")
    if version is None:
        return
    st.subheader("How good its network is", anchor=False)
    st.page_link(
        "screens/models.py", label=f"{version.id} on the screen Models",
        icon=":material/neurology:", query_params={"models": "saved", "version": version.id},
    )  # fmt: skip
    table = learning.scores(version)
    if len(table):
        tables.show(
            table,
            key="scores",
            alt="Scores by target",
            units={"coverage": "share", "less than baseline": "share"},
        )
        st.caption("Coverage: of P10 to P90, 80 % of attempts should lie within.")
    cells = learning.cells(version)
    if cells.empty:
        st.write("Errors by kind and worker are kept of networks trained from this release on.")
        return
    targets = sorted(cells["target"].unique(), key=charts.target_order)
    target = session.choose_one("Target", targets, "target", shown=plain)
    mine = cells[cells["target"] == target]
    left, right = st.columns((3, 2), gap="medium")
    with left:
        _chart(charts_learning.cells(mine, session.colours()), "error-cells")
    with right:
        tables.show(
            mine.sort_values("value", ascending=False).rename(columns={"value": "error"}),
            key="error-table", alt="Error by kind and worker", height=360,
            columns=("kind", "worker", "error", "attempts"),
        )  # fmt: skip


def _compare(store: Store, trainings: Sequence[Training]) -> None:
    known = {str(each.id): each for each in trainings}
    moment = session.now()
    wanted = filters.several(
        "Trainings", list(known), "trainings", none="The newest three",
        shown=lambda each: _line(known[each], ago(known[each].started, moment)),
    )  # fmt: skip
    chosen = [known[each] for each in known if each in wanted] or list(trainings[:3])
    if len(chosen) > learning.MOST_COMPARED:
        st.caption(f"The newest {learning.MOST_COMPARED} of them.")
        chosen = chosen[: learning.MOST_COMPARED]
    numbers = {each.id: frames.metrics(store.training_metrics(each.id)) for each in chosen}
    curves = learning.curves(numbers)
    if len(curves):
        _chart(charts_learning.losses(curves, session.colours()), "compared")
    versions = {each.id: each for each in store.versions()}
    table = learning.compared(chosen, numbers, versions)
    tables.show(table, key="compared-table", alt="Trainings side by side")


def _newest(store: Store, trainings: Sequence[Training]) -> None:
    """What came in since the last training, and what that one learned beside the one before."""
    learned = [each for each in trainings if each.state == "succeeded"]
    through = learning.through(learned[0]) if learned else 0
    newest = store.newest_record()
    first = max(through, newest - NEWEST)
    fresh = _arrived(store, first, newest)
    st.subheader("Not learned from yet", anchor=False)
    if fresh:
        st.caption(
            f"{count(sum(each.new for each in fresh), 'record')} came after the last training "
            f"began{'' if first == through else f' (of the newest {NEWEST:,})'}. Durations are "
            "means, beside those of the records before."
        )
        tables.show(
            learning.arrived(fresh), key="fresh", alt="New records", height=300, units=SECONDS
        )
    else:
        st.write("Every record is learned from.")
    st.subheader("What the last training changed", anchor=False)
    if len(learned) < 2:
        st.write("There is one training to look at; the next one is set beside it.")
        return
    last, before = learned[0], learned[1]
    versions = {each.id: each for each in store.versions()}
    st.caption(f"Training {last.id} beside training {before.id}.")
    mine, theirs = versions.get(last.version or ""), versions.get(before.version or "")
    if mine and theirs:
        tables.show(learning.changed(mine, theirs), key="changed", alt="Errors before and after")
    span = learning.through(before), learning.through(last)
    if 0 < span[0] < span[1]:
        came = _arrived(store, *span)
        st.caption(f"{count(sum(each.new for each in came), 'record')} were new to it.")
        tables.show(
            learning.arrived(came), key="came", alt="Records new to it", height=300, units=SECONDS
        )


def _url(store: Store) -> str:
    return store.url


@st.cache_data(show_spinner="Summing up", max_entries=8, hash_funcs={Store: _url})
def _arrived(store: Store, after: int, through: int) -> tuple[Arrived, ...]:
    return store.arrived(after=after, through=through)


def _ask(store: Store) -> None:
    waiting = [each for each in store.requests(state="open") if each.kind == acts.RETRAIN]
    with st.container(horizontal=True, vertical_alignment="center"):
        asking.act(
            "Ask for a training", lambda who, reason, _: acts.retrain(who, reason), key="retrain",
            icon=":material/model_training:", confirm="Ask for it",
            disabled="A training was asked for already." if waiting else "",
            explain="The learner, beside the agent, trains on all trusted records and lets the "
            "gate judge the new network.",
        )  # fmt: skip
        if waiting:
            st.caption(
                f"Asked for {ago(waiting[0].at, session.now())} by {plain(waiting[0].by)}; the "
                "next round of the learner answers it."
            )
    if waiting and not (care := agent_care(store, session.now())).there:
        st.caption(f"{plain(care.words)} Nobody takes it up before one is started:")
        st.code(care.command, language="bash")


def _asked(store: Store) -> None:
    if requests := [each for each in store.requests() if each.kind == acts.RETRAIN]:
        with st.expander("What was asked for"):
            tables.show(frames.requests(requests), key="requests", alt="What was asked for")


draw()
