"""What a training told of itself, epoch by epoch: curves, and the gate mix."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import charts, learning, pictures, session
from dashboard.words import plain

MIX, LOWER, COSINE = "expert_load", "lower_load", "cosine"
CHARTS = {  # by group: the metrics that share a chart
    "loss": (("loss", "validation_loss"),),
    "error": (("error", "baseline_error"),),
    "coverage": (("coverage",),),
    "gates": ((MIX, LOWER), ("gate_entropy",), ("dead_experts",), ("dead_units",)),
    "balance": ((COSINE,), ("weight",)),
}
HEADS = {
    MIX: "Gate mix: what each target takes from each expert",
    LOWER: "The same on the level below, whose own experts are others",
    COSINE: "Cosine between the gradients of targets, last epoch",
    "dead_experts": "Experts that no row uses", "dead_units": "Experts' outputs that stay at zero",
    "weight": "Weight in the loss",
}  # fmt: skip
FAMILIES = tuple(f"{each}." for each in (MIX, LOWER, COSINE))  # each has many, told by what follows
PERCENT = frozenset({"coverage", "dead_experts", "dead_units"})
TITLES = {
    "loss": "Loss", "error": "Error and baseline", "coverage": "Coverage",
    "gates": "Gates and experts", "balance": "Balance of targets", "other": "Other numbers",
}  # fmt: skip
EVERY = "every target"


def show(metrics: pd.DataFrame) -> None:
    """The curves of one group of metrics, which is chosen above them."""
    groups = _groups(set(metrics["name"]))
    wanted = session.choose_one("Curves", list(groups), "curves", shown=lambda each: TITLES[each])
    if wanted == "gates" and groups[wanted][0][0] != MIX:
        st.caption("No gate was reported: a network that shares nothing or everything has none.")
    for names in groups[wanted]:
        if names[0] == MIX:
            _mixes(metrics, names)
            continue
        if len(groups[wanted]) > 1:
            _head(names[0])
        _chart(_figure(metrics, names), "-".join(names))


def _mixes(metrics: pd.DataFrame, families: Sequence[str]) -> None:
    """By level of gates: the mix of the last epoch, and how that of one target came to be."""
    mixes = {each: learning.gate_mix(metrics, each) for each in families}
    _head(MIX)
    st.caption(
        f"Mean weights in epoch {learning.last_epoch(metrics, MIX)}, at rows that it does not "
        "learn from, and how they moved. Each target's add up to one."
    )
    targets = [*mixes[MIX].index, EVERY]
    target = session.choose_one("Gate of", targets, "gate", shown=plain)
    for family, mix in mixes.items():
        if family != MIX:
            _head(family)
        wide = target == EVERY
        left, right = (st.container(), st.container()) if wide else st.columns(2, gap="medium")
        with left:
            _chart(charts.gate_weights(mix, session.colours()), f"{family}-last")
        mine = metrics if wide else metrics[metrics["target"] == target]
        with right:
            _chart(charts.stacked(mine, family, session.colours()), family)


def _figure(metrics: pd.DataFrame, names: tuple[str, ...]) -> go.Figure:
    if names == (COSINE,):
        return charts.agreement(metrics, COSINE, session.colours())
    percent = PERCENT.issuperset(names)
    return charts.curves(metrics, names, session.colours(), percent=percent)


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


def _head(name: str) -> None:
    st.markdown(f"**{HEADS.get(name, plain(charts.label(name).capitalize()))}**")


def _chart(figure: go.Figure, key: str) -> None:
    pictures.show(figure, key=f"curve-{key}", alt="Every number stands in the table below.")
