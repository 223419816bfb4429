"""What a screen asks of its viewer's session: the store, the clock, the selection, and errors told.

The selection (`run`, `task`, `training`, ...) lives in the address, so that a link shows the same;
the session remembers it from screen to screen.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import people, words, zones
from dashboard.people import NotSignedIn, Person
from dashboard.theme import Palette, palette
from scheduler import settings
from scheduler.errors import AllotError, StoreError
from scheduler.processes import user
from scheduler.store import Store
from scheduler.store.engine import shown

ZONE = "zone"


def now() -> datetime:
    """The clock, read at the edge."""
    return datetime.now(UTC)


def who() -> Person:
    """Who looks; raises NotSignedIn where the settings ask for a name and there is none."""
    asked = settings.load().dashboard
    if asked.login:
        claims = st.user.to_dict()
        found = people.by_account(claims, asked) if claims.get("is_logged_in") else None
        lack = f"this account has no verified {asked.claim}" if claims.get("is_logged_in") else ""
    elif asked.header:
        found = people.by_header(st.context.headers.get_all(asked.header), asked)
        lack = f"the proxy must set {asked.header} once, and nobody else may; open its address"
    else:
        return people.local(user(), st.context.headers.to_dict(), asked)
    if found is None:
        raise NotSignedIn(f"Nobody is signed in{': ' + lack if lack else ''}.")
    return found


def colours() -> Palette:
    """The colours of the appearance that the viewer's browser shows."""
    return palette(st.context.theme.type)


def zone() -> ZoneInfo:
    """In which zone times are told: as was chosen, else where the viewer's browser is."""
    usual = settings.load().timezone
    return zones.chosen(chosen(ZONE), browser=st.context.timezone, usual=usual)


def when(time: datetime | None) -> str:
    """A moment in the viewer's zone."""
    return words.when(time, zone())


def pick_zone() -> None:
    """A select box of zones; what was chosen stands in the address, the browser's own does not."""
    asked, own = chosen(ZONE), zones.named(st.context.timezone)
    if asked is not None and zones.named(asked) is None:
        st.caption("The address names a time zone that is not known; this is another one.")
        asked = None
    choose(ZONE, asked)
    others = [] if asked is None or asked in zones.offered() else [asked]
    st.session_state[f"pick.{ZONE}"] = asked or zones.BROWSER
    browser = f"The browser's: {own.key}" if own else f"As set: {zone().key}"

    def took() -> None:
        found = str(st.session_state[f"pick.{ZONE}"])
        choose(ZONE, None if found == zones.BROWSER else found)

    st.selectbox(
        "Times in the zone", [zones.BROWSER, *others, *zones.offered()], key=f"pick.{ZONE}",
        format_func=lambda each: browser if each == zones.BROWSER else str(each), on_change=took,
    )  # fmt: skip


def currency() -> str:
    """The unit in which prices are, as the settings name it; nothing where they do not."""
    return settings.load().currency


def money(value: float | None) -> str:
    """An amount of money with its unit."""
    return words.money(value, currency())


def store() -> Store:
    """The store that the settings name, opened once for all viewers.

    Raises StoreError when it cannot be used.
    """
    found = settings.load()
    return _opened(found.store, found.folder)


def address() -> str:
    """The store's URL as it may be shown: without a password."""
    return shown(settings.load().store)


@contextmanager
def told() -> Iterator[None]:
    """Turns errors of ours into a sentence on the screen, with the next step."""
    try:
        yield
    except StoreError as error:
        _opened.clear()
        st.error("The store cannot be used.", icon=":material/database_off:")
        st.text(str(error))
        st.text(
            "Check the address given with --store (or ALLOT_STORE), then reload this page. "
            "The command allot doctor tests the store."
        )
    except AllotError as error:
        st.error("This cannot be shown.", icon=":material/error:")
        st.text(str(error))
        st.text("Reload the page, or choose something else in the sidebar.")


def chosen(name: str) -> str | None:
    """What is selected under this name: as the address says, else as remembered."""
    if found := st.query_params.get(name):
        st.session_state[_memory(name)] = found  # a link's selection goes along to other screens
        return found
    return cast("str | None", st.session_state.get(_memory(name)))


def choose(name: str, value: str | None) -> None:
    """Selects something, in the address and in memory; None deselects."""
    st.session_state[_memory(name)] = value
    if value is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = value


def pick(
    label: str,
    options: Sequence[str],
    name: str,
    *,
    shown: Callable[[str], str] = str,
    default: str | None = None,
) -> str:
    """A select box whose choice is the selection `name`; there must be options."""
    wanted, key = chosen(name), f"pick.{name}"
    if wanted is not None and wanted not in options:
        st.caption(f"What the address names as {name} is not here; this is another one.")
    first = default if default in options else options[0]
    value = wanted if wanted in options else first
    st.session_state[key] = value
    choose(name, value)
    st.selectbox(label, options, key=key, format_func=shown, on_change=_took, args=(name, key))
    return str(value)


def choose_one(
    label: str, options: Sequence[str], name: str, *, shown: Callable[[str], str] = str
) -> str:
    """A row of buttons whose choice is the selection `name`; there must be options."""
    wanted, key = chosen(name), f"one.{name}"
    value = wanted if wanted in options else options[0]
    st.session_state[key] = value
    st.segmented_control(
        label, options, key=key, format_func=shown, required=True, label_visibility="collapsed",
        on_change=_took, args=(name, key),
    )  # fmt: skip
    return str(value)


def nothing_yet(title: str, text: str, commands: Sequence[str]) -> None:
    """What an empty screen says: what is missing, and the commands that change it."""
    with st.container(border=True):
        st.subheader(title, anchor=False)
        st.write(text)
        for each in commands:
            st.code(each, language="bash")


def _memory(name: str) -> str:
    return f"selected.{name}"


def _took(name: str, key: str) -> None:
    choose(name, cast("str", st.session_state[key]))


@st.cache_resource(show_spinner="Opening the store", max_entries=4)
def _opened(url: str, folder: Path | None) -> Store:
    return Store.open(url, folder=folder)
