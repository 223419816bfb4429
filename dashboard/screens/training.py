"""Training: what the networks learn, how well, and which of them is in use."""

from collections.abc import Callable, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import charts, frames, session, tables
from dashboard.words import NOTHING, ago, plain, seconds, when
from scheduler.errors import AllotError
from scheduler.store import Store
from scheduler.store.trainings import ask_to_stop, delete_training, stop_asked
from scheduler.store.values import ModelVersion, Training

TITLE, ICON, SECTION, PLACE = "Training", ":material/model_training:", "Learn", 1

LOAD, COSINE, RETRAIN = "expert_load", "cosine", "retrain"
CHARTS = {  # by group: the metrics that share a chart
    "loss": (("loss", "validation_loss"),),
    "error": (("error", "baseline_error"),),
    "coverage": (("coverage",),),
    "gates": (("gate_entropy",), (LOAD,), ("dead_experts",), ("dead_units",)),
    "balance": ((COSINE,), ("weight",)),
}
HEADS = {
    LOAD: "Load of the experts", COSINE: "Cosine between the gradients of targets, last epoch",
    "dead_experts": "Experts that no row uses", "dead_units": "Experts' outputs that stay at zero",
    "weight": "Weight in the loss",
}  # fmt: skip
FAMILIES = (f"{LOAD}.", f"{COSINE}.")  # metrics of which each has many, told by what follows
PERCENT = frozenset({"coverage", "dead_experts", "dead_units"})
TITLES = {
    "loss": "Loss", "error": "Error and baseline", "coverage": "Coverage",
    "gates": "Gates and experts", "balance": "Balance of targets", "other": "Other numbers",
}  # fmt: skip


def draw() -> None:
    """Networks in use, then one training in detail."""
    store = session.store()
    trainings = store.trainings(now=session.now())
    if not trainings and not store.versions():
        session.nothing_yet(
            "Nothing has been trained yet.",
            "A training learns from the records in the store and reports here while it runs.",
            ("allot train",),
        )
        _ask(store)
        return
    _versions(store)
    if trainings:
        st.subheader("Trainings", anchor=False)
        _training(store, trainings)
    _ask(store)


def _versions(store: Store) -> None:
    aliases, versions = store.aliases(), {each.id: each for each in store.versions()}
    tiles = st.columns(4)
    for tile, alias in zip(tiles, ("champion", "challenger", "previous"), strict=False):
        found = versions.get(aliases.get(alias, ""))
        value = found.id if found else "none"
        with tile, st.container(border=True, height="stretch", gap="xsmall"):
            st.metric(alias.capitalize(), plain(value))
            detail = (
                f"{found.sharing} · saved {ago(found.created, session.now())}" if found else NOTHING
            )
            st.caption(plain(detail))
    with tiles[3], st.container(border=True, height="stretch", gap="xsmall"):
        st.metric("Saved networks", len(versions))
        st.caption("also: allot models")
    named: dict[str, ModelVersion] = {
        alias: versions[aliases[alias]]
        for alias in ("champion", "challenger", "previous")
        if alias in aliases
    }
    compare, saved, changes = st.tabs(["Champion and challenger", "Saved networks", "Promotions"])
    with compare:
        _compare(frames.comparison(named) if named else pd.DataFrame())
    with saved:
        if versions:
            tables.show(frames.versions(tuple(versions.values()), aliases), key="versions")
        else:
            st.write("No network has been saved yet.")
    with changes:
        promotions = store.promotions()
        if promotions:
            tables.show(frames.promotions(promotions), key="promotions")
        else:
            st.write(
                "No network has been promoted yet. "
                "`allot promote VERSION --reason WHY` promotes one."
            )


def _compare(frame: pd.DataFrame) -> None:
    if frame.empty:
        st.write("There is no champion yet, so there is nothing to compare.")
        return
    config = {
        column: st.column_config.NumberColumn(column.capitalize(), format="%.4g")
        for column in frame.columns
        if column != "number"
    }
    config["number"] = st.column_config.TextColumn("Number")
    st.dataframe(
        frame, key="comparison", hide_index=True, column_config=config, alt="Versions compared"
    )
    st.caption(
        "Errors and losses: less is better. A difference is the challenger's minus the champion's."
    )


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
    running = known[found].state == "running"

    def details() -> None:
        newest = {str(each.id): each for each in store.trainings(now=session.now())}
        _details(store, newest[found])

    session.live(details, every=2.0 if running else None)
    _acts(store, known[found])
    with st.expander("All trainings"):
        tables.show(frames.trainings(trainings), key="trainings", alt="All trainings")


