"""Models: the networks in use, who challenges them and how surely, and how it came about."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import acts_of_learning as acts
from dashboard import asking, charts_learning, frames, living, pictures, session, tables
from dashboard.acts import PROMOTION, Acting, Deed
from dashboard.people import ADMIN
from dashboard.words import NOTHING, ago, count, plain
from scheduler.store import Store
from scheduler.store.questions import Question
from scheduler.store.values import ModelVersion, Promotion

TITLE, ICON, SECTION, PLACE = "Models", ":material/neurology:", "Learn", 2

ALIASES = ("champion", "challenger", "previous")
SURE = re.compile(r"so in (\d+)% of draws")
NEEDED = "90 %"  # of draws of whole runs in which a challenger must be better
TITLES = {"compare": "Compared", "saved": "Saved networks", "history": "History"}


def draw() -> None:
    """Networks in use, the challenger and the gate's words, what may be done, and the history."""
    store = session.store()
    living.on_change(lambda: store.mark("networks", "aliases", "promotions", "questions"))
    versions = {each.id: each for each in store.versions()}
    if not versions:
        session.nothing_yet(
            "No network has been saved yet.",
            "Until one is trained, forecasts come from the history of each kind. A training saves "
            "a network, and the gate decides whether it becomes champion.",
            ("allot train", "allot agent"),
        )
        return
    aliases, changes = store.aliases(), store.promotions()
    named = {name: versions[aliases[name]] for name in ALIASES if aliases.get(name) in versions}
    _tiles(named, len(versions))
    _challenger(store, named, changes)
    _acts(store, named, versions)
    wanted = session.choose_one("Shown", list(TITLES), "models", shown=TITLES.__getitem__)
    if wanted == "compare":
        _compare(named)
    elif wanted == "saved":
        _saved(versions, aliases, changes)
    else:
        _history(changes)


def _tiles(named: Mapping[str, ModelVersion], saved: int) -> None:
    tiles = st.columns(4)
    for tile, alias in zip(tiles, ALIASES, strict=False):
        found = named.get(alias)
        with tile, st.container(border=True, height="stretch", gap="xsmall"):
            st.metric(alias.capitalize(), plain(found.id) if found else "none")
            detail = f"{found.sharing} · saved {_age(found)}" if found else _without(alias)
            st.caption(plain(detail))
    with tiles[3], st.container(border=True, height="stretch", gap="xsmall"):
        st.metric("Saved networks", saved)
        st.caption("also: allot models")


def _age(version: ModelVersion) -> str:
    return ago(version.created, session.now())


def _without(alias: str) -> str:
    return {
        "champion": "the history of each kind forecasts", "challenger": "nobody to judge",
        "previous": "nothing to roll back to",
    }[alias]  # fmt: skip


def _challenger(
    store: Store, named: Mapping[str, ModelVersion], changes: Sequence[Promotion]
) -> None:
    version = named.get("challenger")
    if version is None:
        return
    st.subheader("The challenger", anchor=False)
    said = next((each for each in changes if each.version == version.id), None)
    sure = SURE.search(said.reason) if said else None
    left, right = st.columns((1, 3), gap="medium")
    with left:
        st.metric(
            "Better in so many draws", f"{sure[1]} %" if sure else NOTHING, border=True,
            help="Whole runs are drawn again and again from the attempts of which neither has "
            "learned: so often is the challenger the better one in the mean.",
        )  # fmt: skip
        st.caption(f"{NEEDED} are needed, and nothing may be surely worse.")
    with right, st.container(border=True, gap="xxsmall"):
        st.caption(
            f"What the gate says ({session.when(said.at)}, {plain(said.by)})" if said else ""
        )
        for words in said.reason.split("; ") if said else ("It has not been judged yet.",):
            st.text(words)
    for question in store.questions(kind=PROMOTION, state="open"):
        if question.subject == version.id:
            _question(question)


def _question(question: Question) -> None:
    with st.container(border=True, gap="xsmall"):
        st.markdown(f":material/gavel: **Question {question.id}: may it become champion?**")
        for reason in question.reasons:
            st.text(reason)
        st.caption("Promote it or refuse it below: that answers the question, too.")


