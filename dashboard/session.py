"""What a screen asks of its viewer's session: the store, the clock, the selection, and errors told.

The selection (`run`, `task`, `training`, ...) lives in the address, so that a link shows the same;
the session remembers it from screen to screen.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard import people, words, zones
from dashboard.people import NotSignedIn, Person
from dashboard.reading import Plan, RunView, newest_plan, read_plan, read_run
from dashboard.theme import Palette, palette
from dashboard.words import ago, clipped
from scheduler import settings
from scheduler.errors import AllotError, StoreError
from scheduler.processes import user
from scheduler.store import Store
from scheduler.store.engine import shown
from scheduler.store.summaries import Mark
from scheduler.store.values import RunSummary

SOON, RARELY = 0.3, 2.0  # seconds from one look at what may change to the next
SLOWLY = 5.0  # seconds until what goes on is drawn although nothing is new
A_DAY, A_WHILE = 86_400.0, 600.0
FEW = 8  # viewers who cost the server little, however often they look
RESTING = 1.5  # how long a screen that goes on changing rests, in times of what its drawing took
CHANGED, MARKS = "drawn because something changed", "marks of the screen"
ZONE = "zone"


@dataclass(frozen=True)
class Marked:
    """What a screen was drawn from, told by a mark; whether somebody waits for it to change."""

    mark: Callable[[], object]
    before: object
    waits: bool


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


def live(draw: Callable[[], None], *, every: float | None) -> None:
    """Draws a part that redraws itself every so many seconds, alone; None draws it once.

    It has a place of its own on the page. What a screen has drawn of a part and a busy server has
    not sent yet is thrown away when that part runs again; without the place, all that comes after
    would move up until then, and the browser would find no end of its page to go on from.
    """

    def part() -> None:
        with told():
            draw()

    with st.container():
        st.fragment(part, run_every=every)()


def come_back() -> None:
    """Lets a page that finds its server again ask for its screen, with what the address selects.

    A browser asks only where a part of the page redraws itself; else a page that was open while
    the server was started anew would go on showing what it showed, to a server that knows nothing
    of it. This part shows nothing, and hardly ever.
    """
    live(lambda: None, every=A_DAY)


def on_change(mark: Callable[[], object], *, waits: bool = True) -> None:
    """Draws the whole screen anew as soon as the mark is another than now.

    To be called by the screen before it reads anything that the mark is of, so that nothing is
    missed. Where nobody waits for it, and for nothing else on the screen, it is looked at rarely.
    """
    if MARKS in st.session_state:
        st.session_state[MARKS].append(Marked(mark, mark(), waits))


@contextmanager
def watched() -> Iterator[None]:
    """Draws a whole screen, then looks whether anything of it has changed.

    One part at its end looks at all marks alone: while a screen is drawn, no part that comes before
    others may run again, or what is drawn and not yet sent of it is lost. A screen on which change
    follows change rests meanwhile, the longer the busier its server is.
    """
    began, again = time.monotonic(), st.session_state.pop(CHANGED, False)
    marks: list[Marked] = []
    st.session_state[MARKS] = marks
    yield
    ended = time.monotonic()
    rests = ended + rest(ended - began) if again else ended

    def look() -> None:
        if time.monotonic() >= rests and any(each.mark() != each.before for each in marks):
            st.session_state[CHANGED] = True
            st.rerun()

    if marks:
        every = soon(_viewers(ended))
        live(look, every=every if any(each.waits for each in marks) else max(every, RARELY))


def _viewers(moment: float) -> int:
    """How many had a screen drawn not long ago."""
    seen, context = _seen(), get_script_run_ctx()
    seen[context.session_id if context else ""] = moment
    return sum(moment - each < A_WHILE for each in list(seen.values()))


@st.cache_resource(show_spinner=False)
def _seen() -> dict[str, float]:
    """When each session had its last screen drawn."""
    return {}


def soon(viewers: int) -> float:
    """Seconds from one look to the next: all viewers together look equally often above FEW."""
    return SOON * max(1.0, viewers / FEW)


def rest(took: float) -> float:
    """How long a screen rests that took so long to draw, in seconds."""
    return min(RESTING * took, SLOWLY)


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


def pick_run(opened: Store) -> RunView | None:
    """A select box of the runs, and the chosen one read; None, with advice, when there is none.

    Runs that begin or end come into it by themselves.
    """
    on_change(lambda: opened.mark("runs"), waits=False)
    runs = {str(each.id): each for each in opened.runs(now=now())}
    if not runs:
        nothing_yet(
            "No workflow has been run yet.",
            "A run appears here as soon as it is planned, before its first task starts.",
            ("allot demo", "allot run WORKFLOW --cluster CLUSTER"),
        )
        on_change(lambda: opened.mark("runs"))
        return None
    moment = now()
    found = pick("Run", list(runs), "run", shown=lambda each: run_line(runs[each], moment))
    return view(opened, runs[found])


def pick_task(opened: Store) -> tuple[RunView, str] | None:
    """A select box of the runs and one of the chosen run's tasks; None where there is no run."""
    left, right = st.columns(2)
    with left:
        view = pick_run(opened)
    if view is None:
        return None
    kind = {each.id: each.kind for each in view.plan.workflow.tasks}
    with right:
        task = pick("Task", list(kind), "task", shown=lambda each: f"{each} · {kind[each]}")
    return view, task


