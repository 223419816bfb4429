"""Choices of several things and of yes or no that live in the address, as the selection does."""

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard import session


def several(
    label: str,
    options: Sequence[str],
    name: str,
    *,
    shown: Callable[[str], str] = str,
    none: str = "All",
) -> frozenset[str]:
    """A field in which some of the options are chosen; none chosen means all, as it says."""
    key = f"several.{name}"
    st.session_state[key] = [each for each in _asked(name) if each in options]

    def took() -> None:
        _keep(name, st.session_state[key])

    found = st.multiselect(
        label, options, key=key, format_func=shown, placeholder=none, on_change=took
    )
    return frozenset(found)


def yes(label: str, name: str, *, help_: str | None = None) -> bool:
    """A switch, off unless the address or memory says otherwise."""
    key = f"yes.{name}"
    st.session_state[key] = session.chosen(name) == "yes"

    def took() -> None:
        session.choose(name, "yes" if st.session_state[key] else None)

    return st.toggle(label, key=key, help=help_, on_change=took)


def forget(*names: str) -> None:
    """Chooses nothing under these names."""
    for each in names:
        _keep(each, [])


def _asked(name: str) -> list[str]:
    return st.query_params.get_all(name) or st.session_state.get(_memory(name), [])


def _keep(name: str, found: list[str]) -> None:
    st.session_state[_memory(name)] = list(found)
    session.choose(name, None)
    if found:
        st.query_params[name] = list(found)


def _memory(name: str) -> str:
    return f"filter.{name}"