def _acts(
    store: Store, named: Mapping[str, ModelVersion], versions: Mapping[str, ModelVersion]
) -> None:
    challenger = named.get("challenger")
    others = [each for each in versions if each != _id(named, "champion")]
    none = "Nobody challenges the champion."
    with st.container(horizontal=True):
        asking.act(
            "Promote", _promote, key="promote", role=ADMIN, reason=asking.NEEDED,
            icon=":material/military_tech:", confirm="Make it champion",
            disabled="" if others else "There is no other network.",
            explain="From the next plan on it forecasts. The champion of now becomes previous.",
            fields=lambda form: st.selectbox(
                "Network", others, key=f"{form}-which", format_func=partial(_line, versions),
                index=others.index(challenger.id) if challenger else 0,
            ),
        )  # fmt: skip
        asking.act(
            "Refuse the challenger", partial(_refuse, challenger), key="refuse", role=ADMIN,
            reason=asking.NEEDED, icon=":material/block:", confirm="Refuse it",
            disabled="" if challenger else none,
            explain="It stays saved, and is not judged again.",
        )  # fmt: skip
        asking.act(
            "Roll back", _roll_back, key="roll-back", role=ADMIN, reason=asking.NEEDED,
            icon=":material/undo:", confirm="Give the championship back",
            disabled="" if "previous" in named else "There is no version to go back to.",
            explain=f"{_id(named, 'previous')} is champion again, from the next plan on.",
        )  # fmt: skip
    if missing := [each.id for each in named.values() if not (store.folder / each.id).is_dir()]:
        st.warning(
            f"The files of {count(len(missing), 'network')} are not beside the store. Where the "
            "champion cannot forecast, history does. Restore them from a backup.",
            icon=":material/folder_off:",
        )
        st.text(", ".join(missing))


def _id(named: Mapping[str, ModelVersion], alias: str) -> str:
    return named[alias].id if alias in named else "nobody"


def _line(versions: Mapping[str, ModelVersion], name: str) -> str:
    return f"{name} · {versions[name].sharing} · {_age(versions[name])}"


def _promote(who: Acting, reason: str, which: Any) -> Deed:
    return acts.promote(who, str(which), reason)


def _refuse(challenger: ModelVersion | None, who: Acting, reason: str, _: Any) -> Deed:
    assert challenger is not None  # the button is disabled without one
    return acts.refuse(who, challenger.id, reason)


def _roll_back(who: Acting, reason: str, _: Any) -> Deed:
    return acts.roll_back(who, reason)


def _compare(named: Mapping[str, ModelVersion]) -> None:
    if not named:
        st.write("There is no champion yet, so there is nothing to compare.")
        return
    rows = frames.scores(named)
    if len(rows):
        pictures.show(charts_learning.errors(rows, session.colours()), key="errors")
        st.caption(
            "Errors on attempts that were held out: each version by its own, beside the naive "
            "baseline of the first. Less is better."
        )
    frame = frames.comparison(named)
    config = {
        column: st.column_config.NumberColumn(column.capitalize(), format="%.4g")
        for column in frame.columns
        if column != "number"
    }
    config["number"] = st.column_config.TextColumn("Number")
    st.dataframe(
        frame, key="comparison", hide_index=True, column_config=config, placeholder=NOTHING,
        alt="Versions compared",
    )  # fmt: skip
    st.caption("A difference is the challenger's number minus the champion's.")


def _saved(
    versions: Mapping[str, ModelVersion],
    aliases: Mapping[str, str],
    changes: Sequence[Promotion],
) -> None:
    found = list(versions.values())
    st.caption("Select a row to see what is known of the network.")
    tables.show(
        frames.versions(found, aliases), key="versions", alt="Saved networks", height=360,
        on_row=lambda row: session.choose("version", found[row].id),
        columns=("version", "alias", "sharing", "training", "created", "arms"),
    )  # fmt: skip
    chosen = versions.get(session.chosen("version") or "")
    if chosen is None:
        return
    st.markdown(f"**{plain(chosen.id)}**")
    st.caption(f"sha256 {chosen.sha256}")
    left, right = st.columns(2, gap="medium")
    with left:
        numbers = frames.comparison({chosen.id: chosen})
        tables.show(numbers, key=f"numbers-{chosen.id}", alt="Its numbers", height=320)
    with right:
        mine = [each for each in changes if each.version == chosen.id]
        if mine:
            tables.show(frames.promotions(mine), key=f"mine-{chosen.id}", alt="What became of it")
        if chosen.training is not None:
            st.page_link(
                "screens/training.py", label=f"Training {chosen.training}",
                icon=":material/model_training:", query_params={"training": str(chosen.training)},
            )  # fmt: skip


def _history(changes: Sequence[Promotion]) -> None:
    if not changes:
        st.write("No network has been promoted or refused yet.")
        return
    frame: pd.DataFrame = frames.promotions(changes)
    st.caption("Select a row to read the whole reason.")
    tables.show(
        frame, key="promotions", alt="Promotions and refusals", height=420,
        on_row=lambda row: session.choose("change-of", str(row)),
    )  # fmt: skip
    row = session.chosen("change-of")
    if row is not None and row.isdecimal() and int(row) < len(changes):
        with st.container(border=True, gap="xxsmall"):
            for words in changes[int(row)].reason.split("; "):
                st.text(words)


draw()