def _acts(store: Store, training: Training) -> None:
    """What may be done with a training: stopped while it runs, else continued or deleted."""
    if training.state == "running":
        if stop_asked(store, training.id) is not None:
            st.info("It was asked to stop, and ends after its epoch.", icon=":material/schedule:")
        elif st.button("Stop after this epoch", key=f"stop-{training.id}", icon=":material/stop:"):
            _do(lambda: ask_to_stop(store, training.id, by="dashboard", at=session.now()))
        return
    if training.state != "succeeded":
        st.caption("Go on from its last checkpoint")
        st.code(f"allot train --resume {training.id}", language="bash")
    with st.popover("Delete this training", icon=":material/delete:"):
        st.write("Its numbers and checkpoints go; a network that it saved stays.")
        if st.button(f"Delete training {training.id}", key=f"delete-{training.id}"):
            _do(lambda: delete_training(store, training.id, now=session.now()))


def _do(act: Callable[[], object]) -> None:
    try:
        act()
    except AllotError as error:  # it may have ended, or gone, since the page was drawn
        st.warning(str(error))
    else:
        st.rerun()


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
    tiles[4].metric("Epochs", epochs, border=True)
    st.caption(f"Started {when(training.started)} · saved as {plain(training.version or NOTHING)}")
    if training.message:
        st.text(training.message)
    if metrics.empty:
        st.info("No epoch has been reported yet.", icon=":material/hourglass_empty:")
        return
    _curves(metrics)
    with st.expander("Settings and every number"):
        left, right = st.columns((1, 2))
        left.json(dict(training.settings))
        with right:
            tables.show(metrics, key="metrics", height=360, alt="Every number of the training")


def _curves(metrics: pd.DataFrame) -> None:
    colours, groups = session.colours(), _groups(set(metrics["name"]))
    wanted = session.choose_one("Curves", list(groups), "curves", shown=lambda each: TITLES[each])
    for names in groups[wanted]:
        if len(groups[wanted]) > 1:
            st.markdown(f"**{HEADS.get(names[0], plain(charts.label(names[0]).capitalize()))}**")
        if names == (LOAD,):
            _chart(charts.stacked(metrics, LOAD, colours), LOAD)
            continue
        if names == (COSINE,):
            _chart(charts.agreement(metrics, COSINE, colours), COSINE)
            continue
        percent = PERCENT.issuperset(names)
        _chart(charts.curves(metrics, names, colours, percent=percent), "-".join(names))


def _groups(names: set[str]) -> dict[str, list[tuple[str, ...]]]:
    """What there is to draw, by group; each tuple is one chart. Unknown metrics are `other`."""
    known = {each.split(".")[0] if each.startswith(FAMILIES) else each for each in names}
    there = {
        group: [tuple(each for each in chart if each in known) for chart in wanted]
        for group, wanted in CHARTS.items()
    }
    drawn = {name for wanted in CHARTS.values() for chart in wanted for name in chart}
    there["other"] = [(each,) for each in sorted(known - drawn)]
    return {
        group: found for group, each in there.items() if (found := [one for one in each if one])
    }


def _chart(figure: go.Figure, key: str) -> None:
    st.plotly_chart(
        figure, key=f"curve-{key}", theme=None, config={"displayModeBar": False},
        alt="Every number stands in the table below.",
    )  # fmt: skip


def _ask(store: Store) -> None:
    st.subheader("Ask for a retraining", anchor=False)
    waiting = [each for each in store.requests(state="open") if each.kind == RETRAIN]
    with st.form("retrain", border=True):
        reason = st.text_input("Why", placeholder="New machines since Monday", max_chars=200)
        asked = st.form_submit_button("Ask for a retraining", disabled=bool(waiting))
    if asked:
        store.ask(RETRAIN, {"reason": reason.strip()}, by="dashboard", at=session.now())
        st.rerun()
    if waiting:
        st.info(
            f"A retraining was asked for {ago(waiting[0].at, session.now())}; "
            "the next `allot train` answers it.",
            icon=":material/schedule:",
        )
    if requests := store.requests():
        tables.show(frames.requests(requests), key="requests", alt="What was asked for")


draw()