def live_run(draw: Callable[[Store, RunView], None], shown: RunView) -> None:
    """Draws a run, and anew as soon as anything of it is kept; slowly, where nothing is."""
    opened, run, over = store(), shown.summary.id, shown.summary.ended is not None

    def part() -> None:
        draw(opened, view(opened, shown.summary if over else opened.run(run, now=now())))

    live_while(part, None if over else lambda: opened.mark_of(run))


def live_while(
    draw: Callable[[], None], mark: Callable[[], object] | None, *, every: float = SLOWLY
) -> None:
    """Draws a part, and the screen anew as soon as the mark is another; slowly, where it is not.

    Without a mark nothing of it can change any more: it is drawn once.
    """
    if mark is not None:
        on_change(mark)
    live(draw, every=every if mark is not None else None)


def view(opened: Store, run: RunSummary) -> RunView:
    """Everything of a run, read once for as long as nothing of it has changed."""
    if run.ended is not None:
        return _kept_view(opened, run)
    return _living_view(opened, run, opened.mark_of(run.id))


def run_line(run: RunSummary, moment: datetime) -> str:
    """A run in one line of plain text."""
    said = f"#{run.id} · {clipped(run.workflow, 40)} · {run.planner}"
    label = f" ({clipped(run.label, 24)})" if run.label else ""
    return f"{said}{label} · {run.state} · {ago(run.started, moment)}"


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


def _url(opened: Store) -> str:
    return opened.url


@st.cache_resource(show_spinner="Opening the store", max_entries=4)
def _opened(url: str, folder: Path | None) -> Store:
    return Store.open(url, folder=folder)


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs={Store: _url})
def _kept_plan(opened: Store, run: int, started: datetime) -> Plan:  # noqa: ARG001  part of the key
    return read_plan(opened, run)


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs={Store: _url, RunSummary: repr})
def _kept_view(opened: Store, run: RunSummary) -> RunView:
    return _read_run(opened, run)


@st.cache_resource(
    show_spinner=False, max_entries=8, hash_funcs={Store: _url, RunSummary: repr, Mark: repr}
)
def _living_view(opened: Store, run: RunSummary, mark: Mark) -> RunView:  # noqa: ARG001  the key
    return _read_run(opened, run)


def _read_run(opened: Store, run: RunSummary) -> RunView:
    changes = opened.count_events(run.id, "plan_changed")
    newest = _newest_plan(opened, run.id, run.started, changes) if changes else None
    return read_run(opened, run, _kept_plan(opened, run.id, run.started), newest)


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs={Store: _url})
def _newest_plan(opened: Store, run: int, started: datetime, changes: int) -> Plan | None:  # noqa: ARG001
    return newest_plan(opened, run, _kept_plan(opened, run, started))
